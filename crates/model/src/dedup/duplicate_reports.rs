//! Calls that are reported more than once, in several traces: by the program that makes the call and a gateway that it goes through, or
//! by two instrumentations of one program that know nothing of each other.
//!
//! The reports speak several dialects, and the provider's id of the answer joins them. That id alone proves little: test
//! doubles give one id to many answers, and a cache answers a second request with the first one's. So all else that can be known must
//! agree as well. Where a report has no id (Sentry's SDK for Python tells none of OpenAI's), only two instrumentations of one program
//! are joined, by what was asked and answered, model, tokens, and times of which one lies in the other and that begin and end nearly
//! together, as a function and what it wraps do: two users who ask the same at once are not answered to the millisecond, and not by two
//! instrumentations.
//!
//! One report of a call counts, and takes usage and cost from another that knows more; the others keep what they say and do not count.

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

/// How much two instrumentations of a call may begin and end apart, and how far one may stand out of the other where clocks are read
/// with different care.
const TOGETHER_US: i64 = 500_000;
const CARE_US: i64 = 5_000;

/// How far the clocks of two programs may be apart.
const SLACK_US: i64 = 1_000_000;

/// Where another report of a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateReport {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span.
    pub span_id: SpanId,
    /// True at the span that counts; false at the others, which all point to that one.
    pub counts: bool,
}

/// Who reports a span, as hashes that hold for this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SpanReporter {
    /// The program.
    pub service: u64,
    /// Its instrumentation.
    pub scope: u64,
    /// The SDK that sends.
    pub sdk: u64,
}

impl SpanReporter {
    /// Who reports a span.
    pub(crate) fn of(span: &Span) -> SpanReporter {
        SpanReporter { service: hash(&span.service), scope: hash(&span.origin), sdk: hash(&span.sdk_name) }
    }

    /// True for two instrumentations of one program that the same SDK reports of.
    pub(crate) fn is_beside(&self, other: &SpanReporter) -> bool {
        (self.service, self.sdk) == (other.service, other.sdk) && self.scope != other.scope
    }

    /// True for two instrumentations that may stand in one program. What each SDK calls the program, only its own reports say alike.
    fn may_stand_beside(&self, other: &SpanReporter) -> bool {
        self.sdk != other.sdk || (self.scope != other.scope && self.service == other.service)
    }
}

/// A call as one program reports it: small, since it is kept in memory for each recent call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallReport {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its span.
    pub span_id: SpanId,
    /// The provider's id of the answer, hashed.
    pub response: Option<u64>,
    /// What was asked and answered, hashed.
    pub texts: Option<u64>,
    /// The model, hashed.
    model: Option<u64>,
    /// The span that counts in its stead, of what is known so far.
    pub left_to: Option<(TraceId, SpanId)>,
    /// Which program reports.
    reporter: SpanReporter,
    /// What says that the reporter is a gateway.
    gateway: GatewayConfidence,
    /// True where no span above it is named.
    is_root: bool,
    /// Start, as the client sent it.
    start_us: i64,
    /// End, likewise.
    end_us: i64,
    /// All input and output tokens.
    tokens: (Option<u64>, Option<u64>),
}

impl CallReport {
    /// How far apart two reports began.
    pub fn distance_us(&self, other: &CallReport) -> u64 {
        self.start_us.abs_diff(other.start_us)
    }

    /// True for two reports of one span.
    pub fn is_of_span(&self, other: &CallReport) -> bool {
        (self.trace_id, self.span_id) == (other.trace_id, other.span_id)
    }

    /// Of the reports of one call the first by this counts: the program's own before a gateway's, what stands below something before
    /// what stands alone, since its user and its run are known, then the one that waited longer.
    pub fn rank(&self) -> impl Ord + use<> {
        let alone = self.gateway == GatewayConfidence::No && self.is_root;
        (self.gateway, alone, self.start_us.saturating_sub(self.end_us), self.start_us, self.trace_id, self.span_id)
    }

    /// True where taking over its cost is right, since it is a gateway's, which knows what it bills.
    pub fn bills(&self) -> bool {
        self.gateway > GatewayConfidence::No
    }
}

/// What says that a program passes calls on, from the least to the most certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum GatewayConfidence {
    No,
    /// It was answering a request while it called, as many a program does that is no gateway.
    Serves,
    /// Its instrumentation is a gateway's.
    Named,
}

/// Whether the instrumentation of a span is a gateway's own.
pub(crate) fn is_gateway(span: &Span) -> bool {
    let scope = span.origin.as_deref().unwrap_or_default();
    GATEWAYS.iter().any(|name| scope.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// A model's name without who runs it and its date, hashed.
pub(crate) fn hash_of_model(name: &str) -> u64 {
    hash(&crate::bill::base_model(name))
}

/// What was asked and answered, hashed; `None` where either is not known. Not stable over restarts.
pub fn hash_of_texts(asked: Option<&str>, answered: Option<&str>) -> Option<u64> {
    let known = |text: Option<&str>| text.filter(|text| !text.trim().is_empty()).map(str::to_owned);
    Some(hash(&(known(asked)?, known(answered)?)))
}

/// A hash of what a client sent. It is compared without the text, but only among the reports of one project: who makes two texts of one hash
/// could as well send one text twice.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The calls of a trace that another trace may report too: those whose answer has an id or a text, and that count or do so elsewhere.
pub fn of_trace(trace_id: TraceId, nodes: &[SpanNode], counted: impl Fn(usize) -> bool) -> Vec<CallReport> {
    let response = |node: &SpanNode| node.response_id.as_deref().filter(|id| !id.is_empty()).map(|id| hash(&id));
    let candidates: Vec<&SpanNode> = nodes
        .iter()
        .enumerate()
        .filter(|(place, node)| node.is_call() && (counted(*place) || left_to(node).is_some()))
        .filter(|(_, node)| response(node).is_some() || node.texts.is_some())
        .map(|(_, node)| node)
        .collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let by_id: HashMap<SpanId, &SpanNode> = nodes.iter().map(|node| (node.span_id, node)).collect();
    let serves = |node: &SpanNode| {
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
    let report = |node: &SpanNode| CallReport {
        trace_id,
        span_id: node.span_id,
        response: response(node),
        texts: node.texts,
        model: node.base_model,
        left_to: left_to(node).map(|other| (other.trace_id, other.span_id)),
        reporter: node.reporter,
        is_root: node.parent_span_id.is_none(),
        gateway: match (node.is_gateway, serves(node)) {
            (true, _) => GatewayConfidence::Named,
            (false, true) => GatewayConfidence::Serves,
            (false, false) => GatewayConfidence::No,
        },
        start_us: node.start_us,
        end_us: node.end_us,
        tokens: (node.input_tokens, node.output_tokens),
    };
    candidates.into_iter().map(report).collect()
}

/// The report that counts instead of this one.
fn left_to(node: &SpanNode) -> Option<DuplicateReport> {
    node.also_reported.filter(|other| !other.counts)
}

/// Whether two reports in different traces, with one id of the answer, tell of one call.
pub fn same_call(one: &CallReport, other: &CallReport) -> bool {
    one.response.is_some()
        && one.response == other.response
        && one.trace_id != other.trace_id
        && same_tokens(one, other)
        && (seen_twice(one, other) || passed_on(one, other))
}

/// The same where one has no id, or both have one id and the same texts.
pub fn same_texts(one: &CallReport, other: &CallReport) -> bool {
    let lies_in = |inner: &CallReport, outer: &CallReport| {
        inner.start_us >= outer.start_us.saturating_sub(CARE_US) && inner.end_us <= outer.end_us.saturating_add(CARE_US)
    };
    let together = one.start_us.abs_diff(other.start_us).max(one.end_us.abs_diff(other.end_us)) <= TOGETHER_US.unsigned_abs();
    one.texts.is_some()
        && one.texts == other.texts
        && one.trace_id != other.trace_id
        && alike(one.response, other.response)
        && alike(one.model, other.model)
        && same_tokens(one, other)
        && together
        && (lies_in(one, other) || lies_in(other, one))
        && one.reporter.may_stand_beside(&other.reporter)
}

/// Equal, as far as both are known.
fn alike(one: Option<u64>, other: Option<u64>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

fn same_tokens(one: &CallReport, other: &CallReport) -> bool {
    alike(one.tokens.0, other.tokens.0) && alike(one.tokens.1, other.tokens.1)
}

/// Two instrumentations of one program, with one clock, see a call at the same time. A cache that answers with an earlier answer does so
/// later, and to the same instrumentation or to another program.
fn seen_twice(one: &CallReport, other: &CallReport) -> bool {
    one.reporter.may_stand_beside(&other.reporter) && one.start_us <= other.end_us && other.start_us <= one.end_us
}

/// The gateway's report lies in the program's. Which of two is the gateway is said by its scope, else by that.
fn passed_on(one: &CallReport, other: &CallReport) -> bool {
    let longer = |a: &CallReport, b: &CallReport| a.end_us - a.start_us >= b.end_us - b.start_us;
    let (program, gateway) = match one.gateway.cmp(&other.gateway) {
        std::cmp::Ordering::Less => (one, other),
        std::cmp::Ordering::Greater => (other, one),
        std::cmp::Ordering::Equal if longer(one, other) => (one, other),
        std::cmp::Ordering::Equal => (other, one),
    };
    let within = gateway.start_us >= program.start_us.saturating_sub(SLACK_US) && gateway.end_us <= program.end_us.saturating_add(SLACK_US);
    one.reporter != other.reporter && gateway.gateway > GatewayConfidence::No && within && gateway.tokens != (None, None)
}

/// Writes into the span that counts that another reports the same call, and what that knows better: usage with more buckets, else of the
/// same usage the cost that a gateway says, else any before none. `bills` as [`CallReport::bills`] says of the other. Any number of others in any order, and any of them again, end in the same.
pub fn take_from(span: &mut Span, other: &Span, bills: bool) {
    let key = (other.trace_id, other.span_id);
    let took = has_taken(span);
    let known = span.also_reported.map(|known| (known.trace_id, known.span_id));
    let more = knows_more(other, span);
    let billed = |span: &Span| span.cost.as_ref().is_some_and(|cost| cost.source == CostSource::Client);
    let worth = (other.cost.is_some(), bills && billed(other));
    let own_worth = (span.cost.is_some(), took_cost(span) && billed(span));
    let again = worth.1 && own_worth.1 && known.is_none_or(|known| key <= known);
    if more || (!knows_more(span, other) && (worth > own_worth || again)) {
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

/// True for a span that has something from another report. What it has is better taken from there.
pub fn has_taken(span: &Span) -> bool {
    span.reading.iter().any(|read| read.source.report().is_some())
}

/// True when the span's cost is what the gateway says, which knows what it bills.
pub fn took_cost(program: &Span) -> bool {
    program.also_reported.is_some_and(|other| other.counts)
        && program.reading.iter().any(|read| read.field == "cost" && matches!(read.source, FieldSource::GatewayReport(_)))
}

/// Writes into a span that another reports the same call, and counts.
pub fn leave_to(span: &mut Span, counting: &CallReport) {
    span.also_reported = Some(DuplicateReport { trace_id: counting.trace_id, span_id: counting.span_id, counts: false });
}

/// What was sent is better than what was estimated. Else the report with more of the buckets knows more.
fn knows_more(one: &Span, other: &Span) -> bool {
    if one.is_estimated() != other.is_estimated() {
        return other.is_estimated();
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
    known(&one.usage) > known(&other.usage)
}

/// Takes calls out of the sum that another trace's report counts for. `repeated` says for a call at a place which other one
/// of its trace stands for it: what holds for one report of a call holds for the one that counts in its stead.
pub(crate) fn leave_out(nodes: &[SpanNode], repeated: &[(usize, usize)], decisions: &mut [SpanDecision]) {
    if !nodes.iter().any(|node| left_to(node).is_some()) {
        return;
    }
    let mut reported: Vec<Option<DuplicateReport>> = nodes.iter().map(left_to).collect();
    // A wrapper may stand round a wrapper: once for each level would do, twice over all is more than any client nests.
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
