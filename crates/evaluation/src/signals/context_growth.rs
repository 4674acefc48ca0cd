//! `context_growth`: the input of successive calls grows until it fills most of the context window.

use hinomi_model::span::{ChatMessage, Span};

use super::Map;
use super::finding::{FindingExplanation, FindingSeverity, SignalFinding};
use super::run::AnalyzedRun;
use super::text::{prefix, text_hash, texts};

/// Growth that is a fault.
const MIN_GROWTH: u64 = 10;
/// Input tokens that are a fault where the context window is unknown.
const MIN_TOKENS: u64 = 100_000;
/// Calls that are needed to see growth if no message shows that they belong together.
const MIN_CALLS_WITHOUT_MESSAGES: usize = 4;

/// Context windows in tokens by the start of a model's name without the vendor. Earlier rows take precedence.
const WINDOWS: &[(&str, u64)] = &[
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-4-32k", 32_768),
    ("gpt-4.5", 128_000),
    ("gpt-4-", 8_192),
    ("gpt-3.5-turbo", 16_385),
    ("gpt-5", 400_000),
    ("o1-mini", 128_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4-mini", 200_000),
    ("claude", 200_000),
    ("gemini-1.5-pro", 2_097_152),
    ("gemini", 1_048_576),
    ("llama-4", 1_000_000),
    ("llama-3", 128_000),
    ("mistral-large", 128_000),
    ("deepseek", 128_000),
    ("qwen3", 128_000),
    ("command-r", 128_000),
];

/// Returns the context window of a model in tokens, if it is known.
fn window(model: &str) -> Option<u64> {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    if name == "gpt-4" {
        return Some(8_192);
    }
    let name = name.split_once("anthropic.").map_or(name.as_str(), |(_, name)| name);
    WINDOWS.iter().find(|(start, _)| name.starts_with(start)).map(|(_, tokens)| *tokens)
}

/// Calls of one agent that work on one conversation.
struct CallSeries<'a> {
    smallest: (&'a Span, u64),
    largest: (&'a Span, u64),
    calls: usize,
    /// Number of calls whose input is smaller than that of the call before.
    drops: usize,
    last: u64,
    has_messages: bool,
}

/// Finds growing inputs.
pub(super) fn find<'a>(run: &AnalyzedRun<'a>, findings: &mut Vec<SignalFinding>) {
    let is_large = |call: &&Span| call.usage.input_tokens().is_some_and(|tokens| tokens >= 4_000);
    if run.calls.len() < 2 || !run.calls.iter().any(is_large) {
        return;
    }
    let mut all: Map<(Option<&str>, u64), CallSeries<'a>> = Map::default();
    for call in run.calls.iter().copied() {
        let Some(tokens) = call.usage.input_tokens().filter(|tokens| *tokens > 0) else { continue };
        let first_message = first_question(&call.input_messages);
        let agent = run.agent(call);
        let parent = if agent.is_none() { call.parent_span_id.map_or(0, |parent| parent.0) } else { 0 };
        let key = (agent, first_message.unwrap_or(parent));
        let series = all.entry(key).or_insert(CallSeries {
            smallest: (call, tokens),
            largest: (call, tokens),
            calls: 0,
            drops: 0,
            last: 0,
            has_messages: first_message.is_some(),
        });
        series.calls += 1;
        series.drops += usize::from(tokens < series.last);
        series.last = tokens;
        if tokens > series.largest.1 {
            series.largest = (call, tokens);
        }
        // What is smaller after the largest call did not grow to it.
        if tokens < series.smallest.1 && series.largest.0.span_id == series.smallest.0.span_id {
            (series.smallest, series.largest) = ((call, tokens), (call, tokens));
        }
    }
    let mut grown: Vec<_> = all.into_iter().filter(|(_, series)| has_grown(series)).collect();
    grown.sort_unstable_by_key(|(_, series)| series.smallest.0.start_us);
    for ((agent, _), series) in grown {
        let (from, to) = (series.smallest, series.largest);
        let window = to.0.model().and_then(window);
        let explanation = FindingExplanation::Grew { agent: agent.map(str::to_owned), from_tokens: from.1, to_tokens: to.1, window };
        findings.push(SignalFinding::new(FindingSeverity::Warning, 0.9, vec![from.0.span_id, to.0.span_id], explanation));
    }
}

fn has_grown(series: &CallSeries) -> bool {
    let (from, to) = (series.smallest.1, series.largest.1);
    let least = series.largest.0.model().and_then(window).map_or(MIN_TOKENS, |tokens| tokens / 2 + 1);
    let belongs_together = series.has_messages || (series.calls >= MIN_CALLS_WITHOUT_MESSAGES && series.drops * 4 <= series.calls);
    to >= from.saturating_mul(MIN_GROWTH) && to >= least && belongs_together
}

/// Returns a hash of the first message of the user, which successive calls of one agent share.
fn first_question(messages: &[ChatMessage]) -> Option<u64> {
    let message = messages.iter().find(|message| message.role == "user")?;
    texts(message).next().map(|text| text_hash(prefix(text, 256)))
}
