//! Lists of spans and of traces: first which, by narrow columns, then those alone as they are shown.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{count, max, min, sum};
use datafusion::prelude::{DataFrame, Expr, ExprFunctionExt, JoinType, cast, col, lit, when};
use datafusion::scalar::ScalarValue;
use hinomi_model::id::{SpanId, TraceId};

use super::answer::{SpanPage, TracePage};
use super::columns::{Column, time};
use super::cursor::Cursor;
use super::error::QueryError;
use super::sums::is_call;
use super::trace::{Loaded, shown, summarize};
use super::tree::derive;
use super::{Project, Reading, Scope};

/// What is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Time,
    Count,
    Money,
    Text,
}

/// A sort: its name in the API, the column of narrow rows, what that holds.
type Sort = (&'static str, &'static str, Holds);

const SPAN_SORTS: &[Sort] = &[
    ("start_time", "start_time", Holds::Time),
    ("duration_ms", "duration_us", Holds::Count),
    ("duration", "duration_us", Holds::Count),
    ("cost", "cost", Holds::Money),
    ("input_tokens", "input_tokens", Holds::Count),
    ("output_tokens", "output_tokens", Holds::Count),
    ("total_tokens", "total_tokens", Holds::Count),
    ("tokens", "total_tokens", Holds::Count),
    ("name", "name", Holds::Text),
];

const TRACE_SORTS: &[Sort] = &[
    ("start_time", "start_time", Holds::Time),
    ("duration_ms", "duration_us", Holds::Count),
    ("duration", "duration_us", Holds::Count),
    ("cost", "cost", Holds::Money),
    ("input_tokens", "input_tokens", Holds::Count),
    ("output_tokens", "output_tokens", Holds::Count),
    ("total_tokens", "total_tokens", Holds::Count),
    ("tokens", "total_tokens", Holds::Count),
    ("span_count", "span_count", Holds::Count),
    ("llm_calls", "llm_calls", Holds::Count),
];

/// The order of a list, and where it goes on.
struct Order {
    list: String,
    column: &'static str,
    holds: Holds,
    descending: bool,
    ids: &'static [&'static str],
    after: Option<Cursor>,
}

impl Order {
    fn read(
        what: &str,
        sorts: &'static [Sort],
        ids: &'static [&'static str],
        sort: &str,
        cursor: Option<&str>,
    ) -> Result<Order, QueryError> {
        let field = sort.trim_start_matches('-');
        let found = sorts.iter().find(|(name, ..)| *name == field);
        let (_, column, holds) =
            *found.ok_or_else(|| QueryError::BadSort { sort: sort.to_owned(), known: sorts.iter().map(|(name, ..)| *name).collect() })?;
        let list = format!("{what} {sort}");
        let after = cursor.map(|cursor| Cursor::read(cursor, &list, ids.len())).transpose()?;
        Ok(Order { list, column, holds, descending: sort.starts_with('-'), ids, after })
    }

    /// The rows that come next, in order, and one more that tells whether there are others behind.
    fn next(&self, rows: DataFrame, limit: usize) -> Result<DataFrame, QueryError> {
        let rows = match &self.after {
            Some(cursor) => rows.filter(self.comes_after(cursor)?)?,
            None => rows,
        };
        let mut sort = vec![col(self.column).sort(!self.descending, false)];
        sort.extend(self.ids.iter().map(|id| col(*id).sort(true, false)));
        Ok(rows.sort(sort)?.limit(0, Some(limit + 1))?)
    }

    /// Behind the last row: further along by value, or of the same value and further along by ids. What has no value comes last.
    fn comes_after(&self, cursor: &Cursor) -> Result<Expr, QueryError> {
        let column = || col(self.column);
        let mut by_ids = lit(false);
        for (at, id) in self.ids.iter().enumerate().rev() {
            let value = || lit(cursor.ids[at].clone());
            by_ids = col(*id).gt(value()).or(col(*id).eq(value()).and(by_ids));
        }
        let Some(text) = &cursor.value else { return Ok(column().is_null().and(by_ids)) };
        let value = self.literal(text)?;
        let further = if self.descending { column().lt(value.clone()) } else { column().gt(value.clone()) };
        Ok(further.or(column().is_null()).or(column().eq(value).and(by_ids)))
    }

    fn literal(&self, text: &str) -> Result<Expr, QueryError> {
        let number = || text.parse::<i64>().map_err(|_| QueryError::BadCursor);
        Ok(match self.holds {
            Holds::Time => time(number()?),
            Holds::Count => lit(number()?),
            // A sum of money is wider than one amount.
            Holds::Money => lit(ScalarValue::Decimal128(Some(text.parse().map_err(|_| QueryError::BadCursor)?), 38, 12)),
            Holds::Text => lit(text),
        })
    }

    /// The rows of a page, and the cursor of what follows.
    fn page<T>(&self, batches: &[RecordBatch], limit: usize, row: impl Fn(&RecordBatch, usize) -> T) -> (Vec<T>, Option<String>) {
        let mut rows = Vec::new();
        let mut last = None;
        for batch in batches {
            let value = Column::of(batch, self.column);
            for at in 0..batch.num_rows() {
                if rows.len() == limit {
                    return (rows, last.map(|cursor: Cursor| cursor.write()));
                }
                rows.push(row(batch, at));
                if rows.len() == limit {
                    let value = match self.holds {
                        Holds::Time | Holds::Count => value.int(at).map(|value| value.to_string()),
                        Holds::Money => value.usd(at).map(|value| value.0.to_string()),
                        Holds::Text => value.text(at),
                    };
                    let ids = self.ids.iter().map(|id| Column::of(batch, id).text(at).unwrap_or_default()).collect();
                    last = Some(Cursor { list: self.list.clone(), value, ids });
                }
            }
        }
        (rows, None)
    }
}

impl Project {
    /// Spans of a scope, in the order asked for.
    ///
    /// # Errors
    ///
    /// When they cannot be sorted so, the cursor is not one of this list, the filter compares what cannot be compared, or the engine
    /// fails.
    pub async fn spans(&self, scope: &Scope, sort: &str, limit: usize, cursor: Option<&str>) -> Result<SpanPage, QueryError> {
        let order = Order::read("spans", SPAN_SORTS, &["trace_id", "span_id"], sort, cursor)?;
        let mut columns = vec!["trace_id", "span_id"];
        if !columns.contains(&order.column) {
            columns.push(order.column);
        }
        let rows = self.spans_of(Reading::Little, scope)?.select_columns(&columns)?;
        let batches = order.next(rows, limit)?.collect().await?;
        let (ids, next_cursor) = order.page(&batches, limit, |batch, at| {
            let trace: Option<TraceId> = Column::of(batch, "trace_id").text(at).and_then(|id| id.parse().ok());
            let span: Option<SpanId> = Column::of(batch, "span_id").text(at).and_then(|id| id.parse().ok());
            trace.zip(span)
        });
        let ids: Vec<(TraceId, SpanId)> = ids.into_iter().flatten().collect();
        let mut traces: Vec<TraceId> = ids.iter().map(|(trace, _)| *trace).collect();
        traces.sort_unstable();
        traces.dedup();
        let loaded = self.load_traces(&traces, i64::MIN, i64::MAX).await?;
        let mut by_id = HashMap::new();
        for spans in loaded.values() {
            let tree = derive(&spans.iter().map(Loaded::span).collect::<Vec<_>>());
            for (loaded, in_tree) in spans.iter().zip(tree) {
                by_id.insert((loaded.span().trace_id, loaded.span().span_id), (loaded, in_tree));
            }
        }
        let found = ids.iter().filter_map(|id| by_id.get(id));
        let spans = found.map(|(loaded, in_tree)| shown(loaded, in_tree, None)).collect();
        Ok(SpanPage { spans, next_cursor })
    }

    /// Traces that have a span in the scope, in the order asked for. They are sorted by, and shown with, all of their spans.
    ///
    /// # Errors
    ///
    /// As [`spans`](Project::spans).
    pub async fn traces(&self, scope: &Scope, sort: &str, limit: usize, cursor: Option<&str>) -> Result<TracePage, QueryError> {
        let order = Order::read("traces", TRACE_SORTS, &["trace_id"], sort, cursor)?;
        let everything = scope.from_us == i64::MIN && scope.to_us == i64::MAX && scope.filter.0.is_empty();
        let mut spans = self.table(Reading::Much, i64::MIN, i64::MAX)?;
        if !everything {
            let matching = self.spans_of(Reading::Little, scope)?.select(vec![col("trace_id").alias("matching")])?.distinct()?;
            spans = spans.join(matching, JoinType::LeftSemi, &["trace_id"], &["matching"], None)?;
        }
        let batches = order.next(narrow(spans)?, limit)?.collect().await?;
        let (rows, next_cursor) = order.page(&batches, limit, |batch, at| {
            let id: Option<TraceId> = Column::of(batch, "trace_id").text(at).and_then(|id| id.parse().ok());
            let start = Column::of(batch, "start_time").int(at).unwrap_or(i64::MIN);
            let end = Column::of(batch, "end_time").int(at).unwrap_or(i64::MAX);
            id.map(|id| (id, start, end))
        });
        let rows: Vec<(TraceId, i64, i64)> = rows.into_iter().flatten().collect();
        let ids: Vec<TraceId> = rows.iter().map(|(id, ..)| *id).collect();
        let from_us = rows.iter().map(|(_, start, _)| *start).min().unwrap_or(0);
        let to_us = rows.iter().map(|(.., end)| end.saturating_add(1)).max().unwrap_or(0);
        let loaded = self.load_traces(&ids, from_us, to_us).await?;
        let traces = ids.iter().filter_map(|id| loaded.get(id)).map(|spans| summarize(spans)).collect();
        Ok(TracePage { traces, next_cursor })
    }
}

/// One row for each trace, with what it can be sorted by.
fn narrow(spans: DataFrame) -> Result<DataFrame, QueryError> {
    let of_calls = |value: Expr, name: &str| -> Result<Expr, QueryError> { Ok(sum(value).filter(is_call()).build()?.alias(name)) };
    let sums = vec![
        min(col("start_time")).alias("start_time"),
        max(col("end_time")).alias("end_time"),
        count(lit(1)).alias("span_count"),
        count(lit(1)).filter(is_call()).build()?.alias("llm_calls"),
        of_calls(col("input_tokens"), "input_tokens")?,
        of_calls(col("output_tokens"), "output_tokens")?,
        of_calls(col("total_tokens"), "total_tokens")?,
        of_calls(cast(col("cost"), DataType::Decimal128(38, 12)), "known_cost")?,
    ];
    let traces = spans.aggregate(vec![col("trace_id")], sums)?;
    let or_zero = |name: &str| -> Result<Expr, QueryError> { Ok(when(col(name).is_null(), lit(0i64)).otherwise(col(name))?.alias(name)) };
    let nothing = lit(ScalarValue::Decimal128(Some(0), 38, 12));
    Ok(traces.select(vec![
        col("trace_id"),
        col("start_time"),
        col("end_time"),
        (cast(col("end_time"), DataType::Int64) - cast(col("start_time"), DataType::Int64)).alias("duration_us"),
        col("span_count"),
        col("llm_calls"),
        or_zero("input_tokens")?,
        or_zero("output_tokens")?,
        or_zero("total_tokens")?,
        // Nothing costs nothing; calls without any price are unknown.
        when(col("llm_calls").eq(lit(0i64)), nothing).otherwise(col("known_cost"))?.alias("cost"),
    ])?)
}
