//! Aggregation with roll-ups: whole hours from the roll-ups of segments, all other spans from rows.
//!
//! Rows are aggregated by the code that builds roll-ups (`uncovered_rows`), so queries with and without roll-ups give the same results.
//! Only percentiles differ: from the exact percentiles by at most one percent.

mod choose;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use datafusion::execution::memory_pool::MemoryReservation;
use hinomi_store::rollup::{
    DAY_US, DIMENSIONS, DenseDurationHistogram, DurationHistogram, HOUR_US, HourTotals, KIND_DIMENSION, MODEL_DIMENSION,
    PROVIDER_DIMENSION, REQUEST_MODEL_DIMENSION, Rollup, RollupCell, RollupGranularity, RollupHour, RollupSums, STATUS_DIMENSION,
    SpanSubtotal, USAGE_SOURCE_DIMENSION, UserRollupDay, UserSums, dimension_index,
};
use hinomi_store::snapshot::{Segment, SegmentView};

use super::distinct_count::{DistinctCounter, SegmentHours};
use super::group_by::GroupBy;
use crate::error::QueryError;
use crate::filter::matcher::WildcardPattern;
use crate::filter::{FieldTest, Filter, FilterTerm, fields};
use crate::scan::row_lookup::live_rows;
use crate::{ProjectSnapshot, QueryScope};
pub(crate) use choose::{SegmentRows, select_hours};
use choose::{all_live_rows, select_user_days};

/// What a query groups by.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct QueryGrouping<'a> {
    /// Property to group by. It may or may not be a dimension of roll-ups.
    pub(crate) group_by: Option<&'a GroupBy>,
    /// Length of time steps, in microseconds.
    pub(crate) step_us: Option<i64>,
    /// Whether distinct traces and users are counted.
    pub(crate) distinct: bool,
    /// Whether requested models are needed in addition to answering ones.
    pub(crate) with_requested_models: bool,
}

impl QueryGrouping<'_> {
    /// Returns the granularity at which rows are aggregated.
    pub(crate) fn granularity(&self) -> RollupGranularity {
        let mut grain = RollupGranularity {
            dimensions: [false; DIMENSIONS.len()],
            step_us: self.step_us,
            with_distinct_ids: self.distinct,
            with_row_ranges: false,
        };
        // Queries without a property return the models without a price, so they need the model.
        let model = self.group_by.is_none().then_some(MODEL_DIMENSION);
        let by = self.group_by.and_then(GroupBy::dimension);
        let requested = self.with_requested_models.then_some(REQUEST_MODEL_DIMENSION);
        for dimension in [KIND_DIMENSION, STATUS_DIMENSION, PROVIDER_DIMENSION, USAGE_SOURCE_DIMENSION]
            .into_iter()
            .chain(model)
            .chain(requested)
            .chain(by)
        {
            grain.dimensions[dimension] = true;
        }
        grain
    }
}

/// All spans of a scope, as cells.
pub(crate) struct ScopeCells {
    /// Selected hours of roll-ups.
    stored: Vec<RollupSelection>,
    /// Conditions on the cells of these roll-ups.
    tests: Vec<DimensionTest>,
    /// Aggregates of all other rows that pass the filter.
    live: Vec<Rollup>,
    /// Reservations of the memory that these aggregates use.
    _reserved: Vec<MemoryReservation>,
}

/// Sources from which the result of a query is computed.
pub(crate) struct ScopeSources {
    /// Selected hours of roll-ups.
    pub(crate) stored: Vec<RollupSelection>,
    /// Conditions on the cells of these roll-ups.
    tests: Vec<DimensionTest>,
    /// Selected days of roll-ups, which are grouped by user only.
    days: Vec<RollupSelection>,
    /// All other rows, except the rows of the memtable.
    pub(crate) other_rows: SegmentRows,
}

/// Totals of some spans.
#[derive(Debug)]
pub(crate) struct CellContribution<'a> {
    /// Number of spans of any kind.
    pub(crate) spans: u64,
    /// Totals of counted calls.
    pub(crate) calls: Option<ContributionPart<'a>>,
    /// Totals of counted spans that are not calls. If such a span has tokens or a cost, totals include them.
    pub(crate) other_counted: Option<&'a RollupSums>,
    /// Totals of calls with estimated tokens.
    pub(crate) estimated: Option<&'a RollupSums>,
    /// Totals of runs.
    pub(crate) runs: Option<ContributionPart<'a>>,
}

/// Totals of a part of the spans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContributionPart<'a> {
    pub(crate) sums: &'a RollupSums,
    pub(crate) failed: u64,
    /// Durations; `None` for a single span.
    pub(crate) durations: Option<&'a DurationHistogram>,
}

impl<'a> ContributionPart<'a> {
    fn of(part: &'a SpanSubtotal) -> ContributionPart<'a> {
        ContributionPart { sums: &part.sums, failed: part.failed, durations: Some(&part.durations) }
    }

    /// Returns the number of spans whose duration is known.
    pub(crate) fn timed_spans(&self) -> u64 {
        match self.durations {
            Some(durations) => durations.count(),
            None => u64::from(self.sums.duration_range_us.is_some()) * self.sums.spans,
        }
    }
}

impl<'a> CellContribution<'a> {
    /// Returns the totals of a user's spans.
    fn of_user(sums: &'a UserSums) -> CellContribution<'a> {
        let some = |part: &'a SpanSubtotal| Some(ContributionPart::of(part)).filter(|part| part.sums.spans > 0);
        let calls = some(&sums.calls);
        // Without calls, their totals are those of other counted spans.
        let other_counted = calls.is_none().then_some(&sums.calls.sums);
        CellContribution { spans: sums.spans, calls, other_counted, estimated: Some(&sums.estimated), runs: some(&sums.runs) }
    }
}

/// The part of a segment's roll-up that a query uses.
pub(crate) struct RollupSelection {
    segment: Arc<Segment>,
    pub(crate) rollup: Arc<Rollup>,
    /// Indexes of the selected hours or days.
    pub(crate) indexes: Vec<usize>,
}

/// A term of a filter on dimensions.
enum DimensionTest {
    /// Condition on a value.
    Values {
        /// Dimensions of which at least one must pass. Models have two.
        dimensions: Vec<usize>,
        /// Whether the condition is negated.
        not: bool,
        /// Patterns of which the value must match one; `None` for any value.
        patterns: Option<Vec<WildcardPattern>>,
    },
    /// At least one of these lists must pass entirely.
    Any { not: bool, any: Vec<Vec<DimensionTest>> },
}

impl DimensionTest {
    fn of(term: &FilterTerm) -> Option<DimensionTest> {
        match term {
            FilterTerm::Field { not, field, test } => {
                let patterns = match test {
                    FieldTest::Present => None,
                    FieldTest::OneOf(values) => Some(values.iter().map(|value| WildcardPattern::new(value)).collect()),
                    FieldTest::Compare(..) => return None,
                };
                let own = dimension_index(fields::column(field)?)?;
                let dimensions = if own == MODEL_DIMENSION { vec![MODEL_DIMENSION, REQUEST_MODEL_DIMENSION] } else { vec![own] };
                Some(DimensionTest::Values { dimensions, not: *not, patterns })
            }
            FilterTerm::Group { not, any } => {
                let any = any.iter().map(DimensionTest::dimension_tests).collect::<Option<_>>()?;
                Some(DimensionTest::Any { not: *not, any })
            }
            FilterTerm::Text { .. } | FilterTerm::InTraces(_) | FilterTerm::InTargets { .. } => None,
        }
    }

    /// Returns the terms of a filter, if all of them are conditions on dimensions.
    fn dimension_tests(filter: &Filter) -> Option<Vec<DimensionTest>> {
        filter.0.iter().map(DimensionTest::of).collect()
    }

    fn passes_tests(&self, placed: &RollupCellRef) -> bool {
        match self {
            DimensionTest::Values { dimensions, not, patterns } => {
                let holds = |value: &str| patterns.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.holds(value)));
                dimensions.iter().any(|dimension| placed.text(*dimension).is_some_and(holds)) != *not
            }
            DimensionTest::Any { not, any } => any.iter().any(|tests| placed.passes_tests(tests)) != *not,
        }
    }
}

/// A cell with its hour and roll-up.
#[derive(Clone, Copy)]
pub(crate) struct RollupCellRef<'a> {
    rollup: &'a Rollup,
    hour: &'a RollupHour,
    cell: &'a RollupCell,
}

impl<'a> RollupCellRef<'a> {
    /// Returns the start of the hour, in microseconds since the Unix epoch.
    pub(crate) fn start_us(&self) -> i64 {
        self.hour.hour.saturating_mul(HOUR_US)
    }

    /// Returns the roll-up that contains the cell.
    pub(crate) fn rollup(&self) -> &'a Rollup {
        self.rollup
    }

    /// Returns the index of the property's value among the texts of the roll-up.
    pub(crate) fn text_index(&self, by: &GroupBy) -> u32 {
        by.dimension().map_or(self.cell.key.by, |dimension| self.cell.key.values[dimension])
    }

    /// Returns the totals of the cell's spans.
    pub(crate) fn contribution(&self, runs: RunSelector) -> CellContribution<'a> {
        let sums = &self.cell.sums;
        let failed = if self.is(STATUS_DIMENSION, "error") { sums.spans } else { 0 };
        let all = ContributionPart { sums, failed, durations: Some(&self.cell.durations) };
        let is_call = self.is_call();
        CellContribution {
            spans: sums.spans,
            calls: is_call.then_some(all),
            other_counted: (self.cell.key.counted && !is_call).then_some(sums),
            estimated: (is_call && self.is(USAGE_SOURCE_DIMENSION, "estimated")).then_some(sums),
            runs: self.is_run(runs).then_some(all),
        }
    }

    fn is_run(&self, runs: RunSelector) -> bool {
        match runs {
            RunSelector::Pipelines => self.cell.key.is_run,
            RunSelector::Kind(kind) => self.is(KIND_DIMENSION, kind),
        }
    }

    /// Returns the provider, if the spans are calls.
    pub(crate) fn provider(&self) -> Option<&'a str> {
        self.rollup.text(&self.cell.key, PROVIDER_DIMENSION).filter(|_| self.is_call())
    }

    /// Returns the value of a dimension.
    pub(crate) fn text(&self, dimension: usize) -> Option<&str> {
        self.rollup.text(&self.cell.key, dimension)
    }

    fn is(&self, dimension: usize, value: &str) -> bool {
        self.text(dimension) == Some(value)
    }

    /// Returns whether the spans are counted calls.
    pub(crate) fn is_call(&self) -> bool {
        self.rollup.is_call(&self.cell.key)
    }

    /// Returns the number of spans.
    pub(crate) fn spans(&self) -> u64 {
        self.cell.sums.spans
    }

    fn passes_tests(&self, tests: &[DimensionTest]) -> bool {
        tests.iter().all(|test| test.passes_tests(self))
    }
}

/// Condition for cells that are runs: cells of pipelines, or of spans of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunSelector {
    Pipelines,
    Kind(&'static str),
}

/// Totals of cells.
#[derive(Debug, Default)]
pub(crate) struct CellTotals {
    /// Number of spans of any kind.
    pub(crate) spans: u64,
    /// Totals of counted calls, with the tokens and costs of other counted spans.
    pub(crate) calls: SubsetTotals,
    /// Number of successful calls without token usage.
    pub(crate) calls_without_usage: u64,
    /// Totals of calls with estimated tokens.
    pub(crate) estimated: RollupSums,
    /// Totals of runs.
    pub(crate) runs: SubsetTotals,
}

/// Totals of a subset of the spans.
#[derive(Debug, Default)]
pub(crate) struct SubsetTotals {
    pub(crate) sums: RollupSums,
    pub(crate) failed: u64,
    durations: DenseDurationHistogram,
}

impl SubsetTotals {
    fn add(&mut self, placed: &RollupCellRef) {
        self.sums.add_sums(&placed.cell.sums);
        self.durations.add(&placed.cell.durations);
        if placed.is(STATUS_DIMENSION, "error") {
            self.failed += placed.cell.sums.spans;
        }
    }

    fn add_part(&mut self, part: &SpanSubtotal) {
        self.sums.add_sums(&part.sums);
        self.durations.add(&part.durations);
        self.failed += part.failed;
    }

    /// Returns a percentile of the durations, in milliseconds.
    pub(crate) fn percentile_ms(&self, share: f64) -> Option<f64> {
        self.durations.percentile(share, self.sums.duration_range_us).map(|us| us / 1000.0)
    }
}

impl CellTotals {
    /// Adds the totals of an hour, with runs of pipelines.
    fn add_whole(&mut self, whole: &HourTotals) {
        self.spans += whole.spans;
        self.calls.add_part(&whole.calls);
        self.calls_without_usage += whole.calls_without_usage;
        self.runs.add_part(&whole.runs);
        self.estimated.add_sums(&whole.estimated);
    }

    fn add(&mut self, placed: &RollupCellRef) {
        let sums = &placed.cell.sums;
        self.spans += sums.spans;
        if placed.is_call() {
            self.calls.add(placed);
            if placed.is(STATUS_DIMENSION, "ok") {
                self.calls_without_usage += sums.without_usage;
            }
            if placed.is(USAGE_SOURCE_DIMENSION, "estimated") {
                self.estimated.add_sums(sums);
            }
        } else if placed.cell.key.counted {
            self.calls.sums.add_billed(sums);
        }
        if placed.cell.key.is_run {
            self.runs.add(placed);
        }
    }
}

impl ScopeCells {
    fn stored_hours(&self) -> impl Iterator<Item = (&Rollup, &RollupHour)> {
        self.stored.iter().flat_map(|taken| taken.indexes.iter().map(|hour| (taken.rollup.as_ref(), &taken.rollup.hours[*hour])))
    }

    fn live_hours(&self) -> impl Iterator<Item = (&Rollup, &RollupHour)> {
        self.live.iter().flat_map(|rollup| rollup.hours.iter().map(move |hour| (rollup, hour)))
    }

    /// Returns whole hours if all spans pass, and otherwise the cells that pass.
    fn whole_hours_and_cells(&self) -> (impl Iterator<Item = (&Rollup, &RollupHour)>, impl Iterator<Item = RollupCellRef<'_>>) {
        let all_pass = self.tests.is_empty();
        let cells = self.stored_hours().filter(move |_| !all_pass).flat_map(cell_refs).filter(|placed| placed.passes_tests(&self.tests));
        (self.stored_hours().filter(move |_| all_pass), cells.chain(self.live_hours().flat_map(cell_refs)))
    }

    /// Returns the cells that pass the filter.
    pub(crate) fn cells(&self) -> impl Iterator<Item = RollupCellRef<'_>> {
        let stored = self.stored_hours().flat_map(cell_refs).filter(|placed| placed.passes_tests(&self.tests));
        stored.chain(self.live_hours().flat_map(cell_refs))
    }

    /// Returns the totals of all cells.
    pub(crate) fn totals(&self) -> CellTotals {
        let mut totals = CellTotals::default();
        let (hours, cells) = self.whole_hours_and_cells();
        hours.for_each(|(_, hour)| totals.add_whole(&hour.whole));
        cells.for_each(|placed| totals.add(&placed));
        totals
    }

    /// Returns the models of unpriced calls, at most `most`, in descending order of their number of calls. Also returns the total number of
    /// such models.
    pub(crate) fn unpriced_models(&self, most: usize) -> (Vec<String>, u64) {
        let mut models: HashMap<&str, u64> = HashMap::new();
        let (hours, cells) = self.whole_hours_and_cells();
        for (rollup, hour) in hours {
            for (place, calls) in &hour.whole.unpriced_models {
                if let Some(model) = rollup.texts.get(*place as usize).and_then(|text| text.as_deref()) {
                    *models.entry(model).or_default() += calls;
                }
            }
        }
        for placed in cells.filter(|placed| placed.is_call() && placed.cell.sums.unpriced > 0) {
            if let Some(model) = placed.rollup.text(&placed.cell.key, MODEL_DIMENSION) {
                *models.entry(model).or_default() += placed.cell.sums.unpriced;
            }
        }
        let count = models.len() as u64;
        let mut models: Vec<(&str, u64)> = models.into_iter().collect();
        models.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        (models.into_iter().take(most).map(|(model, _)| model.to_owned()).collect(), count)
    }
}

impl ScopeSources {
    /// Returns the cells that pass the filter.
    pub(crate) fn cells(&self) -> impl Iterator<Item = RollupCellRef<'_>> {
        let hours =
            self.stored.iter().flat_map(|taken| taken.indexes.iter().map(|hour| (taken.rollup.as_ref(), &taken.rollup.hours[*hour])));
        hours.flat_map(cell_refs).filter(|placed| placed.passes_tests(&self.tests))
    }

    /// Returns the users of whole days, with the totals of their spans and the providers of their calls. These totals are not part of any
    /// cell.
    pub(crate) fn users_of_days(&self) -> impl Iterator<Item = (Option<&str>, CellContribution<'_>, impl Iterator<Item = &str>)> {
        let of_day = |(rollup, day): (_, _)| {
            let (rollup, day): (&Rollup, &UserRollupDay) = (rollup, day);
            let text = |place: u32| rollup.texts.get(place as usize).and_then(|text| text.as_deref());
            let of_user = move |sums| {
                let sums: &UserSums = sums;
                (text(sums.user), CellContribution::of_user(sums), sums.providers.iter().filter_map(move |place| text(*place)))
            };
            day.users.iter().flatten().map(of_user)
        };
        let days = self.days.iter().flat_map(|taken| taken.indexes.iter().map(|day| (&*taken.rollup, &taken.rollup.days[*day])));
        days.flat_map(of_day)
    }
}

fn cell_refs<'a>((rollup, hour): (&'a Rollup, &'a RollupHour)) -> impl Iterator<Item = RollupCellRef<'a>> {
    hour.cells.iter().map(move |cell| RollupCellRef { rollup, hour, cell })
}

impl ProjectSnapshot {
    /// Returns the numbers of distinct traces and end users, if the query counts them.
    pub(crate) fn traces_and_users(&self, parts: &ScopeCells) -> (u64, u64) {
        let hours = parts.stored.iter().map(|taken| SegmentHours {
            segment: &taken.segment.location,
            rollup: &taken.rollup,
            selected: &taken.indexes,
        });
        let stored: Vec<SegmentHours> = hours.collect();
        let segments: HashSet<&Path> = self.snapshot.segments.iter().map(|view| view.segment.location.as_path()).collect();
        let count = |different: &DistinctCounter| different.count(&stored, &parts.live, |segment| segments.contains(segment));
        (count(&self.engine.traces), count(&self.engine.users))
    }

    /// Returns the spans of a scope as cells. Returns `None` if there are only a few rows: the query engine is then equally fast, and
    /// exact.
    pub(crate) async fn scope_cells(&self, scope: &QueryScope, grouping: QueryGrouping<'_>) -> Result<Option<ScopeCells>, QueryError> {
        let Some(ScopeSources { stored, tests, other_rows, .. }) = self.scope_sources(scope, grouping).await? else { return Ok(None) };
        let (live, reserved) = self.aggregate_rows(scope, other_rows, grouping.granularity(), grouping.group_by).await?;
        Ok(Some(ScopeCells { stored, tests, live, _reserved: reserved }))
    }

    /// Returns the sources for a query on a scope. Returns `None` if there are only a few rows: the query engine is then equally fast, and
    /// exact.
    pub(crate) async fn scope_sources(&self, scope: &QueryScope, grouping: QueryGrouping<'_>) -> Result<Option<ScopeSources>, QueryError> {
        let (project, from_us, to_us) = (self.project, scope.from_us, scope.to_us);
        let may_hold = |view: &&Arc<SegmentView>| view.segment.may_contain(project, from_us, to_us);
        let views: Vec<_> = self.snapshot.segments.iter().filter(may_hold).cloned().collect();
        let buffered: u64 = self.snapshot.buffer.iter().map(|batch| batch.num_rows() as u64).sum();
        if views.iter().map(|view| view.segment.rows).sum::<u64>() + buffered < self.engine.min_rollup_rows {
            return Ok(None);
        }
        if scope.filter.0.is_empty() && matches!(grouping, QueryGrouping { group_by: Some(GroupBy::Column("user", _)), step_us: None, .. })
        {
            let (days, other_rows) = tokio::task::spawn_blocking(move || select_user_days(views, project, from_us, to_us)).await?;
            return Ok(Some(ScopeSources { stored: Vec::new(), tests: Vec::new(), days, other_rows }));
        }
        // Steps that are not whole hours need rows.
        let can_tell =
            grouping.group_by.is_none_or(|by| by.dimension().is_some()) && grouping.step_us.is_none_or(|step_us| step_us % HOUR_US == 0);
        // Stored roll-ups do not know which traces and users pass a filter.
        let tests = DimensionTest::dimension_tests(&scope.filter).filter(|tests| can_tell && (tests.is_empty() || !grouping.distinct));
        let (stored, other_rows) = match &tests {
            // Roll-ups may have to be read from their files.
            Some(_) => tokio::task::spawn_blocking(move || select_hours(views, project, from_us, to_us, |_| true)).await?,
            None => (Vec::new(), views.into_iter().map(all_live_rows).collect()),
        };
        Ok(Some(ScopeSources { stored, tests: tests.unwrap_or_default(), days: Vec::new(), other_rows }))
    }
}
