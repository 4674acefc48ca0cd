//! Aggregations: sums, counts and percentiles over the spans of a time range, from roll-ups and from rows.

pub(crate) mod answering_model;
pub(crate) mod breakdown;
pub(crate) mod contributions;
pub(crate) mod daily_usage;
pub(crate) mod distinct_count;
pub(crate) mod group_by;
pub(crate) mod group_table;
pub(crate) mod grouped;
pub(crate) mod measure;
pub(crate) mod rollup;
pub(crate) mod series;
pub(crate) mod summary;
pub(crate) mod uncovered_rows;
pub(crate) mod unpriced_calls;
