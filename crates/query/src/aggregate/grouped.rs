//! Totals by property value and time step: whole hours and days from roll-ups, other rows in batches. Memory grows with the number of
//! groups, not with the number of rows.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, StringViewArray};
use datafusion::execution::memory_pool::MemoryReservation;
use hinomi_store::rollup::{Rollup, RollupColumns, RollupGranularity};

use super::group_by::GroupBy;
use super::group_table::{CollectedDurations, DurationSubject, GroupSumComponent, GroupTable, RollupDurations};
use super::rollup::{CellContribution, QueryGrouping, RollupCellRef, RunSelector, ScopeSources};
use super::uncovered_rows::RowConsumer;
use crate::error::QueryError;
use crate::{ProjectSnapshot, QueryScope};

/// Maximum number of cells in the local table of a worker.
const MAX_LOCAL_CELLS: usize = 8192;
/// Minimum number of rows per cell for which local tables are worthwhile.
const MIN_ROWS_PER_CELL: usize = 4;

/// What a query computes for each group.
#[derive(Debug, Clone)]
pub(crate) struct GroupPlan {
    /// Property to group by; `None` for one group of all spans.
    pub(crate) group_by: Option<GroupBy>,
    pub(crate) runs: RunSelector,
    pub(crate) components: Vec<GroupSumComponent>,
    pub(crate) durations: CollectedDurations,
    /// Time steps to group by. Spans outside of these steps are ignored.
    pub(crate) steps: Option<GroupSteps>,
}

/// Time steps of equal length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupSteps {
    /// Number of the first step, counted from the Unix epoch.
    pub(crate) first_step: i64,
    pub(crate) count: i64,
    /// Length of a step, in microseconds.
    pub(crate) us: i64,
}

impl GroupSteps {
    /// Returns the index of the step that contains a time; `None` outside of the steps.
    pub(crate) fn step_index(&self, us: i64) -> Option<u32> {
        let place = us.div_euclid(self.us) - self.first_step;
        u32::try_from(place).ok().filter(|_| place < self.count)
    }
}

/// The aggregated groups of a scope.
#[derive(Debug)]
pub(crate) struct GroupAggregates {
    plan: GroupPlan,
    table: GroupTable,
    reserved: MemoryReservation,
}

impl ProjectSnapshot {
    /// Aggregates the rows of a scope, except rows in roll-ups. Returns these aggregates and the sources of all other spans. Returns `None`
    /// if there are only a few rows: the query engine is then equally fast, and exact.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails, or the groups need more memory than allowed.
    pub(crate) async fn groups(&self, scope: &QueryScope, plan: GroupPlan) -> Result<Option<(GroupAggregates, ScopeSources)>, QueryError> {
        let apart =
            QueryGrouping { group_by: plan.group_by.as_ref(), step_us: plan.steps.map(|steps| steps.us), ..QueryGrouping::default() };
        let Some(mut sources) = self.scope_sources(scope, apart).await? else { return Ok(None) };
        let groups = GroupAggregates {
            table: GroupTable::new(&plan.components, plan.durations),
            reserved: self.engine.reserve("groups of a sum"),
            plan: plan.clone(),
        };
        let shared = Arc::new(Mutex::new(groups));
        let rows = std::mem::take(&mut sources.other_rows);
        let granularity = apart.granularity();
        let new = || GroupRowConsumer {
            shared: shared.clone(),
            local: GroupTable::new(&plan.components, plan.durations),
            plan: plan.clone(),
            granularity,
            rows: 0,
            is_direct: false,
        };
        drop(self.consume_rows(scope, rows, granularity, apart.group_by, new).await?);
        let groups = Arc::into_inner(shared).map(|groups| groups.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok(groups.map(|groups| (groups, sources)))
    }
}

/// Aggregates the rows of one of several workers.
struct GroupRowConsumer {
    shared: Arc<Mutex<GroupAggregates>>,
    /// Groups that are not merged into the shared table yet. With few groups, workers do not wait for each other.
    local: GroupTable,
    plan: GroupPlan,
    granularity: RollupGranularity,
    /// Number of rows in the local table.
    rows: usize,
    /// Whether nearly every row has its own group, in which case rows are added to the shared table directly.
    is_direct: bool,
}

impl RowConsumer for GroupRowConsumer {
    fn consume(&mut self, batch: &RecordBatch, by: Option<&StringViewArray>) -> Result<(), QueryError> {
        let Some(rows) = RollupColumns::from_batch(batch, &self.granularity) else { return Ok(()) };
        let dimension = self.plan.group_by.as_ref().and_then(GroupBy::dimension);
        let by = by.or_else(|| rows.dimension(dimension?));
        if self.is_direct {
            let mut groups = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            groups.table.add_rows(&rows, by, &self.plan);
            return groups.update_reservation();
        }
        self.local.add_rows(&rows, by, &self.plan);
        self.rows += rows.rows();
        if self.local.cells_with_spans().len() > MAX_LOCAL_CELLS {
            self.is_direct = self.rows < self.local.cells_with_spans().len() * MIN_ROWS_PER_CELL;
            self.merge_into_shared()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), QueryError> {
        self.merge_into_shared()
    }
}

impl GroupRowConsumer {
    /// Merges the local table into the shared one.
    fn merge_into_shared(&mut self) -> Result<(), QueryError> {
        let local = std::mem::replace(&mut self.local, GroupTable::new(&self.plan.components, self.plan.durations));
        self.rows = 0;
        let mut groups = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        groups.table.add_table(&local);
        groups.update_reservation()
    }
}

impl GroupAggregates {
    /// Adds the totals of roll-ups. With `keeps`, the durations of the roll-ups are stored in the table, like the durations of rows;
    /// otherwise, the table only refers to them.
    pub(crate) fn add_sources<'a>(&mut self, sources: &'a ScopeSources, keeps: bool) -> Result<RollupDurations<'a>, QueryError> {
        let mut stored = RollupDurations::default();
        let mut memo = GroupMemo::default();
        let durations = self.plan.durations;
        for placed in sources.cells() {
            self.add_cell(&placed, &mut memo, |table, cell, spans| {
                if keeps { table.collect_durations(cell, spans) } else { stored.note_durations(cell, spans, durations) }
            });
        }
        for (user, spans, providers) in sources.users_of_days() {
            let group = self.table.group_number(user);
            let cell = self.table.add(group, 0, &spans);
            if keeps {
                self.table.collect_durations(cell, &spans)
            } else {
                stored.note_durations(cell, &spans, durations)
            }
            providers.for_each(|provider| self.table.add_provider(cell, provider));
        }
        self.update_reservation()?;
        Ok(stored)
    }

    fn add_cell<'a>(
        &mut self,
        placed: &RollupCellRef<'a>,
        memo: &mut GroupMemo<'a>,
        with_durations: impl FnOnce(&mut GroupTable, u32, &CellContribution<'a>),
    ) {
        let step = match self.plan.steps {
            None => 0,
            Some(steps) => match steps.step_index(placed.start_us()) {
                Some(step) => step,
                None => return,
            },
        };
        let group = match &self.plan.group_by {
            None => 0,
            Some(by) => memo.group(placed, by, &mut self.table),
        };
        let spans = placed.contribution(self.plan.runs);
        let cell = self.table.add(group, step, &spans);
        if let Some(provider) = placed.provider() {
            self.table.add_provider(cell, provider);
        }
        with_durations(&mut self.table, cell, &spans);
    }

    /// Updates the reservation to the memory that the table uses.
    fn update_reservation(&self) -> Result<(), QueryError> {
        Ok(self.reserved.try_resize(self.table.bytes())?)
    }

    pub(crate) fn table(&self) -> &GroupTable {
        &self.table
    }

    /// Returns whether there is one group of all spans.
    pub(crate) fn is_single_group(&self) -> bool {
        self.plan.group_by.is_none()
    }

    /// Returns one percentile of the durations of every cell in milliseconds, if all durations were collected.
    pub(crate) fn every_percentile_ms(&mut self, of: DurationSubject, share: f64) -> Vec<Option<f64>> {
        self.table.every_percentile_ms(of, share)
    }
}

/// Memo of the groups of a roll-up's texts.
#[derive(Debug, Default)]
struct GroupMemo<'a> {
    rollup: Option<&'a Rollup>,
    groups: Vec<u32>,
}

impl<'a> GroupMemo<'a> {
    fn group(&mut self, placed: &RollupCellRef<'a>, by: &GroupBy, table: &mut GroupTable) -> u32 {
        if let GroupBy::AnsweringModel(models) = by
            && let Some(model) = models.of_cell(placed)
        {
            return table.group_number(Some(model));
        }
        let rollup = placed.rollup();
        if !self.rollup.is_some_and(|known| std::ptr::eq(known, rollup)) {
            self.rollup = Some(rollup);
            self.groups.clear();
            self.groups.resize(rollup.texts.len(), u32::MAX);
        }
        let place = placed.text_index(by) as usize;
        let Some(known) = self.groups.get_mut(place) else { return 0 };
        if *known == u32::MAX {
            *known = table.group_number(rollup.texts[place].as_deref());
        }
        *known
    }
}
