//! Changing what is served, over the admin API: what is recorded, what is swapped, what is refused, what survives.

mod commands;
mod history;
mod many;
mod refused;
mod rollback;
mod sequences;
mod survives;
mod swap;
mod watch;
