//! The run that a trace shows: its model calls, its tool calls and its final answer.

use std::borrow::Cow;
use std::cell::OnceCell;

use hinomi_model::id::SpanId;
use hinomi_model::span::{ChatMessage, MessagePart, Span, SpanStatus, SpanType};

use super::Map;
use super::text::{last_text, prefix, text_hash, texts};
use super::tool_calls::{self, ToolCall};

/// Maximum depth of a trace that is followed upwards.
const MAX_DEPTH: usize = 64;

/// Number of bytes of a user message that identify the task of a call. Prompts of some agents grow at the end.
const TASK_BYTES: usize = 256;

/// View of the spans of one trace.
pub(super) struct AnalyzedRun<'a> {
    /// All spans, by start.
    pub(super) spans: Vec<&'a Span>,
    /// Calls of language models, by start, each once. Agents stand for calls if the trace reports no calls.
    pub(super) calls: Vec<&'a Span>,
    /// Tool calls, by start, each once.
    pub(super) tools: Vec<ToolCall<'a>>,
    places: OnceCell<Map<SpanId, usize>>,
    answer: OnceCell<Option<FinalAnswer<'a>>>,
}

/// Final answer of a run.
#[derive(Clone, Copy)]
pub(super) struct FinalAnswer<'a> {
    /// Call that gave the answer, or the root if no call has its text.
    pub(super) span: &'a Span,
    /// Text of the answer.
    pub(super) text: &'a str,
}

impl<'a> AnalyzedRun<'a> {
    /// Reads the spans of one trace, in any order.
    pub(super) fn of(spans: &[&'a Span]) -> AnalyzedRun<'a> {
        let mut spans = spans.to_vec();
        if !spans.is_sorted_by_key(|span| span.start_us) {
            spans.sort_by_key(|span| span.start_us);
        }
        let calls = model_calls(&spans);
        let mut run = AnalyzedRun { spans, calls, tools: Vec::new(), places: OnceCell::new(), answer: OnceCell::new() };
        run.tools = tool_calls::of_run(&run);
        run
    }

    fn places(&self) -> &Map<SpanId, usize> {
        self.places.get_or_init(|| self.spans.iter().enumerate().map(|(at, span)| (span.span_id, at)).collect())
    }

    /// Returns the parent of a span if the trace contains it.
    pub(super) fn parent(&self, span: &Span) -> Option<&'a Span> {
        let parent = span.parent_span_id?;
        self.places().get(&parent).map(|at| self.spans[*at]).filter(|parent| parent.span_id != span.span_id)
    }

    /// Returns the spans above a span, from its parent on.
    pub(super) fn ancestors(&self, span: &Span) -> impl Iterator<Item = &'a Span> {
        let first = self.parent(span);
        std::iter::successors(first, |span| self.parent(span)).take(MAX_DEPTH)
    }

    /// Returns the span without a parent that started first, otherwise the first span.
    pub(super) fn root(&self) -> Option<&'a Span> {
        let root = self.spans.iter().find(|span| span.parent_span_id.is_none());
        root.or(self.spans.first()).copied()
    }

    /// Returns the name of the agent that a span belongs to.
    pub(super) fn agent(&self, span: &'a Span) -> Option<&'a str> {
        span.agent.as_deref().or_else(|| self.ancestors(span).find_map(|above| above.agent.as_deref()))
    }

    /// Returns the call that was started last before a time.
    pub(super) fn call_before(&self, time_us: i64) -> Option<usize> {
        self.calls.partition_point(|call| call.start_us <= time_us).checked_sub(1)
    }

    /// Returns what identifies the task that a call works on: a hash of the start of the last user message, or 0 if there is none.
    pub(super) fn task(&self, call: usize) -> u64 {
        last_text(&self.calls[call].input_messages, "user").map_or(0, |text| text_hash(prefix(text, TASK_BYTES)))
    }

    /// Returns true for calls that check the run and do not belong to it.
    fn is_check(&self, call: &Span) -> bool {
        self.ancestors(call).any(|above| matches!(above.kind, SpanType::Evaluator | SpanType::Guardrail))
    }

    /// Returns the call that ended the run: the one whose text the root returns, otherwise the one that ended last.
    pub(super) fn last_call(&self) -> Option<&'a Span> {
        let returned = self.root().filter(|root| !root.is_call()).and_then(output_text);
        let in_order = || {
            let mut calls: Vec<&'a Span> = self.calls.clone();
            calls.sort_by_key(|call| std::cmp::Reverse((call.end_us, call.start_us)));
            calls
        };
        if let Some(returned) = returned {
            let is_returned = |call: &&Span| output_text(call).is_some_and(|text| prefix(text, 500) == prefix(returned, 500));
            if let Some(call) = in_order().into_iter().find(is_returned) {
                return Some(call);
            }
        }
        let last = self.calls.iter().copied().max_by_key(|call| (call.end_us, call.start_us))?;
        if !self.is_check(last) {
            return Some(last);
        }
        in_order().into_iter().find(|call| !self.is_check(call))
    }

    /// Returns the final answer; `None` if the run ended without text.
    pub(super) fn final_answer(&self) -> Option<FinalAnswer<'a>> {
        *self.answer.get_or_init(|| {
            if let Some(span) = self.last_call()
                && let Some(text) = output_text(span)
            {
                return Some(FinalAnswer { span, text });
            }
            let span = self.root()?;
            output_text(span).map(|text| FinalAnswer { span, text })
        })
    }

    /// Returns the question of the user that an answer belongs to.
    pub(super) fn question(&self, answer: FinalAnswer<'a>) -> Option<&'a str> {
        last_text(&answer.span.input_messages, "user").or_else(|| last_text(&self.root()?.input_messages, "user"))
    }

    /// Returns true if the run as a whole failed, so that its error is visible anyway.
    pub(super) fn has_failed(&self) -> bool {
        self.root().is_some_and(|root| root.status == SpanStatus::Error)
    }
}

/// Returns the last text that a span returned, unless it requested tools after the text.
pub(super) fn output_text(span: &Span) -> Option<&str> {
    texts(answering_message(span)?).next_back()
}

/// Returns the last message that a span returned, unless it requests tools.
fn answering_message(span: &Span) -> Option<&ChatMessage> {
    let last = span.output_messages.iter().rev().find(|message| message.role != "tool")?;
    let calls_tool = last.parts.iter().any(|part| matches!(part, MessagePart::ToolCall { .. }));
    (!calls_tool).then_some(last)
}

/// Returns all texts of the message of which [`output_text`] is the last one. Providers split a text at citations, within sentences.
pub(super) fn whole_output_text(span: &Span) -> Option<Cow<'_, str>> {
    let parts = answering_message(span)?.parts.iter().filter_map(|part| match part {
        MessagePart::Text { text } => Some(text.as_str()),
        _ => None,
    });
    let parts: Vec<&str> = parts.collect();
    if let [text] = parts[..] {
        return Some(Cow::Borrowed(text.trim())).filter(|text| !text.is_empty());
    }
    let mut whole = String::new();
    for part in parts {
        // Sentences in parts of their own are not one word.
        if whole.ends_with(['.', '!', '?', ':']) && part.starts_with(char::is_alphabetic) {
            whole.push('\n');
        }
        whole.push_str(part);
    }
    let whole = whole.trim();
    (!whole.is_empty()).then(|| Cow::Owned(whole.to_owned()))
}

/// Returns the calls of language models that represent the run.
fn model_calls<'a>(spans: &[&'a Span]) -> Vec<&'a Span> {
    let of_models = || spans.iter().copied().filter(|span| span.kind == SpanType::Llm);
    let counted: Vec<&Span> = of_models().filter(|span| span.counted).collect();
    let has_messages = |span: &&Span| !span.output_messages.is_empty() || !span.input_messages.is_empty();
    if counted.iter().any(has_messages) {
        return counted;
    }
    let told: Vec<&Span> = of_models().filter(|span| span.counted || has_messages(span)).collect();
    if !told.is_empty() {
        return told;
    }
    spans.iter().copied().filter(|span| span.kind == SpanType::Agent && has_messages(span)).collect()
}
