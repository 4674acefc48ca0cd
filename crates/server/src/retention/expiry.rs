//! Deletes data that has expired, and the oldest data when the disk budget is reached.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use hinomi_model::id::TraceId;
use hinomi_store::{RetentionDecision, RetentionSweep, RetentionSweepResult};
use hinomi_tables::database::SqliteError;
use hinomi_tables::metadata::ProjectRecord;
use hinomi_tables::retained_rows;
use hinomi_tables::retained_rows::{ExpiryCutoffs, RetainedRows};

use super::classes::RetentionRules;
use super::erasure::{DeletionReceipt, DeletionSubject};
use super::held_deletions::permit_sweep;
use super::{RetentionError, RetentionResources, directory_bytes, run_blocking};

/// A table whose expired rows could not be deleted.
#[derive(Debug)]
pub struct TableExpiryFailure {
    /// File name of the database.
    pub database: &'static str,
    /// ID of the project; `None` for rows of all projects.
    pub project: Option<u64>,
    /// Reason.
    pub error: RetentionError,
}

impl TableExpiryFailure {
    fn new(table: &dyn RetainedRows, project: Option<u64>, error: RetentionError) -> TableExpiryFailure {
        TableExpiryFailure { database: table.rules().database, project, error }
    }
}

/// Deletes what has expired, except deletions that wait for confirmation. The log reports what was deleted. Returns the tables whose rows
/// could not be deleted; the next run continues with them.
///
/// # Errors
///
/// Returns an error if other data could not be read or written. Data that was already deleted stays deleted, and the next run continues.
pub async fn delete_expired(resources: &RetentionResources) -> Result<Vec<TableExpiryFailure>, RetentionError> {
    let now_us = jiff::Timestamp::now().as_microsecond();
    let directory = resources.meta.directory();
    let mut rules = BTreeMap::new();
    for project in directory.projects.values() {
        rules.insert(project.id, expire_project(resources, project, now_us).await?);
    }
    let data = resources.data.clone();
    let used = run_blocking(move || directory_bytes(&data)).await?;
    let over = if resources.budget_bytes == 0 { 0 } else { used.saturating_sub(resources.budget_bytes) };
    let permit = permit_sweep(resources, &rules, now_us, over).await?;
    rules.retain(|project, _| !permit.held_projects.contains(project));
    let of_segments = rules.clone();
    let of_spans = rules.clone();
    let sweep = RetentionSweep {
        affects_segment: Arc::new(move |segment| {
            let latest = |project| of_segments.get(project).map_or(i64::MIN, RetentionRules::latest_expiry_us);
            segment.projects.iter().any(|project| segment.min_start_us < latest(project))
        }),
        // The settings of an unknown project are lost, so its spans are kept.
        decide: Arc::new(move |seen| of_spans.get(&seen.project).map_or(RetentionDecision::Keep, |rules| rules.decide(seen))),
    };
    let RetentionSweepResult { spans, without_messages, segment_files, .. } = resources.store.apply_sweep(sweep).await?;
    if spans + without_messages > 0 {
        tracing::info!(spans, without_texts = without_messages, segment_files = segment_files.len(), "retention.spans.expired");
    }
    let mut failures = Vec::new();
    expire_rows(resources, &rules, &mut failures).await;
    enforce_disk_budget(resources, permit.budget_bytes).await?;
    let waits = resources.hold_tracker.current_hold().is_some();
    permit.enforced_settings(resources, now_us).await?;
    if let Some(before_us) = rules.values().map(|rules| rules.cutoffs().before_us).min().filter(|_| !waits) {
        expire_common_rows(resources, before_us, &mut failures).await;
    }
    Ok(failures)
}

/// Returns the rules of a project, with the traces that are stored longer than others.
async fn expire_project(resources: &RetentionResources, project: &ProjectRecord, now_us: i64) -> Result<RetentionRules, RetentionError> {
    let mut rules = RetentionRules::of_project(project, resources.default_days, now_us);
    let pinned: HashSet<TraceId> = resources.meta.pins(project.id)?.into_iter().collect();
    let mut notable = HashSet::new();
    if rules.stores_some_traces_longer() {
        notable = resources.engine.project(resources.store.snapshot(), project.id).failed_traces().await?;
        let (data, tables, project) = (resources.data.clone(), resources.tables.clone(), project.id);
        let read = move || -> Result<_, SqliteError> {
            let mut traces = HashSet::new();
            for table in &tables {
                traces.extend(retained_rows::notable_traces(&data, &**table, project)?);
            }
            Ok(traces)
        };
        notable.extend(run_blocking(read).await??);
    }
    rules.set_kept_traces(notable, pinned);
    Ok(rules)
}

/// Deletes the expired rows of all tables. A failure affects no other project or table.
async fn expire_rows(resources: &RetentionResources, rules: &BTreeMap<u64, RetentionRules>, failures: &mut Vec<TableExpiryFailure>) {
    let cutoffs: Vec<(u64, Arc<ExpiryCutoffs>)> = rules.iter().map(|(project, rules)| (*project, Arc::new(rules.cutoffs()))).collect();
    for table in &resources.tables {
        let mut deleted = 0;
        for (project, cutoffs) in &cutoffs {
            match table.clone().expire(*project, cutoffs.clone()).await {
                Ok(0) => {}
                Ok(rows) => {
                    tracing::info!(database = table.rules().database, project, rows, "retention.tables.expired");
                    deleted += rows;
                }
                Err(error) => failures.push(TableExpiryFailure::new(&**table, Some(*project), error.into())),
            }
        }
        overwrite_deleted(resources, table, deleted, failures).await;
    }
}

/// Deletes the rows that expire for all projects together: those that are older than the data of every project.
async fn expire_common_rows(resources: &RetentionResources, before_us: i64, failures: &mut Vec<TableExpiryFailure>) {
    for table in &resources.tables {
        match table.clone().expire_of_all_projects(before_us).await {
            Ok(deleted) => overwrite_deleted(resources, table, deleted, failures).await,
            Err(error) => failures.push(TableExpiryFailure::new(&**table, None, error.into())),
        }
    }
}

/// Empties the WAL of a table after rows were deleted: it still contains them.
async fn overwrite_deleted(
    resources: &RetentionResources,
    table: &Arc<dyn RetainedRows>,
    deleted: u64,
    failures: &mut Vec<TableExpiryFailure>,
) {
    if deleted == 0 {
        return;
    }
    let (data, of_table) = (resources.data.clone(), table.clone());
    let emptied = run_blocking(move || retained_rows::empty_wal(&data, &*of_table)).await;
    if let Err(error) = emptied.and_then(|emptied| Ok(emptied?)) {
        failures.push(TableExpiryFailure::new(&**table, None, error));
    }
}

/// Deletes the oldest segments while the data directory exceeds the disk budget, logs it and stores a receipt.
async fn enforce_disk_budget(resources: &RetentionResources, budget: u64) -> Result<(), RetentionError> {
    let data = resources.data.clone();
    let used = run_blocking(move || directory_bytes(&data)).await?;
    if budget == 0 || used <= budget {
        return Ok(());
    }
    let began = std::time::Instant::now();
    let swept = resources.store.drop_oldest_segments(used - budget).await?;
    if swept.segment_files.is_empty() {
        tracing::warn!(used, budget, reason = "no old segments are left to delete", "retention.disk_budget.exceeded");
        return Ok(());
    }
    tracing::warn!(used, budget, spans = swept.spans, "retention.disk_budget.oldest_deleted");
    let mut receipt = DeletionReceipt::of(0, DeletionSubject::Budget, &swept);
    receipt.subject = Some(format!("{used} bytes are used, the limit is {budget} (disk.budget_bytes)"));
    receipt.duration_ms = began.elapsed().as_millis() as u64;
    receipt.store_receipt(resources).await
}
