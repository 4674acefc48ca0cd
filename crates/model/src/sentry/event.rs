//! Error events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::envelope::event_id;
use super::lenient::{LenientTags, LenientText, LenientTime};
use super::shared::{SharedEventContext, SharedEventFields, part};
use super::transaction::{SentryContexts, TraceContext};
use super::{EnvelopeReader, grouping};
use crate::clock::TimestampError;
use crate::id::{SpanId, TraceId};
use crate::lenient_json::parse_mended;
use crate::messages::{TextLimit, trim_text};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;
use crate::span::names;
use crate::{decode_budget, lenient_json};

/// Maximum number of frames of a stack; the innermost are kept.
const MAX_FRAMES: usize = 100;
/// Maximum number of exceptions of a chain; the last raised are kept.
const MAX_EXCEPTIONS: usize = 20;
/// Maximum number of breadcrumbs; the last are kept.
const MAX_BREADCRUMBS: usize = 50;
/// Maximum bytes of a message or a source line.
const MAX_TEXT: TextLimit = TextLimit(8192);

names!(
    /// Kind of report that an error comes from.
    #[derive(Default)]
    ErrorReporter {
        /// An error event of Sentry's protocol.
        #[default]
        Sentry = "sentry",
        /// An event, or attributes, of an OpenTelemetry span.
        SpanEvent = "span_event",
        /// An OpenTelemetry log record.
        LogRecord = "log_record",
    }
);

/// An error reported by a client.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorEvent {
    /// ID of the event, 32 lower-case hex digits. If the client sent none, it is made from the content, so that a repeat has the same ID.
    pub event_id: String,
    /// ID of the trace in which the error happened.
    pub trace_id: Option<TraceId>,
    /// ID of the span in which the error happened.
    pub span_id: Option<SpanId>,
    /// ID of the parent span of that span, if the report contains it.
    pub parent_span_id: Option<SpanId>,
    /// Kind of the report. Several kinds may report one error.
    pub reporter: ErrorReporter,
    /// Type of the exception that was raised last, such as `RateLimitError`; `Message` if there is no exception.
    #[serde(rename = "type")]
    pub kind: String,
    /// Message of that exception.
    pub value: String,
    /// Severity: `fatal`, `error`, `warning`, `info` or `debug`.
    pub level: String,
    /// False if the exception was not caught; `None` if the client does not send it.
    pub handled: Option<bool>,
    /// Time of the error in microseconds since the Unix epoch, after any correction of the client's clock.
    pub time_us: i64,
    /// Correction that was added to the client's time, in microseconds.
    pub clock_shift_us: i64,
    /// Where the error happened: `function in file`.
    pub culprit: Option<String>,
    /// Name of the transaction in which the error happened.
    pub transaction: Option<String>,
    /// The chain of exceptions, the oldest cause first.
    pub exceptions: Vec<Exception>,
    /// Tags that the program set.
    pub tags: BTreeMap<String, String>,
    /// End user of the monitored program.
    pub user_id: Option<String>,
    /// Version of the monitored program.
    pub release: Option<String>,
    /// Deployment environment.
    pub environment: Option<String>,
    /// Service or host that reported the error.
    pub service: Option<String>,
    /// SDK that reported the error.
    pub sdk_name: Option<String>,
    /// Version of the SDK.
    pub sdk_version: Option<String>,
    /// Last steps before the error.
    pub breadcrumbs: Vec<Breadcrumb>,
    /// Hash of the issue. Errors with the same hash belong to one issue.
    #[serde(with = "hex")]
    pub group: [u8; 32],
}

/// An exception of a chain.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Exception {
    /// Type of the exception.
    #[serde(rename = "type")]
    pub kind: String,
    /// Message of the exception.
    pub value: String,
    /// Module that defines the exception.
    pub module: Option<String>,
    /// False if the exception was not caught; `None` if unknown.
    pub handled: Option<bool>,
    /// Stack, innermost frame last.
    pub frames: Vec<StackFrame>,
}

/// A frame of a stack.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StackFrame {
    /// Name of the function.
    pub function: Option<String>,
    /// Name of the module.
    pub module: Option<String>,
    /// Path of the file, as the client shortens it.
    pub filename: Option<String>,
    /// Line number, starting at 1.
    pub line: Option<u64>,
    /// True if the frame is in the program's own code.
    pub in_app: bool,
    /// Source lines before that line.
    pub before: Vec<String>,
    /// The source line.
    pub source: Option<String>,
    /// Source lines after that line.
    pub after: Vec<String>,
}

/// A step before an error.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Breadcrumb {
    /// Time in microseconds since the Unix epoch.
    pub time_us: Option<i64>,
    /// Category: `http`, `query`, `console`, or any other.
    pub category: Option<String>,
    /// Severity.
    pub level: Option<String>,
    /// Text of the breadcrumb.
    pub message: Option<String>,
    /// Additional data as JSON text.
    pub data: Option<String>,
}

#[derive(Deserialize)]
struct RawErrorEvent<'a> {
    #[serde(borrow, default)]
    event_id: LenientText<'a>,
    #[serde(borrow, default)]
    level: LenientText<'a>,
    #[serde(default)]
    timestamp: LenientTime,
    #[serde(borrow, default)]
    transaction: LenientText<'a>,
    #[serde(borrow, default)]
    culprit: LenientText<'a>,
    #[serde(borrow, default)]
    contexts: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient_json::field")]
    exception: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    message: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    logentry: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    fingerprint: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    breadcrumbs: Value,
    #[serde(borrow, default)]
    environment: LenientText<'a>,
    #[serde(borrow, default)]
    release: LenientText<'a>,
    #[serde(borrow, default)]
    server_name: LenientText<'a>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sdk: Option<&'a RawValue>,
    #[serde(default)]
    tags: LenientTags,
}

/// Reads an error event.
pub(super) fn read(payload: &[u8], reader: &mut EnvelopeReader) {
    let error = parse_mended(payload, |text| {
        // Serde would accept a list for the fields of a struct, so the payload must start as an object.
        if !text.trim_start().starts_with('{') {
            return Err(serde::de::Error::custom("expected an object"));
        }
        Ok(event(serde_json::from_str(text)?, payload, reader))
    });
    match error {
        Ok(Ok(error)) => {
            reader.event_id = reader.event_id.take().or_else(|| Some(error.event_id.clone()));
            decode_budget::charge_error(&error);
            reader.errors.push(error);
        }
        Ok(Err(TimestampError::TooOld)) => reader.outcomes.push(Outcome::dropped(OutcomeCategory::Error, OutcomeReason::TooOld, None)),
        Err(_) => reader.outcomes.push(Outcome::dropped(OutcomeCategory::Error, OutcomeReason::InvalidJson, None)),
    }
}

fn event(raw: RawErrorEvent, payload: &[u8], reader: &EnvelopeReader) -> Result<ErrorEvent, TimestampError> {
    let contexts: SentryContexts = part(raw.contexts);
    let trace: TraceContext = part(contexts.trace);
    // An event without a time gets the time of sending.
    let time_us = raw.timestamp.0.or(reader.header.sent_at_us).unwrap_or(reader.received_us);
    let (at_us, shift) = reader.clock.corrected_time(time_us)?;
    let fields = SharedEventFields {
        environment: raw.environment,
        release: raw.release,
        server_name: raw.server_name,
        user: raw.user,
        sdk: raw.sdk,
        tags: raw.tags,
        meta: None,
    };
    let shared = SharedEventContext::new(None, fields, &reader.header);
    let id = reader.header.event_id.clone().or_else(|| raw.event_id.as_str().and_then(event_id));
    let mut error = ErrorEvent {
        event_id: id.unwrap_or_else(|| content_id(payload)),
        trace_id: trace.trace_id.as_str().and_then(|text| text.parse().ok()),
        span_id: trace.span_id.as_str().and_then(|text| text.parse().ok()),
        level: raw.level.into_string().unwrap_or_else(|| "error".into()),
        time_us: at_us,
        clock_shift_us: shift,
        transaction: raw.transaction.into_string(),
        exceptions: exceptions(&raw.exception),
        tags: shared.tags,
        user_id: shared.user_id,
        release: shared.release,
        environment: shared.environment,
        service: shared.service,
        sdk_name: shared.sdk_name,
        sdk_version: shared.sdk_version,
        breadcrumbs: breadcrumbs(&raw.breadcrumbs, if reader.clock.is_plausible(time_us) { shift } else { 0 }),
        ..ErrorEvent::default()
    };
    let template = message_template(&raw.message, &raw.logentry);
    match error.exceptions.last() {
        Some(last) => {
            error.kind = if last.kind.is_empty() { "Error".into() } else { last.kind.clone() };
            error.value.clone_from(&last.value);
            error.handled = error.exceptions.iter().rev().find_map(|exception| exception.handled);
        }
        None => {
            error.kind = "Message".into();
            error.value = message(&raw.message, &raw.logentry);
        }
    }
    let frame = error.exceptions.last().and_then(|exception| grouping::deciding_frame(&exception.frames));
    error.culprit = frame.and_then(StackFrame::place).or_else(|| raw.culprit.into_string()).or_else(|| error.transaction.clone());
    error.group = grouping::group(&error, template.as_deref(), &raw.fingerprint);
    Ok(error)
}

/// Returns an event ID made from the content.
fn content_id(payload: &[u8]) -> String {
    let hash: [u8; 32] = Sha256::digest(payload).into();
    hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(value: Option<&Value>) -> Option<String> {
    let mut text = match value? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null => return None,
        nested => nested.to_string(),
    };
    trim_text(&mut text, MAX_TEXT);
    Some(text).filter(|text| !text.is_empty())
}

/// Returns the list under `values`, or the value itself if it is a list or an object.
fn values(value: &Value) -> &[Value] {
    match value.get("values").unwrap_or(value) {
        Value::Array(items) => items,
        single @ Value::Object(_) => std::slice::from_ref(single),
        _ => &[],
    }
}

fn exceptions(value: &Value) -> Vec<Exception> {
    let all = values(value);
    let kept = &all[all.len().saturating_sub(MAX_EXCEPTIONS)..];
    let exception = |value: &Value| Exception {
        kind: text(value.get("type")).unwrap_or_default(),
        value: text(value.get("value")).unwrap_or_default(),
        module: text(value.get("module")),
        handled: value.pointer("/mechanism/handled").and_then(Value::as_bool),
        frames: frames(value.pointer("/stacktrace/frames")),
    };
    kept.iter().filter(|value| value.is_object()).map(exception).collect()
}

fn frames(value: Option<&Value>) -> Vec<StackFrame> {
    let Some(Value::Array(all)) = value else { return Vec::new() };
    let lines = |value: Option<&Value>| {
        value.and_then(Value::as_array).into_iter().flatten().map(|line| text(Some(line)).unwrap_or_default()).collect()
    };
    let frame = |value: &Value| StackFrame {
        function: text(value.get("function")),
        module: text(value.get("module")),
        filename: text(value.get("filename")).or_else(|| text(value.get("abs_path"))),
        line: value.get("lineno").and_then(Value::as_u64),
        in_app: value.get("in_app").and_then(Value::as_bool).unwrap_or(false),
        before: lines(value.get("pre_context")),
        source: value.get("context_line").and_then(Value::as_str).map(str::to_owned),
        after: lines(value.get("post_context")),
    };
    all[all.len().saturating_sub(MAX_FRAMES)..].iter().filter(|value| value.is_object()).map(frame).collect()
}

impl StackFrame {
    /// Returns `function in file`, or as much of it as is known.
    pub fn place(&self) -> Option<String> {
        let file = self.module.as_ref().or(self.filename.as_ref());
        match (self.function.as_ref().filter(|name| *name != "?"), self.filename.as_ref().or(file)) {
            (Some(function), Some(file)) => Some(format!("{function} in {file}")),
            (Some(one), None) | (None, Some(one)) => Some(one.clone()),
            (None, None) => None,
        }
    }
}

/// Returns the message with its parameters filled in.
fn message(message: &Value, logentry: &Value) -> String {
    let of = |value: &Value| match value {
        Value::Object(object) => text(object.get("formatted")).or_else(|| text(object.get("message"))),
        value => text(Some(value)),
    };
    of(logentry).or_else(|| of(message)).unwrap_or_default()
}

/// Returns the message without its parameters, which is the same for all errors of its kind.
fn message_template(message: &Value, logentry: &Value) -> Option<String> {
    [logentry, message].into_iter().find_map(|value| text(value.get("message")))
}

fn breadcrumbs(value: &Value, shift: i64) -> Vec<Breadcrumb> {
    let all = values(value);
    let time =
        |value: Option<&Value>| value.and_then(|value| serde_json::from_value::<LenientTime>(value.clone()).ok()).and_then(|time| time.0);
    let breadcrumb = |value: &Value| Breadcrumb {
        time_us: time(value.get("timestamp")).map(|us| us.saturating_add(shift)),
        category: text(value.get("category")).or_else(|| text(value.get("type"))),
        level: text(value.get("level")),
        message: text(value.get("message")),
        data: text(value.get("data")).filter(|data| data != "{}"),
    };
    all[all.len().saturating_sub(MAX_BREADCRUMBS)..].iter().filter(|value| value.is_object()).map(breadcrumb).collect()
}

/// Serializes hashes as hex digits.
mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() != 64 || !text.is_ascii() {
            return Err(D::Error::custom("expected 64 hex digits"));
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(D::Error::custom)?;
        }
        Ok(bytes)
    }
}
