//! Calls that are reported more than once, in several traces: by the program that makes the call and a gateway that it uses, or by two
//! independent instrumentations of one program.
//!
//! The reports use different conventions, and the provider's response ID joins them. The ID alone is weak evidence: test servers give the
//! same ID to many responses, and a cache responds to a second request with the ID of the first. Therefore, all other known properties must
//! be equal too. Sentry's SDK for Python does not report OpenAI's response IDs. If a report has no ID, only reports of two instrumentations
//! of one program are joined. Their input and output, model and tokens must be equal. One report must contain the other in time, and both
//! must start and end at almost the same time, like a wrapper and its call. If two users send the same input at the same time, their
//! responses do not arrive in the same millisecond, and are not reported by two instrumentations.
//!
//! One report of a call is counted. It takes usage and cost from another report if that report has more complete data. The other reports
//! keep their data and are excluded.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::dedup::exclusion::Exclusion;
use crate::dedup::{SpanDecision, SpanNode};
use crate::id::{SpanId, TraceId};
use crate::provenance::{FieldProvenance, FieldSource, ReportAddress};
use crate::span::{CostSource, Span, Usage, UsageSource};

/// Instrumentation scopes of programs that pass calls on to providers, or prefixes of scopes up to a dot.
const GATEWAY_SCOPES: &[&str] = &[
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
    "envoyproxy/ai-gateway",
    "kong-internal",
    // Portkey.
    "custom.genai.instrumentation",
    // Servers of models.
    "vllm",
    "sglang",
    "sglang server",
];

/// Op of a request that a program serves.
pub const SERVER_OP: &str = "http.server";

/// Maximum difference between the starts, and between the ends, of two instrumentations' reports of a call, and the time by which one may
/// extend beyond the other because they read the clock differently.
const MAX_REPORT_DISTANCE_US: i64 = 500_000;
const MAX_REPORT_OVERHANG_US: i64 = 5_000;

/// Maximum difference between the clocks of two programs.
const CLOCK_TOLERANCE_US: i64 = 1_000_000;

/// Location of another report of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateReport {
    /// ID of the trace.
    pub trace_id: TraceId,
    /// ID of the span.
    pub span_id: SpanId,
    /// True for the counted span; false for all other reports, which refer to the counted span.
    pub counts: bool,
}

/// Reporter of a span, as hashes that are valid within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SpanReporter {
    /// Hash of the program's name.
    pub service: u64,
    /// Hash of the instrumentation scope.
    pub scope: u64,
    /// Hash of the name of the SDK.
    pub sdk: u64,
}

impl SpanReporter {
    /// Returns the reporter of a span.
    pub(crate) fn of(span: &Span) -> SpanReporter {
        SpanReporter { service: hash(&span.service), scope: hash(&span.origin), sdk: hash(&span.sdk_name) }
    }

    /// Returns true for two instrumentations of one program that use the same SDK.
    pub(crate) fn is_same_program(&self, other: &SpanReporter) -> bool {
        (self.service, self.sdk) == (other.service, other.sdk) && self.scope != other.scope
    }

    /// Returns true for two instrumentations that may be in one program. Two SDKs may name the program differently, so its name is
    /// compared only within one SDK.
    fn may_be_same_program(&self, other: &SpanReporter) -> bool {
        self.sdk != other.sdk || (self.scope != other.scope && self.service == other.service)
    }
}

/// A call as one program reports it. Small, since it stays in memory for each recent call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallReport {
    /// ID of the trace.
    pub trace_id: TraceId,
    /// ID of the span.
    pub span_id: SpanId,
    /// Hash of the provider's response ID.
    pub response: Option<u64>,
    /// Hash of input and output.
    pub texts: Option<u64>,
    /// Hash of the model.
    model: Option<u64>,
    /// Span that is counted instead of this span; `None` if there is no such span, or if it is unknown.
    pub counted_elsewhere: Option<(TraceId, SpanId)>,
    /// Program and instrumentation that report the call.
    reporter: SpanReporter,
    /// Evidence that the reporter is a gateway.
    gateway: GatewayConfidence,
    /// True if the span has no parent ID.
    is_root: bool,
    /// Start in microseconds, as the client sent it.
    start_us: i64,
    /// End in microseconds, as the client sent it.
    end_us: i64,
    /// Number of all input tokens and of all output tokens.
    tokens: (Option<u64>, Option<u64>),
}

impl CallReport {
    /// Returns the time between the starts of two reports.
    pub fn distance_us(&self, other: &CallReport) -> u64 {
        self.start_us.abs_diff(other.start_us)
    }

    /// Returns true for two reports of one span.
    pub fn is_of_span(&self, other: &CallReport) -> bool {
        (self.trace_id, self.span_id) == (other.trace_id, other.span_id)
    }

    /// Returns the order of the reports of one call; the first report is counted. A report of the program precedes a report of a gateway.
    /// Then, a span with a parent precedes a root span, because its user and run are known. Then, a longer span precedes a shorter span.
    pub fn counting_order(&self) -> impl Ord + use<> {
        let alone = self.gateway == GatewayConfidence::Unlikely && self.is_root;
        (self.gateway, alone, self.start_us.saturating_sub(self.end_us), self.start_us, self.trace_id, self.span_id)
    }

    /// Returns true if the cost of this report may replace that of the counted report: the report comes from a gateway, and its cost is
    /// what the gateway bills.
    pub fn bills(&self) -> bool {
        self.gateway > GatewayConfidence::Unlikely
    }
}

/// Evidence that a program passes calls on, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum GatewayConfidence {
    Unlikely,
    /// The program was serving a request during the call. This alone does not show that it is a gateway.
    Possible,
    /// The instrumentation belongs to a gateway.
    Certain,
}

/// Returns whether the instrumentation of a span belongs to a gateway.
pub(crate) fn is_gateway(span: &Span) -> bool {
    let scope = span.origin.as_deref().unwrap_or_default();
    GATEWAY_SCOPES.iter().any(|name| scope.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Returns the hash of a model's name without vendor and date.
pub(crate) fn hash_of_model(name: &str) -> u64 {
    hash(&crate::bill::base_model(name))
}

/// Returns the hash of input and output; `None` if either is unknown. The hash changes when the process restarts.
pub fn hash_of_texts(asked: Option<&str>, answered: Option<&str>) -> Option<u64> {
    let known = |text: Option<&str>| text.filter(|text| !text.trim().is_empty()).map(str::to_owned);
    Some(hash(&(known(asked)?, known(answered)?)))
}

/// Returns the hash of the units other than tokens in a usage; `None` if there are none.
pub(crate) fn hash_of_units(usage: &Usage) -> Option<u64> {
    let units = [usage.images, usage.characters, usage.audio_ms, usage.rerank_units];
    units.iter().any(Option::is_some).then(|| hash(&units))
}

/// Hashes a value that a client sent. Hashes are compared without the values, but only among the reports of one project: whoever
/// constructs two values with one hash could as well send one value twice.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Returns the calls of a trace if another trace may report the same calls. The response of such a call has an ID or known messages, and
/// the call is counted, or excluded because of a report in another trace.
pub fn of_trace(trace_id: TraceId, nodes: &[SpanNode], counted: impl Fn(usize) -> bool) -> Vec<CallReport> {
    let response = |node: &SpanNode| node.response_id.as_deref().filter(|id| !id.is_empty()).map(|id| hash(&id));
    let candidates: Vec<&SpanNode> = nodes
        .iter()
        .enumerate()
        .filter(|(place, node)| node.is_call() && (counted(*place) || counted_report(node).is_some()))
        .filter(|(_, node)| response(node).is_some() || node.texts.is_some())
        .map(|(_, node)| node)
        .collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let by_id: HashMap<SpanId, &SpanNode> = nodes.iter().map(|node| (node.span_id, node)).collect();
    let serves = |node: &SpanNode| {
        let mut above = node.parent_span_id;
        // A cycle of parents ends after as many steps as there are spans.
        for _ in 0..nodes.len() {
            let Some(node) = above.and_then(|id| by_id.get(&id)) else { return false };
            if node.is_served_request {
                return true;
            }
            above = node.parent_span_id;
        }
        false
    };
    let report = |node: &SpanNode| CallReport {
        trace_id,
        span_id: node.span_id,
        response: response(node),
        texts: node.texts,
        model: node.base_model,
        counted_elsewhere: counted_report(node).map(|other| (other.trace_id, other.span_id)),
        reporter: node.reporter,
        is_root: node.parent_span_id.is_none(),
        gateway: match (node.is_gateway, serves(node)) {
            (true, _) => GatewayConfidence::Certain,
            (false, true) => GatewayConfidence::Possible,
            (false, false) => GatewayConfidence::Unlikely,
        },
        start_us: node.start_us,
        end_us: node.end_us,
        tokens: (node.input_tokens, node.output_tokens),
    };
    candidates.into_iter().map(report).collect()
}

/// Returns the report that is counted instead of this one.
fn counted_report(node: &SpanNode) -> Option<DuplicateReport> {
    node.also_reported.filter(|other| !other.counts)
}

/// Returns whether two reports in different traces with the same response ID are about one call.
pub fn is_same_call(one: &CallReport, other: &CallReport) -> bool {
    one.response.is_some()
        && one.response == other.response
        && one.trace_id != other.trace_id
        && has_same_tokens(one, other)
        && (is_double_instrumented(one, other) || is_gateway_forward(one, other))
}

/// Returns whether two reports in different traces with the same input and output are about one call. Either may lack a response ID, but
/// two different IDs mean two calls.
pub fn has_same_messages(one: &CallReport, other: &CallReport) -> bool {
    let lies_in = |inner: &CallReport, outer: &CallReport| {
        inner.start_us >= outer.start_us.saturating_sub(MAX_REPORT_OVERHANG_US)
            && inner.end_us <= outer.end_us.saturating_add(MAX_REPORT_OVERHANG_US)
    };
    let together = one.start_us.abs_diff(other.start_us).max(one.end_us.abs_diff(other.end_us)) <= MAX_REPORT_DISTANCE_US.unsigned_abs();
    one.texts.is_some()
        && one.texts == other.texts
        && one.trace_id != other.trace_id
        && agree_if_known(one.response, other.response)
        && agree_if_known(one.model, other.model)
        && has_same_tokens(one, other)
        && together
        && (lies_in(one, other) || lies_in(other, one))
        && one.reporter.may_be_same_program(&other.reporter)
}

/// Returns whether two values are equal, if both are known.
fn agree_if_known(one: Option<u64>, other: Option<u64>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

fn has_same_tokens(one: &CallReport, other: &CallReport) -> bool {
    agree_if_known(one.tokens.0, other.tokens.0) && agree_if_known(one.tokens.1, other.tokens.1)
}

/// Two instrumentations of one program, with one clock, report a call at the same time. A cache that returns an earlier response does so
/// later, and to the same instrumentation or another program.
fn is_double_instrumented(one: &CallReport, other: &CallReport) -> bool {
    one.reporter.may_be_same_program(&other.reporter) && one.start_us <= other.end_us && other.start_us <= one.end_us
}

/// The gateway's report is within the program's in time. The evidence decides which of the two is the gateway, otherwise the duration.
fn is_gateway_forward(one: &CallReport, other: &CallReport) -> bool {
    let longer = |a: &CallReport, b: &CallReport| a.end_us - a.start_us >= b.end_us - b.start_us;
    let (program, gateway) = match one.gateway.cmp(&other.gateway) {
        std::cmp::Ordering::Less => (one, other),
        std::cmp::Ordering::Greater => (other, one),
        std::cmp::Ordering::Equal if longer(one, other) => (one, other),
        std::cmp::Ordering::Equal => (other, one),
    };
    let within = gateway.start_us >= program.start_us.saturating_sub(CLOCK_TOLERANCE_US)
        && gateway.end_us <= program.end_us.saturating_add(CLOCK_TOLERANCE_US);
    one.reporter != other.reporter && gateway.gateway > GatewayConfidence::Unlikely && within && gateway.tokens != (None, None)
}

/// Records in the counted span that another span reports the same call. If the other span has usage with more buckets, the counted span
/// takes this usage. If the usage is the same, the counted span takes the cost that a gateway bills or, if the counted span has no cost,
/// any cost. `bills` is [`CallReport::bills`] of the other report. The result does not depend on the order of several other reports, nor on
/// repeats.
pub fn take_over_report(span: &mut Span, other: &Span, bills: bool) {
    let key = (other.trace_id, other.span_id);
    let took = has_taken_over(span);
    let known = span.also_reported.map(|known| (known.trace_id, known.span_id));
    let more = has_better_usage(other, span);
    let billed = |span: &Span| span.cost.as_ref().is_some_and(|cost| cost.source == CostSource::Client);
    let worth = (other.cost.is_some(), bills && billed(other));
    let own_worth = (span.cost.is_some(), has_gateway_cost(span) && billed(span));
    let again = worth.1 && own_worth.1 && known.is_none_or(|known| key <= known);
    if more || (!has_better_usage(span, other) && (worth > own_worth || again)) {
        let report = ReportAddress { trace_id: other.trace_id, span_id: other.span_id };
        let source = if bills { FieldSource::GatewayReport } else { FieldSource::OtherReport };
        let read = |field: &'static str| FieldProvenance { field: field.into(), source: source(Box::new(report)) };
        span.reading.retain(|read| read.source.report().is_none());
        span.usage = Usage { total: other.usage.total.or(span.usage.total), ..other.usage };
        span.reading.push(read("usage"));
        if other.cost.is_some() {
            span.cost.clone_from(&other.cost);
            span.reading.push(read("cost"));
        }
    } else if took || known.is_some_and(|known| known < key) {
        span.client_cost = span.client_cost.or(other.client_cost);
        return;
    }
    span.client_cost = span.client_cost.or(other.client_cost);
    span.also_reported = Some(DuplicateReport { trace_id: other.trace_id, span_id: other.span_id, counts: true });
}

/// Returns true for a span that took usage or cost from another report.
pub fn has_taken_over(span: &Span) -> bool {
    span.reading.iter().any(|read| read.source.report().is_some())
}

/// Returns true if the cost of the span is what a gateway bills.
pub fn has_gateway_cost(program: &Span) -> bool {
    program.also_reported.is_some_and(|other| other.counts)
        && program.reading.iter().any(|read| read.field == "cost" && matches!(read.source, FieldSource::GatewayReport(_)))
}

/// Records in a span that another span reports the same call and is counted.
pub fn exclude_for(span: &mut Span, counting: &CallReport) {
    span.also_reported = Some(DuplicateReport { trace_id: counting.trace_id, span_id: counting.span_id, counts: false });
}

/// Returns whether the first report knows more: reported usage is better than estimated usage, otherwise more known buckets are better.
fn has_better_usage(one: &Span, other: &Span) -> bool {
    if one.is_estimated() != other.is_estimated() {
        return other.is_estimated();
    }
    let known = |usage: &Usage| {
        // Nobody reported an estimated usage.
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
    known(&one.usage) > known(&other.usage)
}

/// Excludes calls whose report in another trace is counted. `repeated` contains pairs of a call and the call of the same trace that
/// represents it. If one report of a call is excluded because of another trace, the call that represents it is excluded too.
pub(crate) fn exclude_reported_elsewhere(nodes: &[SpanNode], repeated: &[(usize, usize)], decisions: &mut [SpanDecision]) {
    if !nodes.iter().any(|node| counted_report(node).is_some()) {
        return;
    }
    let mut reported: Vec<Option<DuplicateReport>> = nodes.iter().map(counted_report).collect();
    // A wrapper may be inside a wrapper. One pass per level would do; two passes over all pairs are more than any client nests.
    for (place, kept) in repeated.iter().chain(repeated) {
        reported[*kept] = reported[*kept].or(reported[*place]);
    }
    for (decision, other) in decisions.iter_mut().zip(reported) {
        if let Some(other) = other.filter(|_| decision.counted) {
            decision.counted = false;
            decision.exclusion = Some(Exclusion::ReportedElsewhere { trace_id: other.trace_id, span_id: other.span_id });
        }
    }
}
