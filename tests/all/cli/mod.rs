//! The command line: its output, its streams, and its exit codes.

mod check;
mod codes;
mod foreign;
mod hostile;
mod infer;
mod places;
mod serve;
mod terminal;
mod words;
