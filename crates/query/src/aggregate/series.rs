//! Time series of measures, optionally by a property: the largest lines, and the sum of all other lines.

use std::collections::{BTreeMap, HashMap};

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{Expr, cast, col, lit};
use hinomi_model::api_time::rfc3339;
use hinomi_model::money::Usd;

use super::group_by::GroupBy;
use super::group_table::{CollectedDurations, DurationSubject, GroupSumComponent, GroupTable, RollupDurations};
use super::grouped::{GroupAggregates, GroupPlan, GroupSteps};
use super::measure::{BucketInterval, SeriesMeasure};
use super::rollup::{RunSelector, ScopeSources};
use super::summary::{cache_writes, count_where, is_call, is_failed, percentile, sum_of_counted};
use crate::error::QueryError;
use crate::response::{OtherTimeSeriesGroups, TimeSeries, TimeSeriesGroup};
use crate::scan::columns::BatchColumn;
use crate::{ProjectSnapshot, QueryScope, ScanMode};

/// Maximum number of points in a line.
const MAX_POINTS: i64 = 5_000;
/// Maximum number of lines in a chart. Further lines could not be distinguished.
const MAX_LINES: usize = 50;

/// A point: index of its bucket, and its value.
type SeriesPoint = (usize, Option<f64>);

impl ProjectSnapshot {
    /// Returns measures for each time bucket, optionally by a property. An open end of the range becomes the first or last stored span.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`summary`](ProjectSnapshot::summary), and an error if the range has too many buckets.
    pub async fn series(
        &self,
        scope: &QueryScope,
        bucket: BucketInterval,
        measures: &[SeriesMeasure],
        by: Option<&GroupBy>,
    ) -> Result<TimeSeries, QueryError> {
        let (from_us, to_us) = self.resolved_range(scope).await?;
        let first_step = from_us.div_euclid(bucket.length_us());
        let count = if to_us > from_us { (to_us - 1).div_euclid(bucket.length_us()) - first_step + 1 } else { 0 };
        if count > MAX_POINTS {
            return Err(QueryError::TooManyPoints(count));
        }
        let starts_us: Vec<i64> = (first_step..first_step + count).map(|number| number * bucket.length_us()).collect();
        let mut of_spans: Vec<SeriesMeasure> = Vec::new();
        for measure in measures {
            if *measure != SeriesMeasure::Errors && !of_spans.contains(measure) {
                of_spans.push(*measure);
            }
        }
        let mut series = TimeSeries { starts_us, measures: BTreeMap::new(), others: BTreeMap::new() };
        if of_spans.is_empty() {
            return Ok(series);
        }
        let by = match by {
            Some(by) => Some(self.grouping(scope, by).await?),
            None => None,
        };
        let mut components: Vec<GroupSumComponent> = of_spans.iter().flat_map(|measure| components(*measure)).copied().collect();
        components.sort_unstable_by_key(|component| *component as usize);
        components.dedup();
        let has_durations = of_spans.iter().any(|measure| measure.is_duration());
        let plan = GroupPlan {
            group_by: by.clone(),
            runs: RunSelector::Pipelines,
            components,
            durations: if has_durations { CollectedDurations::OfCalls } else { CollectedDurations::None },
            steps: Some(GroupSteps { first_step, count, us: bucket.length_us() }),
        };
        if let Some((groups, sources)) = self.groups(scope, plan).await? {
            return self.run_reading(move |_| add_grouped_lines(series, groups, &sources, &of_spans)).await;
        }
        let start = cast(col("start_time"), DataType::Int64);
        let number = ((start.clone() - start % lit(bucket.length_us())) / lit(bucket.length_us())).alias("number");
        let mut keys = vec![number];
        keys.extend(by.as_ref().map(|by| by.key_expression().alias("key")));
        let mut values = of_spans.iter().map(|measure| aggregate(*measure)).collect::<Result<Vec<_>, _>>()?;
        values.push(count_where(is_call(), COST_CALLS_MEASURE)?);
        let batches = self.spans_in_scope(ScanMode::MostRows, scope).await?.aggregate(keys, values)?.collect().await?;
        for measure in of_spans {
            let lines = scanned_lines(&batches, measure, first_step, count, by.is_none());
            let drawn = largest_lines(lines, measure, &series.starts_us);
            series.add_measure(measure, drawn);
        }
        Ok(series)
    }
}

/// Name of the number of calls that is queried together with the cost.
const COST_CALLS_MEASURE: &str = "calls_of_cost";

impl TimeSeries {
    fn add_measure(&mut self, measure: SeriesMeasure, (lines, others): (Vec<TimeSeriesGroup>, Option<OtherTimeSeriesGroups>)) {
        self.measures.insert(measure.name().to_owned(), lines);
        if let Some(others) = others {
            self.others.insert(measure.name().to_owned(), others);
        }
    }
}

/// Returns the points of each line, from the result of the query engine.
fn scanned_lines(
    batches: &[RecordBatch],
    measure: SeriesMeasure,
    first: i64,
    count: i64,
    is_one: bool,
) -> HashMap<Option<String>, Vec<SeriesPoint>> {
    let mut lines: HashMap<Option<String>, Vec<SeriesPoint>> = HashMap::new();
    if is_one {
        lines.insert(None, Vec::new());
    }
    for batch in batches {
        let [number, key, value, calls] = ["number", "key", measure.name(), COST_CALLS_MEASURE].map(|name| BatchColumn::of(batch, name));
        for row in 0..batch.num_rows() {
            let place = number.int(row).map(|number| number - first).filter(|place| (0..count).contains(place));
            let Some(place) = place else { continue };
            let known = match measure {
                SeriesMeasure::Cost => value.usd(row).map(Usd::dollars).or((calls.count(row) == 0).then_some(0.0)),
                _ if measure.is_duration() => value.ms(row),
                _ => value.float(row).or(Some(0.0)),
            };
            lines.entry(key.text(row)).or_default().push((place as usize, known));
        }
    }
    lines
}

/// Returns the components from which a measure is computed.
fn components(measure: SeriesMeasure) -> &'static [GroupSumComponent] {
    match measure {
        SeriesMeasure::Calls => &[GroupSumComponent::Calls],
        SeriesMeasure::Failed => &[GroupSumComponent::FailedCalls],
        SeriesMeasure::Cost => &[GroupSumComponent::Cost, GroupSumComponent::PricedSpans, GroupSumComponent::Calls],
        SeriesMeasure::InputTokens => &[GroupSumComponent::InputTokens],
        SeriesMeasure::OutputTokens => &[GroupSumComponent::OutputTokens],
        SeriesMeasure::NewInputTokens => &[GroupSumComponent::NewInputTokens],
        SeriesMeasure::CacheReadTokens => &[GroupSumComponent::CacheReadTokens],
        SeriesMeasure::CacheWriteTokens => &[GroupSumComponent::CacheWriteTokens],
        SeriesMeasure::ReasoningTokens => &[GroupSumComponent::ReasoningTokens],
        SeriesMeasure::DurationP50 | SeriesMeasure::DurationP95 | SeriesMeasure::DurationP99 => {
            &[GroupSumComponent::Calls, GroupSumComponent::MinCall, GroupSumComponent::MaxCall]
        }
        SeriesMeasure::Runs => &[GroupSumComponent::Runs],
        SeriesMeasure::Spans | SeriesMeasure::Errors => &[GroupSumComponent::Spans],
    }
}

/// Returns a measure of a cell; for durations, their number.
fn cell_value(table: &GroupTable, cell: u32, measure: SeriesMeasure) -> Option<f64> {
    let value = |component: GroupSumComponent| table.value(cell, component);
    match (measure, components(measure)) {
        (SeriesMeasure::Cost, _) => {
            let is_known = value(GroupSumComponent::PricedSpans) > 0 || value(GroupSumComponent::Calls) == 0;
            is_known.then(|| Usd(value(GroupSumComponent::Cost)).dollars())
        }
        (_, [first, ..]) => Some(value(*first) as f64),
        (_, []) => None,
    }
}

/// Adds the lines of the largest groups for each measure.
fn add_grouped_lines(
    mut series: TimeSeries,
    mut groups: GroupAggregates,
    sources: &ScopeSources,
    measures: &[SeriesMeasure],
) -> Result<TimeSeries, QueryError> {
    let stored = groups.add_sources(sources, false)?;
    let table = groups.table();
    for measure in measures {
        let drawn = grouped_lines(table, &stored, *measure, &series.starts_us, groups.is_single_group());
        series.add_measure(*measure, drawn);
    }
    Ok(series)
}

/// Returns the lines of a measure.
fn grouped_lines(
    table: &GroupTable,
    stored: &RollupDurations,
    measure: SeriesMeasure,
    starts_us: &[i64],
    is_one: bool,
) -> (Vec<TimeSeriesGroup>, Option<OtherTimeSeriesGroups>) {
    let cells = || (0u32..).zip(table.cells_with_spans().iter().copied());
    let mut sizes = vec![0.0; table.groups()];
    let mut is_met = vec![false; table.groups()];
    for (cell, (group, _)) in cells() {
        sizes[group as usize] += cell_value(table, cell, measure).unwrap_or(0.0);
        is_met[group as usize] = true;
    }
    // Without a property there is one line, even if it is empty.
    is_met[0] |= is_one;
    let is_only = is_met.iter().filter(|met| **met).count() == 1;
    let mut largest: Vec<u32> = (0..table.groups() as u32).filter(|group| is_met[*group as usize]).collect();
    largest.retain(|group| is_only || sizes[*group as usize] > 0.0);
    let count = largest.len();
    let compare = |a: &u32, b: &u32| {
        sizes[*b as usize].total_cmp(&sizes[*a as usize]).then_with(|| table.key_of_group(*a).cmp(&table.key_of_group(*b)))
    };
    if count > MAX_LINES {
        largest.select_nth_unstable_by(MAX_LINES - 1, compare);
        largest.truncate(MAX_LINES);
    }
    let line_of: HashMap<u32, usize> = largest.iter().enumerate().map(|(line, group)| (*group, line)).collect();
    let mut lines: Vec<Vec<SeriesPoint>> = vec![Vec::new(); largest.len()];
    let mut others = vec![OtherSum::default(); starts_us.len()];
    let mut drawn: Vec<(u32, usize, usize)> = Vec::new();
    for (cell, (group, step)) in cells() {
        match line_of.get(&group) {
            Some(line) if measure.is_duration() => drawn.push((cell, *line, step as usize)),
            Some(line) => lines[*line].push((step as usize, cell_value(table, cell, measure))),
            None => others[step as usize].add(cell_value(table, cell, measure)),
        }
    }
    if let Some(share) = measure.percentile_share() {
        let cells: Vec<u32> = drawn.iter().map(|(cell, ..)| *cell).collect();
        let percentiles = table.percentiles_ms(&cells, DurationSubject::Calls, stored, [share]);
        drawn.iter().zip(percentiles).for_each(|((_, line, step), [value])| lines[*line].push((*step, value)));
    }
    let mut named: Vec<_> = largest.iter().map(|group| table.key_of_group(*group).map(str::to_owned)).zip(lines).collect();
    // Removes lines of calls that all took no time.
    named.retain(|(_, points)| is_only || line_size(points) > 0.0);
    let others = (count > MAX_LINES).then(|| OtherTimeSeriesGroups::of_sums(count - MAX_LINES, measure, &others, starts_us));
    (line_responses(named, measure, starts_us), others)
}

/// Sum of the values of other groups.
#[derive(Debug, Clone, Copy, Default)]
struct OtherSum {
    sum: f64,
    has_unknown: bool,
}

impl OtherSum {
    fn add(&mut self, value: Option<f64>) {
        self.sum += value.unwrap_or(0.0);
        self.has_unknown |= value.is_none();
    }

    /// Returns the sum; `None` if there are unknown values and the sum is 0.
    fn value(self) -> Option<f64> {
        (self.sum != 0.0 || !self.has_unknown).then_some(self.sum)
    }
}

impl OtherTimeSeriesGroups {
    fn of_sums(groups: usize, measure: SeriesMeasure, sums: &[OtherSum], starts_us: &[i64]) -> OtherTimeSeriesGroups {
        let points = || starts_us.iter().map(|us| rfc3339(*us)).zip(sums.iter().map(|sum| sum.value())).collect();
        OtherTimeSeriesGroups { groups: groups as u64, points: (!measure.is_duration()).then(points) }
    }
}

/// Returns the largest lines, and the sum of the others. Lines of zeros are left out, unless there is only one line.
fn largest_lines(
    lines: HashMap<Option<String>, Vec<SeriesPoint>>,
    measure: SeriesMeasure,
    starts_us: &[i64],
) -> (Vec<TimeSeriesGroup>, Option<OtherTimeSeriesGroups>) {
    let is_only = lines.len() == 1;
    let (mut lines, left_out): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(_, points)| is_only || line_size(points) > 0.0);
    lines.sort_by(|(a_key, a), (b_key, b)| line_size(b).total_cmp(&line_size(a)).then_with(|| a_key.cmp(b_key)));
    let rest = lines.split_off(lines.len().min(MAX_LINES));
    let mut sums = vec![OtherSum::default(); starts_us.len()];
    for (place, value) in rest.iter().chain(&left_out).flat_map(|(_, points)| points) {
        sums[*place].add(*value);
    }
    let others = (!rest.is_empty()).then(|| OtherTimeSeriesGroups::of_sums(rest.len(), measure, &sums, starts_us));
    (line_responses(lines, measure, starts_us), others)
}

fn line_size(points: &[SeriesPoint]) -> f64 {
    points.iter().filter_map(|(_, value)| *value).sum()
}

/// Converts lines to those of the API, the largest first.
fn line_responses(mut lines: Vec<(Option<String>, Vec<SeriesPoint>)>, measure: SeriesMeasure, starts_us: &[i64]) -> Vec<TimeSeriesGroup> {
    lines.sort_by(|(a_key, a), (b_key, b)| line_size(b).total_cmp(&line_size(a)).then_with(|| a_key.cmp(b_key)));
    let starts: Vec<String> = starts_us.iter().map(|us| rfc3339(*us)).collect();
    let empty = if measure.is_duration() { None } else { Some(0.0) };
    let line = |(key, known): (Option<String>, Vec<SeriesPoint>)| {
        let mut points: Vec<(String, Option<f64>)> = starts.iter().map(|start| (start.clone(), empty)).collect();
        known.into_iter().for_each(|(place, value)| points[place].1 = value);
        TimeSeriesGroup { key, points }
    };
    lines.into_iter().map(line).collect()
}

/// Returns the aggregate expression of a measure.
fn aggregate(measure: SeriesMeasure) -> Result<Expr, QueryError> {
    let name = measure.name();
    match measure {
        SeriesMeasure::Calls => count_where(is_call(), name),
        SeriesMeasure::Failed => count_where(is_call().and(is_failed()), name),
        SeriesMeasure::Cost => sum_of_counted(col("cost"), name),
        SeriesMeasure::InputTokens => sum_of_counted(col("input_tokens"), name),
        SeriesMeasure::OutputTokens => sum_of_counted(col("output_tokens"), name),
        SeriesMeasure::NewInputTokens => sum_of_counted(col("usage_input"), name),
        SeriesMeasure::CacheReadTokens => sum_of_counted(col("usage_cache_read"), name),
        SeriesMeasure::CacheWriteTokens => sum_of_counted(cache_writes(), name),
        SeriesMeasure::ReasoningTokens => sum_of_counted(col("usage_reasoning"), name),
        SeriesMeasure::DurationP50 => percentile(is_call(), 0.5, name),
        SeriesMeasure::DurationP95 => percentile(is_call(), 0.95, name),
        SeriesMeasure::DurationP99 => percentile(is_call(), 0.99, name),
        SeriesMeasure::Runs => count_where(col("is_run"), name),
        SeriesMeasure::Spans | SeriesMeasure::Errors => Ok(count(lit(1)).alias(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_of_others_is_unknown_without_values() {
        let sum = |values: &[Option<f64>]| {
            let mut sum = OtherSum::default();
            values.iter().for_each(|value| sum.add(*value));
            sum.value()
        };
        assert_eq!(sum(&[]), Some(0.0));
        assert_eq!(sum(&[Some(0.0), Some(0.0)]), Some(0.0));
        assert_eq!(sum(&[Some(0.0), None]), None);
        assert_eq!(sum(&[Some(0.5), None, Some(0.25)]), Some(0.75));
    }
}
