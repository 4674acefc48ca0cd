//! The data model of LLM telemetry.
//!
//! This crate turns what clients send into canonical [`span::Span`]s: it decodes requests, maps attribute names, reads messages, sorts
//! token usage into exclusive buckets, computes costs and decides which spans are counted. It is pure: no I/O, no clock, no asynchronous
//! code.
//!
//! The path of a span:
//!
//! - [`sentry`], [`otlp`] and [`langfuse`] decode the protocols.
//! - [`normalize`] maps attributes to fields with the tables in [`normalize::attribute_names`], [`normalize::span_kind`] and
//!   [`normalize::provider_inference`].
//! - [`mapping`] applies the rules that a project adds for its own instrumentation.
//! - [`messages`] reads inputs and outputs, [`usage`] reads token counts.
//! - [`cost`] and [`price`] compute the cost.
//! - [`dedup`] decides which spans of a trace are included in totals. [`dedup::exclusion`] gives the reason for an excluded span, and
//!   [`dedup::duplicate_reports`] finds calls that two programs report.
//! - [`partial_spans`] joins spans that arrive in parts.
//! - [`media`] takes base64 out of messages.
//!
//! The crate also decodes [`log_line`]s, [`otel_metric`]s and [`score`]s, and reads a provider's [`bill`].

pub mod api_time;
pub mod bill;
pub mod clock;
pub mod cost;
pub mod decode_budget;
pub mod dedup;
pub mod explain;
pub mod failure;
pub mod finding;
mod fingerprint;
pub mod hints;
pub mod id;
pub mod langfuse;
pub mod legacy_sentences;
mod lenient_json;
pub mod log_line;
pub mod mapping;
pub mod media;
pub mod messages;
pub mod money;
pub mod normalize;
mod notations;
pub mod otel_metric;
pub mod otlp;
pub mod outcome;
pub mod outcome_reason;
pub mod partial_spans;
pub mod price;
pub mod provenance;
mod python_repr;
pub mod score;
pub mod sentry;
pub mod span;
pub mod span_links;
pub mod technical_tag;
pub mod time;
#[cfg(feature = "estimate")]
pub mod token_estimate;
pub mod usage;
