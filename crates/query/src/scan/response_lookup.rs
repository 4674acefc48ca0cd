//! Lookup of calls by the IDs of their responses.

use std::collections::HashMap;

use datafusion::prelude::{col, lit};
use hinomi_model::id::{SpanId, TraceId};

use super::columns::BatchColumn;
use crate::error::QueryError;
use crate::{ProjectSnapshot, ScanMode};

impl ProjectSnapshot {
    /// Returns the spans that report these responses (`gen_ai.response.id`), by the ID of the response. The spans start in `from_us..to_us`.
    /// If several spans report a response, an LLM call precedes other spans, and an earlier one a later one.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn spans_of_responses(
        &self,
        (from_us, to_us): (i64, i64),
        responses: &[String],
    ) -> Result<HashMap<String, (TraceId, SpanId)>, QueryError> {
        let wanted = col("response_id").in_list(responses.iter().map(|response| lit(response.as_str())).collect(), false);
        let table = self.table(ScanMode::FewRows, from_us, to_us)?.filter(wanted)?;
        let is_other = col("kind").not_eq(lit("llm")).alias("is_other");
        let table = table.select(vec![col("response_id"), col("trace_id"), col("span_id"), col("start_time"), is_other])?;
        let sorted = table.sort(vec![col("is_other").sort(true, false), col("start_time").sort(true, false)])?;
        let mut found = HashMap::new();
        for batch in sorted.collect().await? {
            let [response, trace, span] = ["response_id", "trace_id", "span_id"].map(|name| BatchColumn::of(&batch, name));
            for at in 0..batch.num_rows() {
                let ids = trace.text(at).and_then(|id| id.parse().ok()).zip(span.text(at).and_then(|id| id.parse().ok()));
                if let Some((response, ids)) = response.text(at).zip(ids) {
                    found.entry(response.to_owned()).or_insert(ids);
                }
            }
        }
        Ok(found)
    }
}
