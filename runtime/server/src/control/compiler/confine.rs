//! What a process that compiles gives up: memory and processor time beyond its share, files,
//! network, other processes.
//!
//! Bounds are resource limits of the kernel (setrlimit(2)). What the process may ask of the kernel
//! at all is a short list (seccomp(2)); everything else is refused with `EPERM`, so that a decoder
//! or compiler that foreign bytes have taken over can compute, and answer through its pipe, and
//! nothing more. The list needs Linux on x86-64 or arm64; elsewhere only the resource limits hold,
//! and the server says so once.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::wire::Header;

/// Address space beyond memory: the program itself, stacks, and what allocators reserve and never
/// touch.
const ADDRESS_SPACE: u64 = 8 << 30;

/// Takes the resources away.
pub(super) fn limits(header: &Header) -> io::Result<()> {
    let exactly = |most| Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    // At the first a signal says that the time is over, at the second the kernel ends the process.
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

/// Where the machine runs out of memory, the kernel ends this process and not the server.
fn prefer_to_be_killed() {
    // A system without that file has other ways.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Refuses all system calls but those that computing needs, for all threads. An error says why they
/// are not filtered.
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

/// Memory, locks between threads, the pipes that are open, time, and how a process ends.
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
