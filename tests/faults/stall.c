/* Loaded into a server under test (LD_PRELOAD): while the file that STALL_FILE names is there, a flush to the disk does
   not end. Everything else is as ever. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static int stalled(const char *name, int file) {
    const char *flag = getenv("STALL_FILE");
    while (flag && access(flag, F_OK) == 0)
        usleep(2000);
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(file);
}

int fsync(int file) { return stalled("fsync", file); }
int fdatasync(int file) { return stalled("fdatasync", file); }
