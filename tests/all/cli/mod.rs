//! The command line as people and scripts meet it: what it says, where, and how it ends.

mod check;
mod codes;
mod foreign;
mod hostile;
mod infer;
mod places;
mod serve;
mod terminal;
mod words;
