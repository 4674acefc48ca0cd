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
    /// Returns the calls that start in `from_us..to_us`, without their messages, as a stream of batches. A range without calls returns no
    /// batch.
    ///
    /// # Errors
    ///
    /// When the query engine fails.
    pub async fn calls(
        &self,
        from_us: i64,
        to_us: i64,
    ) -> Result<impl Stream<Item = Result<Vec<SpanRow>, QueryError>> + Send + Unpin + use<>, QueryError> {
        let names: Vec<&str> =
            SCHEMA.fields().iter().map(|field| field.name().as_str()).filter(|name| !TEXT_COLUMNS.contains(name)).collect();
        let of_models = col("kind").in_list(vec![lit("llm"), lit("embedding")], false);
        let table = self.table(ScanMode::MostRows, from_us, to_us)?.filter(of_models)?.select_columns(&names)?;
        let batches = table.execute_stream().await?;
        Ok(batches.map(|batch| Ok(from_batch(&batch?))))
    }
}
