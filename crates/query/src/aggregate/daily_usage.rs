//! Observed usage by day and model, for comparison with a bill.

use arrow::datatypes::DataType;
use datafusion::prelude::{cast, col, lit};
use hinomi_model::bill::ObservedModelDay;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::summary::{count_where, has_counted_cost, is_call, is_estimated, is_failed, is_unpriced, is_without_usage, sum_of_counted};
use crate::error::QueryError;
use crate::scan::columns::BatchColumn;
use crate::{ProjectSnapshot, QueryScope, ScanMode};

const DAY_US: i64 = 86_400_000_000;

impl ProjectSnapshot {
    /// Returns calls, tokens and cost by day (UTC), provider and model, including uses of models that are not LLM calls.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter compares values that cannot be compared, or the query engine fails.
    pub async fn observed(&self, scope: &QueryScope) -> Result<Vec<ObservedModelDay>, QueryError> {
        let start = cast(col("start_time"), DataType::Int64);
        let day = ((start.clone() - start % lit(DAY_US)) / lit(DAY_US)).alias("day");
        let keys = vec![day, col("provider"), col("model")];
        let unknown = is_call().and(is_without_usage()).and(is_failed().is_not_true());
        let sums = vec![
            count_where(is_call(), "calls")?,
            count_where(is_unpriced(), "unpriced_calls")?,
            count_where(is_estimated(), "estimated_calls")?,
            count_where(unknown, "calls_without_usage")?,
            sum_of_counted(col("input_tokens"), "input_tokens")?,
            sum_of_counted(col("output_tokens"), "output_tokens")?,
            sum_of_counted(col("cost"), "cost")?,
        ];
        let batches = self
            .spans_in_scope(ScanMode::MostRows, scope)
            .await?
            .filter(is_call().or(has_counted_cost()))?
            .aggregate(keys, sums)?
            .collect()
            .await?;
        let mut observed = Vec::new();
        for batch in &batches {
            let column = |name: &str| BatchColumn::of(batch, name);
            for row in 0..batch.num_rows() {
                let Some(day) = column("day").int(row) else { continue };
                let Ok(at) = Timestamp::from_microsecond(day.saturating_mul(DAY_US)) else { continue };
                observed.push(ObservedModelDay {
                    day: TimeZone::UTC.to_datetime(at).date(),
                    provider: column("provider").text(row).unwrap_or_default(),
                    model: column("model").text(row).unwrap_or_default(),
                    calls: column("calls").count(row),
                    unpriced_calls: column("unpriced_calls").count(row),
                    estimated_calls: column("estimated_calls").count(row),
                    calls_without_usage: column("calls_without_usage").count(row),
                    cost: column("cost").usd(row).unwrap_or_default(),
                    input_tokens: column("input_tokens").count(row),
                    output_tokens: column("output_tokens").count(row),
                });
            }
        }
        Ok(observed)
    }
}
