//! Measures of time series and the lengths of buckets.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::QueryError;

macro_rules! measures {
    ($($(#[$doc:meta])* $variant:ident = $name:tt),+ $(,)?) => {
        /// Measure of a time series. Calls are the LLM calls that totals include.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
        pub enum SeriesMeasure { $($(#[$doc])* #[serde(rename = $name)] $variant),+ }

        impl SeriesMeasure {
            const ALL: &[SeriesMeasure] = &[$(SeriesMeasure::$variant),+];

            /// Returns the name in the API.
            pub fn name(self) -> &'static str {
                match self { $(SeriesMeasure::$variant => $name),+ }
            }
        }
    };
}

measures!(
    /// Number of calls.
    Calls = "calls",
    /// Number of failed calls.
    Failed = "failed",
    /// Number of error events. They are not spans; the API computes this measure.
    Errors = "errors",
    /// Cost in US dollars.
    Cost = "cost",
    /// Input tokens, including those read from or written to a cache.
    InputTokens = "input_tokens",
    /// Output tokens, including reasoning.
    OutputTokens = "output_tokens",
    /// Input tokens at the full price.
    NewInputTokens = "new_input_tokens",
    /// Input tokens read from a cache.
    CacheReadTokens = "cache_read_tokens",
    /// Input tokens written to a cache.
    CacheWriteTokens = "cache_write_tokens",
    /// Output tokens spent on reasoning.
    ReasoningTokens = "reasoning_tokens",
    /// Median duration of calls in milliseconds.
    DurationP50 = "duration_p50",
    /// 95th percentile of the duration of calls in milliseconds.
    DurationP95 = "duration_p95",
    /// 99th percentile of the duration of calls in milliseconds.
    DurationP99 = "duration_p99",
    /// Number of runs of pipelines.
    Runs = "runs",
    /// Number of spans of any kind.
    Spans = "spans",
);

impl SeriesMeasure {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// Returns an error if the measure is unknown.
    pub fn parse(name: &str) -> Result<SeriesMeasure, QueryError> {
        SeriesMeasure::ALL.iter().copied().find(|measure| measure.name() == name).ok_or_else(|| QueryError::BadMeasure(name.to_owned()))
    }

    /// Returns the names of all measures.
    pub fn names() -> Vec<&'static str> {
        SeriesMeasure::ALL.iter().map(|measure| measure.name()).collect()
    }

    /// Returns whether the measure is a duration, so an empty bucket has no value instead of 0.
    pub fn is_duration(self) -> bool {
        self.percentile_share().is_some()
    }

    /// Returns the percentile as a fraction of one, if the measure is a percentile.
    pub(crate) fn percentile_share(self) -> Option<f64> {
        match self {
            SeriesMeasure::DurationP50 => Some(0.5),
            SeriesMeasure::DurationP95 => Some(0.95),
            SeriesMeasure::DurationP99 => Some(0.99),
            _ => None,
        }
    }
}

/// Length of the buckets of a time series. Buckets are aligned to the Unix epoch in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketInterval {
    name: &'static str,
    length_us: i64,
}

const MINUTE_US: i64 = 60_000_000;

const BUCKET_INTERVALS: &[BucketInterval] = &[
    BucketInterval { name: "1m", length_us: MINUTE_US },
    BucketInterval { name: "5m", length_us: 5 * MINUTE_US },
    BucketInterval { name: "15m", length_us: 15 * MINUTE_US },
    BucketInterval { name: "30m", length_us: 30 * MINUTE_US },
    BucketInterval { name: "1h", length_us: 60 * MINUTE_US },
    BucketInterval { name: "6h", length_us: 360 * MINUTE_US },
    BucketInterval { name: "12h", length_us: 720 * MINUTE_US },
    BucketInterval { name: "1d", length_us: 1440 * MINUTE_US },
];

impl BucketInterval {
    /// Parses a name.
    ///
    /// # Errors
    ///
    /// Returns an error if the bucket length is unknown.
    pub fn parse(name: &str) -> Result<BucketInterval, QueryError> {
        BUCKET_INTERVALS.iter().copied().find(|bucket| bucket.name == name).ok_or_else(|| QueryError::BadBucket(name.to_owned()))
    }

    /// Returns the bucket with a name, or all buckets of at least an hour if there is no name. The caller uses the first bucket length that
    /// does not split the range into too many buckets.
    ///
    /// # Errors
    ///
    /// Returns an error if the bucket length is unknown.
    pub fn candidate_buckets(name: Option<&str>) -> Result<Vec<BucketInterval>, QueryError> {
        match name {
            Some(name) => Ok(vec![BucketInterval::parse(name)?]),
            None => Ok(BUCKET_INTERVALS.iter().copied().filter(|bucket| bucket.length_us >= 60 * MINUTE_US).collect()),
        }
    }

    /// Returns the names of all bucket lengths.
    pub fn names() -> Vec<&'static str> {
        BUCKET_INTERVALS.iter().map(|bucket| bucket.name).collect()
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Returns the length in microseconds.
    pub fn length_us(self) -> i64 {
        self.length_us
    }
}

impl PartialSchema for BucketInterval {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Length of a bucket. Buckets are aligned to the Unix epoch in UTC."))
            .enum_values(Some(BucketInterval::names()))
            .into()
    }
}

impl ToSchema for BucketInterval {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("BucketInterval")
    }
}
