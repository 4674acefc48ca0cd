//! Answers to questions about stored spans.

pub mod filter;
