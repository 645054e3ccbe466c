//! What the kernel says of a server's process.

use super::server::Server;

/// Bytes of memory that are resident now, counted page by page: the sum in `status` is behind by up to a megabyte.
pub(crate) fn resident(server: &Server) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", server.starting.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() * 1024.0
}
