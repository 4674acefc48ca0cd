//! Totals of many groups in little memory: sums are exact for every group, percentiles are computed only for returned groups.
//!
//! A group is a value of a property, such as a user. If the query groups by time too, a cell is a group in one time step. A cell takes
//! eight bytes for each component that the query needs, and eight bytes for each duration. A million users take about 200 MB.

mod text_numbers;

use std::collections::HashMap;

use arrow::array::{Array, StringViewArray};
use hinomi_store::rollup::{
    DenseDurationHistogram, DurationHistogram, FastBuildHasher, KIND_DIMENSION, PROVIDER_DIMENSION, RollupColumns, RollupSums,
    USAGE_SOURCE_DIMENSION, percentile,
};

use super::grouped::GroupPlan;
use super::rollup::{CellContribution, ContributionPart, RunSelector};
use text_numbers::{TextTable, ViewMemo};

/// Number of cells whose durations are expanded into histograms at a time. A histogram takes some kilobytes.
const MAX_EXPANDED_CELLS: usize = 4096;
/// Number of cells in one chunk of values.
const CHUNK_CELLS: usize = 1024;
/// Maximum number of texts of a column that a memo remembers.
const MAX_MEMO_VIEWS: usize = 512;
/// Minimum number of duration entries before equal ones are merged.
const MIN_MERGED_DURATIONS: usize = 1 << 20;

/// A component of the totals of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupSumComponent {
    Spans,
    Calls,
    FailedCalls,
    InputTokens,
    OutputTokens,
    NewInputTokens,
    CacheReadTokens,
    CacheWriteTokens,
    ReasoningTokens,
    /// Sum of the costs, in units of 10⁻¹² US dollars.
    Cost,
    PricedSpans,
    UnpricedCalls,
    EstimatedCalls,
    EstimatedCost,
    EstimatedPricedCalls,
    Runs,
    FailedRuns,
    /// Number of runs whose duration is known.
    TimedRuns,
    /// Sum of the durations. This component and the next four are in microseconds.
    RunDuration,
    MinCall,
    MaxCall,
    MinRun,
    MaxRun,
    /// Number of the provider's text plus one; 0 if no call has a provider, -1 if the calls have several providers.
    Provider,
}

impl GroupSumComponent {
    /// All components, in the order of their discriminants.
    pub(crate) const ALL: [GroupSumComponent; 24] = {
        use GroupSumComponent::*;
        [
            Spans,
            Calls,
            FailedCalls,
            InputTokens,
            OutputTokens,
            NewInputTokens,
            CacheReadTokens,
            CacheWriteTokens,
            ReasoningTokens,
            Cost,
            PricedSpans,
            UnpricedCalls,
            EstimatedCalls,
            EstimatedCost,
            EstimatedPricedCalls,
            Runs,
            FailedRuns,
            TimedRuns,
            RunDuration,
            MinCall,
            MaxCall,
            MinRun,
            MaxRun,
            Provider,
        ]
    };

    /// Returns the value for a cell without spans.
    fn empty(self) -> i64 {
        match self {
            GroupSumComponent::MinCall | GroupSumComponent::MinRun => i64::MAX,
            GroupSumComponent::MaxCall | GroupSumComponent::MaxRun => i64::MIN,
            _ => 0,
        }
    }

    fn combine(self, one: i64, other: i64) -> i64 {
        match self {
            GroupSumComponent::MinCall | GroupSumComponent::MinRun => one.min(other),
            GroupSumComponent::MaxCall | GroupSumComponent::MaxRun => one.max(other),
            // Token sums wrap like those of the query engine; all other sums saturate.
            GroupSumComponent::InputTokens
            | GroupSumComponent::OutputTokens
            | GroupSumComponent::NewInputTokens
            | GroupSumComponent::CacheReadTokens
            | GroupSumComponent::CacheWriteTokens
            | GroupSumComponent::ReasoningTokens => one.wrapping_add(other),
            GroupSumComponent::Provider => match (one, other) {
                (0, other) => other,
                (one, 0) => one,
                (one, other) if one == other => one,
                _ => -1,
            },
            _ => one.saturating_add(other),
        }
    }

    fn contribution_of(self, spans: &CellContribution) -> i64 {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let steps = |sum: i128| i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX });
        let calls = |of: &dyn Fn(&ContributionPart) -> i64| spans.calls.as_ref().map_or(self.empty(), of);
        let counted = |of: &dyn Fn(&RollupSums) -> i64| {
            let parts = [spans.calls.as_ref().map(|part| part.sums), spans.other_counted];
            parts.into_iter().flatten().map(of).fold(self.empty(), |sum, part| self.combine(sum, part))
        };
        let runs = |of: &dyn Fn(&ContributionPart) -> i64| spans.runs.as_ref().map_or(self.empty(), of);
        // If the range of durations is unknown, use the widest one.
        let least = |part: &ContributionPart| part.sums.duration_range_us.map_or(i64::MIN, |(least, _)| least);
        let greatest = |part: &ContributionPart| part.sums.duration_range_us.map_or(i64::MAX, |(_, greatest)| greatest);
        match self {
            GroupSumComponent::Spans => count(spans.spans),
            GroupSumComponent::Calls => calls(&|part| count(part.sums.spans)),
            GroupSumComponent::FailedCalls => calls(&|part| count(part.failed)),
            GroupSumComponent::InputTokens => counted(&|sums| sums.input_tokens),
            GroupSumComponent::OutputTokens => counted(&|sums| sums.output_tokens),
            GroupSumComponent::NewInputTokens => counted(&|sums| sums.usage_input),
            GroupSumComponent::CacheReadTokens => counted(&|sums| sums.cache_read),
            GroupSumComponent::CacheWriteTokens => counted(&|sums| sums.cache_write),
            GroupSumComponent::ReasoningTokens => counted(&|sums| sums.reasoning),
            GroupSumComponent::Cost => counted(&|sums| steps(sums.cost)),
            GroupSumComponent::PricedSpans => counted(&|sums| count(sums.priced)),
            GroupSumComponent::UnpricedCalls => calls(&|part| count(part.sums.unpriced)),
            GroupSumComponent::EstimatedCalls => spans.estimated.map_or(0, |sums| count(sums.spans)),
            GroupSumComponent::EstimatedPricedCalls => spans.estimated.map_or(0, |sums| count(sums.priced)),
            GroupSumComponent::EstimatedCost => spans.estimated.map_or(0, |sums| steps(sums.cost)),
            GroupSumComponent::Runs => runs(&|part| count(part.sums.spans)),
            GroupSumComponent::FailedRuns => runs(&|part| count(part.failed)),
            GroupSumComponent::TimedRuns => runs(&|part| count(part.timed_spans())),
            GroupSumComponent::RunDuration => runs(&|part| steps(part.sums.duration_us)),
            GroupSumComponent::MinCall => calls(&least),
            GroupSumComponent::MaxCall => calls(&greatest),
            GroupSumComponent::MinRun => runs(&least),
            GroupSumComponent::MaxRun => runs(&greatest),
            // `add_provider` sets it, since only the table knows the number of a provider.
            GroupSumComponent::Provider => 0,
        }
    }
}

/// Which durations are collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CollectedDurations {
    #[default]
    None,
    OfCalls,
    OfCallsAndRuns,
}

impl CollectedDurations {
    /// Returns the durations of calls and of runs that are to be collected.
    fn contribution_of<'a>(self, spans: &CellContribution<'a>) -> (Option<&'a DurationHistogram>, Option<&'a DurationHistogram>) {
        let durations = |part: Option<ContributionPart<'a>>| part.and_then(|part| part.durations);
        let calls = durations(spans.calls).filter(|_| self != CollectedDurations::None);
        (calls, durations(spans.runs).filter(|_| self == CollectedDurations::OfCallsAndRuns))
    }
}

/// Number of equal durations in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct BinCount {
    cell: u32,
    bin: u16,
    count: u16,
}

/// Spans of which percentiles are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DurationSubject {
    Calls,
    Runs,
}

/// Durations in roll-ups, each with the cell that it belongs to.
#[derive(Debug, Default)]
pub(crate) struct RollupDurations<'a> {
    calls: Vec<(u32, &'a DurationHistogram)>,
    runs: Vec<(u32, &'a DurationHistogram)>,
}

impl<'a> RollupDurations<'a> {
    /// Records the durations of spans that were added to a cell.
    pub(crate) fn note_durations(&mut self, cell: u32, spans: &CellContribution<'a>, collected: CollectedDurations) {
        let (calls, runs) = collected.contribution_of(spans);
        self.calls.extend(calls.map(|bins| (cell, bins)));
        self.runs.extend(runs.map(|bins| (cell, bins)));
    }
}

/// Groups and their totals.
#[derive(Debug)]
pub(crate) struct GroupTable {
    components: Vec<GroupSumComponent>,
    /// Position of each component among the values of a cell.
    component_positions: [usize; GroupSumComponent::ALL.len()],
    collected: CollectedDurations,
    /// Values of the property, then names of providers.
    keys: TextTable,
    providers: TextTable,
    /// Group and time step of each cell. Group 0 contains the spans without a value.
    cells: Vec<(u32, u32)>,
    cell_numbers: HashMap<(u32, u32), u32, FastBuildHasher>,
    values: Vec<Vec<i64>>,
    calls: Vec<BinCount>,
    runs: Vec<BinCount>,
    merged_durations: usize,
}

impl GroupTable {
    pub(crate) fn new(components: &[GroupSumComponent], collected: CollectedDurations) -> GroupTable {
        let mut component_positions = [usize::MAX; GroupSumComponent::ALL.len()];
        components.iter().enumerate().for_each(|(place, component)| component_positions[*component as usize] = place);
        GroupTable {
            components: components.to_vec(),
            component_positions,
            collected,
            keys: TextTable::default(),
            providers: TextTable::default(),
            cells: Vec::new(),
            cell_numbers: HashMap::default(),
            values: Vec::new(),
            calls: Vec::new(),
            runs: Vec::new(),
            merged_durations: 0,
        }
    }

    /// Returns the number of a group.
    pub(crate) fn group_number(&mut self, key: Option<&str>) -> u32 {
        key.map_or(0, |key| self.keys.number_of(key) + 1)
    }

    /// Returns the value that the spans of a group share.
    pub(crate) fn key_of_group(&self, group: u32) -> Option<&str> {
        Some(self.keys.text(group.checked_sub(1)?))
    }

    /// Returns an upper bound of the group numbers.
    pub(crate) fn groups(&self) -> usize {
        self.keys.len() + 1
    }

    /// Returns group and time step of each cell that has spans, by cell number.
    pub(crate) fn cells_with_spans(&self) -> &[(u32, u32)] {
        &self.cells
    }

    /// Returns the approximate memory use in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let of_cell = size_of::<(u32, u32)>() + 2 * size_of::<((u32, u32), u32)>();
        self.keys.bytes()
            + self.providers.bytes()
            + self.cells.capacity() * of_cell
            + self.values.len() * CHUNK_CELLS * self.components.len() * size_of::<i64>()
            + (self.calls.capacity() + self.runs.capacity()) * size_of::<BinCount>()
    }

    /// Adds spans to a group in a time step and returns the cell. The caller adds the durations.
    pub(crate) fn add(&mut self, group: u32, step: u32, spans: &CellContribution) -> u32 {
        let cell = self.cell(group, step);
        let first = cell as usize % CHUNK_CELLS * self.components.len();
        let values = &mut self.values[cell as usize / CHUNK_CELLS][first..];
        for (value, component) in values.iter_mut().zip(&self.components) {
            *value = component.combine(*value, component.contribution_of(spans));
        }
        cell
    }

    /// Returns the cell of a group in a time step, and creates it if it does not exist.
    fn cell(&mut self, group: u32, step: u32) -> u32 {
        let next = self.cells.len() as u32;
        let cell = *self.cell_numbers.entry((group, step)).or_insert(next);
        if cell == next {
            self.cells.push((group, step));
            if (next as usize).is_multiple_of(CHUNK_CELLS) {
                self.values.push(Vec::with_capacity(CHUNK_CELLS * self.components.len()));
            }
            if let Some(chunk) = self.values.last_mut() {
                chunk.extend(self.components.iter().map(|component| component.empty()));
            }
        }
        cell
    }

    /// Adds a value to a component of a cell, if the query needs the component.
    fn add_value(&mut self, cell: u32, component: GroupSumComponent, more: i64) {
        let place = self.component_positions[component as usize];
        if place != usize::MAX {
            let value = &mut self.values[cell as usize / CHUNK_CELLS][cell as usize % CHUNK_CELLS * self.components.len() + place];
            *value = component.combine(*value, more);
        }
    }

    /// Records a provider of the calls in a cell, if the query needs providers.
    pub(crate) fn add_provider(&mut self, cell: u32, provider: &str) {
        if self.component_positions[GroupSumComponent::Provider as usize] != usize::MAX {
            let number = i64::from(self.providers.number_of(provider)) + 1;
            self.add_value(cell, GroupSumComponent::Provider, number);
        }
    }

    /// Collects the durations of spans that were added to a cell, for percentiles.
    pub(crate) fn collect_durations(&mut self, cell: u32, spans: &CellContribution) {
        let keep = |collected: &mut Vec<BinCount>, bins: &DurationHistogram| {
            for (bin, mut count) in bins.iter() {
                while count > 0 {
                    let some = u16::try_from(count).unwrap_or(u16::MAX);
                    collected.push(BinCount { cell, bin, count: some });
                    count -= u32::from(some);
                }
            }
        };
        let (calls, runs) = self.collected.contribution_of(spans);
        calls.into_iter().for_each(|bins| keep(&mut self.calls, bins));
        runs.into_iter().for_each(|bins| keep(&mut self.runs, bins));
        self.merge_durations();
    }

    fn merge_durations(&mut self) {
        if self.calls.len() + self.runs.len() > 2 * self.merged_durations + MIN_MERGED_DURATIONS {
            merge(&mut self.calls);
            merge(&mut self.runs);
            self.merged_durations = self.calls.len() + self.runs.len();
        }
    }

    /// Adds the spans of rows. `by` is the column of the property, if there is one.
    pub(crate) fn add_rows(&mut self, rows: &RollupColumns, by: Option<&StringViewArray>, plan: &GroupPlan) {
        let mut groups = by.map(ViewMemo::of_column);
        let mut providers = rows.dimension(PROVIDER_DIMENSION).map(ViewMemo::of_column);
        let has_providers = self.component_positions[GroupSumComponent::Provider as usize] != usize::MAX;
        for row in 0..rows.rows() {
            let step = plan.steps.map_or(Some(0), |steps| steps.step_index(rows.start_us(row)));
            let Some(step) = step else { continue };
            let group = groups.as_mut().map_or(0, |memo| memo.number_of(row, |text| self.keys.number_of(text)));
            let mut sums = RollupSums::default();
            rows.add(row, &mut sums);
            let is_call = rows.is_call(row);
            let is_run = match plan.runs {
                RunSelector::Pipelines => rows.is_run(row),
                RunSelector::Kind(kind) => rows.is(KIND_DIMENSION, row, kind),
            };
            let all = ContributionPart { sums: &sums, failed: u64::from(rows.is_failed(row)), durations: None };
            let spans = CellContribution {
                spans: 1,
                calls: is_call.then_some(all),
                other_counted: (rows.is_counted(row) && !is_call).then_some(&sums),
                estimated: (is_call && rows.is(USAGE_SOURCE_DIMENSION, row, "estimated")).then_some(&sums),
                runs: is_run.then_some(all),
            };
            let cell = self.add(group, step, &spans);
            if is_call && has_providers {
                let number = providers.as_mut().map_or(0, |memo| memo.number_of(row, |text| self.providers.number_of(text)));
                self.add_value(cell, GroupSumComponent::Provider, i64::from(number));
            }
            let Some(bin) = rows.bin(row) else { continue };
            let duration = BinCount { cell, bin, count: 1 };
            if is_call && self.collected != CollectedDurations::None {
                self.calls.push(duration);
            }
            if is_run && self.collected == CollectedDurations::OfCallsAndRuns {
                self.runs.push(duration);
            }
        }
        self.merge_durations();
    }

    /// Adds all cells of a table with the same components.
    pub(crate) fn add_table(&mut self, other: &GroupTable) {
        let groups: Vec<u32> = (0..other.groups() as u32).map(|group| self.group_number(other.key_of_group(group))).collect();
        let providers: Vec<i64> =
            (0..other.providers.len() as u32).map(|number| i64::from(self.providers.number_of(other.providers.text(number))) + 1).collect();
        let mut cells = Vec::with_capacity(other.cells.len());
        for (cell, (group, step)) in (0u32..).zip(&other.cells) {
            let own = self.cell(groups[*group as usize], *step);
            for component in other.components.iter().copied() {
                let mut value = other.value(cell, component);
                if component == GroupSumComponent::Provider && value > 0 {
                    value = providers[value as usize - 1];
                }
                self.add_value(own, component, value);
            }
            cells.push(own);
        }
        let moved = |durations: &BinCount| BinCount { cell: cells[durations.cell as usize], ..*durations };
        self.calls.extend(other.calls.iter().map(moved));
        self.runs.extend(other.runs.iter().map(moved));
        self.merge_durations();
    }

    /// Returns the value of a component in a cell. If the query does not need the component, returns the value of an empty cell.
    pub(crate) fn value(&self, cell: u32, component: GroupSumComponent) -> i64 {
        let place = self.component_positions[component as usize];
        let at = cell as usize % CHUNK_CELLS * self.components.len() + place;
        if place == usize::MAX { component.empty() } else { self.values[cell as usize / CHUNK_CELLS][at] }
    }

    /// Returns the provider of the calls in a cell, if all calls have the same provider.
    pub(crate) fn provider(&self, cell: u32) -> Option<&str> {
        let number = u32::try_from(self.value(cell, GroupSumComponent::Provider) - 1).ok()?;
        Some(self.providers.text(number))
    }

    /// Returns percentiles of the durations in cells, in milliseconds: one for each cell and share.
    pub(crate) fn percentiles_ms<const N: usize>(
        &self,
        cells: &[u32],
        of: DurationSubject,
        stored: &RollupDurations,
        shares: [f64; N],
    ) -> Vec<[Option<f64>; N]> {
        let (collected, stored) = match of {
            DurationSubject::Calls => (&self.calls, &stored.calls),
            DurationSubject::Runs => (&self.runs, &stored.runs),
        };
        let mut percentiles = Vec::with_capacity(cells.len());
        // Position of each cell's histogram in `spreads`.
        let mut spread_at = vec![u32::MAX; self.cells.len()];
        for cells in cells.chunks(MAX_EXPANDED_CELLS) {
            let mut spreads = vec![DenseDurationHistogram::default(); cells.len()];
            (0u32..).zip(cells).for_each(|(at, cell)| spread_at[*cell as usize] = at);
            for durations in collected {
                if let Some(spread) = spreads.get_mut(spread_at[durations.cell as usize] as usize) {
                    spread.add_count(durations.bin, u64::from(durations.count));
                }
            }
            for (cell, bins) in stored {
                if let Some(spread) = spreads.get_mut(spread_at[*cell as usize] as usize) {
                    spread.add(bins);
                }
            }
            for (cell, spread) in cells.iter().zip(spreads) {
                spread_at[*cell as usize] = u32::MAX;
                let range = self.range_us(*cell, of);
                percentiles.push(shares.map(|share| spread.percentile(share, range).map(|us| us / 1000.0)));
            }
        }
        percentiles
    }

    /// Returns one percentile of the collected durations in milliseconds, for every cell.
    pub(crate) fn every_percentile_ms(&mut self, of: DurationSubject, share: f64) -> Vec<Option<f64>> {
        let collected = match of {
            DurationSubject::Calls => &mut self.calls,
            DurationSubject::Runs => &mut self.runs,
        };
        merge(collected);
        let collected = match of {
            DurationSubject::Calls => &self.calls,
            DurationSubject::Runs => &self.runs,
        };
        let mut percentiles = vec![None; self.cells.len()];
        for durations in collected.chunk_by(|one, next| one.cell == next.cell) {
            let cell = durations[0].cell;
            let bins = durations.iter().map(|durations| (durations.bin, u64::from(durations.count)));
            percentiles[cell as usize] = percentile(bins, share, self.range_us(cell, of)).map(|us| us / 1000.0);
        }
        percentiles
    }

    /// Returns the shortest and the longest duration in a cell in microseconds, if known.
    fn range_us(&self, cell: u32, of: DurationSubject) -> Option<(i64, i64)> {
        let (least, greatest) = match of {
            DurationSubject::Calls => (GroupSumComponent::MinCall, GroupSumComponent::MaxCall),
            DurationSubject::Runs => (GroupSumComponent::MinRun, GroupSumComponent::MaxRun),
        };
        Some((self.value(cell, least), self.value(cell, greatest))).filter(|(least, greatest)| least <= greatest)
    }
}

/// Merges entries of equal durations in the same cell.
fn merge(durations: &mut Vec<BinCount>) {
    durations.sort_unstable();
    durations.dedup_by(|next, first| {
        let sum = first.count.checked_add(next.count).filter(|_| (next.cell, next.bin) == (first.cell, first.bin));
        sum.inspect(|sum| first.count = *sum).is_some()
    });
}
