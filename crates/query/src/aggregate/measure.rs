//! What can be drawn over time, and in which steps.

use crate::error::QueryError;

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// What a series measures. Calls are counted calls of models.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum SeriesMeasure { $($(#[$doc])* $variant),+ }

        impl SeriesMeasure {
            const ALL: &[SeriesMeasure] = &[$(SeriesMeasure::$variant),+];

            /// Its name in the API.
            pub fn name(self) -> &'static str {
                match self { $(SeriesMeasure::$variant => $name),+ }
            }
        }
    };
}

measures!(
    /// Calls.
    Calls = "calls",
    /// Calls that failed.
    Failed = "failed",
    /// Error events, which are not spans: the API answers this one.
    Errors = "errors",
    /// Dollars.
    Cost = "cost",
    /// All input.
    InputTokens = "input_tokens",
    /// All output.
    OutputTokens = "output_tokens",
    /// Input at the full price.
    NewInputTokens = "new_input_tokens",
    /// Input from caches.
    CacheReadTokens = "cache_read_tokens",
    /// Input into caches.
    CacheWriteTokens = "cache_write_tokens",
    /// Output that was thought and not said.
    ReasoningTokens = "reasoning_tokens",
    /// Median of the calls' durations in milliseconds.
    DurationP50 = "duration_p50",
    /// 95th percentile.
    DurationP95 = "duration_p95",
    /// 99th percentile.
    DurationP99 = "duration_p99",
    /// Runs of pipelines.
    Runs = "runs",
    /// All spans.
    Spans = "spans",
);

impl SeriesMeasure {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When there is no such measure.
    pub fn parse(name: &str) -> Result<SeriesMeasure, QueryError> {
        SeriesMeasure::ALL.iter().copied().find(|measure| measure.name() == name).ok_or_else(|| QueryError::BadMeasure(name.to_owned()))
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        SeriesMeasure::ALL.iter().map(|measure| measure.name()).collect()
    }

    /// Whether an empty bucket has no value, rather than none of something.
    pub fn is_duration(self) -> bool {
        self.share().is_some()
    }

    /// Which percentile it is, as a part of one.
    pub(crate) fn share(self) -> Option<f64> {
        match self {
            SeriesMeasure::DurationP50 => Some(0.5),
            SeriesMeasure::DurationP95 => Some(0.95),
            SeriesMeasure::DurationP99 => Some(0.99),
            _ => None,
        }
    }
}

/// A step of time. Steps are counted from the Unix epoch in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketInterval {
    name: &'static str,
    us: i64,
}

const MINUTE_US: i64 = 60_000_000;

const BUCKETS: &[BucketInterval] = &[
    BucketInterval { name: "1m", us: MINUTE_US },
    BucketInterval { name: "5m", us: 5 * MINUTE_US },
    BucketInterval { name: "15m", us: 15 * MINUTE_US },
    BucketInterval { name: "30m", us: 30 * MINUTE_US },
    BucketInterval { name: "1h", us: 60 * MINUTE_US },
    BucketInterval { name: "6h", us: 360 * MINUTE_US },
    BucketInterval { name: "12h", us: 720 * MINUTE_US },
    BucketInterval { name: "1d", us: 1440 * MINUTE_US },
];

impl BucketInterval {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When there is no such bucket.
    pub fn parse(name: &str) -> Result<BucketInterval, QueryError> {
        BUCKETS.iter().copied().find(|bucket| bucket.name == name).ok_or_else(|| QueryError::BadBucket(name.to_owned()))
    }

    /// Reads a name; where none is given, answers the buckets from an hour on: the first with which a range has not too many is the one to take.
    ///
    /// # Errors
    ///
    /// When there is no such bucket.
    pub fn candidates(name: Option<&str>) -> Result<Vec<BucketInterval>, QueryError> {
        match name {
            Some(name) => Ok(vec![BucketInterval::parse(name)?]),
            None => Ok(BUCKETS.iter().copied().filter(|bucket| bucket.us >= 60 * MINUTE_US).collect()),
        }
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        BUCKETS.iter().map(|bucket| bucket.name).collect()
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Its length in microseconds.
    pub fn us(self) -> i64 {
        self.us
    }
}
