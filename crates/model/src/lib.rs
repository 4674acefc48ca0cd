//! What LLM telemetry means.
//!
//! This crate turns what clients send into canonical [`span::Span`]s: it decodes, maps names, reads messages, sorts tokens into
//! exclusive buckets, prices, and says which spans count. It is pure: no I/O, no clock, no asynchronous code.
//!
//! The way of a span: [`sentry`], [`otlp`] and [`langfuse`] take off the protocol's packaging, [`normalize`] finds what its attributes mean with the tables in
//! [`crate::normalize::attribute_names`], [`crate::normalize::span_kind`] and [`crate::normalize::provider_inference`], [`messages`] reads its texts, [`usage`] its tokens, [`cost`] and [`price`] say what it
//! cost, and [`dedup`] which spans of a trace go into its sums ([`crate::dedup::exclusion`] says why one does not).
//! [`partial_spans`] makes one span of what came in pieces, [`crate::dedup::duplicate_reports`] finds the call that two programs report. Beside spans stand
//! [`log_line`]s, [`otel_metric`]s and [`score`]s.

pub mod api_time;
pub mod bill;
pub mod clock;
pub mod cost;
pub mod decode_budget;
pub mod dedup;
pub mod explain;
mod fingerprint;
pub mod hints;
pub mod id;
pub mod langfuse;
pub mod legacy_sentences;
mod lenient_json;
pub mod log_line;
pub mod messages;
pub mod money;
pub mod normalize;
pub mod otel_metric;
pub mod otlp;
pub mod outcome;
pub mod partial_spans;
pub mod price;
pub mod provenance;
mod python_repr;
pub mod score;
pub mod sentry;
pub mod span;
pub mod span_links;
pub mod time;
#[cfg(feature = "estimate")]
pub mod token_estimate;
pub mod usage;
