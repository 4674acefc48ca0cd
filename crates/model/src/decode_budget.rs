//! Limits on the memory that a request may take while it is decoded. The size of the body says little: two bytes of JSON (`0,`) become a
//! value of 32 bytes, two bytes of protobuf an empty message of a hundred, and a resource is copied to each of its spans.
//!
//! Everything that a client can repeat or nest is charged here before or while it is built. Beyond the limit nothing more is built, and
//! the whole request is rejected. The budget is thread-local, since parsers offer no way to pass it on. Outside of [`within`] there is no
//! limit.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::partial_spans::{PartialSpanState, SpanFragmentContent};
use crate::sentry::ErrorEvent;
use crate::span::{ChatMessage, MessagePart, Span};

/// Limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Maximum number of spans, log records, points and events.
    pub items: usize,
    /// Maximum bytes of memory.
    pub bytes: usize,
}

/// The limit that a request exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeLimitExceeded {
    /// Too many spans, log records, points or events.
    Items,
    /// They, or their contents, would take too much memory.
    Bytes,
}

thread_local! {
    static ITEMS: Cell<usize> = const { Cell::new(usize::MAX) };
    static BYTES: Cell<usize> = const { Cell::new(usize::MAX) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
    static EXCEEDED: Cell<Option<DecodeLimitExceeded>> = const { Cell::new(None) };
}

/// Restores the previous budget, also after a panic.
struct DecodeBudgetGuard(usize, usize, usize, Option<DecodeLimitExceeded>);

impl Drop for DecodeBudgetGuard {
    fn drop(&mut self) {
        ITEMS.set(self.0);
        BYTES.set(self.1);
        LARGEST.set(self.2);
        EXCEEDED.set(self.3);
    }
}

/// Runs `decode` within the limits.
///
/// # Errors
///
/// When a limit is exceeded. The result of `decode` is discarded then.
pub fn within<T>(limits: DecodeLimits, decode: impl FnOnce() -> T) -> Result<T, DecodeLimitExceeded> {
    let _before = DecodeBudgetGuard(ITEMS.replace(limits.items), BYTES.replace(limits.bytes), LARGEST.replace(0), EXCEEDED.replace(None));
    let decoded = decode();
    match EXCEEDED.get() {
        None => Ok(decoded),
        Some(exceeded) => Err(exceeded),
    }
}

/// Returns true once a limit is exceeded. Nothing that is built from then on is used.
pub fn is_exceeded() -> bool {
    EXCEEDED.get().is_some()
}

/// Charges bytes. Returns false if fewer are left.
pub(crate) fn charge(bytes: usize) -> bool {
    let left = BYTES.get().checked_sub(bytes).filter(|_| !is_exceeded());
    match left {
        Some(left) => BYTES.set(left),
        None => exceed(DecodeLimitExceeded::Bytes),
    }
    left.is_some()
}

/// Returns the number of bytes that may still be charged.
pub(crate) fn left() -> usize {
    BYTES.get()
}

/// Charges spans, log records, points or events that take `bytes` bytes in total. Returns false if a limit is exceeded.
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

/// Records the size of one item.
pub(crate) fn is_one_of(bytes: usize) {
    LARGEST.set(LARGEST.get().max(bytes));
}

/// Returns whether the copies fit that normalization makes of the largest item: of its attributes, and of the messages in them.
pub(crate) fn copies_fit() -> bool {
    for_a_moment(|| charge(3 * LARGEST.get()))
}

fn exceed(which: DecodeLimitExceeded) {
    if !is_exceeded() {
        EXCEEDED.set(Some(which));
    }
}

/// Amount that was charged up to some moment.
#[derive(Debug, Clone, Copy)]
pub struct DecodeBudgetSavepoint(usize, usize);

/// Returns the amount that has been charged so far.
pub fn mark() -> DecodeBudgetSavepoint {
    DecodeBudgetSavepoint(ITEMS.get(), BYTES.get())
}

/// Refunds what was charged since the savepoint, all of which is dropped. An exceeded limit stays exceeded.
pub fn give_back(since: DecodeBudgetSavepoint) {
    if !is_exceeded() {
        ITEMS.set(since.0);
        BYTES.set(since.1);
    }
}

/// Runs `work` and refunds its charges, for temporary values. The caller charges the result separately.
pub(crate) fn for_a_moment<T>(work: impl FnOnce() -> T) -> T {
    let before = BYTES.get();
    let done = work();
    if !is_exceeded() {
        BYTES.set(before);
    }
    done
}

/// Bytes of a B-tree node of a map, which has room for eleven members and is half full if they arrive in order.
const NODE: usize = 640;
/// Share of one member in a node.
const MEMBER: usize = NODE / 6;
/// Bytes of a small object with a few short texts.
pub(crate) const OBJECT: usize = NODE + 12 * TEXT;
/// Overhead of the allocator for each text, including rounding.
const TEXT: usize = 16;

/// Bytes of one element of a list. The capacity of a growing list is up to twice its length.
pub(crate) const ELEMENT: usize = 2 * size_of::<Value>();

/// Returns the bytes of a map's member except for the value's own content; `first` for the first member of its map.
pub(crate) fn member(name: &str, first: bool) -> usize {
    TEXT + name.len() + if first { NODE } else { MEMBER }
}

/// Returns the bytes of a text.
pub(crate) fn text(text: &str) -> usize {
    if text.is_empty() { 0 } else { TEXT + text.len() }
}

/// Returns the bytes of a value without the `Value` itself.
pub(crate) fn value(of: &Value) -> usize {
    match of {
        Value::String(of) => text(of),
        Value::Array(items) => items.iter().map(|item| size_of::<Value>() + value(item)).sum(),
        Value::Object(members) => object(members),
        _ => 0,
    }
}

/// Returns the bytes of a map without the `Map` itself.
pub(crate) fn object(members: &Map<String, Value>) -> usize {
    members.iter().enumerate().map(|(at, (name, of))| member(name, at == 0) + value(of)).sum()
}

/// Returns the bytes of tags.
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

/// Charges the contents of a span.
pub(crate) fn charge_span(span: &Span) -> bool {
    let messages: usize = span.input_messages.iter().chain(&span.output_messages).map(message).sum();
    let readings = span.reading.len() * 80;
    let pieces = span.joined.as_deref().map_or(0, joined);
    charge(size_of::<Span>() + object(&span.attributes) + tags(&span.tags) + messages + readings + text(&span.name) + pieces)
}

/// Charges an error event, which has a copy of its span's tags and a stack.
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
