//! One span in full.

use hinomi_model::explain::{CostBecause, CostLine, CostReading, explain};
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::parameters;
use hinomi_model::price::PriceBook;
use hinomi_model::span::CostSource;

use super::Project;
use super::answer::{CostBucket, SpanDetail};
use super::error::QueryError;
use super::trace::{Loaded, shown};
use super::tree::derive;
use crate::time::rfc3339;

impl Project {
    /// One span with its messages and attributes; `None` when it is not there.
    ///
    /// # Errors
    ///
    /// When the engine fails.
    pub async fn span(
        &self,
        trace: &TraceId,
        span: &SpanId,
        _at_us: Option<i64>,
        prices: &PriceBook,
    ) -> Result<Option<SpanDetail>, QueryError> {
        let (of_trace, of_span) = (*trace, *span);
        let found = self.reading(move |project| project.rows_of_span(of_trace, of_span)).await?;
        let Some(full) = Loaded::all(&found).into_iter().next() else { return Ok(None) };
        // What stands beside it in the trace says what lies below it and how long it ran itself.
        let mut beside = self.load_traces(&[*trace]).await?.remove(trace).unwrap_or_default();
        if !beside.iter().any(|loaded| loaded.span().span_id == *span) {
            beside.push(full.clone());
        }
        let tree = derive(&beside.iter().map(Loaded::span).collect::<Vec<_>>());
        let at = beside.iter().position(|loaded| loaded.span().span_id == *span).unwrap_or(0);
        let compared = self.means(&beside).await?.of(full.span());
        let mut summary = shown(&full, &tree[at], compared);
        let explanation = explain(full.span(), &full.row.locally(), prices);
        if let (Some(shown), Some(stored), Some(read)) = (&mut summary.cost, &full.span().cost, &explanation.cost) {
            match stored.source {
                CostSource::Computed => shown.buckets = bill(read),
                CostSource::Client => shown.computed_total = read.computed,
            }
        }
        let clock_shift_ms = full.span().clock_shift_us as f64 / 1000.0;
        let received_at = rfc3339(full.row.received_us);
        let span = full.row.span;
        Ok(Some(SpanDetail {
            span: summary,
            request: parameters::of(&span.attributes),
            input_messages: span.input_messages,
            output_messages: span.output_messages,
            attributes: span.attributes,
            response_id: span.response_id,
            finish_reasons: span.finish_reasons,
            tool_definitions: span.tool_definitions,
            reading: span.reading,
            explanation,
            prompt_version: span.prompt_version,
            received_at,
            clock_shift_ms,
            links: Vec::new(),
        }))
    }
}

/// How a computed cost came about. Prices may have changed since: lines that do not add up to what is stored are not shown.
fn bill(cost: &CostReading) -> Option<Vec<CostBucket>> {
    let line = |line: &CostLine| CostBucket {
        bucket: line.bucket,
        tokens: line.tokens,
        usd_per_million: line.usd_per_million,
        amount: line.amount,
    };
    (cost.because == CostBecause::Computed).then(|| cost.lines.iter().map(line).collect())
}
