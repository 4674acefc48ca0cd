//! OpenTelemetry's protocol: requests with traces and logs, and what they are answered.
//!
//! Log records are read as far as they tell of calls of models: messages of a call, and whatever coding agents do.
//!
//! The encoding decides about a request as a whole; after that, whatever is broken costs only itself and leaves an
//! [`Outcome`](crate::outcome::Outcome).

mod agents;
mod binary;
mod events;
mod logs;
mod proto;
mod record;
mod span;
#[cfg(test)]
mod tests;
mod text;

use bytes::Bytes;
use prost::Message;
use serde_json::json;

use crate::clock::{Clock, Context};
use crate::map;
use crate::outcome::{Category, Outcome};
use crate::span::Span;

/// The outcome of log records that tell of no call of a model.
pub const NOT_LLM_TELEMETRY: &str = "not_llm_telemetry";

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Protobuf.
    Binary,
    /// JSON.
    Json,
}

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Metrics.
    Metrics,
}

/// Why nothing of a body can be read.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// It is not protobuf, or not of this message.
    #[error("the body is not the protobuf message that this path takes: {0}")]
    Binary(#[from] prost::DecodeError),
    /// It is not JSON, or no object.
    #[error("the body is not a JSON object: line {line}, column {column}")]
    Json {
        /// Where it ends to make sense.
        line: usize,
        /// Where in the line.
        column: usize,
    },
}

impl From<serde_json::Error> for OtlpError {
    fn from(error: serde_json::Error) -> OtlpError {
        OtlpError::Json { line: error.line(), column: error.column() }
    }
}

/// What a request held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// Spans in canonical form, priced, with what they alone say of counting.
    pub spans: Vec<Span>,
    /// What was not kept.
    pub outcomes: Vec<Outcome>,
}

/// Decodes a request.
///
/// # Errors
///
/// When the body cannot be read as a whole. It never repeats the body.
pub fn decode(body: Bytes, signal: Signal, encoding: Encoding, context: &Context) -> Result<Decoded, OtlpError> {
    match signal {
        Signal::Traces => traces(body, encoding, context),
        Signal::Logs => {
            let groups = match encoding {
                Encoding::Binary => binary::logs(body)?,
                Encoding::Json => text::logs(&body)?,
            };
            Ok(logs::read(groups, context))
        }
        Signal::Metrics => {
            let quantity = match encoding {
                Encoding::Binary => binary::metrics(body)?,
                Encoding::Json => text::metrics(&body)?,
            };
            let dropped = Outcome { quantity, ..Outcome::dropped(Category::Metric, "not_supported_yet", None) };
            Ok(Decoded { spans: vec![], outcomes: Vec::from_iter((quantity > 0).then_some(dropped)) })
        }
    }
}

fn traces(body: Bytes, encoding: Encoding, context: &Context) -> Result<Decoded, OtlpError> {
    let groups = match encoding {
        Encoding::Binary => binary::traces(body)?,
        Encoding::Json => text::traces(&body)?,
    };
    // The protocol does not say when a request was sent.
    let clock = Clock::new(context, None);
    let mut decoded = Decoded::default();
    for (around, spans) in groups {
        let family = agents::of_scope(&around.scope_name);
        for span in spans {
            match span.and_then(|span| span.into_raw(&around, &clock)) {
                Ok(raw) => decoded.spans.push(match family {
                    Some(family) => family.canonical(raw, context.price),
                    None => map::canonical(raw, context.price),
                }),
                Err(outcome) => decoded.outcomes.push(outcome),
            }
        }
    }
    Ok(decoded)
}

/// The body of an answer with 200: how much was not kept, and why. Log records that tell of no call were not refused: there is nothing
/// that a client could do about them, and some warn each time.
pub fn response(signal: Signal, encoding: Encoding, outcomes: &[Outcome]) -> Vec<u8> {
    let outcomes = || outcomes.iter().filter(|outcome| outcome.reason != NOT_LLM_TELEMETRY);
    let rejected: u64 = outcomes().map(|outcome| outcome.quantity).sum();
    let mut reasons: Vec<&str> = outcomes().map(|outcome| outcome.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let why = reasons.join(", ");
    match encoding {
        Encoding::Binary => {
            let partial = proto::PartialSuccess { rejected: i64::try_from(rejected).unwrap_or(i64::MAX), error_message: why };
            proto::Response { partial_success: Some(partial).filter(|_| rejected > 0) }.encode_to_vec()
        }
        Encoding::Json if rejected == 0 => b"{}".to_vec(),
        Encoding::Json => {
            let name = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Logs => "rejectedLogRecords",
                Signal::Metrics => "rejectedDataPoints",
            };
            json!({ "partialSuccess": { name: rejected.to_string(), "errorMessage": why } }).to_string().into_bytes()
        }
    }
}

/// The body of an answer that is an error: `google.rpc.Status`. `code` is one of gRPC's.
pub fn error(encoding: Encoding, code: i32, message: &str) -> Vec<u8> {
    match encoding {
        Encoding::Binary => proto::RpcStatus { code, message: message.to_owned() }.encode_to_vec(),
        Encoding::Json => json!({ "code": code, "message": message }).to_string().into_bytes(),
    }
}
