//! `agent_ping_pong`: two agents hand over to each other without new work.

use hinomi_model::id::SpanId;
use hinomi_model::span::{MessagePart, Span, SpanType};
use serde_json::Value;

use super::finding::{FindingExplanation, FindingSeverity, SignalFinding};
use super::run::{AnalyzedRun, output_text};
use super::text::{bigram_similarity, json_hash, last_text, prefix, text_hash};
use super::tool_calls::ToolCall;
use super::{Map, Set};

/// Number of handoffs in a row that are a fault.
const MIN_HANDOFFS: usize = 5;
/// Shortest text that can be a draft, in bytes. Shorter ones accompany a handoff.
const MIN_DRAFT_BYTES: usize = 150;
/// Similarity from which a text is not a new draft.
const SAME_DRAFT_SIMILARITY: f64 = 0.8;
/// Prefixes of the names of tools that hand over to an agent.
#[rustfmt::skip]
const HANDOFF_TOOLS: &[&str] = &[
    "transfer_to_", "transfer_back_to_", "handoff_to_", "hand_off_to_", "handover_to_", "delegate_to_", "switch_to_", "route_to_",
    "escalate_to_", "call_agent_", "send_to_",
];
/// Tools that name the agent in their arguments.
#[rustfmt::skip]
const GENERIC_HANDOFF_TOOLS: &[&str] =
    &[
    "transfer_to_agent", "handoff", "handoff_to_agent", "delegate_work_to_coworker", "transfer", "hand_off",
];
/// Members of the arguments of a handoff that name the agent.
const AGENT_MEMBERS: &[&str] = &["agent_name", "agent", "target", "target_agent", "coworker", "to", "assistant"];
/// Members of the arguments of a handoff that describe a task.
const TASK_MEMBERS: &[&str] = &["task", "query", "input", "instructions", "request", "objective", "question"];

/// Something that happens in a run with several agents.
enum AgentEvent<'a> {
    /// An agent becomes active.
    Active(&'a str, SpanId),
    /// New work was done.
    Work,
}

/// Returns true if a tool hands over to another agent.
pub(super) fn is_handoff_tool(name: &str) -> bool {
    HANDOFF_TOOLS.iter().any(|prefix| name.starts_with(prefix)) || GENERIC_HANDOFF_TOOLS.contains(&name)
}

/// Finds handoffs back and forth.
pub(super) fn find<'a>(run: &AnalyzedRun<'a>, findings: &mut Vec<SignalFinding>) {
    let has_agents = run.spans.iter().any(|span| span.kind == SpanType::Handoff) || run.tools.iter().any(|call| is_handoff_tool(call.name));
    let mut agents: Set<&str> = Set::default();
    if !has_agents {
        agents.extend(run.spans.iter().filter_map(|span| span.agent.as_deref()));
        if agents.len() < 2 {
            return;
        }
    }
    let mut row: Vec<(&str, SpanId)> = Vec::new();
    let mut best: Vec<(&str, SpanId)> = Vec::new();
    for event in events(run) {
        match event {
            AgentEvent::Work => row.drain(..row.len().saturating_sub(1)).for_each(drop),
            AgentEvent::Active(agent, _) if row.last().is_some_and(|(last, _)| *last == agent) => {}
            AgentEvent::Active(agent, span) => {
                // A third agent ends the row.
                if row.len() >= 2 && row[row.len() - 2].0 != agent {
                    row.drain(..row.len() - 1);
                }
                row.push((agent, span));
            }
        }
        if row.len() > best.len() {
            best.clone_from(&row);
        }
    }
    let handoffs = best.len().saturating_sub(1);
    if handoffs < MIN_HANDOFFS {
        return;
    }
    let (first_agent, second_agent) = (best[0].0.to_owned(), best[1].0.to_owned());
    let explanation = FindingExplanation::PingPong { first_agent, second_agent, handoffs: handoffs as u64 };
    let ids: Vec<SpanId> = best.iter().map(|(_, span)| *span).collect();
    let start = run.spans.iter().find(|span| span.span_id == ids[2]).map_or(i64::MAX, |span| span.start_us);
    let end = run.spans.iter().rfind(|span| span.span_id == ids[ids.len() - 1]).map_or(i64::MIN, |span| span.start_us);
    let wasted = run.calls.iter().filter(|call| call.start_us >= start && call.start_us <= end).map(|call| call.span_id).collect();
    findings.push(SignalFinding::new(FindingSeverity::Warning, 0.9, ids, explanation).with_wasted_calls(wasted));
}

/// Returns what happens in the run, in order of time.
fn events<'a>(run: &AnalyzedRun<'a>) -> Vec<AgentEvent<'a>> {
    let mut events: Vec<(i64, AgentEvent<'a>)> = Vec::new();
    let mut results: Set<u64> = Set::default();
    let mut tasks: Map<&str, &str> = Map::default();
    for call in &run.tools {
        if is_handoff_tool(call.name) {
            let arguments = call.arguments.unwrap_or_default();
            if let Some(task) = task_of(arguments) {
                let task = text_in(arguments, &task);
                let earlier = tasks.insert(call.name, task);
                if earlier.is_some_and(|earlier| bigram_similarity(earlier, task) < SAME_DRAFT_SIMILARITY) {
                    events.push((call.start_us, AgentEvent::Work));
                }
            }
        } else if !call.has_failed() && call.result.is_none_or(|result| results.insert(json_hash(result))) {
            events.push((call.end_us, AgentEvent::Work));
        }
    }
    // One agent around all calls does not say which of several agents made them.
    let agents_of_calls: Set<&str> = run.calls.iter().filter_map(|call| run.agent(call)).collect();
    let calls_name_agents = agents_of_calls.len() >= 2;
    let mut drafts: Map<&str, &str> = Map::default();
    let mut questions: Set<u64> = Set::default();
    let mut said: Set<u64> = Set::default();
    for call in &run.calls {
        let Some(agent) = run.agent(call) else { continue };
        if calls_name_agents {
            events.push((call.start_us, AgentEvent::Active(agent, call.span_id)));
        }
        if let Some(question) = last_text(&call.input_messages, "user") {
            let question = text_hash(prefix(question, 1024));
            if !said.contains(&question) && questions.insert(question) && questions.len() > 1 {
                events.push((call.start_us, AgentEvent::Work));
            }
        }
        if let Some(text) = last_text(&call.output_messages, "assistant") {
            said.insert(text_hash(prefix(text, 1024)));
            let earlier = drafts.insert(agent, text);
            let is_draft = text.len() >= MIN_DRAFT_BYTES && output_text(call).is_some();
            if is_draft && earlier.is_some_and(|earlier| bigram_similarity(earlier, text) < SAME_DRAFT_SIMILARITY) {
                events.push((call.end_us, AgentEvent::Work));
            }
        }
    }
    for span in run.spans.iter().filter(|span| span.kind == SpanType::Handoff || (span.kind == SpanType::Agent && !calls_name_agents)) {
        let agent = if span.kind == SpanType::Handoff { handoff_target(span) } else { span.agent.as_deref() };
        if let Some((from, _)) = agents_of_name(&span.name).filter(|_| span.kind == SpanType::Handoff) {
            events.push((span.start_us, AgentEvent::Active(from, span.span_id)));
        }
        events.extend(agent.map(|agent| (span.start_us, AgentEvent::Active(agent, span.span_id))));
    }
    if !calls_name_agents {
        events.extend(handoffs_of_tools(run));
    }
    events.sort_by_key(|(time, _)| *time);
    events.into_iter().map(|(_, event)| event).collect()
}

/// Returns the agents that handoff tools make active. The agent before the first handoff is unknown: where the first two handoffs go back
/// and forth, it is the target of the second.
fn handoffs_of_tools<'a>(run: &AnalyzedRun<'a>) -> Vec<(i64, AgentEvent<'a>)> {
    let target = |name: &'a str, arguments: &'a str| {
        if GENERIC_HANDOFF_TOOLS.contains(&name) {
            let value: Value = serde_json::from_str(prefix(arguments, 4096)).ok()?;
            let agent = AGENT_MEMBERS.iter().find_map(|member| value.get(*member)?.as_str())?.to_owned();
            return Some(text_in(arguments, &agent)).filter(|agent| !agent.is_empty());
        }
        HANDOFF_TOOLS.iter().find_map(|prefix| name.strip_prefix(prefix))
    };
    let handoffs = run.tools.iter().filter(|call| is_handoff_tool(call.name));
    let active = handoffs.filter_map(|call| Some((target(call.name, call.arguments.unwrap_or_default())?, call)));
    let active: Vec<(&str, &ToolCall)> = active.collect();
    let first = match active[..] {
        [(second, call), (first, _), ..] if first != second => Some((call.start_us, AgentEvent::Active(first, call.span_id))),
        _ => None,
    };
    let handoffs = active.iter().map(|(agent, call)| (call.start_us, AgentEvent::Active(agent, call.span_id)));
    first.into_iter().chain(handoffs).collect()
}

/// Returns the task that the arguments of a handoff describe.
fn task_of(arguments: &str) -> Option<String> {
    let value: Value = serde_json::from_str(prefix(arguments, 16 * 1024)).ok()?;
    TASK_MEMBERS.iter().find_map(|member| value.get(*member)?.as_str().map(str::to_owned))
}

/// Returns the place of a text within JSON, or the whole JSON if escapes change it.
fn text_in<'a>(json: &'a str, text: &str) -> &'a str {
    json.find(text).map_or(json, |at| &json[at..at + text.len()])
}

/// Returns the two agents in a name such as `handoff from triage to billing`.
fn agents_of_name(name: &str) -> Option<(&str, &str)> {
    let (from, to) = name.rsplit_once(" to ").or_else(|| name.rsplit_once(" → ")).or_else(|| name.rsplit_once(" -> "))?;
    let from = from.rsplit_once("from ").map(|(_, from)| from).or_else(|| from.split_once(": ").map(|(_, from)| from))?;
    (!from.is_empty() && !to.is_empty()).then_some((from.trim(), to.trim()))
}

/// Returns the agent that a handoff hands over to.
fn handoff_target(span: &Span) -> Option<&str> {
    let by_name = agents_of_name(&span.name).map(|(_, to)| to).or_else(|| span.name.rsplit_once(" to ").map(|(_, to)| to.trim()));
    let in_attributes = || {
        ["gen_ai.handoff.to_agent", "gen_ai.handoff.to", "to_agent", "handoff.to"]
            .iter()
            .find_map(|name| span.attributes.get(*name)?.as_str())
    };
    let in_call = || {
        span.input_messages.iter().flat_map(|message| &message.parts).find_map(|part| match part {
            MessagePart::ToolCall { name, .. } => HANDOFF_TOOLS.iter().find_map(|prefix| name.strip_prefix(prefix)),
            _ => None,
        })
    };
    by_name.or_else(in_attributes).or_else(in_call)
}
