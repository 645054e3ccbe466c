//! Changes over the admin API: what is recorded, swapped, refused, and kept.

mod commands;
mod degraded;
mod history;
mod history_of_files;
mod many;
mod refused;
mod rollback;
mod sequences;
mod survives;
mod swap;
mod watch;
