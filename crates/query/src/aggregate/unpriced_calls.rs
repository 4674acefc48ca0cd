//! Unpriced calls by model.

use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{count, max, min, sum};
use datafusion::prelude::{cast, col, lit};
use hinomi_model::api_time::rfc3339;

use super::summary::is_unpriced;
use crate::error::QueryError;
use crate::response::UnpricedModel;
use crate::scan::columns::BatchColumn;
use crate::{ProjectSnapshot, QueryScope, ScanMode};

/// Number of microseconds in an hour.
const HOUR_US: f64 = 3.6e9;

impl ProjectSnapshot {
    /// Returns the models of calls that report usage and have no price, at most `most`, in descending order of their number of calls. Also
    /// returns the total number of such models.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter compares values that cannot be compared, or the query engine fails.
    pub async fn unpriced(&self, scope: &QueryScope, most: usize) -> Result<(Vec<UnpricedModel>, u64), QueryError> {
        let start = || cast(col("start_time"), DataType::Int64);
        let sums = vec![
            count(lit(1)).alias("calls"),
            sum(col("input_tokens")).alias("input_tokens"),
            sum(col("output_tokens")).alias("output_tokens"),
            sum(col("usage_cache_read")).alias("cache_read_tokens"),
            sum(col("duration_us")).alias("duration_us"),
            min(start()).alias("first"),
            max(start()).alias("last"),
        ];
        let table = self.spans_in_scope(ScanMode::MostRows, scope).await?.filter(is_unpriced())?;
        let keys = || vec![col("model"), col("provider")];
        let order = [("calls", false), ("model", true), ("provider", true)].map(|(column, ascending)| col(column).sort(ascending, true));
        let first = table.clone().aggregate(keys(), sums)?.sort(order.to_vec())?.limit(0, Some(most))?;
        let batches = first.collect().await?;
        let mut models = Vec::new();
        for batch in &batches {
            let column = |name: &str| BatchColumn::of(batch, name);
            for row in 0..batch.num_rows() {
                let time = |name: &str| rfc3339(column(name).int(row).unwrap_or(0));
                models.push(UnpricedModel {
                    model: column("model").text(row),
                    provider: column("provider").text(row),
                    calls: column("calls").count(row),
                    input_tokens: column("input_tokens").count(row),
                    output_tokens: column("output_tokens").count(row),
                    cache_read_tokens: column("cache_read_tokens").count(row),
                    hours: column("duration_us").float(row).unwrap_or(0.0) / HOUR_US,
                    first_seen: time("first"),
                    last_seen: time("last"),
                });
            }
        }
        let mut number = models.len() as u64;
        if models.len() == most {
            let all = table.aggregate(keys(), Vec::new())?.aggregate(Vec::new(), vec![count(lit(1)).alias("models")])?;
            number = all.collect().await?.first().map_or(number, |batch| BatchColumn::of(batch, "models").count(0));
        }
        Ok((models, number))
    }
}
