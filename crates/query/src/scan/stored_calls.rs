//! Scan of stored calls in batches, for jobs that process all of them.

use datafusion::prelude::{col, lit};
use futures::{Stream, StreamExt};
use hinomi_store::rows::{SpanRow, from_batch};
use hinomi_store::schema::SCHEMA;

use crate::error::QueryError;
use crate::{ProjectSnapshot, ScanMode};

/// Columns that are not needed to price a call.
const TEXT_COLUMNS: &[&str] = &["input_messages", "output_messages", "tool_definitions"];

impl ProjectSnapshot {
    /// Returns calls and other spans that may have a cost of their own, without their messages, as a stream of batches. The spans start in
    /// `from_us..to_us`. A range without such spans returns no batch.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn calls(
        &self,
        from_us: i64,
        to_us: i64,
    ) -> Result<impl Stream<Item = Result<Vec<SpanRow>, QueryError>> + Send + Unpin + use<>, QueryError> {
        let names: Vec<&str> =
            SCHEMA.fields().iter().map(|field| field.name().as_str()).filter(|name| !TEXT_COLUMNS.contains(name)).collect();
        let of_kinds = |kinds: &[&str]| col("kind").in_list(kinds.iter().map(|kind| lit(*kind)).collect(), false);
        let names_model = || col("request_model").is_not_null().or(col("response_model").is_not_null());
        let of_models = of_kinds(&["llm", "embedding", "reranker"]).or(of_kinds(&["agent", "other"]).and(names_model()));
        let table = self.table(ScanMode::MostRows, from_us, to_us)?.filter(of_models)?.select_columns(&names)?;
        let batches = table.execute_stream().await?;
        Ok(batches.map(|batch| Ok(from_batch(&batch?))))
    }
}
