//! OpenTelemetry's protocol (OTLP): requests with traces, logs and metrics, and the responses to them.
//!
//! A log record may report a call of a model (one of its messages, or any event of a coding agent). Any other record is a log line of its
//! trace. Exceptions become error events.
//!
//! An invalid encoding rejects the request as a whole. Any other invalid part is dropped without affecting other parts, and adds an
//! [`Outcome`].

mod agents;
mod binary;
mod decoded_size;
mod evaluations;
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
use crate::log_line::LogLine;
use crate::normalize::attribute_names::AttributeDialect;
use crate::otel_metric::MetricPoint;
use crate::outcome::{Outcome, OutcomeCategory, OutcomeKind};
use crate::outcome_reason::OutcomeReason;
use crate::score::Score;
use crate::sentry::{ErrorEvent, ErrorReporter};
use crate::span::Span;
use crate::{decode_budget, failure, normalize};

/// Outcome reasons that are not reported as rejections: a client could not change anything, and some clients log a warning each time.
const UNREPORTED_REASONS: &[OutcomeReason] = &[OutcomeReason::NotLlmTelemetry, OutcomeReason::NoRecordedValue];

/// Encoding of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpEncoding {
    /// Protobuf.
    Binary,
    /// JSON.
    Json,
}

/// Signal of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpSignal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Metrics.
    Metrics,
}

/// Reason why a request is rejected as a whole.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The body is not protobuf, or another message.
    #[error("the body is not the protobuf message that this endpoint expects: {0}")]
    Binary(#[from] prost::DecodeError),
    /// The body is not JSON, or not an object.
    #[error("the body is not a JSON object: line {line}, column {column}")]
    Json {
        /// Line of the syntax error.
        line: usize,
        /// Column of the syntax error.
        column: usize,
    },
    /// The body belongs to another signal.
    #[error("the body contains {name}; send it to {path}")]
    OtherSignal {
        /// What the body contains.
        name: &'static str,
        /// Path for that signal.
        path: &'static str,
    },
    /// A field that must be a list has another type.
    #[error("the body's {name} is not a list")]
    NoList {
        /// Name of the field.
        name: &'static str,
    },
}

impl From<serde_json::Error> for OtlpError {
    fn from(error: serde_json::Error) -> OtlpError {
        OtlpError::Json { line: error.line(), column: error.column() }
    }
}

/// Contents of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DecodedOtlpRequest {
    /// Canonical spans, priced, before deduplication.
    pub spans: Vec<Span>,
    /// Exceptions in the order of their times. If an exception passes through several spans, the report of the innermost span is first.
    pub errors: Vec<ErrorEvent>,
    /// Results of evaluations.
    pub scores: Vec<Score>,
    /// Log lines.
    pub lines: Vec<LogLine>,
    /// Metric points.
    pub points: Vec<MetricPoint>,
    /// Outcomes of dropped items.
    pub outcomes: Vec<Outcome>,
}

/// Decodes a request.
///
/// # Errors
///
/// Returns an error if the body cannot be read as a whole. The error never repeats the body.
pub fn decode(body: Bytes, signal: OtlpSignal, encoding: OtlpEncoding, context: &DecodeContext) -> Result<DecodedOtlpRequest, OtlpError> {
    match signal {
        OtlpSignal::Traces => traces(body, encoding, context),
        OtlpSignal::Logs => {
            let groups = match encoding {
                OtlpEncoding::Binary => binary::logs(body)?,
                OtlpEncoding::Json => text::logs(&body)?,
            };
            Ok(logs::read_logs(groups, context))
        }
        OtlpSignal::Metrics => {
            let groups = match encoding {
                OtlpEncoding::Binary => metrics::proto::metrics(body)?,
                OtlpEncoding::Json => metrics::text::metrics(&body)?,
            };
            Ok(metrics::read_metrics(groups, context))
        }
    }
}

fn traces(body: Bytes, encoding: OtlpEncoding, context: &DecodeContext) -> Result<DecodedOtlpRequest, OtlpError> {
    let groups = match encoding {
        OtlpEncoding::Binary => binary::traces(body)?,
        OtlpEncoding::Json => text::traces(&body)?,
    };
    // The protocol does not contain the time of sending.
    let clock = ClockDriftCorrector::new(context, None);
    let mut decoded = DecodedOtlpRequest::default();
    let mut left_out = [0u64; 3];
    if !decode_budget::has_room_for_copies() {
        return Ok(decoded);
    }
    for (around, spans) in groups {
        let family = agents::family_of_scope(&around.scope_name);
        // Each span gets a copy of its resource and scope.
        let copy = around.bytes();
        for span in spans {
            if !decode_budget::charge(copy) {
                return Ok(decoded);
            }
            let thrown = span.as_ref().map(exceptions::OtlpException::exceptions_of_span).unwrap_or_default();
            let counts = span.as_ref().map_or([0; 3], |span| span.left_out);
            let results = span.as_ref().map(evaluations::evaluations_of_span).unwrap_or_default();
            let mut span = match span.and_then(|span| span.into_raw(&around, &clock)) {
                Ok(raw) => decode_budget::with_refund(|| match family {
                    Some(family) => family.canonical(raw, context.price),
                    None => normalize::mapped_span(raw, &AttributeDialect::GENERAL_DIALECT, context.mapping, context.price),
                }),
                Err(outcome) => {
                    decoded.outcomes.push(outcome);
                    continue;
                }
            };
            for (sum, count) in left_out.iter_mut().zip(counts) {
                *sum = sum.saturating_add(count);
            }
            for thrown in &thrown {
                failure::refine(&mut span, thrown.failure_report());
            }
            decode_budget::charge_span(&span);
            decoded.scores.extend(evaluations::scores_of_events(results, &span, &clock));
            for thrown in thrown {
                let error = thrown.event(&span, ErrorReporter::SpanEvent, &clock, context.earlier_grouping);
                if !decode_budget::charge_error(&error) {
                    return Ok(decoded);
                }
                decoded.errors.push(error);
            }
            decoded.spans.push(span);
        }
    }
    let told = span::DROPPED_BY_CLIENT.iter().zip(left_out).filter(|(_, quantity)| *quantity > 0);
    decoded.outcomes.extend(told.map(|((_, reason), quantity)| Outcome {
        kind: OutcomeKind::ClientDropped,
        quantity,
        ..Outcome::dropped(OutcomeCategory::SpanPart, *reason, None)
    }));
    decoded.errors.sort_by_key(|error| error.time_us);
    Ok(decoded)
}

/// Returns the dialect of a stored span.
pub(crate) fn dialect_of(span: &Span) -> &'static AttributeDialect {
    agents::of_span(span).map_or(&AttributeDialect::GENERAL_DIALECT, agents::AgentFamily::dialect)
}

/// Returns the readable name of the coding agent that reported a stored span.
pub(crate) fn agent_of(span: &Span) -> Option<&'static str> {
    agents::of_span(span).map(agents::AgentFamily::name)
}

/// Returns the body of a response with status 200, which contains the number of rejected items and the reasons.
pub fn response(signal: OtlpSignal, encoding: OtlpEncoding, outcomes: &[Outcome]) -> Vec<u8> {
    let refused = |outcome: &&Outcome| outcome.kind == OutcomeKind::Dropped;
    let outcomes =
        || outcomes.iter().filter(refused).filter(|outcome| !UNREPORTED_REASONS.iter().any(|reason| outcome.reason == reason.as_str()));
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

/// Type of the message that contains the delay before a retry.
const RETRY_INFO_TYPE: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Returns the body of an error response: `google.rpc.Status`. `code` is a gRPC status code. If the client may send the same request again,
/// `retry_s` is the delay in seconds before it may do so.
pub fn error(encoding: OtlpEncoding, code: i32, message: &str, retry_s: Option<u32>) -> Vec<u8> {
    match encoding {
        OtlpEncoding::Binary => {
            let info = |seconds: u32| proto::RetryInfo { delay: Some(proto::ProtobufDuration { seconds: seconds.into() }) };
            let detail = |seconds| proto::ProtobufAny { type_url: RETRY_INFO_TYPE.into(), value: info(seconds).encode_to_vec().into() };
            proto::RpcStatus { code, message: message.to_owned(), details: retry_s.map(detail).into_iter().collect() }.encode_to_vec()
        }
        OtlpEncoding::Json => {
            let mut status = json!({ "code": code, "message": message });
            if let Some(seconds) = retry_s {
                status["details"] = json!([{ "@type": RETRY_INFO_TYPE, "retryDelay": format!("{seconds}s") }]);
            }
            status.to_string().into_bytes()
        }
    }
}
