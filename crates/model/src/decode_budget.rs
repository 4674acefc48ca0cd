//! What a request may become while it is decoded: bytes on the wire say little. Two bytes of JSON (`0,`) are a value of 32, two of
//! protobuf an empty message of a hundred, and a resource is copied to each of its spans.
//!
//! Whatever is repeated or nested in what a client sends is charged here before or as it is made. Beyond the limit nothing more is
//! built, and the request as a whole is refused. The account belongs to the thread, since parsers offer no way to hand it on. Outside
//! of [`within`] there is no limit.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::partial_spans::{PartialSpanState, SpanFragmentContent};
use crate::sentry::ErrorEvent;
use crate::span::{ChatMessage, MessagePart, Span};

/// What one request may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Spans, log records, points, events.
    pub items: usize,
    /// Bytes of memory.
    pub bytes: usize,
}

/// A limit that a request exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeLimitExceeded {
    /// Too many spans, log records, points or events.
    Items,
    /// They, or what they hold, would take too much memory.
    Bytes,
}

thread_local! {
    static ITEMS: Cell<usize> = const { Cell::new(usize::MAX) };
    static BYTES: Cell<usize> = const { Cell::new(usize::MAX) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static EXCEEDED: Cell<Option<DecodeLimitExceeded>> = const { Cell::new(None) };
}

/// Puts back what held before, also after a panic.
struct DecodeBudgetGuard(usize, usize, usize, Option<DecodeLimitExceeded>);

impl Drop for DecodeBudgetGuard {
    fn drop(&mut self) {
        ITEMS.set(self.0);
        BYTES.set(self.1);
        LARGEST.set(self.2);
        EXCEEDED.set(self.3);
    }
}

/// Decodes within limits.
///
/// # Errors
///
/// When one of them is exceeded; what `decode` returned is thrown away then.
pub fn within<T>(limits: DecodeLimits, decode: impl FnOnce() -> T) -> Result<T, DecodeLimitExceeded> {
    let _before = DecodeBudgetGuard(ITEMS.replace(limits.items), BYTES.replace(limits.bytes), LARGEST.replace(0), EXCEEDED.replace(None));
    let decoded = decode();
    match EXCEEDED.get() {
        None => Ok(decoded),
        Some(exceeded) => Err(exceeded),
    }
}

/// True once a limit is exceeded: nothing that is made from then on is of use.
pub fn is_exceeded() -> bool {
    EXCEEDED.get().is_some()
}

/// Charges bytes. False when there are not as many left.
pub(crate) fn charge(bytes: usize) -> bool {
    let left = BYTES.get().checked_sub(bytes).filter(|_| !is_exceeded());
    match left {
        Some(left) => BYTES.set(left),
        None => exceed(DecodeLimitExceeded::Bytes),
    }
    left.is_some()
}

/// Bytes that may still be charged.
pub(crate) fn left() -> usize {
    BYTES.get()
}

/// Charges spans, log records, points or events, which take `bytes` bytes in all. False when there may be no more.
pub(crate) fn charge_items(count: usize, bytes: usize) -> bool {
    match ITEMS.get().checked_sub(count) {
        Some(left) => ITEMS.set(left),
        None => {
            exceed(DecodeLimitExceeded::Items);
            return false;
        }
    }
    is_one_of(bytes);
    charge(bytes)
}

/// Notes how large one item is.
pub(crate) fn is_one_of(bytes: usize) {
    LARGEST.set(LARGEST.get().max(bytes));
}

/// Whether the copies fit that are made of the largest item while its meaning is found: of its attributes, and of messages in them.
pub(crate) fn copies_fit() -> bool {
    for_a_moment(|| charge(3 * LARGEST.get()))
}

fn exceed(which: DecodeLimitExceeded) {
    if !is_exceeded() {
        EXCEEDED.set(Some(which));
    }
}

/// What was charged up to a moment.
#[derive(Debug, Clone, Copy)]
pub struct DecodeBudgetSavepoint(usize, usize);

/// What has been charged so far.
pub fn mark() -> DecodeBudgetSavepoint {
    DecodeBudgetSavepoint(ITEMS.get(), BYTES.get())
}

/// Gives back what was charged since: all of it is dropped. What is exceeded stays so.
pub fn give_back(since: DecodeBudgetSavepoint) {
    if !is_exceeded() {
        ITEMS.set(since.0);
        BYTES.set(since.1);
    }
}

/// What is made and dropped within: its charges are given back. What comes of it is to be charged by itself.
pub(crate) fn for_a_moment<T>(work: impl FnOnce() -> T) -> T {
    let before = BYTES.get();
    let done = work();
    if !is_exceeded() {
        BYTES.set(before);
    }
    done
}

/// Bytes of a node of a map, which has room for eleven members and is half full when they come in order.
const NODE: usize = 640;
/// A member's part of it.
const MEMBER: usize = NODE / 6;
/// A small object of a few short texts.
pub(crate) const OBJECT: usize = NODE + 12 * TEXT;
/// What the allocator adds to each text, and rounds up.
const TEXT: usize = 16;

/// One element of a list: a list that grows is twice as long as what is in it.
pub(crate) const ELEMENT: usize = 2 * size_of::<Value>();

/// What a member of a map takes beside its value's own content; `first` in its map.
pub(crate) fn member(name: &str, first: bool) -> usize {
    TEXT + name.len() + if first { NODE } else { MEMBER }
}

/// What a text takes.
pub(crate) fn text(text: &str) -> usize {
    if text.is_empty() { 0 } else { TEXT + text.len() }
}

/// What a value takes beside its own place.
pub(crate) fn value(of: &Value) -> usize {
    match of {
        Value::String(of) => text(of),
        Value::Array(items) => items.iter().map(|item| size_of::<Value>() + value(item)).sum(),
        Value::Object(members) => object(members),
        _ => 0,
    }
}

/// What a map takes beside its own place.
pub(crate) fn object(members: &Map<String, Value>) -> usize {
    members.iter().enumerate().map(|(at, (name, of))| member(name, at == 0) + value(of)).sum()
}

/// What tags take.
pub(crate) fn tags(tags: &BTreeMap<String, String>) -> usize {
    tags.iter().enumerate().map(|(at, (name, of))| member(name, at == 0) + text(of)).sum()
}

fn message(message: &ChatMessage) -> usize {
    let part = |part: &MessagePart| {
        size_of::<MessagePart>()
            + match part {
                MessagePart::Text { text } | MessagePart::Reasoning { text } => text.len(),
                MessagePart::ToolCall { name, arguments, .. } => TEXT + name.len() + arguments.len(),
                MessagePart::ToolResult { result, .. } => TEXT + result.len(),
                MessagePart::Media { content, .. } | MessagePart::Other { content } => TEXT + content.len(),
            }
    };
    size_of::<ChatMessage>() + 2 * TEXT + message.parts.iter().map(part).sum::<usize>()
}

fn joined(joined: &PartialSpanState) -> usize {
    let piece = |content: &SpanFragmentContent| match content {
        SpanFragmentContent::Input(of) | SpanFragmentContent::Output(of) => message(of),
        SpanFragmentContent::Event(event) => event.bytes(),
    };
    joined.pieces.iter().map(|of| size_of_val(of) + 2 * TEXT + piece(&of.content)).sum()
}

/// Charges what was made of a span.
pub(crate) fn charge_span(span: &Span) -> bool {
    let messages: usize = span.input_messages.iter().chain(&span.output_messages).map(message).sum();
    let readings = span.reading.len() * 80;
    let pieces = span.joined.as_deref().map_or(0, joined);
    charge(size_of::<Span>() + object(&span.attributes) + tags(&span.tags) + messages + readings + text(&span.name) + pieces)
}

/// Charges an error event, which takes a copy of its span's tags and has a stack.
pub(crate) fn charge_error(error: &ErrorEvent) -> bool {
    let stacks: usize = error.exceptions.iter().map(|exception| 100 + exception.value.len() + 200 * exception.frames.len()).sum();
    charge(size_of::<ErrorEvent>() + tags(&error.tags) + text(&error.value) + stacks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exceeded_stays_so_and_is_told_once() {
        let limits = DecodeLimits { items: 2, bytes: 100 };
        assert_eq!(within(limits, || (charge(60), charge(60), charge(1))), Err(DecodeLimitExceeded::Bytes));
        assert_eq!(within(limits, || (charge_items(1, 1), charge_items(1, 1), charge_items(1, 1))), Err(DecodeLimitExceeded::Items));
        assert_eq!(within(limits, || for_a_moment(|| charge(90)) && for_a_moment(|| charge(90)) && charge(100)), Ok(true));
        assert_eq!(within(limits, || for_a_moment(|| charge(101))), Err(DecodeLimitExceeded::Bytes));
        assert!(charge(usize::MAX / 2), "no limit outside");
    }
}
