//! Measures the signals on generated runs: with planted faults, and healthy ones that look like faults.
//!
//! `cargo test -p hinomi-evaluation --test signals -- --nocapture table` prints the table of docs/signals.md.

#![allow(clippy::print_stdout, reason = "the tests print their measurements")]

mod captures;
mod dice;
mod healthy;
mod healthy_answers;
mod planted;
mod script;
mod speed;
mod table;
mod words;
