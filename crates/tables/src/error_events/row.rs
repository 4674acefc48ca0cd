//! Prepares an error event for the database: everything that can be done outside of the writing thread.

use std::cell::RefCell;

use hinomi_model::messages::{TextLimit, trim_text};
use hinomi_model::sentry::{ErrorEvent, StackFrame};
use serde::de::DeserializeOwned;

use super::attributes;

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
    /// The attributes by which the event can be found, as compressed JSON; empty if there are none.
    pub(super) attributes: Vec<u8>,
}

impl ErrorEventRow {
    pub(super) fn new(mut event: ErrorEvent) -> ErrorEventRow {
        // Zero means that there is none, and would not be read back as text.
        event.trace_id = event.trace_id.filter(|trace| trace.0 != 0);
        event.span_id = event.span_id.filter(|span| span.0 != 0);
        let json = truncate_to_fit(&mut event, MAX_EVENT_BYTES);
        let content = compressed(&json);
        let attributes = attributes::attributes_of(&event);
        let attributes = if attributes.is_empty() { Vec::new() } else { compressed(&serde_json::to_vec(&attributes).unwrap_or_default()) };
        let head = ErrorEvent {
            exceptions: Vec::new(),
            breadcrumbs: Vec::new(),
            threads: Vec::new(),
            stack: None,
            tags: Default::default(),
            details: Default::default(),
            ..event
        };
        ErrorEventRow { event: head, content, attributes }
    }
}

thread_local! {
    /// Creating a compressor takes longer than compressing a usual event.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = RefCell::new(zstd::bulk::Compressor::new(COMPRESSION_LEVEL).ok());
}

/// Compresses JSON. Compressing in memory can only fail for lack of memory; the text is then stored uncompressed.
fn compressed(json: &[u8]) -> Vec<u8> {
    let compressed = COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(json).ok());
    compressed.unwrap_or_else(|| json.to_vec())
}

/// Parses what [`compressed`] returned. Returns it with the bytes of its JSON.
pub(super) fn parse_compressed<T: DeserializeOwned>(content: &[u8]) -> Result<(T, usize), String> {
    let parse = |json: &[u8]| Ok((serde_json::from_slice(json).map_err(|error| error.to_string())?, json.len()));
    if content.first() == Some(&b'{') {
        return parse(content);
    }
    parse(&zstd::decode_all(content).map_err(|error| error.to_string())?)
}

/// Parses the content that [`ErrorEventRow`] wrote. Returns the event with the bytes of its JSON.
pub(super) fn parse_content(content: &[u8]) -> Result<(ErrorEvent, usize), String> {
    parse_compressed(content)
}

/// Returns all frames of an event.
fn all_frames(event: &mut ErrorEvent) -> impl Iterator<Item = &mut StackFrame> {
    let of_exceptions = event.exceptions.iter_mut().flat_map(|exception| &mut exception.frames);
    let of_threads = event.threads.iter_mut().flat_map(|thread| &mut thread.frames);
    of_exceptions.chain(of_threads).chain(event.stack.iter_mut().flat_map(|stack| &mut stack.frames))
}

fn remove_source(frame: &mut StackFrame) {
    (frame.before, frame.after, frame.source) = (Vec::new(), Vec::new(), None);
}

/// Steps that remove parts of an event that is too large, until it fits: the least useful parts first.
const TRUNCATION_STEPS: &[fn(&mut ErrorEvent)] = &[
    |event| {
        for thread in &mut event.threads {
            thread.frames_cut += thread.frames.len() as u64;
            thread.frames.clear();
        }
    },
    |event| all_frames(event).filter(|frame| !frame.in_app).for_each(|frame| frame.vars.clear()),
    |event| event.breadcrumbs.iter_mut().for_each(|step| step.data = None),
    |event| all_frames(event).filter(|frame| !frame.in_app).for_each(remove_source),
    |event| all_frames(event).for_each(|frame| frame.vars.clear()),
    |event| {
        let details = &mut event.details;
        (details.extra, details.modules) = Default::default();
    },
    |event| all_frames(event).for_each(remove_source),
    |event| {
        event.details.breadcrumbs_cut += event.breadcrumbs.len() as u64;
        event.breadcrumbs.clear();
    },
    |event| {
        let causes = event.exceptions.len().saturating_sub(1);
        for exception in &mut event.exceptions[..causes] {
            exception.frames_cut += exception.frames.len() as u64;
            exception.frames.clear();
        }
    },
    |event| {
        event.tags.clear();
        event.details = Default::default();
    },
    |event| {
        (event.exceptions, event.threads, event.stack) = Default::default();
        let optional = [
            &mut event.title,
            &mut event.message,
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
    use hinomi_model::sentry::{ErrorBreadcrumb, ErrorException, StackFrame};

    use super::*;

    /// Returns an event whose parts each have this many bytes.
    fn large_event(bytes: usize) -> ErrorEvent {
        let text = || "x".repeat(bytes);
        let frame =
            |in_app| StackFrame { function: Some("f".into()), source: Some(text()), before: vec![text()], in_app, ..StackFrame::default() };
        let exception = ErrorException { kind: "E".into(), frames: vec![frame(false), frame(true)], ..ErrorException::default() };
        ErrorEvent {
            event_id: "a".repeat(32),
            kind: "E".into(),
            value: text(),
            culprit: Some(text()),
            exceptions: vec![exception.clone(), exception],
            breadcrumbs: vec![ErrorBreadcrumb { message: Some("step".into()), data: Some(text()), ..ErrorBreadcrumb::default() }],
            tags: [("tag".to_owned(), text())].into(),
            ..ErrorEvent::default()
        }
    }

    #[test]
    fn event_within_the_limit_is_unchanged() {
        let event = large_event(10_000);
        assert_eq!(parse_content(&ErrorEventRow::new(event.clone()).content).unwrap().0, event);
        assert_eq!(parse_content(&serde_json::to_vec(&event).unwrap()).unwrap().0, event);
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
