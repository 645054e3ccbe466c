//! Confines a compiler process: memory, processor time, files, network and other processes.
//!
//! Memory and time are kernel resource limits (setrlimit(2)). A short allow list of system calls
//! (seccomp(2)) refuses everything else with `EPERM`: a decoder or compiler taken over by a hostile
//! component can only compute and write its reply. The filter needs Linux on x86-64 or arm64;
//! elsewhere only the resource limits hold, and the server logs that once.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::wire::Header;

/// Address space beyond the memory limit: the program itself, stacks, and what allocators reserve
/// but never touch.
const ADDRESS_SPACE: u64 = 8 << 30;

/// Applies the resource limits.
pub(super) fn limits(header: &Header) -> io::Result<()> {
    let exactly = |most| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    // At the soft limit the process gets a signal; at the hard limit the kernel kills it.
    let cpu = Rlimit {
        current: Some(header.cpu_seconds),
        maximum: Some(header.cpu_seconds + 1),
    };
    setrlimit(Resource::Cpu, cpu)?;
    setrlimit(Resource::Data, exactly(header.memory))?;
    setrlimit(
        Resource::As,
        exactly(header.memory.saturating_add(ADDRESS_SPACE)),
    )?;
    setrlimit(Resource::Core, exactly(0))?;
    setrlimit(Resource::Fsize, exactly(0))?;
    prefer_to_be_killed();
    Ok(())
}

/// When the machine runs out of memory, the kernel kills this process rather than the server.
fn prefer_to_be_killed() {
    // Not every system has this file; that is no error.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Refuses all system calls except those needed for computing, in all threads. An error says why
/// there is no filter.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(super) fn filter() -> Result<(), String> {
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads,
    };

    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let rules = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)
        .map_err(|error| error.to_string())?;
    let program = BpfProgram::try_from(filter).map_err(|error| error.to_string())?;
    apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(super) fn filter() -> Result<(), String> {
    Err("this system has no filter for system calls".to_owned())
}

/// Memory, thread synchronisation, open pipes, time, and process exit.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_mmap,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];
