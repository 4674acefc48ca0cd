//! Sums from roll-ups: whole hours from what was added up when their segments were written, everything else from the rows.
//!
//! The rows are added up by what made the roll-ups (`added`), so that nobody can tell which way an answer came but by percentiles, which
//! are within one per cent of the exact ones.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::by::By;
use super::different::{Different, Hours};
use super::error::QueryError;
use super::fields;
use super::filter::{Term, Test};
use super::matcher::Pattern;
use super::picked::live;
use super::{Project, Scope};
use crate::store::rollup::{
    Cell, DAY_US, DIMENSIONS, Day, Grain, HOUR_US, Hour, KIND, MODEL, PROVIDER, Part, Rollup, STATUS, Spread, Sums, USAGE_SOURCE, UserSums,
    Whole, dimension,
};
use crate::store::snapshot::{Segment, SegmentView};

/// What a question tells apart.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Apart<'a> {
    /// A property, whether a dimension or not.
    pub(super) by: Option<&'a By>,
    /// Hours.
    pub(super) hours: bool,
    /// Traces and users.
    pub(super) distinct: bool,
}

impl Apart<'_> {
    /// The same for whoever adds rows up.
    fn grain(&self) -> Grain {
        let mut grain = Grain { dimensions: [false; DIMENSIONS.len()], hours: self.hours, distinct: self.distinct, places: false };
        // Who asks for sums alone is told which models have no price.
        let model = self.by.is_none().then_some(MODEL);
        let by = self.by.and_then(By::dimension);
        for dimension in [KIND, STATUS, PROVIDER, USAGE_SOURCE].into_iter().chain(model).chain(by) {
            grain.dimensions[dimension] = true;
        }
        grain
    }
}

/// All spans of a scope, as cells.
pub(super) struct Parts {
    /// Hours of roll-ups.
    stored: Vec<Taken>,
    /// What the cells of these have to pass.
    tests: Vec<DimensionTest>,
    /// What the other rows that pass add up to.
    added: Vec<Rollup>,
    /// Days of roll-ups, which are told by users alone.
    days: Vec<Taken>,
}

/// What is taken from the roll-up of a segment.
pub(super) struct Taken {
    segment: Arc<Segment>,
    pub(super) rollup: Arc<Rollup>,
    /// Places of its hours, or of its days.
    pub(super) places: Vec<usize>,
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

    /// The value of a property that the question tells apart.
    pub(super) fn value(&self, by: &By) -> Option<&str> {
        match by.dimension() {
            Some(dimension) => self.text(dimension),
            None => self.rollup.texts.get(self.cell.key.by as usize)?.as_deref(),
        }
    }

    fn is(&self, dimension: usize, value: &str) -> bool {
        self.text(dimension) == Some(value)
    }

    fn is_call(&self) -> bool {
        self.rollup.is_call(&self.cell.key)
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

    fn add_part(&mut self, part: &Part) {
        self.sums.add(&part.sums);
        self.durations.add(&part.durations);
        self.failed += part.failed;
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
    /// Adds what the spans of a user add up to.
    pub(super) fn add_user(&mut self, sums: &UserSums) {
        self.spans += sums.spans;
        self.calls.add_part(&sums.calls);
        self.runs.add_part(&sums.runs);
        self.estimated.add(&sums.estimated);
    }

    /// Adds what an hour adds up to, with the runs of pipelines.
    fn add_whole(&mut self, whole: &Whole) {
        self.spans += whole.spans;
        self.calls.add_part(&whole.calls);
        self.calls_without_usage += whole.calls_without_usage;
        self.runs.add_part(&whole.runs);
        self.estimated.add(&whole.estimated);
    }

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
    fn stored(&self) -> impl Iterator<Item = (&Rollup, &Hour)> {
        self.stored.iter().flat_map(|taken| taken.places.iter().map(|hour| (taken.rollup.as_ref(), &taken.rollup.hours[*hour])))
    }

    fn added(&self) -> impl Iterator<Item = (&Rollup, &Hour)> {
        self.added.iter().flat_map(|rollup| rollup.hours.iter().map(move |hour| (rollup, hour)))
    }

    /// The cells that the filter lets pass.
    pub(super) fn cells(&self) -> impl Iterator<Item = Placed<'_>> {
        self.stored().flat_map(placed).filter(|placed| placed.passes(&self.tests)).chain(self.added().flat_map(placed))
    }

    /// Hours of which all spans pass, as they are, and the cells of all others.
    fn wholes(&self) -> (impl Iterator<Item = (&Rollup, &Hour)>, impl Iterator<Item = Placed<'_>>) {
        let all_pass = self.tests.is_empty();
        let cells = self.stored().filter(move |_| !all_pass).flat_map(placed).filter(|placed| placed.passes(&self.tests));
        (self.stored().filter(move |_| all_pass), cells.chain(self.added().flat_map(placed)))
    }

    /// What all cells add up to.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        let (hours, cells) = self.wholes();
        hours.for_each(|(_, hour)| totals.add_whole(&hour.whole));
        cells.for_each(|placed| totals.add(&placed, Runs::OfPipelines));
        totals
    }

    /// The users of whole days, and what their spans, which are in no cell, add up to; the providers of their calls.
    pub(super) fn users_of_days(&self) -> impl Iterator<Item = (Option<&str>, &UserSums, impl Iterator<Item = &str>)> {
        let of_day = |(rollup, day): (_, _)| {
            let (rollup, day): (&Rollup, &Day) = (rollup, day);
            let text = |place: u32| rollup.texts.get(place as usize).and_then(|text| text.as_deref());
            day.users.iter().flatten().map(move |sums| (text(sums.user), sums, sums.providers.iter().filter_map(move |place| text(*place))))
        };
        let days = self.days.iter().flat_map(|taken| taken.places.iter().map(|day| (&*taken.rollup, &taken.rollup.days[*day])));
        days.flat_map(of_day)
    }

    /// Models of calls without a price, in order.
    pub(super) fn unpriced_models(&self) -> Vec<String> {
        let (hours, cells) = self.wholes();
        let of_hour = |(rollup, hour): (&'_ Rollup, &'_ Hour)| {
            let text = |place: &u32| rollup.texts.get(*place as usize)?.clone();
            hour.whole.unpriced_models.iter().filter_map(text).collect::<Vec<_>>()
        };
        let unpriced = cells.filter(|placed| placed.is_call() && placed.cell.sums.unpriced > 0);
        let of_cells = unpriced.filter_map(|placed| placed.text(MODEL).map(str::to_owned));
        let models: BTreeSet<String> = hours.flat_map(of_hour).chain(of_cells).collect();
        models.into_iter().collect()
    }

    /// The provider of calls.
    pub(super) fn provider_of<'a>(placed: &'a Placed) -> Option<&'a str> {
        placed.text(PROVIDER).filter(|_| placed.is_call())
    }
}

fn placed<'a>((rollup, hour): (&'a Rollup, &'a Hour)) -> impl Iterator<Item = Placed<'a>> {
    hour.cells.iter().map(move |cell| Placed { rollup, hour, cell })
}

impl Project {
    /// How many different traces and end users there are, where the question tells them apart.
    pub(super) fn traces_and_users(&self, parts: &Parts) -> (u64, u64) {
        let hours = parts.stored.iter().map(|taken| Hours { segment: &taken.segment.path, rollup: &taken.rollup, chosen: &taken.places });
        let stored: Vec<Hours> = hours.collect();
        let segments: HashSet<&Path> = self.snapshot.segments.iter().map(|view| view.segment.path.as_path()).collect();
        let count = |different: &Different| different.count(&stored, &parts.added, |segment| segments.contains(segment));
        (count(&self.engine.traces), count(&self.engine.users))
    }

    /// The spans of a scope as cells; `None` where there are so few rows that the query engine is as fast, and exact.
    pub(super) async fn parts(&self, scope: &Scope, apart: Apart<'_>) -> Result<Option<Parts>, QueryError> {
        let (project, from_us, to_us) = (self.project, scope.from_us, scope.to_us);
        let may_hold = |view: &&Arc<SegmentView>| view.segment.may_hold(project, from_us, to_us);
        let views: Vec<_> = self.snapshot.segments.iter().filter(may_hold).cloned().collect();
        if views.is_empty() || views.iter().map(|view| view.segment.rows).sum::<u64>() < self.engine.least_rows {
            return Ok(None);
        }
        if scope.filter.0.is_empty() && matches!(apart, Apart { by: Some(By::Column("user", _)), hours: false, .. }) {
            let (days, rest) = tokio::task::spawn_blocking(move || choose_days(views, project, from_us, to_us)).await?;
            let added = self.add_up(scope, rest, apart.grain(), apart.by).await?;
            return Ok(Some(Parts { stored: Vec::new(), tests: Vec::new(), added, days }));
        }
        let can_tell = apart.by.is_none_or(|by| by.dimension().is_some());
        // Which traces and users a filter lets pass, stored roll-ups do not know.
        let tests = dimension_tests(scope).filter(|tests| can_tell && (tests.is_empty() || !apart.distinct));
        let (stored, rest) = match &tests {
            // Roll-ups may have to be read from their files.
            Some(_) => tokio::task::spawn_blocking(move || choose(views, project, from_us, to_us, |_| true)).await?,
            None => (Vec::new(), views.into_iter().map(whole).collect()),
        };
        let added = self.add_up(scope, rest, apart.grain(), apart.by).await?;
        Ok(Some(Parts { stored, tests: tests.unwrap_or_default(), added, days: Vec::new() }))
    }
}

/// Rows of segments.
pub(super) type Rows = Vec<(Arc<SegmentView>, Vec<Range<u32>>)>;

/// All rows of a segment that hold.
fn whole(view: Arc<SegmentView>) -> (Arc<SegmentView>, Vec<Range<u32>>) {
    let all = 0..view.segment.rows as u32;
    let rows = live(std::slice::from_ref(&all), &view.dead);
    (view, rows)
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

type Chosen = (Vec<Taken>, Rows);

/// Which hours are taken from roll-ups: those that lie whole in the range, have no dead rows, and can tell. The rows of all others are
/// to be read.
pub(super) fn choose(views: Vec<Arc<SegmentView>>, project: u64, from_us: i64, to_us: i64, can_tell: impl Fn(&Hour) -> bool) -> Chosen {
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
                    if start_us >= from_us && end_us <= to_us && can_tell(hour) && !has_dead(&view, hour) {
                        taken.push(place);
                    } else {
                        rows.extend(hour.rows.iter().cloned());
                    }
                }
                if !taken.is_empty() {
                    sources.push(Taken { segment: view.segment.clone(), rollup, places: taken });
                }
            }
        }
        rows.sort_unstable_by_key(|rows| rows.start);
        let rows = live(&rows, &view.dead);
        if !rows.is_empty() {
            rest.push((view, rows));
        }
    }
    (sources, rest)
}

/// The same for days that are told by users.
fn choose_days(views: Vec<Arc<SegmentView>>, project: u64, from_us: i64, to_us: i64) -> Chosen {
    let mut sources = Vec::new();
    let mut rest = Vec::new();
    for view in views {
        let rollup = view.segment.rollup().filter(|rollup| !rollup.days.is_empty());
        let Some(rollup) = rollup else {
            rest.push(whole(view));
            continue;
        };
        let of_day = |hour: &Hour| hour.hour.saturating_mul(HOUR_US).div_euclid(DAY_US);
        let mut taken = Vec::new();
        for (place, day) in rollup.days.iter().enumerate().filter(|(_, day)| day.project == project && day.users.is_some()) {
            let start_us = day.day.saturating_mul(DAY_US);
            let hours = || rollup.hours.iter().filter(|hour| hour.project == project && of_day(hour) == day.day);
            if start_us >= from_us && start_us.saturating_add(DAY_US) <= to_us && !hours().any(|hour| has_dead(&view, hour)) {
                taken.push(place);
            }
        }
        let segment = view.segment.clone();
        let is_taken = |hour: &&Hour| taken.iter().any(|place| rollup.days[*place].day == of_day(hour));
        let others = rollup.hours.iter().filter(|hour| hour.project == project && !is_taken(hour));
        let mut rows: Vec<Range<u32>> = others.flat_map(|hour| hour.rows.iter().cloned()).collect();
        rows.sort_unstable_by_key(|rows| rows.start);
        let rows = live(&rows, &view.dead);
        if !rows.is_empty() {
            rest.push((view, rows));
        }
        if !taken.is_empty() {
            sources.push(Taken { segment, rollup, places: taken });
        }
    }
    (sources, rest)
}

/// Whether rows of an hour do not hold any more.
fn has_dead(view: &SegmentView, hour: &Hour) -> bool {
    hour.rows.iter().any(|rows| {
        let first = view.dead.partition_point(|row| *row < rows.start);
        view.dead.get(first).is_some_and(|row| *row < rows.end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_what_they_say() {
        let names = [(KIND, "kind"), (STATUS, "status"), (PROVIDER, "provider"), (MODEL, "model"), (USAGE_SOURCE, "usage_source")];
        assert!(names.iter().all(|(place, name)| DIMENSIONS[*place] == *name));
    }
}
