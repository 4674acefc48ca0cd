//! Table of the metrics that a rule can measure. A metric is computed from sums over spans or a distribution, or queried elsewhere.

use hinomi_model::money::Usd;
use hinomi_model::span::{Span, SpanStatus, SpanType};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::delivery::notification::MeasureUnit;

/// Integer that each span adds to a sum: cost in units of 10⁻¹² US dollars, every other quantity in its own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SpanQuantity {
    /// 1 for each span of the subject.
    Count,
    /// 1 for each failed span of the subject.
    Failed,
    /// 1 for each successful call that reports usage and has no price.
    Unpriced,
    Cost,
    InputTokens,
    OutputTokens,
    TotalTokens,
    NewInputTokens,
    CacheReadTokens,
    CacheWriteTokens,
    ReasoningTokens,
}

/// Durations in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LatencyKind {
    Duration,
    FirstToken,
}

/// Metric that is queried from another database at regular intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PolledMetric {
    /// Number of received items with these outcomes.
    Outcomes(&'static [&'static str]),
    /// Figure of the scores with a name.
    Scores(ScoreStatistic),
    /// Number of traces with findings.
    Findings,
    /// Number of error events.
    Errors,
}

/// Figure of the scores with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScoreStatistic {
    /// Weighted mean of the values.
    Mean,
    /// Weighted fraction of bad scores, according to the score definition.
    BadRate,
    /// Number of scores.
    Count,
}

/// Spans that a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SpanSubject {
    /// Counted LLM calls.
    Calls,
    /// Counted spans. Among them, calls, other priced uses of models and some agents have tokens and costs.
    Counted,
    /// Tool calls.
    Tools,
    /// All spans.
    Spans,
}

/// Formula of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum MetricFormula {
    Sum(SpanSubject, SpanQuantity),
    /// Fraction of the subject's spans that have the quantity.
    Share(SpanSubject, SpanQuantity),
    /// Percentile of a duration, as a fraction of the calls.
    Percentile(LatencyKind, f64),
    Polled(PolledMetric),
}

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident = $name:tt, $unit:ident, $made:expr;)+) => {
        /// What a rule measures. Metrics of LLM calls count each call once: spans that are excluded from totals are left out.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum AlertMetric { $($(#[$doc])* #[serde(rename = $name)] $variant),+ }

        impl AlertMetric {
            /// All metrics.
            pub const ALL: &[AlertMetric] = &[$(AlertMetric::$variant),+];

            /// Returns the name in the API and in files.
            pub fn name(self) -> &'static str {
                match self { $(AlertMetric::$variant => $name),+ }
            }

            /// Returns the unit of the values.
            pub fn unit(self) -> MeasureUnit {
                match self { $(AlertMetric::$variant => MeasureUnit::$unit),+ }
            }

            pub(crate) fn made(self) -> MetricFormula {
                match self { $(AlertMetric::$variant => $made),+ }
            }
        }
    };
}

use MetricFormula::{Percentile, Polled as Ask, Share, Sum};
use SpanSubject::{Calls, Counted, Spans, Tools};

measures!(
    /// Cost in US dollars.
    Cost = "cost", Usd, Sum(Counted, SpanQuantity::Cost);
    /// Input tokens, including those read from or written to a cache.
    InputTokens = "input_tokens", Tokens, Sum(Counted, SpanQuantity::InputTokens);
    /// Output tokens, including reasoning.
    OutputTokens = "output_tokens", Tokens, Sum(Counted, SpanQuantity::OutputTokens);
    /// Input and output tokens.
    TotalTokens = "total_tokens", Tokens, Sum(Counted, SpanQuantity::TotalTokens);
    /// Input tokens at the full price: neither read from nor written to a cache.
    NewInputTokens = "new_input_tokens", Tokens, Sum(Counted, SpanQuantity::NewInputTokens);
    /// Input tokens read from a cache.
    CacheReadTokens = "cache_read_tokens", Tokens, Sum(Counted, SpanQuantity::CacheReadTokens);
    /// Input tokens written to a cache.
    CacheWriteTokens = "cache_write_tokens", Tokens, Sum(Counted, SpanQuantity::CacheWriteTokens);
    /// Output tokens spent on reasoning.
    ReasoningTokens = "reasoning_tokens", Tokens, Sum(Counted, SpanQuantity::ReasoningTokens);
    /// Number of LLM calls.
    Calls = "calls", Count, Sum(Calls, SpanQuantity::Count);
    /// Number of LLM calls that failed.
    Failed = "failed", Count, Sum(Calls, SpanQuantity::Failed);
    /// Fraction of the LLM calls that failed, from 0 to 1.
    ErrorRate = "error_rate", Ratio, Share(Calls, SpanQuantity::Failed);
    /// Median duration of LLM calls in milliseconds.
    DurationP50 = "duration_p50", Ms, Percentile(LatencyKind::Duration, 0.5);
    /// 90th percentile of the duration of LLM calls in milliseconds.
    DurationP90 = "duration_p90", Ms, Percentile(LatencyKind::Duration, 0.9);
    /// 95th percentile of the duration of LLM calls in milliseconds.
    DurationP95 = "duration_p95", Ms, Percentile(LatencyKind::Duration, 0.95);
    /// 99th percentile of the duration of LLM calls in milliseconds.
    DurationP99 = "duration_p99", Ms, Percentile(LatencyKind::Duration, 0.99);
    /// Median time to first token in milliseconds, of the LLM calls that report it.
    FirstTokenP50 = "time_to_first_token_p50", Ms, Percentile(LatencyKind::FirstToken, 0.5);
    /// 90th percentile of the time to first token in milliseconds, of the LLM calls that report it.
    FirstTokenP90 = "time_to_first_token_p90", Ms, Percentile(LatencyKind::FirstToken, 0.9);
    /// 95th percentile of the time to first token in milliseconds, of the LLM calls that report it.
    FirstTokenP95 = "time_to_first_token_p95", Ms, Percentile(LatencyKind::FirstToken, 0.95);
    /// 99th percentile of the time to first token in milliseconds, of the LLM calls that report it.
    FirstTokenP99 = "time_to_first_token_p99", Ms, Percentile(LatencyKind::FirstToken, 0.99);
    /// Number of tool calls that failed.
    ToolFailures = "tool_failures", Count, Sum(Tools, SpanQuantity::Failed);
    /// Fraction of the tool calls that failed, from 0 to 1.
    ToolFailureRate = "tool_failure_rate", Ratio, Share(Tools, SpanQuantity::Failed);
    /// Number of LLM calls that report token usage and have no price.
    UnpricedCalls = "unpriced_calls", Count, Sum(Calls, SpanQuantity::Unpriced);
    /// Number of spans of any kind. Below a threshold, it detects that data has stopped arriving.
    Spans = "spans", Count, Sum(Spans, SpanQuantity::Count);
    /// Number of items that were rejected or dropped during ingestion.
    Refusals = "refusals", Count, Ask(PolledMetric::Outcomes(&["refused", "dropped"]));
    /// Number of items that clients report to have dropped before sending.
    ClientDropped = "client_dropped", Count, Ask(PolledMetric::Outcomes(&["client_dropped"]));
    /// Number of error events, whether or not they belong to an LLM call.
    ErrorEvents = "error_events", Count, Ask(PolledMetric::Errors);
    /// Mean of the scores with the name given in `score`.
    Score = "score", Score, Ask(PolledMetric::Scores(ScoreStatistic::Mean));
    /// Fraction, from 0 to 1, of the scores with the name given in `score` that are bad according to the score definition.
    ScoreBadRate = "score_bad_rate", Ratio, Ask(PolledMetric::Scores(ScoreStatistic::BadRate));
    /// Number of scores with the name given in `score`.
    ScoreCount = "score_count", Count, Ask(PolledMetric::Scores(ScoreStatistic::Count));
    /// Number of traces with findings, such as tool loops. The filter may select kinds: `finding:tool_loop`.
    Findings = "findings", Count, Ask(PolledMetric::Findings);
);

impl AlertMetric {
    /// Returns whether the metric is a figure of scores, which have a name.
    pub fn is_of_scores(self) -> bool {
        matches!(self.made(), MetricFormula::Polled(PolledMetric::Scores(_)))
    }

    /// Returns whether a filter selects what is measured.
    pub fn has_filter(self) -> bool {
        self.is_computed_from_spans() || self == AlertMetric::Findings
    }

    /// Returns whether a low value is known before the window has ended, because it is a mean and not a sum.
    pub(crate) fn is_mean(self) -> bool {
        matches!(self, AlertMetric::Score | AlertMetric::ScoreBadRate)
    }

    /// Returns whether the metric is computed from spans, so filters and groups apply.
    pub fn is_computed_from_spans(self) -> bool {
        !matches!(self.made(), MetricFormula::Polled(_))
    }
}

/// Columns that determine whether a span belongs to a subject.
const SUBJECT_COLUMNS: [&str; 4] = ["kind", "counted", "start_time", "status"];

impl SpanSubject {
    /// Returns whether a span belongs to the subject.
    pub(crate) fn includes(self, span: &Span) -> bool {
        match self {
            SpanSubject::Calls => span.is_call() && span.counted,
            SpanSubject::Counted => span.counted,
            SpanSubject::Tools => span.kind == SpanType::Tool,
            SpanSubject::Spans => true,
        }
    }
}

impl SpanQuantity {
    /// Returns what a span of the subject adds.
    pub(crate) fn of(self, span: &Span) -> i64 {
        let usage = &span.usage;
        let count = |count: Option<u64>| i64::try_from(count.unwrap_or(0)).unwrap_or(i64::MAX);
        match self {
            SpanQuantity::Count => 1,
            SpanQuantity::Failed => i64::from(span.status == SpanStatus::Error),
            SpanQuantity::Unpriced => i64::from(span.cost.is_none() && !usage.is_unknown() && span.status != SpanStatus::Error),
            SpanQuantity::Cost => span.cost.as_ref().map_or(0, |cost| cost.total.0),
            SpanQuantity::InputTokens => count(usage.input_tokens()),
            SpanQuantity::OutputTokens => count(usage.output_tokens()),
            SpanQuantity::TotalTokens => count(usage.total),
            SpanQuantity::NewInputTokens => count(usage.input),
            SpanQuantity::CacheReadTokens => count(usage.cache_read),
            SpanQuantity::CacheWriteTokens => count(usage.cache_write_tokens()),
            SpanQuantity::ReasoningTokens => count(usage.reasoning),
        }
    }

    /// Converts a sum to the value in the API.
    pub(crate) fn to_api_value(self, sum: i128) -> f64 {
        let sum = sum as f64;
        if self == SpanQuantity::Cost { sum / Usd::SCALE } else { sum }
    }

    /// Converts a value in the API to a sum.
    pub(crate) fn to_sum(self, shown: f64) -> i128 {
        (if self == SpanQuantity::Cost { shown * Usd::SCALE } else { shown }).round() as i128
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            SpanQuantity::Count | SpanQuantity::Failed => &[],
            SpanQuantity::Cost => &["cost"],
            SpanQuantity::Unpriced => &["cost", "usage_input", "usage_output", "total_tokens"],
            SpanQuantity::TotalTokens => &["total_tokens"],
            _ => USAGE_COLUMNS,
        }
    }
}

const USAGE_COLUMNS: &[&str] = &[
    "usage_input",
    "usage_cache_read",
    "usage_cache_write_5m",
    "usage_cache_write_1h",
    "usage_input_audio",
    "usage_output",
    "usage_reasoning",
    "usage_output_audio",
    "usage_input_image",
    "usage_output_image",
];

impl LatencyKind {
    /// Returns the duration of a call in microseconds; `None` if the call does not report it.
    pub(crate) fn of(self, span: &Span) -> Option<i64> {
        match self {
            LatencyKind::Duration => span.duration_us(),
            LatencyKind::FirstToken => span.time_to_first_token_us,
        }
    }
}

/// Aggregation of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum SeriesAggregation {
    Sums(SpanSubject, SpanQuantity),
    Sketches(LatencyKind),
}

impl SeriesAggregation {
    /// Returns the aggregation for a formula; `None` if the measure is queried elsewhere.
    pub(crate) fn of(made: MetricFormula) -> Option<SeriesAggregation> {
        match made {
            MetricFormula::Sum(subject, quantity) | MetricFormula::Share(subject, quantity) => {
                Some(SeriesAggregation::Sums(subject, quantity))
            }
            MetricFormula::Percentile(spread, _) => Some(SeriesAggregation::Sketches(spread)),
            MetricFormula::Polled(_) => None,
        }
    }

    /// Returns the columns that the aggregation needs.
    pub(crate) fn columns(self) -> impl Iterator<Item = &'static str> {
        let own: &[&str] = match self {
            SeriesAggregation::Sums(_, quantity) => quantity.columns(),
            SeriesAggregation::Sketches(LatencyKind::Duration) => &["end_time", "duration_us"],
            SeriesAggregation::Sketches(LatencyKind::FirstToken) => &["time_to_first_token_us"],
        };
        SUBJECT_COLUMNS.into_iter().chain(own.iter().copied())
    }
}
