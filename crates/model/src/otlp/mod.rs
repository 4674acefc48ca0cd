//! OpenTelemetry's protocol: requests with traces, logs and metrics, and what they are answered.
//!
//! A log record may tell of a call of a model (a message of it, or whatever a coding agent does); any other one is a line of its
//! trace. Exceptions become error events.
//!
//! The encoding decides about a request as a whole; after that, whatever is broken costs only itself and leaves an
//! [`Outcome`](crate::outcome::Outcome).

mod agents;
mod binary;
mod decoded_size;
mod events;
mod exceptions;
mod log_record;
mod logs;
mod metrics;
mod proto;
mod span;
mod stack;
#[cfg(test)]
mod tests;
mod text;

use bytes::Bytes;
use prost::Message;
use serde_json::json;

use crate::clock::{ClockDriftCorrector, DecodeContext};
use crate::log_line::{self, LogLine};
use crate::normalize::attribute_names::AttributeDialect;
use crate::otel_metric::MetricPoint;
use crate::outcome::{Outcome, OutcomeCategory, OutcomeKind};
use crate::sentry::{ErrorEvent, ErrorReporter};
use crate::span::Span;
use crate::{decode_budget, normalize};

/// The outcome of log records about the internals of a coding agent.
pub const NOT_LLM_TELEMETRY: &str = "not_llm_telemetry";

/// Outcomes that are no refusals: there is nothing that a client could do about them, and some clients warn each time.
const NOT_REFUSED: &[&str] = &[NOT_LLM_TELEMETRY, log_line::WITHOUT_TRACE, metrics::NO_VALUE];

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpEncoding {
    /// Protobuf.
    Binary,
    /// JSON.
    Json,
}

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpSignal {
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
    /// It is of another signal.
    #[error("the body holds {name}: send it to {path}")]
    OtherSignal {
        /// What it holds.
        name: &'static str,
        /// Where that belongs.
        path: &'static str,
    },
    /// What it holds is no list.
    #[error("the body's {name} is not a list")]
    NoList {
        /// What should be one.
        name: &'static str,
    },
}

impl From<serde_json::Error> for OtlpError {
    fn from(error: serde_json::Error) -> OtlpError {
        OtlpError::Json { line: error.line(), column: error.column() }
    }
}

/// What a request held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DecodedOtlpRequest {
    /// Spans in canonical form, priced, with what they alone say of counting.
    pub spans: Vec<Span>,
    /// Exceptions, in the order of their times: what passes through several spans comes from the innermost first.
    pub errors: Vec<ErrorEvent>,
    /// Lines of programs' logs.
    pub lines: Vec<LogLine>,
    /// Points of metrics.
    pub points: Vec<MetricPoint>,
    /// What was not kept.
    pub outcomes: Vec<Outcome>,
}

/// Decodes a request.
///
/// # Errors
///
/// When the body cannot be read as a whole. It never repeats the body.
pub fn decode(body: Bytes, signal: OtlpSignal, encoding: OtlpEncoding, context: &DecodeContext) -> Result<DecodedOtlpRequest, OtlpError> {
    match signal {
        OtlpSignal::Traces => traces(body, encoding, context),
        OtlpSignal::Logs => {
            let groups = match encoding {
                OtlpEncoding::Binary => binary::logs(body)?,
                OtlpEncoding::Json => text::logs(&body)?,
            };
            Ok(logs::read(groups, context))
        }
        OtlpSignal::Metrics => {
            let groups = match encoding {
                OtlpEncoding::Binary => metrics::proto::metrics(body)?,
                OtlpEncoding::Json => metrics::text::metrics(&body)?,
            };
            Ok(metrics::read(groups, context))
        }
    }
}

fn traces(body: Bytes, encoding: OtlpEncoding, context: &DecodeContext) -> Result<DecodedOtlpRequest, OtlpError> {
    let groups = match encoding {
        OtlpEncoding::Binary => binary::traces(body)?,
        OtlpEncoding::Json => text::traces(&body)?,
    };
    // The protocol does not say when a request was sent.
    let clock = ClockDriftCorrector::new(context, None);
    let mut decoded = DecodedOtlpRequest::default();
    let mut left_out = [0u64; 3];
    if !decode_budget::copies_fit() {
        return Ok(decoded);
    }
    for (around, spans) in groups {
        let family = agents::of_scope(&around.scope_name);
        // Each span takes a copy of what stands around it.
        let copy = around.bytes();
        for span in spans {
            if !decode_budget::charge(copy) {
                return Ok(decoded);
            }
            let thrown = span.as_ref().map(exceptions::OtlpException::of_span).unwrap_or_default();
            let counts = span.as_ref().map_or([0; 3], |span| span.left_out);
            let span = match span.and_then(|span| span.into_raw(&around, &clock)) {
                Ok(raw) => decode_budget::for_a_moment(|| match family {
                    Some(family) => family.canonical(raw, context.price),
                    None => normalize::canonical(raw, context.price),
                }),
                Err(outcome) => {
                    decoded.outcomes.push(outcome);
                    continue;
                }
            };
            for (sum, count) in left_out.iter_mut().zip(counts) {
                *sum = sum.saturating_add(count);
            }
            decode_budget::charge_span(&span);
            for thrown in thrown {
                let error = thrown.event(&span, ErrorReporter::SpanEvent, &clock);
                if !decode_budget::charge_error(&error) {
                    return Ok(decoded);
                }
                decoded.errors.push(error);
            }
            decoded.spans.push(span);
        }
    }
    let told = span::LEFT_OUT.iter().zip(left_out).filter(|(_, quantity)| *quantity > 0);
    decoded.outcomes.extend(told.map(|((_, reason), quantity)| Outcome {
        kind: OutcomeKind::ClientDropped,
        quantity,
        ..Outcome::dropped(OutcomeCategory::SpanPart, reason, None)
    }));
    decoded.errors.sort_by_key(|error| error.time_us);
    Ok(decoded)
}

/// What names mean on a span as it is stored.
pub(crate) fn dialect_of(span: &Span) -> &'static AttributeDialect {
    agents::of_span(span).map_or(&AttributeDialect::GENERAL, agents::AgentFamily::dialect)
}

/// The coding agent that a stored span tells of, by its name for a person.
pub(crate) fn agent_of(span: &Span) -> Option<&'static str> {
    agents::of_span(span).map(agents::AgentFamily::name)
}

/// The body of an answer with 200: how much was refused, and why.
pub fn response(signal: OtlpSignal, encoding: OtlpEncoding, outcomes: &[Outcome]) -> Vec<u8> {
    let refused = |outcome: &&Outcome| outcome.kind == OutcomeKind::Dropped;
    let outcomes = || outcomes.iter().filter(refused).filter(|outcome| !NOT_REFUSED.contains(&outcome.reason.as_str()));
    let rejected: u64 = outcomes().map(|outcome| outcome.quantity).sum();
    let mut reasons: Vec<&str> = outcomes().map(|outcome| outcome.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let why = reasons.join(", ");
    match encoding {
        OtlpEncoding::Binary => {
            let partial = proto::OtlpPartialSuccess { rejected: i64::try_from(rejected).unwrap_or(i64::MAX), error_message: why };
            proto::OtlpExportResponse { partial_success: Some(partial).filter(|_| rejected > 0) }.encode_to_vec()
        }
        OtlpEncoding::Json if rejected == 0 => b"{}".to_vec(),
        OtlpEncoding::Json => {
            let name = match signal {
                OtlpSignal::Traces => "rejectedSpans",
                OtlpSignal::Logs => "rejectedLogRecords",
                OtlpSignal::Metrics => "rejectedDataPoints",
            };
            json!({ "partialSuccess": { name: rejected.to_string(), "errorMessage": why } }).to_string().into_bytes()
        }
    }
}

/// The type of what says when to come again.
const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The body of an answer that is an error: `google.rpc.Status`. `code` is one of gRPC's; `retry_s` are the seconds after which the same
/// request may be sent again, where it may.
pub fn error(encoding: OtlpEncoding, code: i32, message: &str, retry_s: Option<u32>) -> Vec<u8> {
    match encoding {
        OtlpEncoding::Binary => {
            let info = |seconds: u32| proto::RetryInfo { delay: Some(proto::ProtobufDuration { seconds: seconds.into() }) };
            let detail = |seconds| proto::ProtobufAny { type_url: RETRY_INFO.into(), value: info(seconds).encode_to_vec().into() };
            proto::RpcStatus { code, message: message.to_owned(), details: retry_s.map(detail).into_iter().collect() }.encode_to_vec()
        }
        OtlpEncoding::Json => {
            let mut status = json!({ "code": code, "message": message });
            if let Some(seconds) = retry_s {
                status["details"] = json!([{ "@type": RETRY_INFO, "retryDelay": format!("{seconds}s") }]);
            }
            status.to_string().into_bytes()
        }
    }
}
