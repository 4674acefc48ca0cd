//! Prepares an error event for the database: everything that can be done outside of the writing thread.

use hinomi_model::messages::{TextLimit, trim_text};
use hinomi_model::sentry::ErrorEvent;

/// Maximum size of the JSON of one event in bytes. It is about as much as a client may send, so hardly any event is cut.
const MAX_EVENT_BYTES: usize = 1 << 20;
/// Maximum size in bytes of each text of an event that was cut most.
const MIN_TEXT_LIMIT: TextLimit = TextLimit(1024);
/// A fast level; higher ones gain little.
const COMPRESSION_LEVEL: i32 = 3;

/// An event in its stored form.
#[derive(Debug)]
pub(super) struct ErrorEventRow {
    /// The event without the parts that are only in its JSON.
    pub(super) event: ErrorEvent,
    /// The whole event as compressed JSON.
    pub(super) content: Vec<u8>,
}

impl ErrorEventRow {
    pub(super) fn new(mut event: ErrorEvent) -> ErrorEventRow {
        // Zero means that there is none, and would not be read back as text.
        event.trace_id = event.trace_id.filter(|trace| trace.0 != 0);
        event.span_id = event.span_id.filter(|span| span.0 != 0);
        let json = truncate_to_fit(&mut event, MAX_EVENT_BYTES);
        // Compressing in memory can only fail for lack of memory; the text is then stored uncompressed.
        let content = zstd::bulk::compress(&json, COMPRESSION_LEVEL).unwrap_or(json);
        let head = ErrorEvent { exceptions: Vec::new(), breadcrumbs: Vec::new(), tags: Default::default(), ..event };
        ErrorEventRow { event: head, content }
    }
}

/// Parses the content that [`ErrorEventRow`] wrote.
pub(super) fn parse_content(content: &[u8]) -> Result<ErrorEvent, String> {
    if content.first() == Some(&b'{') {
        return serde_json::from_slice(content).map_err(|error| error.to_string());
    }
    let json = zstd::decode_all(content).map_err(|error| error.to_string())?;
    serde_json::from_slice(&json).map_err(|error| error.to_string())
}

/// Steps that remove parts of an event that is too large, until it fits: the least useful parts first.
const TRUNCATION_STEPS: &[fn(&mut ErrorEvent)] = &[
    |event| event.breadcrumbs.iter_mut().for_each(|step| step.data = None),
    |event| {
        for frame in event.exceptions.iter_mut().flat_map(|exception| &mut exception.frames).filter(|frame| !frame.in_app) {
            (frame.before, frame.after, frame.source) = (Vec::new(), Vec::new(), None);
        }
    },
    |event| {
        for frame in event.exceptions.iter_mut().flat_map(|exception| &mut exception.frames) {
            (frame.before, frame.after, frame.source) = (Vec::new(), Vec::new(), None);
        }
    },
    |event| event.breadcrumbs.clear(),
    |event| {
        let causes = event.exceptions.len().saturating_sub(1);
        event.exceptions[..causes].iter_mut().for_each(|exception| exception.frames.clear());
    },
    |event| event.tags.clear(),
    |event| {
        event.exceptions.clear();
        let optional = [
            &mut event.culprit,
            &mut event.transaction,
            &mut event.user_id,
            &mut event.release,
            &mut event.environment,
            &mut event.service,
            &mut event.sdk_name,
            &mut event.sdk_version,
        ];
        let texts = [&mut event.kind, &mut event.value, &mut event.level];
        texts.into_iter().chain(optional.into_iter().flatten()).for_each(|text| trim_text(text, MIN_TEXT_LIMIT));
    },
];

/// Reduces an event to the maximum size, and returns its JSON.
fn truncate_to_fit(event: &mut ErrorEvent, max_bytes: usize) -> Vec<u8> {
    let json = |event: &ErrorEvent| serde_json::to_vec(event).unwrap_or_default();
    let mut text = json(event);
    for give_up in TRUNCATION_STEPS {
        if text.len() <= max_bytes {
            break;
        }
        give_up(event);
        text = json(event);
    }
    text
}

#[cfg(test)]
mod tests {
    use hinomi_model::sentry::{Breadcrumb, Exception, StackFrame};

    use super::*;

    /// Returns an event whose parts each have this many bytes.
    fn large_event(bytes: usize) -> ErrorEvent {
        let text = || "x".repeat(bytes);
        let frame =
            |in_app| StackFrame { function: Some("f".into()), source: Some(text()), before: vec![text()], in_app, ..StackFrame::default() };
        let exception = Exception { kind: "E".into(), frames: vec![frame(false), frame(true)], ..Exception::default() };
        ErrorEvent {
            event_id: "a".repeat(32),
            kind: "E".into(),
            value: text(),
            culprit: Some(text()),
            exceptions: vec![exception.clone(), exception],
            breadcrumbs: vec![Breadcrumb { message: Some("step".into()), data: Some(text()), ..Breadcrumb::default() }],
            tags: [("tag".to_owned(), text())].into(),
            ..ErrorEvent::default()
        }
    }

    #[test]
    fn event_within_the_limit_is_unchanged() {
        let event = large_event(10_000);
        assert_eq!(parse_content(&ErrorEventRow::new(event.clone()).content).unwrap(), event);
        assert_eq!(parse_content(&serde_json::to_vec(&event).unwrap()).unwrap(), event);
        assert!(parse_content(b"nonsense").is_err());
    }

    #[test]
    fn least_useful_parts_are_removed_first() {
        let mut event = large_event(1000);
        // Everything except the breadcrumb's data and the sources of the library's frames.
        truncate_to_fit(&mut event, 8_500);
        assert_eq!(event.breadcrumbs[0].data, None);
        let [library, own] = &event.exceptions[1].frames[..] else { panic!("{event:?}") };
        assert_eq!((library.function.as_deref(), library.source.as_deref()), (Some("f"), None));
        assert!(own.source.is_some() && event.tags.contains_key("tag"));
    }

    #[test]
    fn any_event_is_reduced_to_the_limit() {
        let mut event = large_event(3 << 20);
        assert!(truncate_to_fit(&mut event, MAX_EVENT_BYTES).len() <= MAX_EVENT_BYTES);
        assert!(event.value.starts_with("xxx") && event.event_id.len() == 32);
    }
}
