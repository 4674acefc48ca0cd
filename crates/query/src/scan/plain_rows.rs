//! Scan of single spans, for callers that aggregate the spans themselves.

use std::collections::BTreeSet;

use datafusion::prelude::{Expr, col};
use futures::StreamExt;
use hinomi_model::span::Span;
use hinomi_store::rows::{SpanRow, from_batch};

use crate::error::QueryError;
use crate::{ProjectSnapshot, ScanMode};

impl ProjectSnapshot {
    /// Calls `work` for each span that starts in the range, unordered. Only the fields of these columns are set.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn each_span(
        &self,
        from_us: i64,
        to_us: i64,
        columns: &BTreeSet<&'static str>,
        mut work: impl FnMut(Span),
    ) -> Result<(), QueryError> {
        let names: Vec<Expr> = columns.iter().map(|name| col(*name)).collect();
        let table = self.table(ScanMode::MostRows, from_us, to_us)?.select(names)?;
        let mut batches = table.execute_stream().await?;
        while let Some(batch) = batches.next().await {
            from_batch(&batch?).into_iter().for_each(|SpanRow { span, .. }| work(span));
        }
        Ok(())
    }
}
