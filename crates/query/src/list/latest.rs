//! Scan of the newest rows of a list, which avoids reading older ones.
//!
//! Row groups are read from the one with the latest start backwards, as many at a time as there are processors, until no other group can
//! contain newer rows than those found. Of a row group, the narrow columns of the filter are read first, long texts only for rows that
//! pass these, and IDs only for rows that may be returned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{max, min, take_record_batch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::Expr;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_store::snapshot::SegmentView;

use crate::error::QueryError;
use crate::filter::{Filter, fields};
use crate::scan::columns::BatchColumn;
use crate::scan::row_lookup::{DETAIL_COLUMNS, arrow_error, columns_of, intersect_ranges, live_rows, project_columns};
use crate::{MAX_BATCH_BYTES, ProjectSnapshot, QueryScope};

/// Number of rows whose long texts are read first.
const FIRST_TEXT_ROWS: usize = 512;

/// A span that passes the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SpanHit {
    /// Start of the span, reversed to sort the newest ones first.
    pub(crate) start_us: Reverse<i64>,
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
}

/// Part of the stored rows, ordered by the latest start that it may contain.
#[derive(Debug)]
struct ScanPart {
    latest_us: i64,
    source: ScanPartSource,
}

#[derive(Debug)]
enum ScanPartSource {
    Batch(RecordBatch),
    Segment(Arc<SegmentView>),
    Rows(Arc<SegmentView>, Vec<Range<u32>>),
}

impl PartialEq for ScanPart {
    fn eq(&self, other: &ScanPart) -> bool {
        self.latest_us == other.latest_us
    }
}

impl Eq for ScanPart {}

impl PartialOrd for ScanPart {
    fn partial_cmp(&self, other: &ScanPart) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ScanPart {
    fn cmp(&self, other: &ScanPart) -> std::cmp::Ordering {
        self.latest_us.cmp(&other.latest_us)
    }
}

/// Number of hits that are requested.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HitLimit {
    /// Number of hits. Hits that start at the same time as the last of them are included.
    pub(crate) hits: usize,
    /// Hits that start at this time or later are not counted.
    pub(crate) before_us: i64,
}

impl HitLimit {
    /// Returns the start of the last requested hit, if `rows`, sorted by descending start, contain that many.
    fn last_requested_us(self, rows: &[(u32, i64)]) -> Option<i64> {
        let first = rows.partition_point(|(_, start_us)| *start_us >= self.before_us);
        rows.get(first + self.hits.checked_sub(1)?).map(|(_, start_us)| *start_us)
    }
}

/// A prepared expression: terms of a filter that are evaluated together, or a property.
#[derive(Debug)]
pub(crate) struct ScanStage {
    columns: SchemaRef,
    expression: Arc<dyn PhysicalExpr>,
}

/// A scan from the newest to the oldest rows.
pub(crate) struct LatestFirstScan {
    project: ProjectSnapshot,
    scope: QueryScope,
    stages: Arc<Vec<ScanStage>>,
    /// Number of hits that are requested of each part.
    hit_limit: Option<HitLimit>,
    parts: BinaryHeap<ScanPart>,
}

impl ProjectSnapshot {
    /// Starts a scan of the spans in a scope.
    pub(crate) fn scan_latest_first(&self, scope: &QueryScope, hit_limit: Option<HitLimit>) -> Result<LatestFirstScan, QueryError> {
        let mut stages = vec![self.prepare_stage(self.in_range(scope.from_us, scope.to_us))?];
        stages.extend(self.filter_stages(&scope.filter)?);
        let mut parts = BinaryHeap::new();
        let part = |batch: &RecordBatch| ScanPart {
            latest_us: start_range(batch).map_or(i64::MAX, |(_, latest_us)| latest_us),
            source: ScanPartSource::Batch(batch.clone()),
        };
        parts.extend(self.snapshot.buffer.iter().map(part));
        let may_hold = |view: &&Arc<SegmentView>| view.segment.may_contain(self.project, scope.from_us, scope.to_us);
        parts.extend(
            self.snapshot
                .segments
                .iter()
                .filter(may_hold)
                .map(|view| ScanPart { latest_us: view.segment.max_start_us, source: ScanPartSource::Segment(view.clone()) }),
        );
        Ok(LatestFirstScan { project: self.clone(), scope: scope.clone(), stages: Arc::new(stages), hit_limit, parts })
    }

    /// Prepares the terms of a filter: first those on narrow columns, joined, then those on long texts. Either may be absent.
    pub(crate) fn filter_stages(&self, filter: &Filter) -> Result<Vec<ScanStage>, QueryError> {
        let (mut narrow, mut long) = (Vec::new(), Vec::new());
        for term in &filter.0 {
            let Some(condition) = fields::condition(&Filter(vec![term.clone()]))? else { continue };
            let is_long = condition.column_refs().iter().any(|column| DETAIL_COLUMNS.contains(&column.name.as_str()));
            if is_long { &mut long } else { &mut narrow }.push(condition);
        }
        let stages = [narrow, long].into_iter().filter_map(|terms| fields::join_balanced(terms, Expr::and));
        stages.map(|terms| self.prepare_stage(terms)).collect()
    }

    /// Prepares an expression.
    pub(crate) fn prepare_stage(&self, expression: Expr) -> Result<ScanStage, QueryError> {
        let names: Vec<String> = expression.column_refs().iter().map(|column| column.name.clone()).collect();
        let columns = columns_of(|name| name == "start_time" || names.iter().any(|known| known == name));
        let schema = DFSchema::try_from(columns.as_ref().clone())?;
        let expression = self.engine.planner.0.create_physical_expr(expression, &schema)?;
        Ok(ScanStage { columns, expression })
    }
}

impl LatestFirstScan {
    /// Returns the hits of the next parts, unordered, and the latest start that any further hit may have; `None` at the end.
    pub(crate) async fn next_hits(&mut self) -> Result<Option<(Vec<SpanHit>, i64)>, QueryError> {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut now = Vec::new();
        while now.len() < processors
            && let Some(part) = self.parts.pop()
        {
            match part.source {
                ScanPartSource::Segment(view) => {
                    let scope = self.scope.clone();
                    self.parts.extend(self.project.run_reading(move |project| project.parts_of_segment(&view, &scope)).await?);
                }
                what => now.push(what),
            }
        }
        if now.is_empty() {
            return Ok(None);
        }
        let has_long = self.stages.iter().any(ScanStage::reads_long_texts);
        let look = async |what: ScanPartSource| {
            let (stages, hit_limit) = (self.stages.clone(), self.hit_limit);
            // A query that waits for a permit can still be cancelled; a scan that has one runs to its end.
            let permit = if has_long { self.project.engine.text_scan_permits.clone().acquire_owned().await.ok() } else { None };
            let looked = move |project: &ProjectSnapshot| {
                let _permit = permit;
                project.scan_part(&what, &stages, hit_limit)
            };
            self.project.run_reading(looked).await
        };
        let found = futures::future::try_join_all(now.into_iter().map(look)).await?;
        let rest_us = self.parts.peek().map_or(i64::MIN, |part| part.latest_us);
        Ok(Some((found.into_iter().flatten().collect(), rest_us)))
    }
}

impl ProjectSnapshot {
    /// Returns the row groups of a segment that may contain hits.
    fn parts_of_segment(&self, view: &Arc<SegmentView>, scope: &QueryScope) -> Result<Vec<ScanPart>, QueryError> {
        let (project, from_us, to_us) = (self.stored_id(), scope.from_us, scope.to_us);
        let may_hold = self.candidate_rows(view, &scope.filter);
        if may_hold.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let mut parts = Vec::new();
        for group in self.engine.footers.open(&view.segment)?.row_groups() {
            let (earliest_us, latest_us) = group.starts_us;
            if latest_us < from_us || earliest_us >= to_us || project < group.projects.0 || project > group.projects.1 {
                continue;
            }
            let rows = match &may_hold {
                None => vec![group.rows],
                Some(rows) => intersect_ranges(rows, std::slice::from_ref(&group.rows)),
            };
            let rows = live_rows(&rows, &view.dead);
            if !rows.is_empty() {
                parts.push(ScanPart { latest_us: latest_us.min(to_us), source: ScanPartSource::Rows(view.clone(), rows) });
            }
        }
        Ok(parts)
    }

    /// Returns the hits of a part. Reads files.
    fn scan_part(&self, what: &ScanPartSource, stages: &[ScanStage], hit_limit: Option<HitLimit>) -> Result<Vec<SpanHit>, QueryError> {
        match what {
            ScanPartSource::Rows(view, rows) => {
                let segment = self.engine.footers.open(&view.segment)?;
                let numbers: Vec<u32> = rows.iter().cloned().flatten().collect();
                let fitting = numbers.first().map_or(1, |row| segment.rows_within_bytes(*row, MAX_BATCH_BYTES));
                filter_rows(&numbers, stages, hit_limit, fitting, |numbers, columns| {
                    self.check_cancelled()?;
                    Ok(segment.rows(&runs(numbers), columns)?)
                })
            }
            ScanPartSource::Segment(_) => Ok(Vec::new()),
            ScanPartSource::Batch(batch) => {
                let numbers: Vec<u32> = (0..batch.num_rows() as u32).collect();
                let of_row = batch.get_array_memory_size() / batch.num_rows().max(1);
                let fitting = (MAX_BATCH_BYTES / of_row.max(1)).max(1);
                filter_rows(&numbers, stages, hit_limit, fitting, |numbers, columns| {
                    self.check_cancelled()?;
                    let batch = project_columns(batch, columns)?;
                    if numbers.len() == batch.num_rows() {
                        return Ok(batch);
                    }
                    take_record_batch(&batch, &UInt32Array::from(numbers.to_vec())).map_err(arrow_error)
                })
            }
        }
    }
}

/// Returns the hits among rows. `read` returns columns of rows; it is called with ascending row numbers, and for long texts with at most
/// `fitting` rows.
fn filter_rows(
    rows: &[u32],
    stages: &[ScanStage],
    hit_limit: Option<HitLimit>,
    fitting: usize,
    read: impl Fn(&[u32], &SchemaRef) -> Result<RecordBatch, QueryError>,
) -> Result<Vec<SpanHit>, QueryError> {
    let narrow = stages.len() - stages.iter().filter(|stage| stage.reads_long_texts()).count();
    let (narrow, long) = stages.split_at(narrow);
    let mut left = rows.to_vec();
    let mut passed = Vec::new();
    for stage in narrow {
        passed = stage.passing_rows(&left, &read)?;
        left = passed.iter().map(|(row, _)| *row).collect();
    }
    passed.sort_unstable_by_key(|(row, start_us)| (Reverse(*start_us), *row));
    if !long.is_empty() {
        let mut kept = Vec::new();
        let (mut rest, mut few) = (&passed[..], FIRST_TEXT_ROWS.min(fitting));
        while !rest.is_empty() {
            let (some, others) = rest.split_at(few.min(rest.len()));
            // Texts are stored in large pages: a query that needs more than a few rows probably needs all of them.
            (rest, few) = (others, (few * 8).min(fitting));
            if hit_limit.is_some_and(|hit_limit| hit_limit.last_requested_us(&kept).is_some_and(|last_us| last_us > some[0].1)) {
                break;
            }
            let mut left: Vec<u32> = some.iter().map(|(row, _)| *row).collect();
            left.sort_unstable();
            for stage in long {
                left = stage.passing_rows(&left, &read)?.into_iter().map(|(row, _)| row).collect();
            }
            kept.extend(some.iter().filter(|(row, _)| left.binary_search(row).is_ok()));
        }
        passed = kept;
    }
    if let Some(last_us) = hit_limit.and_then(|hit_limit| hit_limit.last_requested_us(&passed)) {
        passed.retain(|(_, start_us)| *start_us >= last_us);
    }
    let mut numbers: Vec<u32> = passed.iter().map(|(row, _)| *row).collect();
    numbers.sort_unstable();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let batch = read(&numbers, &columns_of(|name| ["trace_id", "span_id", "start_time"].contains(&name)))?;
    let [trace, span, start] = ["trace_id", "span_id", "start_time"].map(|name| BatchColumn::of(&batch, name));
    let hit = |row: usize| {
        Some(SpanHit { start_us: Reverse(start.int(row)?), trace: trace.text(row)?.parse().ok()?, span: span.text(row)?.parse().ok()? })
    };
    Ok((0..batch.num_rows()).filter_map(hit).collect())
}

impl ScanStage {
    fn reads_long_texts(&self) -> bool {
        self.columns.fields().iter().any(|field| DETAIL_COLUMNS.contains(&field.name().as_str()))
    }

    /// Returns the columns that the expression needs, and the start.
    pub(crate) fn columns(&self) -> &SchemaRef {
        &self.columns
    }

    /// Evaluates the expression for each row of a batch.
    pub(crate) fn evaluate(&self, batch: &RecordBatch) -> Result<ArrayRef, QueryError> {
        Ok(self.expression.evaluate(batch)?.into_array(batch.num_rows())?)
    }

    /// Returns the rows that pass, each with its start.
    pub(crate) fn passing_rows(
        &self,
        rows: &[u32],
        read: impl Fn(&[u32], &SchemaRef) -> Result<RecordBatch, QueryError>,
    ) -> Result<Vec<(u32, i64)>, QueryError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let batch = read(rows, &self.columns)?;
        let answer = self.evaluate(&batch)?;
        let (Some(answer), Some(starts)) = (answer.as_boolean_opt(), batch.column_by_name("start_time")) else { return Ok(Vec::new()) };
        let starts = starts.as_primitive::<TimestampMicrosecondType>();
        let passes = |place: usize| (answer.is_valid(place) && answer.value(place)).then(|| (rows[place], starts.value(place)));
        Ok((0..rows.len()).filter_map(passes).collect())
    }
}

/// Returns the first and the last start in a batch, in microseconds.
pub(crate) fn start_range(batch: &RecordBatch) -> Option<(i64, i64)> {
    let starts = batch.column_by_name("start_time")?.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some((min(starts)?, max(starts)?))
}

/// Converts ascending numbers to ranges.
pub(crate) fn runs(numbers: &[u32]) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(last) if last.end == *number => last.end += 1,
            _ => runs.push(*number..number + 1),
        }
    }
    runs
}
