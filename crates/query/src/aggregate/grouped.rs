//! Sums for each value of a property, and for each step of time: whole hours and days from roll-ups, other rows a few at a time, so that it
//! takes memory for the groups and not for the rows.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, StringViewArray};
use datafusion::execution::memory_pool::MemoryReservation;
use hinomi_store::rollup::{Rollup, RollupColumns, RollupGranularity};

use super::group_by::GroupBy;
use super::group_table::{CollectedDurations, DurationSubject, GroupSumComponent, GroupTable, RollupDurations};
use super::live::RowConsumer;
use super::rollup::{CellContribution, QueryGrouping, RollupCellRef, RunSelector, ScopeSources};
use crate::error::QueryError;
use crate::{ProjectSnapshot, QueryScope};

/// Cells that each worker has for itself.
const MAX_LOCAL_CELLS: usize = 8192;
/// With fewer rows in each of them there is little to gain.
const MIN_ROWS_PER_CELL: usize = 4;

/// What a question wants of each group.
#[derive(Debug, Clone)]
pub(crate) struct GroupPlan {
    /// The property; without one there is one group.
    pub(crate) by: Option<GroupBy>,
    pub(crate) runs: RunSelector,
    pub(crate) components: Vec<GroupSumComponent>,
    pub(crate) durations: CollectedDurations,
    /// Steps of time that are told apart; spans outside of them are left out.
    pub(crate) steps: Option<GroupSteps>,
}

/// Steps of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupSteps {
    /// The number of the first, counted from the Unix epoch.
    pub(crate) first: i64,
    pub(crate) count: i64,
    /// Length of each, in microseconds.
    pub(crate) us: i64,
}

impl GroupSteps {
    /// Where the step is that has this moment.
    pub(crate) fn place(&self, us: i64) -> Option<u32> {
        let place = us.div_euclid(self.us) - self.first;
        u32::try_from(place).ok().filter(|_| place < self.count)
    }
}

/// The groups of a scope.
#[derive(Debug)]
pub(crate) struct GroupAggregates {
    plan: GroupPlan,
    table: GroupTable,
    reserved: MemoryReservation,
}

impl ProjectSnapshot {
    /// The groups of the rows of a scope, and the sources of all others; `None` where there are so few rows that the query engine is as fast,
    /// and exact.
    ///
    /// # Errors
    ///
    /// When the engine fails, or there is not enough memory for so many groups.
    pub(crate) async fn groups(&self, scope: &QueryScope, plan: GroupPlan) -> Result<Option<(GroupAggregates, ScopeSources)>, QueryError> {
        let apart = QueryGrouping { by: plan.by.as_ref(), step_us: plan.steps.map(|steps| steps.us), ..QueryGrouping::default() };
        let Some(mut sources) = self.sources(scope, apart).await? else { return Ok(None) };
        let groups = GroupAggregates {
            table: GroupTable::new(&plan.components, plan.durations),
            reserved: self.engine.reserve("groups of a sum"),
            plan: plan.clone(),
        };
        let shared = Arc::new(Mutex::new(groups));
        let rows = std::mem::take(&mut sources.rest);
        let grain = apart.grain();
        let new = || GroupRowConsumer {
            shared: shared.clone(),
            local: GroupTable::new(&plan.components, plan.durations),
            plan: plan.clone(),
            grain,
            rows: 0,
            is_direct: false,
        };
        drop(self.take_rows(scope, rows, grain, apart.by, new).await?);
        let groups = Arc::into_inner(shared).map(|groups| groups.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok(groups.map(|groups| (groups, sources)))
    }
}

/// Rows of which groups are made by one of several workers.
struct GroupRowConsumer {
    shared: Arc<Mutex<GroupAggregates>>,
    /// What was not yet added to the groups of all: while there are few groups, nobody waits for another.
    local: GroupTable,
    plan: GroupPlan,
    grain: RollupGranularity,
    /// How many rows are in it.
    rows: usize,
    /// Whether nearly each row is of another group, so that to add it twice is of no use.
    is_direct: bool,
}

impl RowConsumer for GroupRowConsumer {
    fn take(&mut self, batch: &RecordBatch, by: Option<&StringViewArray>) -> Result<(), QueryError> {
        let Some(rows) = RollupColumns::of(batch, &self.grain) else { return Ok(()) };
        let dimension = self.plan.by.as_ref().and_then(GroupBy::dimension);
        let by = by.or_else(|| rows.dimension(dimension?));
        if self.is_direct {
            let mut groups = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            groups.table.add_rows(&rows, by, &self.plan);
            return groups.settle();
        }
        self.local.add_rows(&rows, by, &self.plan);
        self.rows += rows.rows();
        if self.local.cells().len() > MAX_LOCAL_CELLS {
            self.is_direct = self.rows < self.local.cells().len() * MIN_ROWS_PER_CELL;
            self.hand_on()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), QueryError> {
        self.hand_on()
    }
}

impl GroupRowConsumer {
    /// Adds what is only here to the groups of all.
    fn hand_on(&mut self) -> Result<(), QueryError> {
        let local = std::mem::replace(&mut self.local, GroupTable::new(&self.plan.components, self.plan.durations));
        self.rows = 0;
        let mut groups = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        groups.table.add_table(&local);
        groups.settle()
    }
}

impl GroupAggregates {
    /// Adds all that roll-ups tell. With `keeps` their durations go into the table as those of rows do, else they are only noted.
    pub(crate) fn add_sources<'a>(&mut self, sources: &'a ScopeSources, keeps: bool) -> Result<RollupDurations<'a>, QueryError> {
        let mut stored = RollupDurations::default();
        let mut memo = GroupMemo::default();
        let durations = self.plan.durations;
        for placed in sources.cells() {
            self.add_cell(
                &placed,
                &mut memo,
                |table, cell, spans| {
                    if keeps { table.keep_durations(cell, spans) } else { stored.note(cell, spans, durations) }
                },
            );
        }
        for (user, spans, providers) in sources.users_of_days() {
            let group = self.table.group(user);
            let cell = self.table.add(group, 0, &spans);
            if keeps {
                self.table.keep_durations(cell, &spans)
            } else {
                stored.note(cell, &spans, durations)
            }
            providers.for_each(|provider| self.table.add_provider(cell, provider));
        }
        self.settle()?;
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
            Some(steps) => match steps.place(placed.start_us()) {
                Some(step) => step,
                None => return,
            },
        };
        let group = match &self.plan.by {
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

    /// Says how much memory it takes now.
    fn settle(&self) -> Result<(), QueryError> {
        Ok(self.reserved.try_resize(self.table.bytes())?)
    }

    pub(crate) fn table(&self) -> &GroupTable {
        &self.table
    }

    /// Whether there is one group of all spans, without a property.
    pub(crate) fn is_one(&self) -> bool {
        self.plan.by.is_none()
    }

    /// A percentile of each cell, in milliseconds, where all durations were kept.
    pub(crate) fn every_percentile_ms(&mut self, of: DurationSubject, share: f64) -> Vec<Option<f64>> {
        self.table.every_percentile_ms(of, share)
    }
}

/// The groups of a roll-up's texts, as far as they were looked up.
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
            return table.group(Some(model));
        }
        let rollup = placed.rollup();
        if !self.rollup.is_some_and(|known| std::ptr::eq(known, rollup)) {
            self.rollup = Some(rollup);
            self.groups.clear();
            self.groups.resize(rollup.texts.len(), u32::MAX);
        }
        let place = placed.value_place(by) as usize;
        let Some(known) = self.groups.get_mut(place) else { return 0 };
        if *known == u32::MAX {
            *known = table.group(rollup.texts[place].as_deref());
        }
        *known
    }
}
