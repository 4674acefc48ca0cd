//! Plain rows of a range, for whoever counts for himself.

use std::collections::BTreeSet;

use datafusion::prelude::{Expr, col};
use futures::StreamExt;
use hinomi_model::span::Span;
use hinomi_store::rows::{SpanRow, from_batch};

use crate::error::QueryError;
use crate::{ProjectSnapshot, ScanMode};

impl ProjectSnapshot {
    /// Calls back for each span that starts within the range, in any order, with the fields of these columns alone.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    pub async fn each_span(
        &self,
        from_us: i64,
        to_us: i64,
        columns: &BTreeSet<&'static str>,
        mut work: impl FnMut(Span),
    ) -> Result<(), QueryError> {
        let names: Vec<Expr> = columns.iter().map(|name| col(*name)).collect();
        let table = self.table(ScanMode::Much, from_us, to_us)?.select(names)?;
        let mut batches = table.execute_stream().await?;
        while let Some(batch) = batches.next().await {
            from_batch(&batch?).into_iter().for_each(|SpanRow { span, .. }| work(span));
        }
        Ok(())
    }
}
