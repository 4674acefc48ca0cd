//! Sums from roll-ups: whole hours from what was added up when their segments were written, everything else from the rows.
//!
//! The rows are added up by what made the roll-ups, so that nobody can tell which way an answer came but by percentiles, which are
//! within one per cent of the exact ones.

use std::ops::Range;
use std::sync::Arc;

use datafusion::prelude::DataFrame;
use futures::StreamExt;

use super::error::QueryError;
use super::fields;
use super::filter::{Term, Test};
use super::matcher::Pattern;
use super::scan::{Spans, without};
use super::{Project, Reading, Scope};
use crate::store::rollup::{Builder, Cell, DIMENSIONS, HOUR_US, Hour, Rollup, Spread, Sums, TOTALS};
use crate::store::snapshot::SegmentView;

/// Places among [`DIMENSIONS`].
const KIND: usize = 0;
const STATUS: usize = 1;
pub(super) const PROVIDER: usize = 2;
pub(super) const MODEL: usize = 3;
const USAGE_SOURCE: usize = 4;

/// The place of a column among the dimensions.
pub(super) fn dimension(column: &str) -> Option<usize> {
    DIMENSIONS.iter().position(|known| *known == column)
}

/// All spans of a scope, as cells.
pub(super) struct Parts {
    /// Roll-ups, and which of their hours.
    sources: Vec<(Arc<Rollup>, Vec<usize>)>,
    tests: Vec<DimensionTest>,
}

/// A term of a filter about a dimension.
struct DimensionTest {
    dimension: usize,
    /// Whether it must not hold.
    not: bool,
    /// One of which the value must be; `None` for any.
    patterns: Option<Vec<Pattern>>,
}

impl DimensionTest {
    fn holds(&self, value: Option<&str>) -> bool {
        value.is_some_and(|value| self.patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.holds(value))))
    }
}

/// A cell and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    rollup: &'a Rollup,
    hour: &'a Hour,
    cell: &'a Cell,
}

impl Placed<'_> {
    /// Start of the hour, in microseconds since the Unix epoch.
    pub(super) fn start_us(&self) -> i64 {
        self.hour.hour.saturating_mul(HOUR_US)
    }

    /// The value of a dimension.
    pub(super) fn text(&self, dimension: usize) -> Option<&str> {
        self.rollup.text(&self.cell.key, dimension)
    }

    fn is(&self, dimension: usize, value: &str) -> bool {
        self.text(dimension) == Some(value)
    }

    fn is_call(&self) -> bool {
        self.cell.key.counted && matches!(self.text(KIND), Some("llm" | "embedding"))
    }

    fn passes(&self, tests: &[DimensionTest]) -> bool {
        tests.iter().all(|test| test.holds(self.text(test.dimension)) != test.not)
    }
}

/// Which cells are runs: of pipelines, or of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    OfPipelines,
    OfKind(&'static str),
}

/// What cells add up to, as answers tell it.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Spans of any kind.
    pub(super) spans: u64,
    /// Of counted calls.
    pub(super) calls: Side,
    /// Successful calls without usage.
    pub(super) calls_without_usage: u64,
    /// Of calls whose tokens were counted from texts.
    pub(super) estimated: Sums,
    /// Of runs.
    pub(super) runs: Side,
}

/// What some of the spans add up to.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) sums: Sums,
    pub(super) failed: u64,
    durations: Spread,
}

impl Side {
    fn add(&mut self, placed: &Placed) {
        self.sums.add(&placed.cell.sums);
        self.durations.add(&placed.cell.durations);
        if placed.is(STATUS, "error") {
            self.failed += placed.cell.sums.spans;
        }
    }

    /// A percentile of the durations in milliseconds.
    pub(super) fn percentile_ms(&self, share: f64) -> Option<f64> {
        self.durations.percentile(share).map(|us| us / 1000.0)
    }

    /// The mean of the durations in milliseconds.
    pub(super) fn mean_ms(&self) -> Option<f64> {
        (self.sums.spans > 0).then(|| self.sums.duration_us as f64 / self.sums.spans as f64 / 1000.0)
    }
}

impl Totals {
    pub(super) fn add(&mut self, placed: &Placed, runs: Runs) {
        let sums = &placed.cell.sums;
        self.spans += sums.spans;
        if placed.is_call() {
            self.calls.add(placed);
            if placed.is(STATUS, "ok") {
                self.calls_without_usage += sums.without_usage;
            }
            if placed.is(USAGE_SOURCE, "estimated") {
                self.estimated.add(sums);
            }
        }
        let is_run = match runs {
            Runs::OfPipelines => placed.cell.key.is_run,
            Runs::OfKind(kind) => placed.is(KIND, kind),
        };
        if is_run {
            self.runs.add(placed);
        }
    }
}

impl Parts {
    fn hours(&self) -> impl Iterator<Item = (&Rollup, &Hour)> {
        self.sources.iter().flat_map(|(rollup, hours)| hours.iter().map(|hour| (rollup.as_ref(), &rollup.hours[*hour])))
    }

    /// The cells that the filter lets pass.
    pub(super) fn cells(&self) -> impl Iterator<Item = Placed<'_>> {
        let placed = |(rollup, hour): (_, _)| {
            let hour: &Hour = hour;
            hour.cells.iter().map(move |cell| Placed { rollup, hour, cell })
        };
        self.hours().flat_map(placed).filter(|placed| placed.passes(&self.tests))
    }

    /// Models of calls without a price, in order.
    pub(super) fn unpriced_models(&self) -> Vec<String> {
        let unpriced = self.cells().filter(|placed| placed.is_call() && placed.cell.sums.unpriced > 0);
        let mut models: Vec<String> = unpriced.filter_map(|placed| placed.text(MODEL).map(str::to_owned)).collect();
        models.sort();
        models.dedup();
        models
    }

    /// The provider of calls.
    pub(super) fn provider_of<'a>(placed: &'a Placed) -> Option<&'a str> {
        placed.text(PROVIDER).filter(|_| placed.is_call())
    }

    /// How many different traces there are. Whatever the filter says: only to be asked without one.
    pub(super) fn traces(&self) -> u64 {
        distinct(self.hours().map(|(_, hour)| &hour.traces[..]))
    }

    /// The same for end users.
    pub(super) fn users(&self) -> u64 {
        distinct(self.hours().map(|(_, hour)| &hour.users[..]))
    }
}

/// How many different hashes there are in lists.
fn distinct<'a>(lists: impl Iterator<Item = &'a [u64]>) -> u64 {
    let mut all: Vec<u64> = lists.flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    all.len() as u64
}

impl Project {
    /// The spans of a scope as cells; `None` where roll-ups cannot tell them apart as the filter asks, or there are so few rows that
    /// reading them is as fast.
    pub(super) async fn parts(&self, scope: &Scope) -> Result<Option<Parts>, QueryError> {
        let Some(tests) = dimension_tests(scope) else { return Ok(None) };
        let (project, from_us, to_us) = (self.project, scope.from_us, scope.to_us);
        let may_hold = |view: &&Arc<SegmentView>| view.segment.may_hold(project, from_us, to_us);
        let views: Vec<_> = self.snapshot.segments.iter().filter(may_hold).cloned().collect();
        if views.is_empty() || views.iter().map(|view| view.segment.rows).sum::<u64>() < self.engine.least_rows {
            return Ok(None);
        }
        // Roll-ups may have to be read from their files.
        let chosen = tokio::task::spawn_blocking(move || choose(views, project, from_us, to_us)).await;
        let (mut sources, rest) = chosen.map_err(|error| QueryError::from(datafusion::error::DataFusionError::External(error.into())))?;
        let rest = self.add_up(self.rest(scope, rest)?).await?;
        sources.push((Arc::new(rest), Vec::new()));
        if let Some((rest, hours)) = sources.last_mut() {
            *hours = (0..rest.hours.len()).collect();
        }
        Ok(Some(Parts { sources, tests }))
    }

    /// The rows of a scope that no roll-up tells of: those given, and the buffer.
    fn rest(&self, scope: &Scope, rows: Vec<(Arc<SegmentView>, Vec<Range<usize>>)>) -> Result<DataFrame, QueryError> {
        let spans = Spans::of_rows(self.snapshot.clone(), rows);
        let table = self.engine.context(Reading::Much).read_table(Arc::new(spans))?;
        let mut table = table.filter(self.within(scope.from_us, scope.to_us))?;
        if let Some(condition) = fields::condition(&scope.filter)? {
            table = table.filter(condition)?;
        }
        let columns: Vec<&str> = TOTALS.iter().chain(&DIMENSIONS).copied().collect();
        Ok(table.select_columns(&columns)?)
    }

    async fn add_up(&self, rows: DataFrame) -> Result<Rollup, QueryError> {
        let mut builder = Builder::default();
        let mut batches = rows.execute_stream().await?;
        while let Some(batch) = batches.next().await {
            builder.add(&batch?);
        }
        Ok(builder.finish())
    }
}

/// The terms of a filter, where all are about dimensions.
fn dimension_tests(scope: &Scope) -> Option<Vec<DimensionTest>> {
    let test = |term: &Term| {
        let Term::Field { not, field, test } = term else { return None };
        let patterns = match test {
            Test::Present => None,
            Test::OneOf(values) => Some(values.iter().map(|value| Pattern::new(value)).collect()),
            Test::Compare(..) => return None,
        };
        Some(DimensionTest { dimension: dimension(fields::column(field)?)?, not: *not, patterns })
    };
    scope.filter.0.iter().map(test).collect()
}

type Chosen = (Vec<(Arc<Rollup>, Vec<usize>)>, Vec<(Arc<SegmentView>, Vec<Range<usize>>)>);

/// Which hours are taken from roll-ups: those that lie whole in the range and have no dead rows. The rows of all others are to be read.
fn choose(views: Vec<Arc<SegmentView>>, project: u64, from_us: i64, to_us: i64) -> Chosen {
    let mut sources = Vec::new();
    let mut rest = Vec::new();
    for view in views {
        let mut rows: Vec<Range<u32>> = Vec::new();
        match view.segment.rollup() {
            None => rows.push(0..view.segment.rows as u32),
            Some(rollup) => {
                let mut taken = Vec::new();
                for (place, hour) in rollup.hours.iter().enumerate().filter(|(_, hour)| hour.project == project) {
                    let start_us = hour.hour.saturating_mul(HOUR_US);
                    let end_us = start_us.saturating_add(HOUR_US);
                    if end_us <= from_us || start_us >= to_us {
                        continue;
                    }
                    let is_dead = |rows: &Range<u32>| {
                        let first = view.dead.partition_point(|row| *row < rows.start);
                        view.dead.get(first).is_some_and(|row| *row < rows.end)
                    };
                    if start_us >= from_us && end_us <= to_us && !hour.rows.iter().any(is_dead) {
                        taken.push(place);
                    } else {
                        rows.extend(hour.rows.iter().cloned());
                    }
                }
                if !taken.is_empty() {
                    sources.push((rollup, taken));
                }
            }
        }
        rows.sort_unstable_by_key(|rows| rows.start);
        let live = without(&rows, &view.dead);
        if !live.is_empty() {
            rest.push((view, live));
        }
    }
    (sources, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_what_they_say() {
        let names = [(KIND, "kind"), (STATUS, "status"), (PROVIDER, "provider"), (MODEL, "model"), (USAGE_SOURCE, "usage_source")];
        assert!(names.iter().all(|(place, name)| DIMENSIONS[*place] == *name));
    }

    #[test]
    fn each_hash_counts_once() {
        assert_eq!(distinct([&[1, 5, 9][..], &[5], &[], &[2, 9]].into_iter()), 4);
    }
}
