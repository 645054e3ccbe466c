//! Changing what is served, over the admin API: what is recorded, what is swapped, what is refused,
//! what survives.

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
