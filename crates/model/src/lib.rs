//! What LLM telemetry means.
//!
//! This crate turns what clients send into canonical [`span::Span`]s: it decodes, maps names, reads messages, sorts tokens into
//! exclusive buckets, prices, and says which spans count. It is pure: no I/O, no clock, no asynchronous code.

pub mod counting;
pub mod id;
pub mod money;
pub mod outcome;
pub mod price;
pub mod span;
