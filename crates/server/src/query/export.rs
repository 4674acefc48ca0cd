//! Whole rows of a scope, as they are stored, for whoever takes them elsewhere.

use std::collections::HashSet;

use datafusion::execution::SendableRecordBatchStream;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{Expr, col, lit};
use hinomi_model::id::TraceId;
use hinomi_model::span::Status;

use super::columns::Column;
use super::error::QueryError;
use super::{BATCH_BYTES, BATCH_ROWS, Project, Reading, Scope};

impl Project {
    /// The traces in which a user is named.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    pub async fn traces_of_user(&self, user: &str) -> Result<HashSet<TraceId>, QueryError> {
        self.traces_where(col("user_id").eq(lit(user))).await
    }

    /// The traces with a span that failed.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    pub async fn failed_traces(&self) -> Result<HashSet<TraceId>, QueryError> {
        self.traces_where(col("status").eq(lit(Status::Error.as_str()))).await
    }

    async fn traces_where(&self, condition: Expr) -> Result<HashSet<TraceId>, QueryError> {
        let table = self.table(Reading::Little, i64::MIN, i64::MAX)?.filter(condition)?;
        let batches = table.select_columns(&["trace_id"])?.distinct()?.collect().await?;
        let ids = batches.iter().flat_map(|batch| {
            let column = Column::of(batch, "trace_id");
            (0..batch.num_rows()).filter_map(move |row| column.text(row)?.parse().ok()).collect::<Vec<_>>()
        });
        Ok(ids.collect())
    }

    /// How many spans a scope has.
    ///
    /// # Errors
    ///
    /// When the filter compares what cannot be compared, or the engine fails.
    pub async fn count(&self, scope: &Scope) -> Result<u64, QueryError> {
        let counted = self.spans_of(Reading::Much, scope).await?.aggregate(vec![], vec![count(lit(1)).alias("spans")])?;
        Ok(counted.collect().await?.first().map_or(0, |batch| Column::of(batch, "spans").count(0)))
    }

    /// The spans of a scope with all columns of the schema, in any order.
    ///
    /// # Errors
    ///
    /// As [`count`](Project::count); while it is read, when the engine fails.
    pub async fn rows(&self, scope: &Scope) -> Result<SendableRecordBatchStream, QueryError> {
        let (from_us, to_us) = (scope.from_us, scope.to_us);
        let fitting = move |asked: &Project| {
            let mut rows = BATCH_ROWS;
            for view in asked.snapshot.segments.iter().filter(|view| view.segment.may_hold(asked.project, from_us, to_us)) {
                let segment = asked.engine.footers.open(&view.segment)?;
                rows = segment.groups().iter().map(|group| segment.fitting(group.rows.start, BATCH_BYTES)).fold(rows, usize::min);
            }
            Ok(rows)
        };
        let batch_rows = self.reading(fitting).await?;
        let project = Project { engine: self.engine.for_exports(batch_rows), ..self.clone() };
        Ok(project.spans_of(Reading::Little, scope).await?.execute_stream().await?)
    }
}
