/* Loaded into a server under test (LD_PRELOAD): while the file named by STALL_FILE exists, flushes to disk block. The
   inode number of each flushed file is appended to FLUSHED_FILE. Nothing else changes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(int file) {
    const char *list = getenv("FLUSHED_FILE");
    struct stat about;
    if (!list || fstat(file, &about))
        return;
    int notes = open(list, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(notes, "%llu\n", (unsigned long long)about.st_ino);
    close(notes);
}

static int flushed(const char *name, int file) {
    const char *flag = getenv("STALL_FILE");
    while (flag && access(flag, F_OK) == 0)
        usleep(2000);
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int failed = real(file);
    if (!failed)
        note(file);
    return failed;
}

int fsync(int file) { return flushed("fsync", file); }
int fdatasync(int file) { return flushed("fdatasync", file); }
