//! One span in full.

use datafusion::prelude::{col, lit};
use hinomi_model::cost;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::price::{PriceBook, Priced, PricedBucket};
use hinomi_model::span::{self, CostSource};
use serde_json::{Map, Value};

use super::answer::{CostBucket, SpanDetail};
use super::error::QueryError;
use super::trace::{Loaded, shown};
use super::tree::derive;
use super::{Project, Reading};
use crate::time::rfc3339;

/// Parameters of a request by their short names, and how attributes that carry them end.
const PARAMETERS: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "stop_sequences",
    "choice.count",
    "encoding_formats",
    "reasoning_effort",
    "reasoning.level",
    "response_format",
    "service_tier",
    "tool_choice",
    "parallel_tool_calls",
    "dimensions",
];

/// Where attributes that carry parameters begin.
const PREFIXES: &[&str] =
    &["gen_ai.request.", "gen_ai.openai.request.", "openai.request.", "anthropic.request.", "llm.request.", "gen_ai.", "ai."];

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
        let wanted = col("trace_id").eq(lit(trace.to_string())).and(col("span_id").eq(lit(span.to_string())));
        let table = self.table(Reading::Little, i64::MIN, i64::MAX)?.filter(wanted)?;
        let Some(full) = Loaded::all(&table.collect().await?).into_iter().next() else { return Ok(None) };
        // What stands beside it in the trace says what lies below it and how long it ran itself.
        let mut beside = self.load_traces(&[*trace], i64::MIN, i64::MAX).await?.remove(trace).unwrap_or_default();
        if !beside.iter().any(|loaded| loaded.span().span_id == *span) {
            beside.push(full.clone());
        }
        let tree = derive(&beside.iter().map(Loaded::span).collect::<Vec<_>>());
        let at = beside.iter().position(|loaded| loaded.span().span_id == *span).unwrap_or(0);
        let compared = self.means(std::slice::from_ref(&full)).await?.of(full.span());
        let mut summary = shown(&full, &tree[at], compared);
        if let (Some(shown), Some(stored)) = (&mut summary.cost, &full.span().cost) {
            let tier = cost::service_tier(&full.span().attributes);
            let ours = prices.explain(&cost::call(full.span(), tier.as_deref()));
            match stored.source {
                CostSource::Computed => shown.buckets = ours.and_then(|ours| bill(stored, &ours)),
                CostSource::Client => shown.computed_total = ours.map(|ours| ours.cost.total.dollars()),
            }
        }
        let clock_shift_ms = full.span().clock_shift_us as f64 / 1000.0;
        let received_at = rfc3339(full.row.received_us);
        let span = full.row.span;
        Ok(Some(SpanDetail {
            span: summary,
            request: parameters(&span.attributes),
            input_messages: span.input_messages,
            output_messages: span.output_messages,
            attributes: span.attributes,
            response_id: span.response_id,
            finish_reasons: span.finish_reasons,
            tool_definitions: span.tool_definitions,
            reading: span.reading,
            prompt_version: span.prompt_version,
            received_at,
            clock_shift_ms,
            links: Vec::new(),
        }))
    }
}

/// How a computed cost came about. Prices may have changed since: lines that do not add up to what is stored are not shown.
fn bill(cost: &span::Cost, ours: &Priced) -> Option<Vec<CostBucket>> {
    let line = |line: &PricedBucket| CostBucket {
        bucket: line.bucket.as_str(),
        tokens: line.count,
        usd_per_million: line.usd_per_million(),
        amount: line.amount.dollars(),
    };
    (ours.cost.total == cost.total).then(|| ours.lines.iter().map(line).collect())
}

/// Temperature and the like, wherever clients put them.
fn parameters(attributes: &Map<String, Value>) -> Map<String, Value> {
    let mut found = Map::new();
    for name in PARAMETERS {
        let value = PREFIXES.iter().find_map(|prefix| attributes.get(&format!("{prefix}{name}")));
        if let Some(value) = value.filter(|value| !value.is_null()) {
            found.insert((*name).to_owned(), value.clone());
        }
    }
    found
}
