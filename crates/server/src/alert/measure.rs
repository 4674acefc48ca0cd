//! What a rule can measure: a table. Each measure is made of sums over spans, of a distribution, or of what is asked elsewhere.

use hinomi_model::money::Usd;
use hinomi_model::span::{Kind, Span, Status};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::notify::notice::Unit;

/// A number that each span adds, as a whole number: dollars in steps of 10^-12, all else as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Quantity {
    /// One for each span of the subject.
    One,
    /// One for each that failed.
    Failed,
    /// One for each call that succeeded, told its usage, and has no price.
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

/// Durations, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Spread {
    Duration,
    FirstToken,
}

/// What is asked elsewhere when the clock says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    /// Outcomes of this kind.
    Outcomes(&'static [&'static str]),
    /// The mean of scores.
    Scores,
    /// Error events.
    Errors,
}

/// Which spans are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// Counted calls of models.
    Calls,
    /// Uses of tools.
    Tools,
    /// All spans.
    Spans,
}

/// How a measure is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Made {
    Sum(Subject, Quantity),
    /// What part of the subject has the quantity.
    Share(Subject, Quantity),
    /// This part of the calls is at or below the value.
    Percentile(Spread, f64),
    Asked(Asked),
}

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $unit:ident, $made:expr;)+) => {
        /// What a rule measures. Calls are counted calls of models, as everywhere.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        pub enum Measure { $($(#[$doc])* #[serde(rename = $name)] $variant),+ }

        impl Measure {
            /// All of them.
            pub const ALL: &[Measure] = &[$(Measure::$variant),+];

            /// Its name in API and file.
            pub fn name(self) -> &'static str {
                match self { $(Measure::$variant => $name),+ }
            }

            /// What its figures are in.
            pub fn unit(self) -> Unit {
                match self { $(Measure::$variant => Unit::$unit),+ }
            }

            pub(super) fn made(self) -> Made {
                match self { $(Measure::$variant => $made),+ }
            }
        }
    };
}

use Made::{Asked as Ask, Percentile, Share, Sum};
use Subject::{Calls, Spans, Tools};

measures!(
    /// Dollars.
    Cost = "cost", Usd, Sum(Calls, Quantity::Cost);
    /// All input.
    InputTokens = "input_tokens", Tokens, Sum(Calls, Quantity::InputTokens);
    /// All output.
    OutputTokens = "output_tokens", Tokens, Sum(Calls, Quantity::OutputTokens);
    /// Input and output.
    TotalTokens = "total_tokens", Tokens, Sum(Calls, Quantity::TotalTokens);
    /// Input at the full price.
    NewInputTokens = "new_input_tokens", Tokens, Sum(Calls, Quantity::NewInputTokens);
    /// Input from caches.
    CacheReadTokens = "cache_read_tokens", Tokens, Sum(Calls, Quantity::CacheReadTokens);
    /// Input into caches.
    CacheWriteTokens = "cache_write_tokens", Tokens, Sum(Calls, Quantity::CacheWriteTokens);
    /// Output that was thought and not said.
    ReasoningTokens = "reasoning_tokens", Tokens, Sum(Calls, Quantity::ReasoningTokens);
    /// Calls.
    Calls = "calls", Count, Sum(Calls, Quantity::One);
    /// Calls that failed.
    Failed = "failed", Count, Sum(Calls, Quantity::Failed);
    /// What part of the calls failed.
    ErrorRate = "error_rate", Ratio, Share(Calls, Quantity::Failed);
    /// Median of the calls' durations.
    DurationP50 = "duration_p50", Ms, Percentile(Spread::Duration, 0.5);
    /// 90th percentile.
    DurationP90 = "duration_p90", Ms, Percentile(Spread::Duration, 0.9);
    /// 95th percentile.
    DurationP95 = "duration_p95", Ms, Percentile(Spread::Duration, 0.95);
    /// 99th percentile.
    DurationP99 = "duration_p99", Ms, Percentile(Spread::Duration, 0.99);
    /// Median of the time to the first piece of an answer, of those calls that say it.
    FirstTokenP50 = "time_to_first_token_p50", Ms, Percentile(Spread::FirstToken, 0.5);
    /// 90th percentile.
    FirstTokenP90 = "time_to_first_token_p90", Ms, Percentile(Spread::FirstToken, 0.9);
    /// 95th percentile.
    FirstTokenP95 = "time_to_first_token_p95", Ms, Percentile(Spread::FirstToken, 0.95);
    /// 99th percentile.
    FirstTokenP99 = "time_to_first_token_p99", Ms, Percentile(Spread::FirstToken, 0.99);
    /// Uses of tools that failed.
    ToolFailures = "tool_failures", Count, Sum(Tools, Quantity::Failed);
    /// What part of the uses of tools failed.
    ToolFailureRate = "tool_failure_rate", Ratio, Share(Tools, Quantity::Failed);
    /// Calls that told their usage and have no price.
    UnpricedCalls = "unpriced_calls", Count, Sum(Calls, Quantity::Unpriced);
    /// All spans: below a threshold, data has stopped coming.
    Spans = "spans", Count, Sum(Spans, Quantity::One);
    /// Requests that were turned away, and parts that were not kept.
    Refusals = "refusals", Count, Ask(Asked::Outcomes(&["refused", "dropped"]));
    /// What clients say that they never sent.
    ClientDropped = "client_dropped", Count, Ask(Asked::Outcomes(&["client_dropped"]));
    /// Error events of programs: exceptions that they reported, whether or not a call was under way.
    ErrorEvents = "error_events", Count, Ask(Asked::Errors);
    /// Mean of the scores of one name.
    Score = "score", Score, Ask(Asked::Scores);
);

impl Measure {
    /// Whether it is made of spans, so that a filter and a group mean something.
    pub(super) fn is_of_spans(self) -> bool {
        !matches!(self.made(), Made::Asked(_))
    }
}

/// What spans of a subject must have for it to be told.
const SUBJECT_COLUMNS: [&str; 4] = ["kind", "counted", "start_time", "status"];

impl Subject {
    /// Whether a span is one.
    pub(super) fn has(self, span: &Span) -> bool {
        match self {
            Subject::Calls => span.is_call() && span.counted,
            Subject::Tools => span.kind == Kind::Tool,
            Subject::Spans => true,
        }
    }
}

impl Quantity {
    /// What a span of the subject adds.
    pub(super) fn of(self, span: &Span) -> i64 {
        let usage = &span.usage;
        let count = |count: Option<u64>| i64::try_from(count.unwrap_or(0)).unwrap_or(i64::MAX);
        match self {
            Quantity::One => 1,
            Quantity::Failed => i64::from(span.status == Status::Error),
            Quantity::Unpriced => i64::from(span.cost.is_none() && !usage.is_unknown() && span.status != Status::Error),
            Quantity::Cost => span.cost.as_ref().map_or(0, |cost| cost.total.0),
            Quantity::InputTokens => count(usage.input_tokens()),
            Quantity::OutputTokens => count(usage.output_tokens()),
            Quantity::TotalTokens => count(usage.total),
            Quantity::NewInputTokens => count(usage.input),
            Quantity::CacheReadTokens => count(usage.cache_read),
            Quantity::CacheWriteTokens => count(usage.cache_write_tokens()),
            Quantity::ReasoningTokens => count(usage.reasoning),
        }
    }

    /// A sum as the API shows it.
    pub(super) fn shown(self, sum: i128) -> f64 {
        let sum = sum as f64;
        if self == Quantity::Cost { sum / Usd::SCALE } else { sum }
    }

    /// What the API says, as a sum.
    pub(super) fn summed(self, shown: f64) -> i128 {
        (if self == Quantity::Cost { shown * Usd::SCALE } else { shown }).round() as i128
    }

    fn columns(self) -> &'static [&'static str] {
        match self {
            Quantity::One | Quantity::Failed => &[],
            Quantity::Cost => &["cost"],
            Quantity::Unpriced => &["cost", "usage_input", "usage_output", "total_tokens"],
            Quantity::TotalTokens => &["total_tokens"],
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
];

impl Spread {
    /// The value of a call in microseconds; `None` where it does not say.
    pub(super) fn of(self, span: &Span) -> Option<i64> {
        match self {
            Spread::Duration => Some(span.end_us.saturating_sub(span.start_us)),
            Spread::FirstToken => span.time_to_first_token_us,
        }
    }
}

/// What a track adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Gathers {
    Sums(Subject, Quantity),
    Sketches(Spread),
}

impl Gathers {
    /// What must be added up for a measure; `None` for one that is asked elsewhere.
    pub(super) fn of(made: Made) -> Option<Gathers> {
        match made {
            Made::Sum(subject, quantity) | Made::Share(subject, quantity) => Some(Gathers::Sums(subject, quantity)),
            Made::Percentile(spread, _) => Some(Gathers::Sketches(spread)),
            Made::Asked(_) => None,
        }
    }

    /// The columns that must be there for it.
    pub(super) fn columns(self) -> impl Iterator<Item = &'static str> {
        let own: &[&str] = match self {
            Gathers::Sums(_, quantity) => quantity.columns(),
            Gathers::Sketches(Spread::Duration) => &["end_time"],
            Gathers::Sketches(Spread::FirstToken) => &["time_to_first_token_us"],
        };
        SUBJECT_COLUMNS.into_iter().chain(own.iter().copied())
    }
}
