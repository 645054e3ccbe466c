//! What the kernel says of a server's process.

use crate::harness::server::Server;

/// Bytes of memory that are resident now.
pub(crate) fn resident(server: &Server) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", server.starting.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap() * 1024.0
}

/// Seconds of CPU time that it took so far.
pub(crate) fn cpu(server: &Server) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", server.starting.id())).unwrap();
    // The program's name, in parentheses, may hold anything; then the eleventh and twelfth are ticks of 10 ms.
    let fields = text.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
