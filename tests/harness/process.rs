//! Data of the kernel about a server's process.

use super::server::Server;

/// The server's graph processes.
pub(crate) fn of_graphs(server: &Server) -> Vec<u32> {
    let parent = format!("PPid:\t{}\n", server.starting.id());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let reads = |id: u32, file: &str| {
        std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default()
    };
    ids.filter(|&id| {
        reads(id, "status").contains(&parent) && reads(id, "cmdline").contains("graph-process")
    })
    .collect()
}

/// Whether a process exists and is not a zombie.
pub(crate) fn is_alive(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

/// Bytes of resident memory, counted page by page: the sum in `status` lags by up to a megabyte.
/// Freed pages that the kernel can reclaim at any time (madvise(2), `MADV_FREE`) are excluded.
pub(crate) fn resident(server: &Server) -> f64 {
    let text =
        std::fs::read_to_string(format!("/proc/{}/smaps_rollup", server.starting.id())).unwrap();
    let kilobytes = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<f64>()
            .unwrap()
    };
    (kilobytes("Rss:") - kilobytes("LazyFree:")) * 1024.0
}

/// Peak resident bytes since the process began.
pub(crate) fn peak(server: &Server) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.starting.id())).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim()
        .trim_end_matches("kB")
        .trim()
        .parse::<f64>()
        .unwrap()
        * 1024.0
}

/// Ids of the server's running child processes.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let ids = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id: &u32| is_child(*id, parent)).collect()
}

/// The fourth field (proc_pid_stat(5)); the second one, in parentheses, can contain anything. A
/// zombie does not count as running.
fn is_child(id: u32, parent: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else {
        return false;
    };
    let Some((_, fields)) = stat.rsplit_once(") ") else {
        return false;
    };
    let mut fields = fields.split(' ');
    fields.next() != Some("Z") && fields.next().and_then(|field| field.parse().ok()) == Some(parent)
}

/// Whether a process of this id runs.
pub(crate) fn runs(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, fields)| !fields.starts_with('Z'))
    })
}
