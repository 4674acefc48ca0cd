//! What LLM telemetry means.
//!
//! This crate turns what clients send into canonical [`span::Span`]s: it decodes, maps names, reads messages, sorts tokens into
//! exclusive buckets, prices, and says which spans count. It is pure: no I/O, no clock, no asynchronous code.
//!
//! The way of a span: [`sentry`], [`otlp`] and [`langfuse`] take off the protocol's packaging, [`map`] finds what its attributes mean with the tables in
//! [`names`], [`kinds`] and [`providers`], [`messages`] reads its texts, [`usage`] its tokens, [`cost`] and [`price`] say what it
//! cost, and [`counting`] which spans of a trace go into its sums ([`exclusion`] says why one does not).
//! [`joining`] makes one span of what came in pieces, [`reports`] finds the call that two programs report. Beside spans stand
//! [`log_line`]s, [`metric`]s and [`score`]s.

pub mod bill;
pub mod budget;
pub mod clock;
pub mod cost;
pub mod counting;
#[cfg(feature = "estimate")]
pub mod estimate;
pub mod exclusion;
pub mod explain;
mod fingerprint;
pub mod hints;
pub mod id;
pub mod joining;
mod json;
pub mod kinds;
pub mod langfuse;
pub mod legacy_sentences;
pub mod links;
pub mod log_line;
pub mod map;
pub mod messages;
pub mod metric;
pub mod money;
pub mod names;
pub mod otlp;
pub mod outcome;
pub mod parameters;
pub mod price;
pub mod provenance;
pub mod providers;
mod python;
pub mod reports;
mod sampling;
pub mod score;
pub mod sentry;
pub mod span;
mod tags;
pub mod time;
pub mod usage;
