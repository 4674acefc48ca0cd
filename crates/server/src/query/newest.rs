//! The newest of a list, found without a look at what is older.
//!
//! Row groups are taken from the one with the latest start on, as many at a time as there are processors, until nothing in the others
//! could stand before what was found. Of a row group the filter's narrow columns are read first, long texts only where those let a row
//! pass, and ids only of rows that may be shown.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::prelude::Expr;
use hinomi_model::id::{SpanId, TraceId};

use super::columns::Column;
use super::error::QueryError;
use super::filter::Filter;
use super::picked::{HEAVY, columns, failed, live, project};
use super::{Project, Reading, Scope, fields};
use crate::store::snapshot::SegmentView;

/// Rows of which long texts are read at a time.
const FEW: usize = 512;

/// A span that the filter lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    /// So that the newest come first.
    pub(super) start_us: Reverse<i64>,
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
}

/// Part of what is stored, by what it may hold: the latest first.
#[derive(Debug)]
struct Part {
    latest_us: i64,
    what: What,
}

#[derive(Debug)]
enum What {
    Buffer,
    Segment(Arc<SegmentView>),
    Rows(Arc<SegmentView>, Vec<Range<u32>>),
}

impl PartialEq for Part {
    fn eq(&self, other: &Part) -> bool {
        self.latest_us == other.latest_us
    }
}

impl Eq for Part {}

impl PartialOrd for Part {
    fn partial_cmp(&self, other: &Part) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Part {
    fn cmp(&self, other: &Part) -> std::cmp::Ordering {
        self.latest_us.cmp(&other.latest_us)
    }
}

/// How many hits are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// So many, and those that start at the same time as the last of them.
    pub(super) hits: usize,
    /// Not counting those that start then or later.
    pub(super) before_us: i64,
}

impl Most {
    /// The start of the last hit that is wanted, if there are as many among rows whose starts fall.
    fn last_us(self, rows: &[(u32, i64)]) -> Option<i64> {
        let first = rows.partition_point(|(_, start_us)| *start_us >= self.before_us);
        rows.get(first + self.hits.checked_sub(1)?).map(|(_, start_us)| *start_us)
    }
}

/// Terms of a filter that are tried together.
#[derive(Debug)]
struct Stage {
    columns: SchemaRef,
    test: Arc<dyn PhysicalExpr>,
}

/// A walk from the newest to the oldest.
pub(super) struct Walk {
    project: Project,
    scope: Scope,
    stages: Arc<Vec<Stage>>,
    /// How many hits of each part are wanted.
    most: Option<Most>,
    parts: BinaryHeap<Part>,
}

impl Project {
    /// Begins a walk through the spans of a scope.
    pub(super) fn walk(&self, scope: &Scope, most: Option<Most>) -> Result<Walk, QueryError> {
        let mut narrow = vec![self.within(scope.from_us, scope.to_us)];
        let mut long = Vec::new();
        for term in &scope.filter.0 {
            let Some(condition) = fields::condition(&Filter(vec![term.clone()]))? else { continue };
            let is_long = condition.column_refs().iter().any(|column| HEAVY.contains(&column.name.as_str()));
            if is_long { &mut long } else { &mut narrow }.push(condition);
        }
        let stages = [narrow, long].into_iter().filter_map(|terms| terms.into_iter().reduce(Expr::and));
        let stages = stages.map(|terms| self.stage(terms)).collect::<Result<Vec<_>, _>>()?;
        let mut parts = BinaryHeap::new();
        if !self.snapshot.buffer.is_empty() {
            parts.push(Part { latest_us: i64::MAX, what: What::Buffer });
        }
        let may_hold = |view: &&Arc<SegmentView>| view.segment.may_hold(self.project, scope.from_us, scope.to_us);
        parts.extend(
            self.snapshot
                .segments
                .iter()
                .filter(may_hold)
                .map(|view| Part { latest_us: view.segment.max_start_us, what: What::Segment(view.clone()) }),
        );
        Ok(Walk { project: self.clone(), scope: scope.clone(), stages: Arc::new(stages), most, parts })
    }

    fn stage(&self, terms: Expr) -> Result<Stage, QueryError> {
        let names: Vec<String> = terms.column_refs().iter().map(|column| column.name.clone()).collect();
        let columns = columns(|name| name == "start_time" || names.iter().any(|known| known == name));
        let schema = DFSchema::try_from(columns.as_ref().clone())?;
        let test = self.engine.context(Reading::Little).create_physical_expr(terms, &schema)?;
        Ok(Stage { columns, test })
    }
}

impl Walk {
    /// The hits of the next parts, in no order, and the latest start that any other may have; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<(Vec<Hit>, i64)>, QueryError> {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let mut now = Vec::new();
        while now.len() < processors
            && let Some(part) = self.parts.pop()
        {
            match part.what {
                What::Segment(view) => {
                    let (from_us, to_us) = (self.scope.from_us, self.scope.to_us);
                    self.parts.extend(self.project.reading(move |project| project.parts_of(&view, from_us, to_us)).await?);
                }
                what => now.push(what),
            }
        }
        if now.is_empty() {
            return Ok(None);
        }
        let look = |what: What| {
            let (stages, most) = (self.stages.clone(), self.most);
            self.project.reading(move |project| project.look(&what, &stages, most))
        };
        let found = futures::future::try_join_all(now.into_iter().map(look)).await?;
        let rest_us = self.parts.peek().map_or(i64::MIN, |part| part.latest_us);
        Ok(Some((found.into_iter().flatten().collect(), rest_us)))
    }
}

impl Project {
    /// The row groups of a segment that may hold what is looked for.
    fn parts_of(&self, view: &Arc<SegmentView>, from_us: i64, to_us: i64) -> Result<Vec<Part>, QueryError> {
        let project = self.stored_id();
        let mut parts = Vec::new();
        for group in self.engine.footers.open(&view.segment)?.groups() {
            let (earliest_us, latest_us) = group.starts_us;
            if latest_us < from_us || earliest_us >= to_us || project < group.projects.0 || project > group.projects.1 {
                continue;
            }
            let rows = live(std::slice::from_ref(&group.rows), &view.dead);
            if !rows.is_empty() {
                parts.push(Part { latest_us: latest_us.min(to_us), what: What::Rows(view.clone(), rows) });
            }
        }
        Ok(parts)
    }

    /// The hits of a part. Reads files.
    fn look(&self, what: &What, stages: &[Stage], most: Option<Most>) -> Result<Vec<Hit>, QueryError> {
        match what {
            What::Rows(view, rows) => {
                let segment = self.engine.footers.open(&view.segment)?;
                let numbers: Vec<u32> = rows.iter().cloned().flatten().collect();
                sift(&numbers, stages, most, |numbers, columns| Ok(segment.rows(&runs(numbers), columns)?))
            }
            What::Segment(_) => Ok(Vec::new()),
            What::Buffer => {
                let mut hits = Vec::new();
                for batch in &self.snapshot.buffer {
                    let numbers: Vec<u32> = (0..batch.num_rows() as u32).collect();
                    hits.extend(sift(&numbers, stages, most, |numbers, columns| {
                        let batch = project(batch, columns)?;
                        if numbers.len() == batch.num_rows() {
                            return Ok(batch);
                        }
                        take_record_batch(&batch, &UInt32Array::from(numbers.to_vec())).map_err(failed)
                    })?);
                }
                Ok(hits)
            }
        }
    }
}

/// The hits among rows, of which `read` gives columns; it is asked for rising numbers.
fn sift(
    rows: &[u32],
    stages: &[Stage],
    most: Option<Most>,
    read: impl Fn(&[u32], &SchemaRef) -> Result<RecordBatch, QueryError>,
) -> Result<Vec<Hit>, QueryError> {
    let Some((narrow, long)) = stages.split_first() else { return Ok(Vec::new()) };
    let mut passed = narrow.passing(rows, &read)?;
    passed.sort_unstable_by_key(|(row, start_us)| (Reverse(*start_us), *row));
    if !long.is_empty() {
        let mut kept = Vec::new();
        for some in passed.chunks(FEW) {
            if most.is_some_and(|most| most.last_us(&kept).is_some_and(|last_us| last_us > some[0].1)) {
                break;
            }
            let mut left: Vec<u32> = some.iter().map(|(row, _)| *row).collect();
            left.sort_unstable();
            for stage in long {
                left = stage.passing(&left, &read)?.into_iter().map(|(row, _)| row).collect();
            }
            kept.extend(some.iter().filter(|(row, _)| left.binary_search(row).is_ok()));
        }
        passed = kept;
    }
    if let Some(last_us) = most.and_then(|most| most.last_us(&passed)) {
        passed.retain(|(_, start_us)| *start_us >= last_us);
    }
    let mut numbers: Vec<u32> = passed.iter().map(|(row, _)| *row).collect();
    numbers.sort_unstable();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let batch = read(&numbers, &columns(|name| ["trace_id", "span_id", "start_time"].contains(&name)))?;
    let [trace, span, start] = ["trace_id", "span_id", "start_time"].map(|name| Column::of(&batch, name));
    let hit = |row: usize| {
        Some(Hit {
            start_us: Reverse(start.int(row)?),
            trace: trace.text(row)?.parse().ok()?,
            span: span.text(row)?.parse().ok()?,
        })
    };
    Ok((0..batch.num_rows()).filter_map(hit).collect())
}

impl Stage {
    /// The rows that pass, each with its start.
    fn passing(
        &self,
        rows: &[u32],
        read: impl Fn(&[u32], &SchemaRef) -> Result<RecordBatch, QueryError>,
    ) -> Result<Vec<(u32, i64)>, QueryError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let batch = read(rows, &self.columns)?;
        let answer = self.test.evaluate(&batch)?.into_array(batch.num_rows())?;
        let (Some(answer), Some(starts)) = (answer.as_boolean_opt(), batch.column_by_name("start_time")) else { return Ok(Vec::new()) };
        let starts = starts.as_primitive::<TimestampMicrosecondType>();
        let passes = |place: usize| (answer.is_valid(place) && answer.value(place)).then(|| (rows[place], starts.value(place)));
        Ok((0..rows.len()).filter_map(passes).collect())
    }
}

/// Rising numbers as ranges.
fn runs(numbers: &[u32]) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(last) if last.end == *number => last.end += 1,
            _ => runs.push(*number..number + 1),
        }
    }
    runs
}
