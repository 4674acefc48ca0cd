//! Joins spans that arrive in parts: a message of a call that is sent as a log record, before or after the call, or an update of an
//! earlier event.
//!
//! The order of the parts, and repeats of them, do not affect the result. For that, a span keeps its parts in addition to the fields made
//! from them. Each join writes the whole span again, so the total cost of one span is bounded ([`can_be_joined`]).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cost;
use crate::langfuse::{self, LangfuseEvent};
use crate::price::PriceBook;
use crate::span::{ChatMessage, Span, Usage};

/// Maximum number of parts of a span.
pub const MAX_PARTS: usize = 10_000;
/// Maximum bytes that all joins of a span may write: the number of joins times the size of the span. A call of 10 MB can have six
/// updates, a trace of 20 KB three thousand.
pub const MAX_JOIN_BYTES: usize = 64 << 20;

/// Parts of a span that arrived separately.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PartialSpanState {
    /// True while only parts have arrived, and not the span that they belong to.
    pub awaited: bool,
    /// Parts in the order of their times, then keys. Each key occurs once, at its earliest time.
    pub pieces: Vec<SpanFragment>,
    /// True if the project prefers the cost that the client reports over the computed cost.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub client_cost_preferred: bool,
    /// Number of times that the stored span was written again with later parts.
    #[serde(skip_serializing_if = "is_zero")]
    pub joins: u32,
}

fn is_zero(times: &u32) -> bool {
    *times == 0
}

/// Ignores `joins`: it depends on what arrived together, and not on the span.
impl PartialEq for PartialSpanState {
    fn eq(&self, other: &PartialSpanState) -> bool {
        let PartialSpanState { awaited, pieces, client_cost_preferred, joins: _ } = self;
        (awaited, pieces, client_cost_preferred) == (&other.awaited, &other.pieces, &other.client_cost_preferred)
    }
}

/// A part of a span that arrived separately.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanFragment {
    /// Key that is unique among the parts of the span, and the same if the part is sent again.
    pub key: String,
    /// Time of the part in microseconds since the Unix epoch.
    pub at_us: i64,
    /// Content of the part.
    #[serde(flatten)]
    pub content: SpanFragmentContent,
}

/// Content of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanFragmentContent {
    /// An input message of the model.
    Input(ChatMessage),
    /// An output message of the model.
    Output(ChatMessage),
    /// An event of Langfuse that creates or updates a trace or observation.
    Event(LangfuseEvent),
}

/// Returns whether a stored span may be joined once more; false if that would exceed the limits on parts or written bytes.
pub fn can_be_joined(stored: &Span, new: &Span) -> bool {
    let (Some(joined), of_new) = (&stored.joined, new.joined.as_ref().map_or(0, |joined| joined.pieces.len())) else { return true };
    let mut bytes = ByteCountWriter(0);
    let is_counted = serde_json::to_writer(&mut bytes, stored).and_then(|()| serde_json::to_writer(&mut bytes, new));
    is_counted.is_ok() && joined.pieces.len() + of_new <= MAX_PARTS && bytes.0.saturating_mul(joined.joins as usize + 1) <= MAX_JOIN_BYTES
}

/// Counts the bytes that are written.
struct ByteCountWriter(usize);

impl std::io::Write for ByteCountWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Joins two decoded reports of the same span, before deduplication.
///
/// Returns `None` if the second report adds nothing: then it is a repeat. A span that is assembled again from its parts is priced again.
pub fn join_partial_spans(stored: &Span, new: &Span, book: &PriceBook) -> Option<Span> {
    if stored.joined.is_none() && new.joined.is_none() {
        return None;
    }
    let (of_stored, of_new) = (stored.joined.clone().unwrap_or_default(), new.joined.clone().unwrap_or_default());
    let events = |joined: &PartialSpanState| joined.pieces.iter().any(langfuse::is_event);
    match (events(&of_stored), events(&of_new)) {
        (false, false) => {}
        (true, true) => return join_events(stored, *of_stored, *of_new, book),
        // Another protocol reports the same ID: there is no way to know which data is right.
        _ => return None,
    }
    let awaited = of_stored.awaited && of_new.awaited;
    // Of two incomplete spans, the one with the earlier start takes precedence.
    let order = |span: &Span, joined: &PartialSpanState| (span.start_us, joined.pieces.first().map(|piece| piece.key.clone()));
    let swapped = of_stored.awaited && (!of_new.awaited || order(new, &of_new) < order(stored, &of_stored));
    let (base, other) = if swapped { (new, stored) } else { (stored, new) };
    let mut joined = if of_stored.awaited == of_new.awaited || other.joined.as_ref().is_some_and(|joined| joined.awaited) {
        completed_with(without_parts(base), without_parts(other))
    } else {
        without_parts(base)
    };
    // What one report does not know of its times is unknown to it alone.
    (joined.has_no_duration, joined.time_source) = (base.has_no_duration, base.time_source);
    if awaited {
        joined.start_us = stored.start_us.min(new.start_us);
        joined.end_us = stored.end_us.max(new.end_us);
    }
    let mut pieces = of_stored.pieces;
    pieces.extend(of_new.pieces);
    // The first report takes precedence: a repeat with another key adds nothing.
    joined.ingest_key = stored.ingest_key.clone().or_else(|| new.ingest_key.clone());
    joined.sample_rate = stored.sample_rate.or(new.sample_rate);
    let joins = of_stored.joins.max(of_new.joins);
    joined.joined = Some(Box::new(PartialSpanState { awaited, pieces: sorted_parts(pieces), joins, ..PartialSpanState::default() }));
    fill_messages_from_parts(&mut joined);
    (joined != *stored).then_some(joined)
}

/// Assembles a span that consists only of events again from all of them.
fn join_events(stored: &Span, of_stored: PartialSpanState, of_new: PartialSpanState, book: &PriceBook) -> Option<Span> {
    let mut pieces = of_stored.pieces.clone();
    pieces.extend(of_new.pieces);
    let pieces = sorted_parts(pieces);
    if pieces == of_stored.pieces {
        // A repeat stays a repeat if prices have changed since.
        return None;
    }
    let mut whole = langfuse::assemble_span(stored.trace_id, stored.span_id, pieces, book);
    if let Some(joined) = &mut whole.joined {
        joined.joins = of_stored.joins.max(of_new.joins);
    }
    if of_stored.client_cost_preferred || of_new.client_cost_preferred {
        cost::prefer_client(&mut whole);
    }
    whole.also_reported = stored.also_reported;
    // Events do not contain how they arrived.
    whole.ingest_key.clone_from(&stored.ingest_key);
    whole.sample_rate = stored.sample_rate;
    (whole != *stored).then_some(whole)
}

/// Sorts parts by their times, then keys, and keeps each key once, at its earliest time.
pub(crate) fn sorted_parts(mut pieces: Vec<SpanFragment>) -> Vec<SpanFragment> {
    pieces.sort_by(|a, b| (a.at_us, &a.key).cmp(&(b.at_us, &b.key)));
    let mut known = HashSet::new();
    pieces.retain(|piece| known.insert(piece.key.clone()));
    pieces
}

/// Copies the messages that arrived separately into the span if the span has no messages.
pub fn fill_messages_from_parts(span: &mut Span) {
    let Some(joined) = &span.joined else { return };
    let (input, output) = messages(joined);
    if span.input_messages.is_empty() {
        span.input_messages = input;
    }
    if span.output_messages.is_empty() {
        span.output_messages = output;
    }
}

fn messages(joined: &PartialSpanState) -> (Vec<ChatMessage>, Vec<ChatMessage>) {
    let (mut input, mut output) = (Vec::new(), Vec::new());
    for piece in &joined.pieces {
        match &piece.content {
            SpanFragmentContent::Input(message) => input.push(message.clone()),
            SpanFragmentContent::Output(message) => output.push(message.clone()),
            SpanFragmentContent::Event(_) => {}
        }
    }
    (input, output)
}

/// Returns the span without the fields that come from its parts.
fn without_parts(span: &Span) -> Span {
    let mut own = span.clone();
    // An estimate is dropped: the other report may contain usage, or messages that were missing.
    if own.is_estimated() {
        (own.usage, own.cost) = (Usage::default(), None);
    }
    if let Some(joined) = own.joined.take() {
        let (input, output) = messages(&joined);
        if own.input_messages == input {
            own.input_messages.clear();
        }
        if own.output_messages == output {
            own.output_messages.clear();
        }
    }
    own
}

/// Returns the first span, completed with fields that only the second one has.
fn completed_with(span: Span, from: Span) -> Span {
    let of = |span: &Span| serde_json::to_value(span).ok();
    let (Some(Value::Object(mut fields)), Some(Value::Object(more)), Some(none)) = (of(&span), of(&from), of(&Span::default())) else {
        return span;
    };
    for (name, value) in more {
        match fields.get_mut(&name) {
            Some(Value::Object(own)) if name == "attributes" || name == "tags" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    own.entry(key).or_insert_with(|| value.clone());
                }
            }
            Some(own) if none.get(&name) == Some(own) => *own = value,
            Some(_) => {}
            None => {
                fields.insert(name, value);
            }
        }
    }
    serde_json::from_value(Value::Object(fields)).unwrap_or(span)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{SpanId, TraceId};
    use crate::span::MessagePart;

    fn message(text: &str) -> ChatMessage {
        ChatMessage { role: "user".into(), parts: vec![MessagePart::Text { text: text.into() }] }
    }

    /// Returns a span with one message from a log record.
    fn piece(number: i64) -> Span {
        let content =
            if number % 2 == 0 { SpanFragmentContent::Input } else { SpanFragmentContent::Output }(message(&format!("text {number}")));
        let piece = SpanFragment { key: format!("log {number}"), at_us: 1_000 - number / 2, content };
        let mut span = Span {
            start_us: piece.at_us,
            end_us: piece.at_us,
            has_no_duration: true,
            session_id: Some("s".into()),
            joined: Some(Box::new(PartialSpanState { awaited: true, pieces: vec![piece], ..PartialSpanState::default() })),
            ..empty()
        };
        fill_messages_from_parts(&mut span);
        span
    }

    fn empty() -> Span {
        Span { trace_id: TraceId(1), span_id: SpanId(2), ..Span::default() }
    }

    fn call() -> Span {
        Span { name: "chat".into(), start_us: 5, end_us: 50, request_model: Some("gpt-4o".into()), ..empty() }
    }

    fn all(reports: &[Span]) -> Span {
        let mut reports = reports.iter();
        let first = reports.next().unwrap().clone();
        reports.fold(first, |joined, report| join_partial_spans(&joined, report, PriceBook::embedded()).unwrap_or(joined))
    }

    #[test]
    fn a_call_and_its_messages() {
        let span = all(&[piece(0), call(), piece(1), piece(2)]);
        assert_eq!(span.input_messages, [message("text 2"), message("text 0")], "in the order of their times");
        assert_eq!(span.output_messages, [message("text 1")]);
        assert_eq!((span.name.as_str(), span.start_us, span.end_us, span.session_id.as_deref()), ("chat", 5, 50, Some("s")));
        assert!(!span.joined.as_ref().unwrap().awaited);
        assert_eq!((span.duration_us(), all(&[call(), piece(0)]).duration_us()), (Some(45), Some(45)));
        assert_eq!(all(&[piece(0), piece(1), piece(2)]).duration_us(), None, "the times of records say nothing about the call");
    }

    #[test]
    fn own_messages_of_a_span_are_not_repeated() {
        let own = Span { input_messages: vec![message("own")], ..call() };
        assert_eq!(all(&[own.clone(), piece(0)]).input_messages, [message("own")]);
        assert_eq!(all(&[piece(0), own]).input_messages, [message("own")]);
    }

    #[test]
    fn repeated_part_is_kept_once() {
        let again = |at_us| {
            let mut told = piece(0);
            told.joined.as_mut().unwrap().pieces[0].at_us = at_us;
            told
        };
        let joined = all(&[again(1_000), piece(2), again(5)]);
        assert_eq!(joined.input_messages, [message("text 0"), message("text 2")]);
        assert_eq!(all(&[again(5), piece(2), again(1_000)]).input_messages, joined.input_messages);
    }

    #[test]
    fn repeated_span_changes_nothing() {
        assert_eq!(join_partial_spans(&call(), &call(), PriceBook::embedded()), None);
        let whole = all(&[call(), piece(0)]);
        assert_eq!(join_partial_spans(&whole, &piece(0), PriceBook::embedded()), None);
        assert_eq!(join_partial_spans(&whole, &call(), PriceBook::embedded()), None);
    }

    #[test]
    fn bytes_written_by_joins_are_limited() {
        // Small parts, large parts, and small parts of a large span.
        for (own, of_piece) in [(10, 10), (10, 50_000), (1 << 20, 10)] {
            let mut stored = Span { name: "n".repeat(own), ..all(&[call(), piece(1)]) };
            let (mut joins, mut written) = (0, 0);
            loop {
                let mut next = piece(joins + 2);
                next.joined.as_mut().unwrap().pieces[0].content = SpanFragmentContent::Input(message(&"m".repeat(of_piece)));
                if !can_be_joined(&stored, &next) {
                    break;
                }
                let joined = stored.joined.as_mut().unwrap();
                joined.pieces.append(&mut next.joined.unwrap().pieces);
                joined.joins += 1;
                joins += 1;
                written += serde_json::to_string(&stored).unwrap().len();
            }
            assert!(joins > 30 && written <= MAX_JOIN_BYTES, "{joins} joins wrote {written}");
        }
    }

    proptest! {
        #[test]
        fn parts_join_to_one_span_in_any_order(order in proptest::collection::vec(0usize..6, 0..12)) {
            let reports = [call(), piece(0), piece(1), piece(2), piece(3), piece(4)];
            let mut sent: Vec<Span> = order.iter().map(|place| reports[*place].clone()).collect();
            sent.extend(reports.clone());
            prop_assert_eq!(all(&sent), all(&reports));
        }
    }
}
