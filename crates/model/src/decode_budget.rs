//! Limits on the memory that a request may take while it is decoded. A small body may need much memory. Two bytes of JSON (`0,`) become a
//! value of 32 bytes, two bytes of protobuf can become an empty message of a hundred bytes, and a resource is copied to each of its spans.
//!
//! All data that a client can repeat or nest is charged here before or while it is built. When the limit is exceeded, no further data is
//! built, and the whole request is rejected. The budget is thread-local, since parsers offer no way to pass it on. Outside of
//! [`decode_within`] there is no limit.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::partial_spans::{PartialSpanState, SpanFragmentContent};
use crate::sentry::{ErrorBreadcrumb, ErrorEvent, ErrorException, ExceptionMechanism, ProgramThread, StackFrame};
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
    /// The items or their contents would take too much memory.
    Bytes,
}

thread_local! {
    static REMAINING_ITEMS: Cell<usize> = const { Cell::new(usize::MAX) };
    static REMAINING_BYTES: Cell<usize> = const { Cell::new(usize::MAX) };
    static LARGEST_CHARGE: Cell<usize> = const { Cell::new(0) };
    static EXCEEDED_LIMIT: Cell<Option<DecodeLimitExceeded>> = const { Cell::new(None) };
}

/// Restores the previous budget, also after a panic.
struct DecodeBudgetGuard(usize, usize, usize, Option<DecodeLimitExceeded>);

impl Drop for DecodeBudgetGuard {
    fn drop(&mut self) {
        REMAINING_ITEMS.set(self.0);
        REMAINING_BYTES.set(self.1);
        LARGEST_CHARGE.set(self.2);
        EXCEEDED_LIMIT.set(self.3);
    }
}

/// Runs `decode` within the limits.
///
/// # Errors
///
/// Returns an error if a limit is exceeded. In this case, the result of `decode` is discarded.
pub fn decode_within<T>(limits: DecodeLimits, decode: impl FnOnce() -> T) -> Result<T, DecodeLimitExceeded> {
    let _before = DecodeBudgetGuard(
        REMAINING_ITEMS.replace(limits.items),
        REMAINING_BYTES.replace(limits.bytes),
        LARGEST_CHARGE.replace(0),
        EXCEEDED_LIMIT.replace(None),
    );
    let decoded = decode();
    match EXCEEDED_LIMIT.get() {
        None => Ok(decoded),
        Some(exceeded) => Err(exceeded),
    }
}

/// Returns true once a limit is exceeded. Data that is built afterwards is not used.
pub fn is_exceeded() -> bool {
    EXCEEDED_LIMIT.get().is_some()
}

/// Charges bytes. Returns false if the remaining budget is smaller.
pub(crate) fn charge(bytes: usize) -> bool {
    let left = REMAINING_BYTES.get().checked_sub(bytes).filter(|_| !is_exceeded());
    match left {
        Some(left) => REMAINING_BYTES.set(left),
        None => set_exceeded(DecodeLimitExceeded::Bytes),
    }
    left.is_some()
}

/// Returns the number of bytes that may still be charged.
pub(crate) fn remaining_bytes() -> usize {
    REMAINING_BYTES.get()
}

/// Charges spans, log records, points or events that take `bytes` bytes in total. Returns false if a limit is exceeded.
pub(crate) fn charge_items(count: usize, bytes: usize) -> bool {
    match REMAINING_ITEMS.get().checked_sub(count) {
        Some(left) => REMAINING_ITEMS.set(left),
        None => {
            set_exceeded(DecodeLimitExceeded::Items);
            return false;
        }
    }
    note_item_size(bytes);
    charge(bytes)
}

/// Records the size of one item.
pub(crate) fn note_item_size(bytes: usize) {
    LARGEST_CHARGE.set(LARGEST_CHARGE.get().max(bytes));
}

/// Returns whether the budget suffices for the copies that normalization makes of the largest item: copies of its attributes, and of the
/// messages in the attributes.
pub(crate) fn has_room_for_copies() -> bool {
    with_refund(|| charge(3 * LARGEST_CHARGE.get()))
}

fn set_exceeded(which: DecodeLimitExceeded) {
    if !is_exceeded() {
        EXCEEDED_LIMIT.set(Some(which));
    }
}

/// Amount that was charged up to some moment.
#[derive(Debug, Clone, Copy)]
pub struct DecodeBudgetSavepoint(usize, usize);

/// Returns the amount that has been charged so far.
pub fn savepoint() -> DecodeBudgetSavepoint {
    DecodeBudgetSavepoint(REMAINING_ITEMS.get(), REMAINING_BYTES.get())
}

/// Refunds the charges since the savepoint. The charged data must all be dropped. An exceeded limit stays exceeded.
pub fn refund_since(since: DecodeBudgetSavepoint) {
    if !is_exceeded() {
        REMAINING_ITEMS.set(since.0);
        REMAINING_BYTES.set(since.1);
    }
}

/// Runs `work` and refunds its charges, for temporary values. The caller charges the result separately.
pub(crate) fn with_refund<T>(work: impl FnOnce() -> T) -> T {
    let before = REMAINING_BYTES.get();
    let done = work();
    if !is_exceeded() {
        REMAINING_BYTES.set(before);
    }
    done
}

/// Bytes of a B-tree node of a map, which has room for eleven members and is half full if they arrive in order.
const NODE_BYTES: usize = 640;
/// Share of one member in a node.
const MEMBER_BYTES: usize = NODE_BYTES / 6;
/// Bytes of a small object with a few short texts.
pub(crate) const OBJECT_BYTES: usize = NODE_BYTES + 12 * TEXT_OVERHEAD_BYTES;
/// Overhead of the allocator for each text, including rounding.
const TEXT_OVERHEAD_BYTES: usize = 16;

/// Bytes of one element of a list. The capacity of a growing list is up to twice its length.
pub(crate) const ELEMENT_BYTES: usize = 2 * size_of::<Value>();

/// Returns the size of a member of a map in bytes, without the content of the value. `first` is true for the first member of a map.
pub(crate) fn member_bytes(name: &str, first: bool) -> usize {
    TEXT_OVERHEAD_BYTES + name.len() + if first { NODE_BYTES } else { MEMBER_BYTES }
}

/// Returns the size of a text in bytes.
pub(crate) fn text_bytes(text: &str) -> usize {
    if text.is_empty() { 0 } else { TEXT_OVERHEAD_BYTES + text.len() }
}

/// Returns the size of a value in bytes, without the `Value` itself.
pub(crate) fn value(of: &Value) -> usize {
    match of {
        Value::String(of) => text_bytes(of),
        Value::Array(items) => items.iter().map(|item| size_of::<Value>() + value(item)).sum(),
        Value::Object(members) => object(members),
        _ => 0,
    }
}

/// Returns the size of a map in bytes, without the `Map` itself.
pub(crate) fn object(members: &Map<String, Value>) -> usize {
    members.iter().enumerate().map(|(at, (name, of))| member_bytes(name, at == 0) + value(of)).sum()
}

/// Returns the size of tags in bytes.
pub(crate) fn tags(tags: &BTreeMap<String, String>) -> usize {
    tags.iter().enumerate().map(|(at, (name, of))| member_bytes(name, at == 0) + text_bytes(of)).sum()
}

fn message(message: &ChatMessage) -> usize {
    let part = |part: &MessagePart| {
        size_of::<MessagePart>()
            + match part {
                MessagePart::Text { text } | MessagePart::Reasoning { text } => text.len(),
                MessagePart::ToolCall { name, arguments, .. } => TEXT_OVERHEAD_BYTES + name.len() + arguments.len(),
                MessagePart::ToolResult { result, .. } => TEXT_OVERHEAD_BYTES + result.len(),
                MessagePart::Media { content, .. } => TEXT_OVERHEAD_BYTES + content.as_ref().map_or(0, String::len),
                MessagePart::Other { content } => TEXT_OVERHEAD_BYTES + content.len(),
            }
    };
    size_of::<ChatMessage>() + 2 * TEXT_OVERHEAD_BYTES + message.parts.iter().map(part).sum::<usize>()
}

fn joined(joined: &PartialSpanState) -> usize {
    let piece = |content: &SpanFragmentContent| match content {
        SpanFragmentContent::Input(of) | SpanFragmentContent::Output(of) => message(of),
        SpanFragmentContent::Event(event) => event.bytes(),
    };
    joined.pieces.iter().map(|of| size_of_val(of) + 2 * TEXT_OVERHEAD_BYTES + piece(&of.content)).sum()
}

/// Charges the contents of a span.
pub(crate) fn charge_span(span: &Span) -> bool {
    let messages: usize = span.input_messages.iter().chain(&span.output_messages).map(message).sum();
    let readings = span.reading.len() * 80;
    let pieces = span.joined.as_deref().map_or(0, joined);
    charge(size_of::<Span>() + object(&span.attributes) + tags(&span.tags) + messages + readings + text_bytes(&span.name) + pieces)
}

/// Returns the size of frames in bytes, with their source lines and local variables.
fn frames(frames: &[StackFrame]) -> usize {
    let frame = |frame: &StackFrame| {
        let texts =
            [&frame.function, &frame.module, &frame.filename, &frame.abs_path, &frame.package, &frame.instruction_addr, &frame.source];
        let lines = frame.before.iter().chain(&frame.after).map(|line| size_of::<String>() + text_bytes(line)).sum::<usize>();
        size_of::<StackFrame>() + texts.into_iter().flatten().map(|text| text_bytes(text)).sum::<usize>() + lines + object(&frame.vars)
    };
    frames.iter().map(frame).sum()
}

/// Charges an error event, which has a copy of its span's tags, and stacks.
pub(crate) fn charge_error(error: &ErrorEvent) -> bool {
    let exception = |exception: &ErrorException| {
        let mechanism = exception.mechanism.as_ref().map_or(0, |of| size_of::<ExceptionMechanism>() + object(&of.data) + object(&of.meta));
        size_of::<ErrorException>() + exception.value.len() + frames(&exception.frames) + mechanism
    };
    let exceptions: usize = error.exceptions.iter().map(exception).sum();
    let threads: usize = error.threads.iter().map(|thread| size_of::<ProgramThread>() + OBJECT_BYTES / 4 + frames(&thread.frames)).sum();
    let stack = error.stack.as_ref().map_or(0, |stack| frames(&stack.frames));
    let breadcrumb = |step: &ErrorBreadcrumb| {
        let texts = [&step.message, &step.data].into_iter().flatten();
        size_of::<ErrorBreadcrumb>() + 3 * TEXT_OVERHEAD_BYTES + texts.map(|text| text_bytes(text)).sum::<usize>()
    };
    let breadcrumbs: usize = error.breadcrumbs.iter().map(breadcrumb).sum();
    let details = &error.details;
    let data = [&details.request, &details.user, &details.contexts, &details.extra].into_iter().map(object).sum::<usize>();
    let texts = text_bytes(&error.value) + tags(&error.tags) + tags(&details.modules);
    charge(size_of::<ErrorEvent>() + texts + exceptions + threads + stack + breadcrumbs + data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceeded_limit_persists_and_is_reported_once() {
        let limits = DecodeLimits { items: 2, bytes: 100 };
        assert_eq!(decode_within(limits, || (charge(60), charge(60), charge(1))), Err(DecodeLimitExceeded::Bytes));
        assert_eq!(decode_within(limits, || (charge_items(1, 1), charge_items(1, 1), charge_items(1, 1))), Err(DecodeLimitExceeded::Items));
        assert_eq!(decode_within(limits, || with_refund(|| charge(90)) && with_refund(|| charge(90)) && charge(100)), Ok(true));
        assert_eq!(decode_within(limits, || with_refund(|| charge(101))), Err(DecodeLimitExceeded::Bytes));
        assert!(charge(usize::MAX / 2), "no limit outside");
    }
}
