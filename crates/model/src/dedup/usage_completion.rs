//! Usage of calls that only another span of the trace reports: an agent, which reports the sum of its calls, or a span that fetched the
//! response later.
//!
//! A span that is not a call is not counted at first, because its usage is normally the sum of the calls below it. If no span below an
//! agent reports usage, the agent itself is counted when its trace has received no span for a while. If a span fetches the response of a
//! call without usage, the call gets the usage of this span.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::cost;
use crate::dedup::exclusion::Exclusion;
use crate::id::SpanId;
use crate::price::PriceBook;
use crate::provenance::{FieldProvenance, FieldSource, ReportAddress};
use crate::span::{Span, SpanStatus, SpanType, Usage};

/// Operation of a span that reads a response that was made earlier, such as one of a call in the background.
const FETCH_OPERATION: &str = "fetch_response";

/// A call without usage, and the span that fetched its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageCompletion {
    /// ID of the call.
    pub call: SpanId,
    /// ID of the span that reports the usage, in the same trace.
    pub reporter: SpanId,
}

/// Returns true for a span whose usage is normally the sum of the calls below it: an agent, and a judge or guardrail that names its model.
pub(crate) fn reports_sum(span: &Span) -> bool {
    kind_reports_sum(span.kind, span.model().is_some())
}

/// Returns whether spans of a kind report the sum of the calls below them. A judge that names no model may report the counts of the call
/// that it judges.
pub(crate) fn kind_reports_sum(kind: SpanType, has_model: bool) -> bool {
    kind == SpanType::Agent || (has_model && matches!(kind, SpanType::Evaluator | SpanType::Guardrail))
}

/// Returns true for a span that is not a call, but has usage that totals may include or that may complete a call.
pub fn may_complete(span: &Span) -> bool {
    !span.is_call() && has_tokens(span) && (reports_sum(span) || is_fetch(span))
}

/// Returns true if the client reports input or output tokens.
fn has_tokens(span: &Span) -> bool {
    !span.is_estimated() && (span.usage.input.is_some() || span.usage.output.is_some())
}

/// Returns true for a span that reads a response that was made earlier.
pub(crate) fn is_fetch(span: &Span) -> bool {
    span.operation.as_deref() == Some(FETCH_OPERATION)
}

/// Returns true for a call that counts, that succeeded, and that reports no usage.
fn lacks_usage(span: &Span) -> bool {
    span.is_call() && span.counted && span.status == SpanStatus::Ok && (span.usage.is_unknown() || span.is_estimated())
}

/// Finds calls without usage whose response was fetched by another span of the trace, which has the same response ID. Returns each call
/// with the span that fetched its response. `spans` contains the spans of the trace as stored.
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
            found.push(UsageCompletion { call: call.span_id, reporter: reporter.span_id });
        }
    }
    found
}

/// An agent or judge whose own usage totals include.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentToCount {
    /// ID of the agent.
    pub agent: SpanId,
    /// A call below the agent that names the model of all calls below it; `None` if they name several, or none.
    pub model_source: Option<Box<Span>>,
    /// Calls below the agent with estimated tokens, which the agent's usage replaces.
    pub estimated_calls: Vec<SpanId>,
}

/// Returns the agents of a trace whose own usage is counted: agents with usage, if no span below or above them reports usage. An agent is
/// not returned if a span with usage has an unknown parent and falls within the time of the agent, because this span may belong to the
/// agent. An agent is also not returned if another report of the same agent comes first.
pub fn agents_to_count(spans: &[&Span]) -> Vec<AgentToCount> {
    let by_id: HashMap<SpanId, &Span> = spans.iter().map(|span| (span.span_id, *span)).collect();
    let reports_usage = |span: &&&Span| has_tokens(span) && (span.is_call() || span.is_other_model_use() || reports_sum(span));
    let mut explained: HashSet<SpanId> = HashSet::new();
    let mut orphans = Vec::new();
    for span in spans.iter().filter(reports_usage) {
        // Agents above a span that reports usage repeat it.
        explained.extend(ancestors(span, &by_id).map(|above| above.span_id));
        if span.parent_span_id.is_some_and(|parent| !by_id.contains_key(&parent)) && !reports_sum(span) {
            orphans.push(*span);
        }
    }
    let is_below_usage = |agent: &Span| ancestors(agent, &by_id).any(|above| above.is_call() && has_tokens(above));
    let may_have_orphan = |agent: &Span| orphans.iter().any(|orphan| orphan.start_us >= agent.start_us && orphan.end_us <= agent.end_us);
    let mut candidates: Vec<&Span> = spans
        .iter()
        .filter(|agent| reports_sum(agent) && may_complete(agent) && !explained.contains(&agent.span_id))
        .filter(|agent| !is_below_usage(agent) && !may_have_orphan(agent))
        .copied()
        .collect();
    candidates.sort_by_key(|agent| (agent.start_us, agent.span_id));
    let is_repeat = |at: usize| {
        let agent = candidates[at];
        let overlaps = |other: &&Span| other.start_us <= agent.end_us && agent.start_us <= other.end_us;
        candidates[..at].iter().filter(|other| overlaps(other)).any(|other| other.usage == agent.usage && other.origin != agent.origin)
    };
    let to_count = (0..candidates.len()).filter(|at| !candidates[*at].counted && !is_repeat(*at));
    to_count.map(|at| agent_to_count(candidates[at], spans, &by_id)).collect()
}

fn agent_to_count(agent: &Span, spans: &[&Span], by_id: &HashMap<SpanId, &Span>) -> AgentToCount {
    let is_below = |call: &&&Span| call.is_call() && ancestors(call, by_id).any(|above| above.span_id == agent.span_id);
    let below: Vec<&Span> = spans.iter().filter(is_below).copied().collect();
    let mut models = below.iter().filter(|call| call.model().is_some());
    let first = models.next().copied();
    let is_one = |first: &&Span| models.all(|call| (call.model(), &call.provider) == (first.model(), &first.provider));
    AgentToCount {
        agent: agent.span_id,
        model_source: first.filter(is_one).map(|call| Box::new(call.clone())),
        estimated_calls: below.iter().filter(|call| call.is_estimated()).map(|call| call.span_id).collect(),
    }
}

/// Removes the estimate of a call whose tokens are part of the usage of an agent.
pub fn drop_estimate(call: &mut Span) {
    if call.is_call() && call.is_estimated() {
        call.usage = Usage { total: None, source: None, ..Usage::default() };
        call.cost = None;
    }
}

/// Marks an agent as counted, and prices its usage. An agent that names no model gets the model of the calls below it.
pub fn count_agent(agent: &mut Span, to_count: &AgentToCount, book: &PriceBook, prefers_client_cost: bool) {
    if agent.span_id != to_count.agent || !reports_sum(agent) || !may_complete(agent) {
        return;
    }
    agent.counted = true;
    agent.exclusion = None;
    if let Some(call) = to_count.model_source.as_deref().filter(|_| agent.model().is_none()) {
        let report = Box::new(ReportAddress { trace_id: call.trace_id, span_id: call.span_id });
        let model = if call.response_model.is_some() { "response_model" } else { "request_model" };
        (agent.response_model, agent.request_model) = (call.response_model.clone(), call.request_model.clone());
        agent.reading.push(FieldProvenance { field: Cow::Borrowed(model), source: FieldSource::OtherReport(report) });
        if agent.provider.is_none() {
            agent.provider.clone_from(&call.provider);
            agent.provider_inferred = call.provider_inferred;
        }
    }
    cost::price(agent, book);
    if prefers_client_cost {
        cost::prefer_client(agent);
    }
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
    let source = FieldSource::FetchedResponse(report);
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

/// Records in a span which call got its usage from the span.
pub fn name_completed_call(reporter: &mut Span, completion: &UsageCompletion) {
    if reporter.span_id == completion.reporter && reporter.exclusion == Some(Exclusion::FetchedResponse { span_id: None }) {
        reporter.exclusion = Some(Exclusion::FetchedResponse { span_id: Some(completion.call) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TraceId;
    use crate::money::Usd;

    fn span(id: u64, parent: u64, kind: SpanType, tokens: Option<u64>) -> Span {
        let usage = Usage { input: tokens, output: tokens.map(|_| 5), ..Usage::default() };
        let parent_span_id = Some(SpanId(parent)).filter(|_| parent > 0);
        let counted = matches!(kind, SpanType::Llm);
        let end_us = id as i64;
        Span { trace_id: TraceId(9), span_id: SpanId(id), parent_span_id, kind, usage, counted, end_us, ..Span::default() }
    }

    fn completions(spans: &[Span]) -> Vec<(u64, u64)> {
        let spans: Vec<&Span> = spans.iter().collect();
        usage_completions(&spans).into_iter().map(|found| (found.call.0, found.reporter.0)).collect()
    }

    fn counted_agents(spans: &[Span]) -> Vec<u64> {
        let spans: Vec<&Span> = spans.iter().collect();
        agents_to_count(&spans).into_iter().map(|found| found.agent.0).collect()
    }

    #[test]
    fn the_sum_of_an_agent_counts_where_nothing_below_reports_usage() {
        let agent = span(1, 0, SpanType::Agent, Some(100));
        let (first, last) = (span(2, 1, SpanType::Llm, None), span(3, 1, SpanType::Llm, None));
        assert_eq!(counted_agents(&[agent.clone(), first.clone(), last]), [1]);
        assert_eq!(counted_agents(std::slice::from_ref(&agent)), [1], "an agent without any call");
        let known = span(4, 2, SpanType::Llm, Some(100));
        assert_eq!(counted_agents(&[agent.clone(), first, known]), Vec::<u64>::new(), "the sum of calls that report usage");
        let inner = span(5, 1, SpanType::Agent, Some(100));
        assert_eq!(counted_agents(&[agent.clone(), inner]), [5], "the outer agent repeats the sum");
        assert_eq!(counted_agents(&[Span { counted: true, ..agent.clone() }]), Vec::<u64>::new(), "it is counted already");
        let orphan = Span { start_us: 1, ..span(1, 77, SpanType::Llm, Some(100)) };
        let around = Span { end_us: 50, ..agent.clone() };
        assert_eq!(counted_agents(&[around, Span { span_id: SpanId(9), ..orphan }]), Vec::<u64>::new(), "it may be the agent's call");
        let above = [span(8, 0, SpanType::Llm, Some(100)), Span { parent_span_id: Some(SpanId(8)), ..agent.clone() }];
        assert_eq!(counted_agents(&above), Vec::<u64>::new(), "the call above reports it");
        let again = Span { span_id: SpanId(2), origin: Some("other".into()), end_us: 1, ..agent.clone() };
        assert_eq!(counted_agents(&[agent.clone(), again]), [1], "another report of the agent");
        let judge = Span { request_model: Some("gpt-4o".into()), ..span(7, 0, SpanType::Evaluator, Some(100)) };
        assert_eq!(counted_agents(std::slice::from_ref(&judge)), [7], "a judge that makes its call itself");
        let by_judge = span(2, 7, SpanType::Llm, Some(100));
        assert_eq!(counted_agents(&[judge.clone(), by_judge]), Vec::<u64>::new(), "the judge repeats its call");
        let of_judged = Span { request_model: None, ..judge };
        assert_eq!(counted_agents(&[of_judged]), Vec::<u64>::new(), "the counts may be those of the call that is judged");
        let without = span(6, 0, SpanType::Agent, None);
        assert_eq!(counted_agents(&[without]), Vec::<u64>::new());
        let mut circle = [span(1, 2, SpanType::Agent, Some(100)), span(2, 1, SpanType::Llm, None)];
        assert_eq!(counted_agents(&circle), [1]);
        circle[1].parent_span_id = Some(SpanId(2));
        assert_eq!(counted_agents(&circle), [1]);
    }

    #[test]
    fn a_counted_agent_has_a_price() {
        let mut agent =
            Span { request_model: Some("gpt-4o".into()), provider: Some("openai".into()), ..span(1, 0, SpanType::Agent, Some(1000)) };
        (agent.start_us, agent.exclusion) = (1_795_510_800_000_000, Some(Exclusion::SumOfCalls));
        let to_count = AgentToCount { agent: SpanId(1), model_source: None, estimated_calls: Vec::new() };
        count_agent(&mut agent, &to_count, PriceBook::embedded(), false);
        assert!(agent.counted && agent.exclusion.is_none() && agent.is_billed());
        assert_eq!(agent.cost.as_ref().map(|cost| cost.total), Usd::from_dollars(0.00255));
        let mut call = span(1, 1, SpanType::Llm, Some(10));
        let before = call.clone();
        count_agent(&mut call, &to_count, PriceBook::embedded(), false);
        assert_eq!(call, before);
    }

    #[test]
    fn an_agent_without_a_model_has_that_of_its_calls() {
        let of_model = |id: u64, model: &str| Span {
            request_model: Some(model.into()),
            provider: Some("openai".into()),
            ..span(id, 1, SpanType::Llm, None)
        };
        let mut agent = span(1, 0, SpanType::Agent, Some(1000));
        agent.start_us = 1_795_510_800_000_000;
        let calls = [of_model(2, "gpt-4o"), of_model(3, "gpt-4o")];
        let found = agents_to_count(&[&agent, &calls[0], &calls[1]]);
        let other = of_model(4, "o3");
        assert_eq!(agents_to_count(&[&agent, &calls[0], &other])[0].model_source, None, "several models");
        count_agent(&mut agent, &found[0], PriceBook::embedded(), false);
        assert_eq!((agent.request_model.as_deref(), agent.provider.as_deref()), (Some("gpt-4o"), Some("openai")));
        assert_eq!(agent.cost.as_ref().map(|cost| cost.total), Usd::from_dollars(0.00255));
        assert_eq!(agent.reading.last().map(|read| &*read.field), Some("request_model"));
    }

    #[test]
    fn a_fetched_response_completes_its_call_once() {
        let with_id = |span: Span, id: &str| Span { response_id: Some(id.into()), ..span };
        let fetch = |id: u64| Span { operation: Some(FETCH_OPERATION.into()), ..with_id(span(id, 0, SpanType::Other, Some(7)), "r1") };
        let call = with_id(span(2, 0, SpanType::Llm, None), "r1");
        let other = with_id(span(3, 0, SpanType::Llm, None), "r2");
        assert_eq!(completions(&[fetch(1), fetch(4), call.clone(), other.clone()]), [(2, 1)]);
        assert_eq!(completions(&[fetch(1), other]), []);
        let known = Span { usage: Usage { input: Some(7), ..Usage::default() }, ..call };
        assert_eq!(completions(&[fetch(1), known]), []);
        let completion = UsageCompletion { call: SpanId(2), reporter: SpanId(1) };
        let mut reporter = Span { exclusion: Some(Exclusion::FetchedResponse { span_id: None }), ..fetch(1) };
        name_completed_call(&mut reporter, &completion);
        assert_eq!(reporter.exclusion, Some(Exclusion::FetchedResponse { span_id: Some(SpanId(2)) }));
    }

    #[test]
    fn a_completed_call_has_the_usage_its_price_and_its_source() {
        let fetch = Span { client_cost: Usd::from_dollars(0.25), ..span(1, 0, SpanType::Other, Some(1000)) };
        let mut call = Span { request_model: Some("gpt-4o".into()), provider: Some("openai".into()), ..span(2, 1, SpanType::Llm, None) };
        call.start_us = 1_795_510_800_000_000;
        let completion = UsageCompletion { call: SpanId(2), reporter: SpanId(1) };
        complete_call(&mut call, &fetch, &completion, PriceBook::embedded(), false);
        assert_eq!((call.usage, call.client_cost), (fetch.usage, fetch.client_cost));
        assert_eq!(call.cost.as_ref().map(|cost| cost.total), Usd::from_dollars(0.00255));
        let report = ReportAddress { trace_id: TraceId(9), span_id: SpanId(1) };
        assert!(
            call.reading
                .iter()
                .any(|reading| reading.field == "usage.input_tokens" && reading.source == FieldSource::FetchedResponse(Box::new(report)))
        );
        let completed = call.clone();
        complete_call(&mut call, &span(1, 0, SpanType::Other, Some(1)), &completion, PriceBook::embedded(), false);
        assert_eq!(call, completed, "a second time changes nothing");
    }
}
