//! Writes the spans of a run as different clients report them.

use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use hinomi_model::span::{ChatMessage, Cost, CostSource, MessagePart, Span, SpanStatus, SpanType, Usage, UsageSource};
use serde_json::{Value, json};

use super::dice::SeededDice;

/// How a client reports a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunStyle {
    /// OpenTelemetry's GenAI conventions: tool spans with the IDs of the calls.
    Otel,
    /// Sentry's agent spans: agents report sums, tool spans have no IDs.
    Sentry,
    /// Langfuse's observations: tools without IDs, a chain as root, definitions unknown.
    Langfuse,
    /// Only model calls; tool calls and results are parts of messages.
    Messages,
}

/// A tool call with its outcome.
#[derive(Clone)]
pub(crate) struct ScriptedCall {
    pub(crate) name: String,
    pub(crate) arguments: String,
    pub(crate) outcome: Result<String, String>,
}

/// Returns a tool call that succeeded.
pub(crate) fn done(name: &str, arguments: Value, result: impl Into<String>) -> ScriptedCall {
    ScriptedCall { name: name.into(), arguments: arguments.to_string(), outcome: Ok(result.into()) }
}

/// Returns a tool call that failed.
pub(crate) fn failed(name: &str, arguments: Value, error: impl Into<String>) -> ScriptedCall {
    ScriptedCall { name: name.into(), arguments: arguments.to_string(), outcome: Err(error.into()) }
}

pub(crate) fn message(role: &str, text: &str) -> ChatMessage {
    ChatMessage { role: role.into(), parts: vec![MessagePart::Text { text: text.into() }] }
}

/// A run that is being written.
pub(crate) struct RunScript {
    pub(crate) style: RunStyle,
    pub(crate) spans: Vec<Span>,
    pub(crate) history: Vec<ChatMessage>,
    pub(crate) tools: Option<Value>,
    pub(crate) model: String,
    pub(crate) agent: String,
    parent: SpanId,
    trace_id: TraceId,
    pub(crate) clock: i64,
    ids: u64,
}

impl RunScript {
    pub(crate) fn new(dice: &mut SeededDice) -> RunScript {
        let style = [RunStyle::Otel, RunStyle::Sentry, RunStyle::Langfuse, RunStyle::Messages][dice.number(0, 3) as usize];
        let trace_id = TraceId(u128::from(dice.number(1, u64::MAX - 1)));
        let agent = dice.pick(&["assistant", "support", "planner", "weather_agent"]).to_owned();
        let model = dice.pick(&["gpt-4o", "claude-sonnet-4", "my-model", "gemini-2.0-flash"]).to_owned();
        let clock = 1_795_000_000_000_000 + dice.number(0, 1_000_000) as i64;
        let mut script = RunScript {
            style,
            spans: Vec::new(),
            history: Vec::new(),
            tools: None,
            model,
            agent,
            parent: SpanId(1),
            trace_id,
            clock,
            ids: 0,
        };
        let kind = if style == RunStyle::Langfuse { SpanType::Chain } else { SpanType::Agent };
        let root = script.blank(kind, "run");
        let root = Span { parent_span_id: None, agent: Some(script.agent.clone()), counted: style != RunStyle::Sentry, ..root };
        let exclusion = (style == RunStyle::Sentry).then_some(Exclusion::SumOfCalls);
        script.parent = root.span_id;
        script.spans.push(Span { exclusion, ..root });
        if dice.chance(70) {
            script.history.push(message(
                "system",
                dice.pick(&["You are a helpful assistant.", "Be brief and correct.", "You help customers of a shop."]),
            ));
        }
        script
    }

    pub(crate) fn blank(&mut self, kind: SpanType, name: &str) -> Span {
        self.ids += 1;
        let parent_span_id = Some(self.parent);
        let (trace_id, span_id) = (self.trace_id, SpanId(self.ids + 100));
        Span { trace_id, span_id, parent_span_id, name: name.into(), kind, start_us: self.clock, end_us: self.clock, ..Span::default() }
    }

    pub(crate) fn user(&mut self, text: &str) {
        self.history.push(message("user", text));
    }

    /// Adds a model call with an output that is not part of the history yet.
    pub(crate) fn call(&mut self, output: Vec<ChatMessage>, finish: &str, tokens: u64) -> &mut Span {
        let span = self.blank(SpanType::Llm, "chat");
        self.clock += 900_000;
        let input = 40 + self.history.len() as u64 * 60;
        let usage = Usage {
            input: Some(input),
            output: Some(tokens),
            total: Some(input + tokens),
            source: Some(UsageSource::Reported),
            ..Usage::default()
        };
        let cost = Cost { total: Usd(1_000_000), input: None, output: None, source: CostSource::Computed, price: None };
        let agent = (self.style != RunStyle::Messages).then(|| self.agent.clone());
        let finish_reasons = if finish.is_empty() { Vec::new() } else { vec![finish.to_owned()] };
        let definitions = if self.style == RunStyle::Langfuse { None } else { self.tools.clone() };
        self.spans.push(Span {
            request_model: Some(self.model.clone()),
            input_messages: self.history.clone(),
            output_messages: output,
            tool_definitions: definitions,
            end_us: self.clock,
            cost: Some(cost),
            usage,
            agent,
            finish_reasons,
            ..span
        });
        self.clock += 10_000;
        self.spans.last_mut().unwrap()
    }

    /// Adds a failed model call.
    pub(crate) fn failed_call(&mut self, error: &str) {
        let span = self.call(Vec::new(), "", 0);
        (span.status, span.status_detail, span.usage) = (SpanStatus::Error, Some(error.into()), Usage::default());
    }

    /// Adds a model call that requests tools, and the tools.
    pub(crate) fn act(&mut self, calls: &[ScriptedCall]) {
        self.act_in(calls, false);
    }

    /// Adds a model call that requests tools, which run at the same time.
    pub(crate) fn act_in(&mut self, calls: &[ScriptedCall], parallel: bool) {
        let with_ids = self.style != RunStyle::Langfuse;
        let first = self.ids * 10 + 10_000_000;
        let id = |at: usize| with_ids.then(|| format!("call_{}", first + at as u64));
        let part = |(at, call): (usize, &ScriptedCall)| MessagePart::ToolCall {
            id: id(at),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
        };
        let output = vec![ChatMessage { role: "assistant".into(), parts: calls.iter().enumerate().map(part).collect() }];
        self.call(output.clone(), "tool_calls", 20);
        self.history.extend(output);
        for (at, call) in calls.iter().enumerate() {
            let start = self.clock;
            self.tool(call, id(at));
            if parallel && at + 1 < calls.len() {
                self.clock = start;
            }
            let result = match &call.outcome {
                Ok(result) => result.clone(),
                Err(error) => format!("Error: {error}"),
            };
            let part = MessagePart::ToolResult { id: id(at), name: Some(call.name.clone()), result };
            self.history.push(ChatMessage { role: "tool".into(), parts: vec![part] });
        }
    }

    /// Adds the span of a tool call, if the client reports one.
    pub(crate) fn tool(&mut self, call: &ScriptedCall, id: Option<String>) {
        let start = self.clock;
        self.clock += 300_000;
        if self.style == RunStyle::Messages {
            return;
        }
        let id = id.filter(|_| self.style == RunStyle::Otel);
        let part = MessagePart::ToolCall { id: id.clone(), name: call.name.clone(), arguments: call.arguments.clone() };
        let result = call.outcome.as_ref().ok().cloned();
        let result_part = result.map(|result| MessagePart::ToolResult { id: id.clone(), name: Some(call.name.clone()), result });
        let span = self.blank(SpanType::Tool, &format!("execute_tool {}", call.name));
        self.spans.push(Span {
            start_us: start,
            tool: Some(call.name.clone()),
            tool_call_id: id,
            input_messages: vec![ChatMessage { role: "assistant".into(), parts: vec![part] }],
            output_messages: result_part.into_iter().map(|part| ChatMessage { role: "tool".into(), parts: vec![part] }).collect(),
            status: if call.outcome.is_ok() { SpanStatus::Ok } else { SpanStatus::Error },
            status_detail: call.outcome.as_ref().err().cloned(),
            ..Span { end_us: self.clock, ..span }
        });
        self.clock += 5_000;
    }

    /// Adds the final answer.
    pub(crate) fn answer(&mut self, text: &str) {
        self.answer_with(text, "stop");
    }

    pub(crate) fn answer_with(&mut self, text: &str, finish: &str) {
        let output = vec![message("assistant", text)];
        self.call(output.clone(), finish, 80);
        self.history.extend(output);
    }

    /// Moves to another agent in a span of its own.
    pub(crate) fn become_agent(&mut self, name: &str) {
        self.agent = name.to_owned();
        let root = self.spans[0].span_id;
        let span = self.blank(SpanType::Agent, &format!("invoke_agent {name}"));
        self.parent = span.span_id;
        self.spans.push(Span { parent_span_id: Some(root), agent: Some(name.into()), ..span });
    }

    /// Ends the run: the root gets its end and the question and answer, as clients send them.
    pub(crate) fn end(mut self) -> Vec<Span> {
        let clock = self.clock;
        let returned = self
            .history
            .last()
            .filter(|last| last.role == "assistant" && !matches!(last.parts[..], [MessagePart::ToolCall { .. }, ..]))
            .cloned();
        let asked = self.history.iter().find(|message| message.role == "user").cloned();
        let is_told = matches!(self.style, RunStyle::Langfuse | RunStyle::Sentry);
        for span in self.spans.iter_mut().filter(|span| matches!(span.kind, SpanType::Agent | SpanType::Chain)) {
            span.end_us = clock;
        }
        if is_told {
            self.spans[0].input_messages = asked.into_iter().collect();
            self.spans[0].output_messages = returned.into_iter().collect();
        }
        self.spans
    }

    /// Offers tools in one of the shapes that clients send.
    pub(crate) fn offer(&mut self, dice: &mut SeededDice, tools: &[(&str, Value)]) {
        let shape = dice.number(0, 4);
        let one = |(name, schema): &(&str, Value)| match shape {
            0 => json!({"type": "function", "function": {"name": name, "description": "A tool.", "parameters": schema}}),
            1 => json!({"name": name, "description": "A tool.", "input_schema": schema}),
            2 => json!(json!({"type": "function", "name": name, "inputSchema": schema}).to_string()),
            3 => json!({"functionDeclarations": [{"name": name, "parameters": schema}]}),
            _ => json!({"tool": {"json_schema": json!({"name": name, "parameters": schema}).to_string()}}),
        };
        self.tools = Some(Value::Array(tools.iter().map(one).collect()));
    }
}
