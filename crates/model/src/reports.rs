//! Calls that two programs report: the one that makes the call, and a gateway that it goes through.
//!
//! Often the two reports lie in two traces and speak two dialects, and nothing but the provider's id of the answer joins them. That id
//! alone proves little (test doubles give one id to many answers), so all else that can be known must agree as well. The program's
//! own span counts, and takes usage and cost from the gateway where the gateway knows more; the gateway's keeps what it says and
//! does not count.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::counting::{Decision, Node};
use crate::id::{SpanId, TraceId};
use crate::span::{CostSource, Reading, Span, Usage, UsageSource};

/// Instrumentation scopes, or beginnings of them up to a dot, of programs that pass calls on to providers.
const GATEWAYS: &[&str] = &[
    "litellm",
    "openrouter",
    "portkey",
    "helicone",
    "bifrost",
    "kong",
    "agentgateway",
    "envoy-ai-gateway",
    "higress",
    "apisix",
    "tensorzero",
    "truefoundry",
    "cloudflare-ai-gateway",
    "vercel-ai-gateway",
];

/// The op of a request that a program answers.
pub const SERVING: &str = "http.server";

/// How a reading says that something is from the gateway.
const GATEWAYS_REPORT: &str = "the gateway's report";

/// How far the clocks of two programs may be apart.
const SLACK_US: i64 = 1_000_000;

/// Where a call's other report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlsoReported {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span.
    pub span_id: SpanId,
    /// True at the span that counts, which is the program's own; false at the gateway's.
    pub counts: bool,
}

/// A call as one program reports it: small, since it is kept in memory for each recent call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span.
    pub span_id: SpanId,
    /// The provider's id of the answer, hashed.
    pub response: u64,
    /// Which program reports, hashed.
    reporter: u64,
    /// What says that the reporter is a gateway.
    gateway: Gateway,
    /// Start, as the client sent it.
    start_us: i64,
    /// End, likewise.
    end_us: i64,
    /// All input and output tokens.
    tokens: (Option<u64>, Option<u64>),
}

impl Report {
    /// How far apart two reports began.
    pub fn distance_us(&self, other: &Report) -> u64 {
        self.start_us.abs_diff(other.start_us)
    }
}

/// What says that a program passes calls on, from the least to the most certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gateway {
    No,
    /// It was answering a request while it called, as many a program does that is no gateway.
    Serves,
    /// Its instrumentation is a gateway's.
    Named,
}

/// Which program reports a span: stable within a process.
pub(crate) fn reporter(span: &Span) -> u64 {
    hash(&(&span.service, &span.origin, &span.sdk_name))
}

/// Whether the instrumentation of a span is a gateway's own.
pub(crate) fn is_gateway(span: &Span) -> bool {
    let scope = span.origin.as_deref().unwrap_or_default();
    GATEWAYS.iter().any(|name| scope.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The calls of a trace that another trace may report too: those that count and whose answer has an id.
pub fn of_trace(trace_id: TraceId, nodes: &[Node], counted: impl Fn(usize) -> bool) -> Vec<Report> {
    let candidates: Vec<(usize, &Node, &str)> = nodes
        .iter()
        .enumerate()
        .filter(|(place, node)| node.is_call() && node.also_reported.is_none() && counted(*place))
        .filter_map(|(place, node)| Some((place, node, node.response_id.as_deref().filter(|id| !id.is_empty())?)))
        .collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let by_id: HashMap<SpanId, &Node> = nodes.iter().map(|node| (node.span_id, node)).collect();
    let serves = |node: &Node| {
        let mut above = node.parent_span_id;
        // A circle of parents ends when every span has been passed.
        for _ in 0..nodes.len() {
            let Some(node) = above.and_then(|id| by_id.get(&id)) else { return false };
            if node.serves {
                return true;
            }
            above = node.parent_span_id;
        }
        false
    };
    let report = |(_, node, response): (usize, &Node, &str)| Report {
        trace_id,
        span_id: node.span_id,
        response: hash(&response),
        reporter: node.reporter,
        gateway: match (node.is_gateway, serves(node)) {
            (true, _) => Gateway::Named,
            (false, true) => Gateway::Serves,
            (false, false) => Gateway::No,
        },
        start_us: node.start_us,
        end_us: node.end_us,
        tokens: (node.input_tokens, node.output_tokens),
    };
    candidates.into_iter().map(report).collect()
}

/// Whether two reports in different traces tell of one call; then the program's own first, the gateway's second.
pub fn same_call<'a>(one: &'a Report, other: &'a Report) -> Option<(&'a Report, &'a Report)> {
    let alike = |a: Option<u64>, b: Option<u64>| a.zip(b).is_none_or(|(a, b)| a == b);
    let is_same = one.response == other.response
        && one.trace_id != other.trace_id
        && one.reporter != other.reporter
        && alike(one.tokens.0, other.tokens.0)
        && alike(one.tokens.1, other.tokens.1);
    if !is_same {
        return None;
    }
    let within = |inner: &Report, outer: &Report| {
        inner.start_us >= outer.start_us.saturating_sub(SLACK_US) && inner.end_us <= outer.end_us.saturating_add(SLACK_US)
    };
    // The gateway's span lies in the program's; which of two is the gateway is said by its scope, else by that.
    let longer = |a: &Report, b: &Report| a.end_us - a.start_us >= b.end_us - b.start_us;
    let (program, gateway) = match one.gateway.cmp(&other.gateway) {
        std::cmp::Ordering::Less => (one, other),
        std::cmp::Ordering::Greater => (other, one),
        std::cmp::Ordering::Equal if longer(one, other) => (one, other),
        std::cmp::Ordering::Equal => (other, one),
    };
    (gateway.gateway > Gateway::No && within(gateway, program) && gateway.tokens != (None, None)).then_some((program, gateway))
}

/// Writes into the program's span that the gateway's reports the same call, and what the gateway knows better.
pub fn take_from_gateway(program: &mut Span, gateway: &Span) {
    let from = format!("{GATEWAYS_REPORT}, span {} of trace {}", gateway.span_id, gateway.trace_id);
    let read = |field: &str| Reading { field: field.to_owned(), from: from.clone() };
    if knows_more(gateway, program) {
        program.usage = Usage { total: gateway.usage.total.or(program.usage.total), ..gateway.usage };
        program.reading.push(read("usage"));
        if gateway.cost.is_some() {
            program.cost.clone_from(&gateway.cost);
            program.reading.push(read("cost"));
        }
    }
    program.client_cost = program.client_cost.or(gateway.client_cost);
    program.also_reported = Some(AlsoReported { trace_id: gateway.trace_id, span_id: gateway.span_id, counts: true });
}

/// True when the span's cost is what the gateway says, which knows what it bills.
pub fn took_cost(program: &Span) -> bool {
    program.also_reported.is_some_and(|other| other.counts)
        && program.reading.iter().any(|reading| reading.field == "cost" && reading.from.starts_with(GATEWAYS_REPORT))
}

/// Writes into the gateway's span that the program's reports the same call.
pub fn leave_to_program(gateway: &mut Span, program: &Span) {
    gateway.also_reported = Some(AlsoReported { trace_id: program.trace_id, span_id: program.span_id, counts: false });
}

/// What was sent is better than what was estimated. Else the report with more of the buckets knows more; of two alike, the gateway whose own
/// figure of the cost is taken.
fn knows_more(gateway: &Span, program: &Span) -> bool {
    if program.is_estimated() != gateway.is_estimated() {
        return program.is_estimated();
    }
    let known = |usage: &Usage| {
        // What we counted ourselves, nobody reported.
        if usage.source == Some(UsageSource::Estimated) {
            return 0;
        }
        let whole = [usage.input, usage.output].iter().flatten().count();
        let special = [
            usage.cache_read,
            usage.cache_write_5m,
            usage.cache_write_1h,
            usage.input_audio,
            usage.input_image,
            usage.reasoning,
            usage.output_audio,
            usage.output_image,
            usage.web_searches,
        ];
        whole + special.iter().flatten().filter(|tokens| **tokens > 0).count()
    };
    let bills = || gateway.cost.as_ref().is_some_and(|cost| cost.source == CostSource::Client || program.cost.is_none());
    known(&gateway.usage) > known(&program.usage) || (known(&gateway.usage) == known(&program.usage) && bills())
}

/// Takes calls out of the sum that the program which made them reports itself. `repeated` says for a call at a place which other one
/// of its trace stands for it: what holds for one report of a call holds for the one that counts in its stead.
pub(crate) fn leave_out(nodes: &[Node], repeated: &[(usize, usize)], decisions: &mut [Decision]) {
    let elsewhere = |node: &Node| node.also_reported.filter(|other| !other.counts);
    if !nodes.iter().any(|node| elsewhere(node).is_some()) {
        return;
    }
    let mut reported: Vec<Option<AlsoReported>> = nodes.iter().map(elsewhere).collect();
    // A wrapper may stand round a wrapper: once for each level would do, twice over all is more than any client nests.
    for (place, kept) in repeated.iter().chain(repeated) {
        reported[*kept] = reported[*kept].or(reported[*place]);
    }
    for (decision, other) in decisions.iter_mut().zip(reported) {
        if let Some(other) = other.filter(|_| decision.counted) {
            decision.counted = false;
            let (span, trace) = (other.span_id, other.trace_id);
            decision.not_counted_because = Some(format!("a gateway's report of the same call as span {span} of trace {trace}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Usd;
    use crate::span::{Cost, Kind, UsageSource};

    fn call(trace: u128, service: &str, scope: &str, times: (i64, i64)) -> Span {
        Span {
            trace_id: TraceId(trace),
            span_id: SpanId(7),
            kind: Kind::Llm,
            service: Some(service.into()),
            origin: Some(scope.into()),
            response_id: Some("chatcmpl-1".into()),
            start_us: times.0 * 1000,
            end_us: times.1 * 1000,
            usage: Usage { input: Some(1200), output: Some(85), ..Usage::default() },
            ..Span::default()
        }
    }

    fn program() -> Span {
        call(1, "shop", "opentelemetry.instrumentation.openai_v2", (0, 9_000))
    }

    fn gateway() -> Span {
        call(2, "llm-gateway", "litellm", (400, 8_900))
    }

    fn report(spans: &[&Span]) -> Report {
        let nodes: Vec<Node> = spans.iter().map(|span| Node::of(span)).collect();
        of_trace(spans[0].trace_id, &nodes, |_| true)[0]
    }

    fn paired(one: &Span, other: &Span) -> bool {
        let (one, other) = (report(&[one]), report(&[other]));
        let both = (same_call(&one, &other), same_call(&other, &one));
        assert_eq!(both.0, both.1, "whichever came first");
        both.0.is_some_and(|(program, gateway)| (program.trace_id.0, gateway.trace_id.0) == (1, 2))
    }

    #[test]
    fn a_gateways_report_of_a_call_is_told_from_another_call() {
        assert!(paired(&program(), &gateway()));
        type Change = fn(&mut Span);
        let unlike: [(&str, Change); 7] = [
            ("another answer", |span| span.response_id = Some("chatcmpl-2".into())),
            ("other tokens", |span| span.usage.input = Some(1201)),
            ("no tokens", |span| span.usage = Usage::default()),
            ("later", |span| span.end_us = 10_100_000),
            ("earlier", |span| span.start_us = -1_100_000),
            ("no gateway", |span| span.origin = Some("opentelemetry.instrumentation.openai_v2".into())),
            ("the same trace", |span| span.trace_id = TraceId(1)),
        ];
        for (what, change) in unlike {
            let mut other = gateway();
            change(&mut other);
            assert!(!paired(&program(), &other), "{what}");
        }
        let double = Span { trace_id: TraceId(2), ..program() };
        assert!(!paired(&program(), &double), "a program that a test double answers twice");
    }

    #[test]
    fn a_program_that_answers_requests_itself_may_be_a_gateway() {
        let serving = |trace: u128, service: &str, times| {
            let span = Span { parent_span_id: Some(SpanId(9)), ..call(trace, service, "openai", times) };
            let above = Span { span_id: SpanId(9), op: SERVING.into(), trace_id: TraceId(trace), ..Span::default() };
            report(&[&span, &above])
        };
        let (plain, inner) = (report(&[&program()]), serving(2, "home-made", (100, 8_000)));
        assert_eq!(same_call(&inner, &plain).map(|(program, _)| program.trace_id.0), Some(1));
        let outer = serving(1, "shop", (0, 9_000));
        assert_eq!(same_call(&inner, &outer).map(|(program, _)| program.trace_id.0), Some(1), "the one that waits longer made the call");
    }

    #[test]
    fn the_richer_report_gives_usage_and_cost() {
        let cost = |steps, source| Some(Cost { total: Usd(steps), input: None, output: None, source, price: None });
        let mut rich = Span { cost: cost(257, CostSource::Client), client_cost: Some(Usd(257)), ..gateway() };
        let mut own = Span { cost: cost(385, CostSource::Computed), ..program() };
        take_from_gateway(&mut own, &rich);
        assert_eq!((own.cost.clone(), own.client_cost), (rich.cost.clone(), Some(Usd(257))));
        assert!(own.also_reported.is_some_and(|other| other.counts && other.trace_id.0 == 2));

        // A program that knows of cached tokens knows more than a gateway that does not.
        let usage = Usage { input: Some(176), cache_read: Some(1024), output: Some(85), ..Usage::default() };
        let mut own = Span { usage, cost: cost(200, CostSource::Computed), ..program() };
        take_from_gateway(&mut own, &rich);
        assert_eq!((own.usage, own.cost), (usage, cost(200, CostSource::Computed)));

        // What was estimated from the program's texts gives way to what was sent.
        let estimated = Usage { input: Some(9), output: Some(2), source: Some(UsageSource::Estimated), ..Usage::default() };
        let mut own = Span { usage: estimated, ..program() };
        take_from_gateway(&mut own, &rich);
        assert_eq!(own.usage.input, Some(1200));

        leave_to_program(&mut rich, &program());
        let decided = crate::counting::decide(&[Node::of(&rich)]);
        assert!(!decided[0].counted && decided[0].not_counted_because.as_ref().unwrap().contains("gateway"));
    }

    #[test]
    fn what_wraps_or_repeats_a_gateways_report_does_not_count_in_its_stead() {
        let mut outer = gateway();
        leave_to_program(&mut outer, &program());
        let inner = Span { span_id: SpanId(8), parent_span_id: Some(SpanId(7)), ..gateway() };
        let decided = crate::counting::decide(&[Node::of(&outer), Node::of(&inner)]);
        assert_eq!(decided.iter().map(|decision| decision.counted).collect::<Vec<_>>(), [false, false]);
    }
}
