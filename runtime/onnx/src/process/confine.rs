//! Confines the process of a graph, once it is loaded: it may only compute, with the memory that it
//! has.
//!
//! Memory is bounded by its size before the first computation plus what computations may use;
//! during the load by what a file of that size can need ([`LOAD_FACTOR`]). No file can be opened,
//! no socket created, no program started, no core dumped, no other process inspected; the kernel
//! kills this process first when memory is exhausted. Features that an older kernel lacks are
//! skipped: the limits on memory and the server's clock hold everywhere.

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Memory while a graph is loaded, in multiples of its file: parsed, optimised, laid out anew, and
/// the copies between.
const LOAD_FACTOR: u64 = 8;
/// Memory during the load, whatever the size: the engine itself, and constants that it computes.
const LOAD_BYTES: u64 = 2 << 30;
/// Memory of allocators and threads beside what computations hold.
const SLACK: u64 = 64 << 20;
/// Memory of one more thread: its stack.
const STACK: u64 = 4 << 20;

/// Called before anything of the graph is read.
pub(super) fn before_load(file: u64) {
    // The first process to be killed when memory is exhausted. Raising the score needs no
    // privilege.
    let _ = fs::write("/proc/self/oom_score_adj", "800");
    limit(Resource::Core, 0);
    let load = file.saturating_mul(LOAD_FACTOR).saturating_add(LOAD_BYTES);
    limit(Resource::Data, data().saturating_add(load));
}

/// Whether files are opened after the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// All were opened during the load.
    Opened,
    /// Devices may open more.
    Wanted,
}

/// Called before the first computation, for `lanes` computations at once, each with so much memory,
/// and `kept` bytes of weights in other layouts.
pub(super) fn before_work(lanes: u64, memory: u64, kept: u64, files: Files) {
    let work = lanes
        .saturating_mul(memory.saturating_add(STACK))
        .saturating_add(SLACK)
        .saturating_add(kept);
    limit(Resource::Data, data().saturating_add(work));
    // No files are written; shared memory does not count as one.
    limit(Resource::Fsize, 0);
    if let Err(error) = forbid(files) {
        tracing::debug!(%error, "the process of a graph runs without a filter of system calls");
    }
}

fn limit(resource: Resource, most: u64) {
    // The existing limit may be lower already, which is as good.
    let _ = setrlimit(
        resource,
        Rlimit {
            current: Some(most),
            maximum: Some(most),
        },
    );
}

/// Bytes of private writable memory, used or not: what the limit counts.
fn data() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split_whitespace()
        .nth(5)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages
        .unwrap_or(0)
        .saturating_mul(rustix::param::page_size() as u64)
}

/// Refuses system calls that no computation makes. Engines of devices open files at any time.
fn forbid(with_files: Files) -> Result<(), String> {
    let Some(target) = TARGET else {
        return Err("this architecture has none".to_owned());
    };
    let files: &[libc::c_long] = if with_files == Files::Opened {
        &FILES
    } else {
        &[]
    };
    let calls = FORBIDDEN.iter().chain(OLD).chain(files);
    let rules = calls
        .map(|&call| (call, Vec::new()))
        .collect::<BTreeMap<_, _>>();
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, target)
        .map_err(|error| error.to_string())?;
    let program = BpfProgram::try_from(filter).map_err(|error| error.to_string())?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

const TARGET: Option<TargetArch> = if cfg!(target_arch = "x86_64") {
    Some(TargetArch::x86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(TargetArch::aarch64)
} else {
    None
};

/// Network, programs, other processes, the kernel itself.
const FORBIDDEN: [libc::c_long; 34] = [
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_settimeofday,
];

/// System calls that open, create, move and remove files.
const FILES: [libc::c_long; 7] = [
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
];

/// The same by their oldest names, which newer architectures never had.
#[cfg(target_arch = "x86_64")]
const OLD: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_fork,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[libc::c_long] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_can_be_made() {
        let rules = FORBIDDEN
            .iter()
            .chain(&FILES)
            .chain(OLD)
            .map(|&call| (call, Vec::new()))
            .collect();
        let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
        let target = TARGET.unwrap();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, target).unwrap();
        assert!(!BpfProgram::try_from(filter).unwrap().is_empty());
    }

    #[test]
    fn what_this_process_has_is_known() {
        assert!(data() > 1 << 20, "{}", data());
    }
}
