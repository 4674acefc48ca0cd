//! Tool calls of a run, from tool spans and from messages, each once.

use std::collections::VecDeque;

use hinomi_model::id::SpanId;
use hinomi_model::span::{ChatMessage, MessagePart, Span, SpanStatus, SpanType};

use super::Map;
use super::phrases::error_text;
use super::run::AnalyzedRun;

/// Shortest ID of a tool call that is taken as unique. Some programs number the calls of each response.
const MIN_ID_LENGTH: usize = 8;

/// Maximum number of messages at the end of an input in which results are looked up. Earlier ones are history.
const MAX_RESULT_MESSAGES: usize = 64;

/// A tool call.
#[derive(Debug, Clone)]
pub(super) struct ToolCall<'a> {
    /// Name of the tool.
    pub(super) name: &'a str,
    /// Arguments as sent, if known.
    pub(super) arguments: Option<&'a str>,
    /// Result, if known.
    pub(super) result: Option<&'a str>,
    /// What went wrong, if the call failed. Empty if no text says it.
    pub(super) failure: Option<&'a str>,
    /// The tool span, or the span of the model's request if the tool has no span.
    pub(super) span_id: SpanId,
    /// True if a tool span reports the call.
    pub(super) has_span: bool,
    /// Place of the model call that requested it, in [`AnalyzedRun::calls`].
    pub(super) requested_by: Option<usize>,
    /// Calls of the same round were requested by one response. Unknown for calls that no response requested.
    pub(super) round: Option<usize>,
    /// Start in microseconds since the Unix epoch.
    pub(super) start_us: i64,
    /// End in microseconds since the Unix epoch.
    pub(super) end_us: i64,
}

impl ToolCall<'_> {
    /// Returns true if the call failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }
}

/// Collects the calls of a run.
struct Collector<'a> {
    calls: Vec<ToolCall<'a>>,
    by_id: Map<&'a str, usize>,
    /// Tool spans without an ID that no request is matched with yet, by name.
    unmatched: Map<&'a str, VecDeque<usize>>,
}

/// Returns the tool calls of a run by start.
pub(super) fn of_run<'a>(run: &AnalyzedRun<'a>) -> Vec<ToolCall<'a>> {
    let mut collector = Collector { calls: Vec::new(), by_id: Map::default(), unmatched: Map::default() };
    for span in run.spans.iter().filter(|span| span.kind == SpanType::Tool) {
        collector.add_span(run, span);
    }
    for (at, call) in run.calls.iter().enumerate() {
        collector.add_results(&call.input_messages);
        collector.add_requests(at, call);
        collector.add_results(&call.output_messages);
    }
    if let Some(last) = run.calls.last() {
        collector.add_history(run.calls.len(), last);
    }
    for call in &mut collector.calls {
        if call.failure.is_none() {
            call.failure = call.result.and_then(error_text);
        }
    }
    collector.calls.sort_by_key(|call| call.start_us);
    collector.calls
}

fn unique_id<'a>(id: Option<&'a str>, name: &str) -> Option<&'a str> {
    id.filter(|id| id.len() >= MIN_ID_LENGTH && *id != name)
}

impl<'a> Collector<'a> {
    fn add_span(&mut self, run: &AnalyzedRun<'a>, span: &'a Span) {
        let name = span.tool.as_deref().unwrap_or(&span.name);
        let id = unique_id(span.tool_call_id.as_deref(), name);
        let (arguments, result) = (span_arguments(span), span_result(span));
        let failed = span.status == SpanStatus::Error;
        let failure = failed.then(|| span.status_detail.as_deref().or(result).unwrap_or_default());
        // MCP clients and servers, and two instrumentations, report one call twice.
        let known = id.and_then(|id| self.by_id.get(id).copied());
        let known = known.or_else(|| {
            let parent = run.parent(span).filter(|parent| parent.kind == SpanType::Tool)?;
            let is_parent = |call: &ToolCall| call.span_id == parent.span_id && call.name == name;
            self.calls.iter().rev().take(MAX_RESULT_MESSAGES).position(is_parent).map(|back| self.calls.len() - 1 - back)
        });
        if let Some(known) = known {
            let call = &mut self.calls[known];
            call.arguments = call.arguments.or(arguments);
            call.result = call.result.or(result);
            call.failure = call.failure.or(failure);
            return;
        }
        let place = self.calls.len();
        match id {
            Some(id) => {
                self.by_id.insert(id, place);
            }
            None => self.unmatched.entry(name).or_default().push_back(place),
        }
        let (start_us, end_us) = (span.start_us, span.end_us);
        let (requested_by, round) = (None, None);
        let span_id = span.span_id;
        self.calls.push(ToolCall { name, arguments, result, failure, span_id, has_span: true, requested_by, round, start_us, end_us });
    }

    fn add_requests(&mut self, at: usize, call: &'a Span) {
        for part in call.output_messages.iter().flat_map(|message| &message.parts) {
            let MessagePart::ToolCall { id, name, arguments } = part else { continue };
            self.add_request(at, call, unique_id(id.as_deref(), name), name, arguments);
        }
    }

    fn add_request(&mut self, round: usize, call: &'a Span, id: Option<&'a str>, name: &'a str, arguments: &'a str) {
        let by_id = id.and_then(|id| self.by_id.get(id).copied());
        let by_name = || self.unmatched.get_mut(name).and_then(VecDeque::pop_front);
        let known = by_id.or_else(by_name);
        let place = known.unwrap_or(self.calls.len());
        if let Some(id) = id {
            self.by_id.insert(id, place);
        }
        if known.is_some() {
            let known = &mut self.calls[place];
            known.arguments = known.arguments.or(Some(arguments));
            if known.round.is_none() {
                (known.requested_by, known.round) = (Some(round), Some(round));
            }
            return;
        }
        self.calls.push(ToolCall {
            name,
            arguments: Some(arguments),
            result: None,
            failure: None,
            span_id: call.span_id,
            has_span: false,
            requested_by: Some(round),
            round: Some(round),
            start_us: call.end_us,
            end_us: call.end_us,
        });
    }

    /// Sets the results that messages contain. Goes from the end to the first result that is known already, which is history.
    fn add_results(&mut self, messages: &'a [ChatMessage]) {
        let parts = messages.iter().rev().take(MAX_RESULT_MESSAGES).flat_map(|message| message.parts.iter().rev());
        for part in parts {
            let MessagePart::ToolResult { id, name, result } = part else { continue };
            let id = unique_id(id.as_deref(), name.as_deref().unwrap_or_default());
            let place = match id {
                Some(id) => self.by_id.get(id).copied(),
                None => self.last_open_call(name.as_deref()),
            };
            let Some(call) = place.map(|place| &mut self.calls[place]) else { if id.is_none() { break } else { continue } };
            if call.result.is_some() && !call.has_span {
                break;
            }
            call.result = call.result.or(Some(result));
        }
    }

    /// Returns the last call without a result, of a name if it is known.
    fn last_open_call(&self, name: Option<&str>) -> Option<usize> {
        let is_open = |call: &ToolCall| call.result.is_none() && !call.has_span && name.is_none_or(|name| call.name == name);
        self.calls.iter().rev().take(MAX_RESULT_MESSAGES).position(is_open).map(|back| self.calls.len() - 1 - back)
    }

    /// Adds calls that only the history of the last model call contains: those after the last message of the user. Earlier ones belong to
    /// earlier runs.
    fn add_history(&mut self, calls: usize, last: &'a Span) {
        let is_question = |message: &ChatMessage| message.role == "user" && super::text::texts(message).next().is_some();
        let start = last.input_messages.iter().rposition(is_question).map_or(0, |at| at + 1);
        let recent = &last.input_messages[start..];
        let without_ids = self.calls.is_empty();
        let last_call = calls - 1;
        for (at, message) in recent.iter().enumerate() {
            for part in &message.parts {
                match part {
                    MessagePart::ToolCall { id, name, arguments } => {
                        let id = unique_id(id.as_deref(), name);
                        let is_new =
                            id.map_or(without_ids, |id| !self.by_id.contains_key(id) && !self.unmatched.contains_key(name.as_str()));
                        if is_new {
                            self.add_request(last_call, last, id, name, arguments);
                            let added = self.calls.last_mut().expect("a call was added");
                            (added.round, added.requested_by) = (Some(calls + at), None);
                            (added.start_us, added.end_us) = (last.start_us, last.start_us);
                        }
                    }
                    MessagePart::ToolResult { id: Some(id), result, .. } if unique_id(Some(id), "").is_some() => {
                        if let Some(place) = self.by_id.get(id.as_str()).copied() {
                            let call = &mut self.calls[place];
                            call.result = call.result.or(Some(result));
                        }
                    }
                    MessagePart::ToolResult { name, result, .. } if without_ids => {
                        if let Some(place) = self.last_open_call(name.as_deref()) {
                            self.calls[place].result = Some(result);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

fn span_arguments(span: &Span) -> Option<&str> {
    span.input_messages.iter().flat_map(|message| &message.parts).find_map(|part| match part {
        MessagePart::ToolCall { arguments, .. } => Some(arguments.as_str()),
        MessagePart::Text { text } => Some(text.as_str()),
        MessagePart::Other { content } => Some(content.as_str()),
        _ => None,
    })
}

fn span_result(span: &Span) -> Option<&str> {
    span.output_messages.iter().flat_map(|message| &message.parts).find_map(|part| match part {
        MessagePart::ToolResult { result, .. } => Some(result.as_str()),
        MessagePart::Text { text } => Some(text.as_str()),
        MessagePart::Other { content } => Some(content.as_str()),
        _ => None,
    })
}
