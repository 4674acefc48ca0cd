//! Calls without usage whose usage another span of the trace reports: the sum of an agent, or a response that was fetched later.
//!
//! A span that is no call never counts, since its usage is normally the sum of the calls below it. If none of these calls reports any,
//! nothing would count. Then the usage completes one call, once, and the call says which span reported it.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::cost;
use crate::id::SpanId;
use crate::price::PriceBook;
use crate::provenance::{FieldProvenance, FieldSource, ReportAddress};
use crate::span::{Span, SpanStatus, SpanType};

/// Operation of a span that reads a response that was made earlier, such as one of a call in the background.
const FETCH_OPERATION: &str = "fetch_response";

/// A call without usage, and the span that reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageCompletion {
    /// ID of the call.
    pub call: SpanId,
    /// ID of the span that reports the usage, in the same trace.
    pub reporter: SpanId,
    /// True if that span fetched the response of the call; false for the sum of an agent.
    pub is_fetched: bool,
}

/// Returns true for a span that is no call and may report the usage of one.
pub fn may_complete(span: &Span) -> bool {
    !span.is_call() && !span.usage.is_unknown() && (span.kind == SpanType::Agent || is_fetch(span))
}

fn is_fetch(span: &Span) -> bool {
    span.operation.as_deref() == Some(FETCH_OPERATION)
}

/// Returns true for a call that counts, that succeeded, and that reports no usage.
fn lacks_usage(span: &Span) -> bool {
    span.is_call() && span.counted && span.status == SpanStatus::Ok && (span.usage.is_unknown() || span.is_estimated())
}

/// Returns the calls of a trace that other spans complete, with the spans as stored.
///
/// A fetched response completes the call with the same response ID. The sum of an agent completes the last call below it, provided that
/// nothing below the agent reports usage. An agent without a call below completes none.
pub fn usage_completions(spans: &[&Span]) -> Vec<UsageCompletion> {
    let mut completed = HashSet::new();
    let mut found = Vec::new();
    for reporter in spans.iter().filter(|span| is_fetch(span) && may_complete(span)) {
        let has_same_response = |call: &&&Span| {
            call.response_id.is_some()
                && call.response_id == reporter.response_id
                && lacks_usage(call)
                && !completed.contains(&call.span_id)
        };
        if let Some(call) = spans.iter().filter(has_same_response).min_by_key(|call| (call.start_us, call.span_id)) {
            completed.insert(call.span_id);
            found.push(UsageCompletion { call: call.span_id, reporter: reporter.span_id, is_fetched: true });
        }
    }
    let by_id: HashMap<SpanId, &Span> = spans.iter().map(|span| (span.span_id, *span)).collect();
    // Agents above a span that reports usage, a completed call, or an agent with a sum: theirs is the same usage again.
    let mut explained: HashSet<SpanId> = HashSet::new();
    let reports_usage = |span: &Span| {
        (!span.usage.is_unknown() && !span.is_estimated() && (span.is_call() || span.kind == SpanType::Agent))
            || completed.contains(&span.span_id)
    };
    for span in spans.iter().filter(|span| reports_usage(span)) {
        explained.extend(ancestors(span, &by_id).map(|above| above.span_id));
    }
    for agent in spans.iter().filter(|span| span.kind == SpanType::Agent && may_complete(span) && !explained.contains(&span.span_id)) {
        let is_below = |call: &&&Span| lacks_usage(call) && ancestors(call, &by_id).any(|above| above.span_id == agent.span_id);
        if let Some(call) = spans.iter().filter(is_below).max_by_key(|call| (call.end_us, call.span_id)) {
            found.push(UsageCompletion { call: call.span_id, reporter: agent.span_id, is_fetched: false });
        }
    }
    found
}

/// Returns the spans above a span, the nearest first. A cycle ends the walk.
fn ancestors<'a>(span: &Span, by_id: &'a HashMap<SpanId, &Span>) -> impl Iterator<Item = &'a Span> {
    let mut seen = HashSet::from([span.span_id]);
    std::iter::successors(span.parent_span_id.and_then(|id| by_id.get(&id).copied()), |above| {
        above.parent_span_id.and_then(|id| by_id.get(&id).copied())
    })
    .take_while(move |above| seen.insert(above.span_id))
}

/// Sets the usage of a call from the span that reports it, and prices the call. Does nothing if the call has usage by now.
pub fn complete_call(call: &mut Span, reporter: &Span, completion: &UsageCompletion, book: &PriceBook, prefers_client_cost: bool) {
    if call.span_id != completion.call || !lacks_usage(call) {
        return;
    }
    let report = Box::new(ReportAddress { trace_id: reporter.trace_id, span_id: reporter.span_id });
    let source = if completion.is_fetched { FieldSource::FetchedResponse(report) } else { FieldSource::AgentSum(report) };
    call.usage = reporter.usage;
    call.reading.retain(|reading| !reading.field.starts_with("usage."));
    let counts = [
        ("usage.input_tokens", call.usage.input_tokens()),
        ("usage.output_tokens", call.usage.output_tokens()),
        ("usage.total_tokens", call.usage.total),
        ("usage.cache_read_tokens", call.usage.cache_read),
        ("usage.cache_write_tokens", call.usage.cache_write_tokens()),
        ("usage.reasoning_tokens", call.usage.reasoning),
    ];
    let reading = |field: &'static str| FieldProvenance { field: Cow::Borrowed(field), source: source.clone() };
    call.reading.extend(counts.into_iter().filter(|(_, count)| count.is_some()).map(|(field, _)| reading(field)));
    if call.model().is_none() && reporter.model().is_some() {
        call.response_model = reporter.model().map(str::to_owned);
        call.reading.push(reading("response_model"));
    }
    if call.provider.is_none() {
        call.provider.clone_from(&reporter.provider);
        call.provider_inferred = reporter.provider_inferred;
    }
    if call.client_cost.is_none() && reporter.client_cost.is_some() {
        call.client_cost = reporter.client_cost;
        call.reading.push(reading("client_cost"));
    }
    cost::price(call, book);
    if prefers_client_cost {
        cost::prefer_client(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TraceId;
    use crate::money::Usd;
    use crate::span::Usage;

    fn span(id: u64, parent: u64, kind: SpanType, tokens: Option<u64>) -> Span {
        let usage = Usage { input: tokens, output: tokens.map(|_| 5), ..Usage::default() };
        let parent_span_id = Some(SpanId(parent)).filter(|_| parent > 0);
        let counted = matches!(kind, SpanType::Llm);
        let end_us = id as i64;
        Span { trace_id: TraceId(9), span_id: SpanId(id), parent_span_id, kind, usage, counted, end_us, ..Span::default() }
    }

    fn completions(spans: &[Span]) -> Vec<(u64, u64, bool)> {
        let spans: Vec<&Span> = spans.iter().collect();
        usage_completions(&spans).into_iter().map(|found| (found.call.0, found.reporter.0, found.is_fetched)).collect()
    }

    #[test]
    fn the_sum_of_an_agent_completes_the_last_call_below_it() {
        let agent = span(1, 0, SpanType::Agent, Some(100));
        let (first, last) = (span(2, 1, SpanType::Llm, None), span(3, 1, SpanType::Llm, None));
        assert_eq!(completions(&[agent.clone(), first.clone(), last.clone()]), [(3, 1, false)]);
        let known = span(4, 2, SpanType::Llm, Some(100));
        assert_eq!(completions(&[agent.clone(), first.clone(), last.clone(), known]), [], "the sum of calls that report usage");
        let inner = span(5, 1, SpanType::Agent, Some(100));
        let below = span(6, 5, SpanType::Llm, None);
        assert_eq!(completions(&[agent.clone(), inner, below]), [(6, 5, false)], "the outer agent repeats the sum");
        let failed = Span { status: SpanStatus::Error, ..last };
        assert_eq!(completions(&[agent.clone(), failed]), []);
        assert_eq!(completions(&[agent]), []);
        let mut circle = [span(1, 2, SpanType::Agent, Some(100)), span(2, 1, SpanType::Llm, None)];
        assert_eq!(completions(&circle), [(2, 1, false)]);
        circle[1].parent_span_id = Some(SpanId(2));
        assert_eq!(completions(&circle), []);
    }

    #[test]
    fn a_fetched_response_completes_its_call_once() {
        let with_id = |span: Span, id: &str| Span { response_id: Some(id.into()), ..span };
        let fetch = |id: u64| Span { operation: Some(FETCH_OPERATION.into()), ..with_id(span(id, 0, SpanType::Other, Some(7)), "r1") };
        let call = with_id(span(2, 0, SpanType::Llm, None), "r1");
        let other = with_id(span(3, 0, SpanType::Llm, None), "r2");
        assert_eq!(completions(&[fetch(1), fetch(4), call.clone(), other.clone()]), [(2, 1, true)]);
        assert_eq!(completions(&[fetch(1), other]), []);
        let known = Span { usage: Usage { input: Some(7), ..Usage::default() }, ..call };
        assert_eq!(completions(&[fetch(1), known]), []);
    }

    #[test]
    fn a_completed_call_has_the_usage_its_price_and_its_source() {
        let agent = Span { client_cost: Usd::from_dollars(0.25), ..span(1, 0, SpanType::Agent, Some(1000)) };
        let mut call = Span { request_model: Some("gpt-4o".into()), provider: Some("openai".into()), ..span(2, 1, SpanType::Llm, None) };
        call.start_us = 1_795_510_800_000_000;
        let completion = UsageCompletion { call: SpanId(2), reporter: SpanId(1), is_fetched: false };
        complete_call(&mut call, &agent, &completion, PriceBook::embedded(), false);
        assert_eq!((call.usage, call.client_cost), (agent.usage, agent.client_cost));
        assert_eq!(call.cost.as_ref().map(|cost| cost.total), Usd::from_dollars(0.00255));
        let report = ReportAddress { trace_id: TraceId(9), span_id: SpanId(1) };
        assert!(
            call.reading
                .iter()
                .any(|reading| reading.field == "usage.input_tokens" && reading.source == FieldSource::AgentSum(Box::new(report)))
        );
        let completed = call.clone();
        complete_call(&mut call, &span(1, 0, SpanType::Agent, Some(1)), &completion, PriceBook::embedded(), false);
        assert_eq!(call, completed, "a second time changes nothing");
    }
}
