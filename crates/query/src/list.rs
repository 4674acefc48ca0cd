//! Lists of spans and of traces. A query first selects the rows of the page by narrow columns, then reads only those rows in full.

pub(crate) mod cursor;
pub(crate) mod latest;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::{count, max, min};
use datafusion::prelude::{DataFrame, Expr, ExprFunctionExt, JoinType, cast, col, lit, when};
use datafusion::scalar::ScalarValue;
use hinomi_model::id::{SpanId, TraceId};

use super::aggregate::summary::{is_call, sum_of_counted};
use super::error::QueryError;
use super::filter::trace_filter::TraceFilter;
use super::list::cursor::ListCursor;
use super::list::latest::{HitLimit, SpanHit, start_range};
use super::response::{SpanPage, TracePage, TraceSummary};
use super::scan::columns::{BatchColumn, time};
use super::trace::summary::summarize;
use super::trace::tree::tree_totals;
use super::trace::{LoadedSpan, span_response};
use super::{ProjectSnapshot, QueryScope, ScanMode};

/// Length of the end of a range in which the newest traces are searched first, in microseconds: one hour. Each further search covers four
/// times as much.
const FIRST_SEARCH_RANGE_US: i64 = 3_600_000_000;

/// Type of the column by which a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SortColumnType {
    Time,
    Count,
    Money,
    Text,
}

/// A sort: name in the API, column of the narrow rows, and the type of the column.
type ListSort = (&'static str, &'static str, SortColumnType);

const SPAN_SORTS: &[ListSort] = &[
    ("start_time", "start_time", SortColumnType::Time),
    ("duration_ms", "duration_us", SortColumnType::Count),
    ("duration", "duration_us", SortColumnType::Count),
    ("cost", "cost", SortColumnType::Money),
    ("input_tokens", "input_tokens", SortColumnType::Count),
    ("output_tokens", "output_tokens", SortColumnType::Count),
    ("total_tokens", "total_tokens", SortColumnType::Count),
    ("tokens", "total_tokens", SortColumnType::Count),
    ("name", "name", SortColumnType::Text),
];

const TRACE_SORTS: &[ListSort] = &[
    ("start_time", "start_time", SortColumnType::Time),
    ("duration_ms", "duration_us", SortColumnType::Count),
    ("duration", "duration_us", SortColumnType::Count),
    ("cost", "cost", SortColumnType::Money),
    ("input_tokens", "input_tokens", SortColumnType::Count),
    ("output_tokens", "output_tokens", SortColumnType::Count),
    ("total_tokens", "total_tokens", SortColumnType::Count),
    ("tokens", "total_tokens", SortColumnType::Count),
    ("span_count", "span_count", SortColumnType::Count),
    ("llm_calls", "llm_calls", SortColumnType::Count),
];

/// Sort order of a list, and the position at which a page begins.
struct ListOrder {
    list: String,
    column: &'static str,
    column_type: SortColumnType,
    descending: bool,
    ids: &'static [&'static str],
    cursor: Option<ListCursor>,
}

impl ListOrder {
    fn read(
        what: &str,
        sorts: &'static [ListSort],
        ids: &'static [&'static str],
        sort: &str,
        cursor: Option<&str>,
    ) -> Result<ListOrder, QueryError> {
        let field = sort.trim_start_matches('-');
        let found = sorts.iter().find(|(name, ..)| *name == field);
        let (_, column, column_type) =
            *found.ok_or_else(|| QueryError::BadSort { sort: sort.to_owned(), known: sorts.iter().map(|(name, ..)| *name).collect() })?;
        let list = format!("{what} {sort}");
        let after = cursor.map(|cursor| ListCursor::read(cursor, &list, ids.len())).transpose()?;
        Ok(ListOrder { list, column, column_type, descending: sort.starts_with('-'), ids, cursor: after })
    }

    /// Returns the next rows in order, and one more row if there are further pages.
    fn next(&self, rows: DataFrame, limit: usize) -> Result<DataFrame, QueryError> {
        let rows = match &self.cursor {
            Some(cursor) => rows.filter(self.after_cursor(cursor)?)?,
            None => rows,
        };
        let mut sort = vec![col(self.column).sort(!self.descending, false)];
        sort.extend(self.ids.iter().map(|id| col(*id).sort(true, false)));
        Ok(rows.sort(sort)?.limit(0, Some(limit + 1))?)
    }

    /// Returns the condition for rows after the cursor: those with a later value, or with the same value and later IDs. Rows without a
    /// value come last.
    fn after_cursor(&self, cursor: &ListCursor) -> Result<Expr, QueryError> {
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

    fn is_newest_first(&self) -> bool {
        self.column == "start_time" && self.descending
    }

    /// Returns start and IDs of the last row of the previous page.
    fn cursor_start(&self) -> Result<Option<(i64, Vec<String>)>, QueryError> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let start_us = cursor.value.as_deref().and_then(|text| text.parse().ok()).ok_or(QueryError::BadCursor)?;
        Ok(Some((start_us, cursor.ids.clone())))
    }

    /// Returns the cursor after a row.
    fn cursor(&self, start_us: i64, ids: Vec<String>) -> String {
        ListCursor { list: self.list.clone(), value: Some(start_us.to_string()), ids }.write()
    }

    fn literal(&self, text: &str) -> Result<Expr, QueryError> {
        let number = || text.parse::<i64>().map_err(|_| QueryError::BadCursor);
        Ok(match self.column_type {
            SortColumnType::Time => time(number()?),
            SortColumnType::Count => lit(number()?),
            // A sum has more digits than a single amount.
            SortColumnType::Money => lit(ScalarValue::Decimal128(Some(text.parse().map_err(|_| QueryError::BadCursor)?), 38, 12)),
            SortColumnType::Text => lit(text),
        })
    }

    /// Returns the rows of a page and the cursor of the next one.
    fn page<T>(&self, batches: &[RecordBatch], limit: usize, row: impl Fn(&RecordBatch, usize) -> T) -> (Vec<T>, Option<String>) {
        let mut rows = Vec::new();
        let mut last = None;
        for batch in batches {
            let value = BatchColumn::of(batch, self.column);
            for at in 0..batch.num_rows() {
                if rows.len() == limit {
                    return (rows, last.map(|cursor: ListCursor| cursor.write()));
                }
                rows.push(row(batch, at));
                if rows.len() == limit {
                    let value = match self.column_type {
                        SortColumnType::Time | SortColumnType::Count => value.int(at).map(|value| value.to_string()),
                        SortColumnType::Money => value.usd(at).map(|value| value.0.to_string()),
                        SortColumnType::Text => value.text(at),
                    };
                    let ids = self.ids.iter().map(|id| BatchColumn::of(batch, id).text(at).unwrap_or_default()).collect();
                    last = Some(ListCursor { list: self.list.clone(), value, ids });
                }
            }
        }
        (rows, None)
    }
}

impl ProjectSnapshot {
    /// Returns one page of the spans of a scope, in the requested order.
    ///
    /// # Errors
    ///
    /// Returns an error if the sort is unknown, the cursor does not belong to this list, the filter compares values that cannot be
    /// compared, or the query engine fails.
    pub async fn spans(&self, scope: &QueryScope, sort: &str, limit: usize, cursor: Option<&str>) -> Result<SpanPage, QueryError> {
        let order = ListOrder::read("spans", SPAN_SORTS, &["trace_id", "span_id"], sort, cursor)?;
        let (ids, next_cursor) = match order.is_newest_first() {
            true => self.newest_spans(scope, &order, limit).await?,
            false => self.sorted_spans(scope, &order, limit).await?,
        };
        let mut traces: Vec<TraceId> = ids.iter().map(|(trace, _)| *trace).collect();
        traces.sort_unstable();
        traces.dedup();
        let wanted: HashSet<(TraceId, SpanId)> = ids.iter().copied().collect();
        let mut by_id = HashMap::new();
        self.each_trace(&traces, |trace, spans| {
            let tree = tree_totals(&spans.iter().map(LoadedSpan::span).collect::<Vec<_>>());
            for (loaded, in_tree) in spans.iter().zip(tree) {
                let id = (trace, loaded.span().span_id);
                if wanted.contains(&id) {
                    by_id.insert(id, span_response(loaded, &in_tree, None));
                }
            }
        })
        .await?;
        let spans = ids.iter().filter_map(|id| by_id.remove(id)).collect();
        Ok(SpanPage { spans, next_cursor, suggestions: Vec::new() })
    }

    /// Returns one page of the traces that have a span in the range and that the filter selects (see
    /// `filter::trace_filter`), in the requested order. Sort values and totals cover all spans of a trace.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`spans`](ProjectSnapshot::spans).
    pub async fn traces(&self, scope: &QueryScope, sort: &str, limit: usize, cursor: Option<&str>) -> Result<TracePage, QueryError> {
        let order = ListOrder::read("traces", TRACE_SORTS, &["trace_id"], sort, cursor)?;
        let filter = TraceFilter::from_filter(&scope.filter)?;
        if order.is_newest_first() {
            return match filter {
                Some(filter) => self.newest_selected_traces(scope, &filter, &order, limit).await,
                None => self.newest_traces(scope, &order, limit, i64::MIN).await,
            };
        }
        let scope = &match filter {
            Some(filter) => self.scope_of_selected(scope, &filter).await?,
            None => scope.clone(),
        };
        let everything = scope.from_us == i64::MIN && scope.to_us == i64::MAX && scope.filter.0.is_empty();
        let mut spans = self.table(ScanMode::MostRows, i64::MIN, i64::MAX)?;
        if !everything {
            let matching =
                self.spans_in_scope(ScanMode::FewRows, scope).await?.select(vec![col("trace_id").alias("matching")])?.distinct()?;
            spans = spans.join(matching, JoinType::LeftSemi, &["trace_id"], &["matching"], None)?;
        }
        let batches = order.next(trace_rows(spans)?, limit)?.collect().await?;
        let (ids, next_cursor) =
            order.page(&batches, limit, |batch, at| BatchColumn::of(batch, "trace_id").text(at).and_then(|id| id.parse::<TraceId>().ok()));
        let ids: Vec<TraceId> = ids.into_iter().flatten().collect();
        let mut summaries = HashMap::new();
        self.each_trace(&ids, |trace, spans| drop(summaries.insert(trace, summarize(&spans)))).await?;
        let traces = ids.iter().filter_map(|id| summaries.remove(id)).collect();
        Ok(TracePage { traces, next_cursor, suggestions: Vec::new() })
    }

    /// Returns the IDs of a page of spans in any order, and the next cursor.
    async fn sorted_spans(
        &self,
        scope: &QueryScope,
        order: &ListOrder,
        limit: usize,
    ) -> Result<(Vec<(TraceId, SpanId)>, Option<String>), QueryError> {
        let mut columns = vec!["trace_id", "span_id"];
        if !columns.contains(&order.column) {
            columns.push(order.column);
        }
        let rows = self.spans_in_scope(ScanMode::FewRows, scope).await?.select_columns(&columns)?;
        let batches = order.next(rows, limit)?.collect().await?;
        let (ids, next_cursor) = order.page(&batches, limit, |batch, at| {
            let trace: Option<TraceId> = BatchColumn::of(batch, "trace_id").text(at).and_then(|id| id.parse().ok());
            let span: Option<SpanId> = BatchColumn::of(batch, "span_id").text(at).and_then(|id| id.parse().ok());
            trace.zip(span)
        });
        Ok((ids.into_iter().flatten().collect(), next_cursor))
    }

    /// Returns the IDs of a page of the newest spans, and the next cursor.
    async fn newest_spans(
        &self,
        scope: &QueryScope,
        order: &ListOrder,
        limit: usize,
    ) -> Result<(Vec<(TraceId, SpanId)>, Option<String>), QueryError> {
        let after = order.cursor_start()?;
        let mut scope = scope.clone();
        let mut most = HitLimit { hits: limit + 1, before_us: i64::MAX };
        if let Some((start_us, _)) = &after {
            scope.to_us = scope.to_us.min(start_us.saturating_add(1));
            most.before_us = *start_us;
        }
        let is_after = |hit: &SpanHit| match &after {
            Some((start_us, ids)) => (Reverse(*start_us), &ids[..]) < (hit.start_us, &[hit.trace.to_string(), hit.span.to_string()][..]),
            None => true,
        };
        let mut walk = self.scan_latest_first(&scope, Some(most))?;
        let mut found: Vec<SpanHit> = Vec::new();
        while let Some((hits, rest_us)) = walk.next_hits().await? {
            found.extend(hits.into_iter().filter(is_after));
            found.sort_unstable();
            found.truncate(limit + 1);
            if found.len() > limit && found[limit].start_us.0 > rest_us {
                break;
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        let next_cursor = last.map(|last| order.cursor(last.start_us.0, vec![last.trace.to_string(), last.span.to_string()]));
        Ok((found.into_iter().map(|hit| (hit.trace, hit.span)).collect(), next_cursor))
    }

    /// Returns the newest traces that a filter of whole traces selects. No span starts before its trace, so the newest part of the range
    /// contains all spans of the traces that start in it. The part grows until the page is full.
    async fn newest_selected_traces(
        &self,
        scope: &QueryScope,
        filter: &TraceFilter,
        order: &ListOrder,
        limit: usize,
    ) -> Result<TracePage, QueryError> {
        let (earliest_us, latest_us) = self.starts_us();
        let last_us = order.cursor_start()?.map_or(i64::MAX, |(start_us, _)| start_us).min(scope.to_us).min(latest_us);
        let mut part_us = FIRST_SEARCH_RANGE_US;
        while last_us.saturating_sub(part_us) > scope.from_us.max(earliest_us) {
            let part = QueryScope { from_us: last_us.saturating_sub(part_us), ..scope.clone() };
            let selected = self.scope_of_starting(&part, filter).await?;
            let page = self.newest_traces(&selected, order, limit, part.from_us).await?;
            if page.next_cursor.is_some() {
                return Ok(page);
            }
            part_us = part_us.saturating_mul(4);
        }
        let selected = self.scope_of_selected(scope, filter).await?;
        self.newest_traces(&selected, order, limit, i64::MIN).await
    }

    /// Returns the starts of the first and the last span, possibly of other projects.
    fn starts_us(&self) -> (i64, i64) {
        let of_segments = self.snapshot.segments.iter().map(|view| (view.segment.min_start_us, view.segment.max_start_us));
        let of_buffer = self.snapshot.buffer.iter().filter_map(start_range);
        of_segments.chain(of_buffer).reduce(|(a, b), (c, d)| (a.min(c), b.max(d))).unwrap_or((i64::MAX, i64::MAX))
    }

    /// Returns the newest traces that start at `earliest_us` or later. The start of a trace is known only from all of its spans, so a
    /// trace is read as soon as a matching span of it may belong to the page.
    async fn newest_traces(&self, scope: &QueryScope, order: &ListOrder, limit: usize, earliest_us: i64) -> Result<TracePage, QueryError> {
        let after = order.cursor_start()?;
        let is_after = |start_us: i64, trace: TraceId| match &after {
            Some((last_us, ids)) => (Reverse(*last_us), &ids[..]) < (Reverse(start_us), &[trace.to_string()][..]),
            None => true,
        };
        let mut walk = self.scan_latest_first(scope, None)?;
        // Latest possible start of each trace: that of its earliest span so far.
        let mut at_latest: HashMap<TraceId, i64> = HashMap::new();
        let mut read: HashSet<TraceId> = HashSet::new();
        let mut page: BTreeMap<(Reverse<i64>, TraceId), TraceSummary> = BTreeMap::new();
        let mut rest_us = i64::MAX;
        while rest_us > i64::MIN {
            let hits = match walk.next_hits().await? {
                Some((hits, rest)) => {
                    rest_us = rest;
                    hits
                }
                None => {
                    rest_us = i64::MIN;
                    Vec::new()
                }
            };
            for hit in hits.iter().filter(|hit| !read.contains(&hit.trace)) {
                let known = at_latest.entry(hit.trace).or_insert(i64::MAX);
                *known = hit.start_us.0.min(*known);
            }
            loop {
                // Traces that start before the end of the page, or before spans that are not read yet, can wait.
                let last_us = page.keys().nth(limit).map_or(i64::MIN, |(start_us, _)| start_us.0);
                let mut due: Vec<(i64, TraceId)> =
                    at_latest.iter().map(|(trace, us)| (*us, *trace)).filter(|(us, _)| *us >= last_us.max(rest_us)).collect();
                due.sort_unstable_by_key(|(us, trace)| (Reverse(*us), *trace));
                due.truncate(limit + 1);
                if due.is_empty() {
                    break;
                }
                let ids: Vec<TraceId> = due.into_iter().map(|(_, trace)| trace).collect();
                for trace in &ids {
                    at_latest.remove(trace);
                    read.insert(*trace);
                }
                self.each_trace(&ids, |trace, spans| {
                    let start_us = spans.iter().map(|loaded| loaded.span().start_us).min().unwrap_or(i64::MIN);
                    if start_us >= earliest_us && is_after(start_us, trace) {
                        page.insert((Reverse(start_us), trace), summarize(&spans));
                    }
                })
                .await?;
                // Drop traces after the end of the page.
                while page.len() > limit + 1 {
                    page.pop_last();
                }
            }
            if page.keys().nth(limit).is_some_and(|(start_us, _)| start_us.0 > rest_us) {
                break;
            }
        }
        let last = page.keys().nth(limit.wrapping_sub(1)).filter(|_| page.len() > limit);
        let next_cursor = last.map(|(start_us, trace)| order.cursor(start_us.0, vec![trace.to_string()]));
        Ok(TracePage { traces: page.into_values().take(limit).collect(), next_cursor, suggestions: Vec::new() })
    }
}

/// Returns one row per trace, with the columns that traces can be sorted by.
fn trace_rows(spans: DataFrame) -> Result<DataFrame, QueryError> {
    let sums = vec![
        min(col("start_time")).alias("start_time"),
        max(col("end_time")).alias("end_time"),
        count(lit(1)).alias("span_count"),
        count(lit(1)).filter(is_call()).build()?.alias("llm_calls"),
        sum_of_counted(col("input_tokens"), "input_tokens")?,
        sum_of_counted(col("output_tokens"), "output_tokens")?,
        sum_of_counted(col("total_tokens"), "total_tokens")?,
        sum_of_counted(cast(col("cost"), DataType::Decimal128(38, 12)), "known_cost")?,
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
        // The cost is 0 without calls and costs, and null if there are calls and nothing has a price.
        when(col("llm_calls").eq(lit(0i64)).and(col("known_cost").is_null()), nothing).otherwise(col("known_cost"))?.alias("cost"),
    ])?)
}
