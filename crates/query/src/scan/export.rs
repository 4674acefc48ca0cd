//! Export of the whole rows of a scope, as they are stored.

use std::collections::HashSet;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::{Expr, col, lit};
use futures::TryStreamExt;
use hinomi_model::id::TraceId;
use hinomi_model::span::SpanStatus;
use hinomi_store::rows::convert_sentences;

use super::columns::BatchColumn;
use crate::error::QueryError;
use crate::{BATCH_ROWS, MAX_BATCH_BYTES, ProjectSnapshot, QueryScope, ScanMode};

impl ProjectSnapshot {
    /// Returns the traces that have a span with this user.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn traces_of_user(&self, user: &str) -> Result<HashSet<TraceId>, QueryError> {
        self.matching_trace_ids(col("user_id").eq(lit(user))).await
    }

    /// Returns the traces that have a failed span.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn failed_traces(&self) -> Result<HashSet<TraceId>, QueryError> {
        self.matching_trace_ids(col("status").eq(lit(SpanStatus::Error.as_str()))).await
    }

    async fn matching_trace_ids(&self, condition: Expr) -> Result<HashSet<TraceId>, QueryError> {
        let table = self.table(ScanMode::FewRows, i64::MIN, i64::MAX)?.filter(condition)?;
        let batches = table.select_columns(&["trace_id"])?.distinct()?.collect().await?;
        let ids = batches.iter().flat_map(|batch| {
            let column = BatchColumn::of(batch, "trace_id");
            (0..batch.num_rows()).filter_map(move |row| column.text(row)?.parse().ok()).collect::<Vec<_>>()
        });
        Ok(ids.collect())
    }

    /// Returns the number of spans in a scope.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter compares values that cannot be compared, or the query engine fails.
    pub async fn count(&self, scope: &QueryScope) -> Result<u64, QueryError> {
        let counted = self.spans_in_scope(ScanMode::MostRows, scope).await?.aggregate(vec![], vec![count(lit(1)).alias("spans")])?;
        Ok(counted.collect().await?.first().map_or(0, |batch| BatchColumn::of(batch, "spans").count(0)))
    }

    /// Returns the spans of a scope with all columns of the schema, unordered. Facts are returned as kinds and IDs, even if an earlier
    /// version stored them as sentences.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`count`](ProjectSnapshot::count). The stream returns an error when the query engine fails.
    pub async fn rows(&self, scope: &QueryScope) -> Result<SendableRecordBatchStream, QueryError> {
        let (from_us, to_us) = (scope.from_us, scope.to_us);
        let fitting = move |asked: &ProjectSnapshot| {
            let mut rows = BATCH_ROWS;
            for view in asked.snapshot.segments.iter().filter(|view| view.segment.may_contain(asked.project, from_us, to_us)) {
                let segment = asked.engine.footers.open(&view.segment)?;
                rows = segment
                    .row_groups()
                    .iter()
                    .map(|group| segment.rows_within_bytes(group.rows.start, MAX_BATCH_BYTES))
                    .fold(rows, usize::min);
            }
            Ok(rows)
        };
        let batch_rows = self.run_reading(fitting).await?;
        let project = ProjectSnapshot { engine: self.engine.for_exports(batch_rows), ..self.clone() };
        let spans = project.spans_in_scope(ScanMode::FewRows, scope).await?.execute_stream().await?;
        let schema = spans.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, spans.map_ok(convert_sentences))))
    }
}
