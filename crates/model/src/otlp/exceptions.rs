//! Exceptions in events of spans, in log records, or in attributes of a span become error events, like those of Sentry's SDKs.

use serde_json::{Map, Value};

use super::events::EXCEPTION_EVENT;
use super::span::{DecodedSpan, DecodedSpanEvent};
use super::stack;
use crate::clock::ClockDriftCorrector;
use crate::failure::FailureReport;
use crate::fingerprint::Fingerprint;
use crate::messages::{TextLimit, trim_text};
use crate::sentry::{ErrorEvent, ErrorException, ErrorReporter, deciding_frame, scrub_error, set_default_group};
use crate::span::Span;

/// Maximum number of exceptions of one span. A program with more in one step is in a loop.
const MAX_EXCEPTIONS: usize = 100;
/// Maximum bytes of a message.
const MAX_TEXT: TextLimit = TextLimit(8192);

/// An exception with its time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OtlpException {
    /// Time in nanoseconds since the Unix epoch.
    at_ns: u64,
    kind: String,
    message: String,
    stack: String,
}

impl OtlpException {
    /// Returns the exception that attributes describe, if they contain one.
    pub(super) fn from_attributes(attributes: &Map<String, Value>, at_ns: u64) -> Option<OtlpException> {
        let text = |name: &str| match attributes.get(name) {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let (kind, message) = (text("exception.type"), text("exception.message"));
        let said = !kind.is_empty() || !message.is_empty();
        said.then(|| OtlpException { at_ns, kind, message, stack: text("exception.stacktrace") })
    }

    /// Returns the exceptions of a span in the order of their times. If no event contains an exception, the attributes of the span may
    /// contain one.
    pub(super) fn exceptions_of_span(span: &DecodedSpan) -> Vec<OtlpException> {
        let end = span.end_ns.max(span.start_ns);
        let at = |event: &DecodedSpanEvent| if event.time_ns == 0 { end } else { event.time_ns };
        let events = span.events.iter().filter(|event| event.name == EXCEPTION_EVENT);
        let mut thrown: Vec<OtlpException> =
            events.filter_map(|event| OtlpException::from_attributes(&event.attributes, at(event))).collect();
        if thrown.is_empty() {
            thrown.extend(OtlpException::from_attributes(&span.attributes, end));
        }
        thrown.sort_by_key(|thrown| thrown.at_ns);
        thrown.truncate(MAX_EXCEPTIONS);
        thrown
    }

    /// Returns what the exception says about the failure of its span.
    pub(super) fn failure_report(&self) -> FailureReport<'_> {
        FailureReport { error_type: Some(&self.kind), message: Some(&self.message), http_status: None }
    }

    /// Returns the error event of an exception in a span. The end of the span replaces an implausible time.
    pub(super) fn event(self, span: &Span, reporter: ErrorReporter, clock: &ClockDriftCorrector, earlier_grouping: bool) -> ErrorEvent {
        let OtlpException { at_ns, kind, mut message, stack } = self;
        // A repeat has the same ID. The ID includes the full type of the exception.
        let place = [span.trace_id.to_string(), span.span_id.to_string(), at_ns.to_string()];
        let id = Fingerprint::of(&[reporter.as_str(), &place[0], &place[1], &place[2], &kind, &message]);
        trim_text(&mut message, MAX_TEXT);
        let (module, kind) = split_type(&kind);
        let exception = ErrorException { kind, value: message, module, frames: stack::parse_stack(&stack), ..ErrorException::default() };
        let at_us = i64::try_from(at_ns / 1000).unwrap_or(i64::MAX);
        let mut event = ErrorEvent {
            event_id: id.trace_id().to_string(),
            trace_id: Some(span.trace_id).filter(|id| id.0 != 0),
            span_id: Some(span.span_id).filter(|id| id.0 != 0),
            parent_span_id: span.parent_span_id,
            reporter,
            kind: exception.kind.clone(),
            value: exception.value.clone(),
            level: "error".into(),
            time_us: if clock.is_plausible(at_us) { at_us.saturating_add(span.clock_shift_us) } else { span.end_us },
            clock_shift_us: span.clock_shift_us,
            culprit: deciding_frame(&exception.frames).and_then(|frame| frame.place()),
            transaction: Some(span.name.clone()).filter(|name| !name.is_empty()),
            exceptions: vec![exception],
            tags: span.tags.clone(),
            user_id: span.user_id.clone(),
            release: span.release.clone(),
            environment: span.environment.clone(),
            service: span.service.clone(),
            sdk_name: span.sdk_name.clone(),
            sdk_version: span.sdk_version.clone(),
            ..ErrorEvent::default()
        };
        // The group does not depend on what is replaced, so that existing issues keep their errors.
        set_default_group(&mut event, earlier_grouping);
        scrub_error(&mut event);
        event
    }
}

/// Splits a type into module and name: `openai.RateLimitError` is `RateLimitError` in `openai`, as Sentry's SDKs report it.
fn split_type(kind: &str) -> (Option<String>, String) {
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_$".contains(c));
    match kind.rsplit_once('.') {
        Some((module, name)) if is_name(name) && !module.contains(char::is_whitespace) => (Some(module.to_owned()), name.to_owned()),
        _ if kind.is_empty() => (None, "Error".to_owned()),
        _ => (None, kind.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::DecodeContext;
    use crate::id::{SpanId, TraceId};
    use crate::mapping::MappingRuleSet;
    use crate::price::PriceBook;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("an object") };
        map
    }

    #[test]
    fn names_as_sentry_has_them() {
        let split = |kind: &str| split_type(kind);
        assert_eq!(split("openai.RateLimitError"), (Some("openai".into()), "RateLimitError".into()));
        assert_eq!(split("TypeError"), (None, "TypeError".into()));
        assert_eq!(split("it broke. Really."), (None, "it broke. Really.".into()));
        assert_eq!(split(""), (None, "Error".into()));
    }

    #[test]
    fn events_before_attributes() {
        let exception = |message: &str| map(json!({ "exception.type": "E", "exception.message": message }));
        let event = |message: &str, time_ns| DecodedSpanEvent { name: EXCEPTION_EVENT.into(), time_ns, attributes: exception(message) };
        let own = DecodedSpan { end_ns: 9, attributes: exception("own"), ..DecodedSpan::default() };
        let said = |span: &DecodedSpan| {
            OtlpException::exceptions_of_span(span).into_iter().map(|thrown| (thrown.message, thrown.at_ns)).collect::<Vec<_>>()
        };
        assert_eq!(said(&own), [("own".to_owned(), 9)]);
        let both = DecodedSpan { events: vec![event("second", 8), event("first", 7), event("untimed", 0)], ..own };
        assert_eq!(said(&both), [("first".to_owned(), 7), ("second".to_owned(), 8), ("untimed".to_owned(), 9)]);
        assert_eq!(OtlpException::from_attributes(&map(json!({ "exception.stacktrace": "at f" })), 1), None);
    }

    #[test]
    fn exception_attributes_of_a_span_become_an_error() {
        let attributes = map(json!({ "exception.type": "openai.RateLimitError", "exception.message": "slow down" }));
        let now_us = 1_795_448_000_000_000;
        let context = DecodeContext {
            received_us: now_us,
            retention_us: None,
            price: PriceBook::embedded(),
            mapping: MappingRuleSet::none(),
            earlier_grouping: true,
        };
        let at = |at_ns: u64| {
            let span =
                Span { trace_id: TraceId(1), span_id: SpanId(2), parent_span_id: Some(SpanId(3)), end_us: now_us - 9, ..Span::default() };
            OtlpException::from_attributes(&attributes, at_ns).unwrap().event(
                &span,
                ErrorReporter::SpanEvent,
                &ClockDriftCorrector::new(&context, None),
                true,
            )
        };
        let thrown_ns = 1_795_447_999_000_000_000;
        let event = at(thrown_ns);
        assert_eq!((event.kind.as_str(), event.value.as_str(), event.time_us), ("RateLimitError", "slow down", 1_795_447_999_000_000));
        assert_eq!((event.trace_id, event.span_id, event.parent_span_id), (Some(TraceId(1)), Some(SpanId(2)), Some(SpanId(3))));
        assert_eq!(event, at(thrown_ns));
        assert_ne!(event.event_id, at(thrown_ns + 1000).event_id);
        assert_eq!([1, u64::MAX].map(|never| at(never).time_us), [now_us - 9; 2]);
    }

    #[test]
    fn secrets_are_replaced_as_in_events_of_sentry() {
        let message = "cannot connect to postgres://app:hunter2@db/shop";
        let attributes = map(json!({ "exception.type": "E", "exception.message": message }));
        let context = DecodeContext {
            received_us: 1,
            retention_us: None,
            price: PriceBook::embedded(),
            mapping: MappingRuleSet::none(),
            earlier_grouping: true,
        };
        let tags = [("api_key", "hunter2"), ("region", "eu")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let span = Span { tags: tags.into(), ..Span::default() };
        let clock = ClockDriftCorrector::new(&context, None);
        let event = OtlpException::from_attributes(&attributes, 1).unwrap().event(&span, ErrorReporter::LogRecord, &clock, true);
        let scrubbed = "cannot connect to postgres://app:[Filtered]@db/shop";
        assert_eq!((event.value.as_str(), event.exceptions[0].value.as_str()), (scrubbed, scrubbed));
        assert_eq!((event.tags["api_key"].as_str(), event.tags["region"].as_str()), ("[Filtered]", "eu"));
    }
}
