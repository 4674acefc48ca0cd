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
use super::held_deletions::permit;
use super::{RetentionError, RetentionResources, blocking, bytes_of};

/// Expired rows of a table that could not be deleted.
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
        TableExpiryFailure { database: table.database(), project, error }
    }
}

/// Deletes what has expired, except deletions that wait for confirmation. The log reports what was deleted. Returns the tables whose rows
/// could not be deleted; the next run continues with them.
///
/// # Errors
///
/// When something else could not be read or written. What was deleted before stays deleted, and the next run continues.
pub async fn expire(places: &RetentionResources) -> Result<Vec<TableExpiryFailure>, RetentionError> {
    let now_us = jiff::Timestamp::now().as_microsecond();
    let directory = places.meta.directory();
    let mut rules = BTreeMap::new();
    for project in directory.projects.values() {
        rules.insert(project.id, of_project(places, project, now_us).await?);
    }
    let data = places.data.clone();
    let used = blocking(move || bytes_of(&data)).await?;
    let over = if places.budget_bytes == 0 { 0 } else { used.saturating_sub(places.budget_bytes) };
    let permit = permit(places, &rules, now_us, over).await?;
    rules.retain(|project, _| !permit.waiting.contains(project));
    let of_segments = rules.clone();
    let of_spans = rules.clone();
    let sweep = RetentionSweep {
        concerns: Arc::new(move |segment| {
            let latest = |project| of_segments.get(project).map_or(i64::MIN, RetentionRules::latest_us);
            segment.projects.iter().any(|project| segment.min_start_us < latest(project))
        }),
        // The settings of an unknown project are lost, so its spans are kept.
        judge: Arc::new(move |seen| of_spans.get(&seen.project).map_or(RetentionDecision::Kept, |rules| rules.fate(seen))),
    };
    let RetentionSweepResult { spans, without_texts, files, .. } = places.store.sweep(sweep).await?;
    if spans + without_texts > 0 {
        tracing::info!(spans, without_texts, files = files.len(), "retention.spans.expired");
    }
    let mut failures = Vec::new();
    expire_rows(places, &rules, &mut failures).await;
    within_budget(places, permit.budget_bytes).await?;
    let waits = places.holds.current().is_some();
    permit.enforced(places, now_us).await?;
    if let Some(before_us) = rules.values().map(|rules| rules.cutoffs().before_us).min().filter(|_| !waits) {
        expire_common_rows(places, before_us, &mut failures).await;
    }
    Ok(failures)
}

/// Returns the rules of a project, with the traces that are stored longer than others.
async fn of_project(places: &RetentionResources, project: &ProjectRecord, now_us: i64) -> Result<RetentionRules, RetentionError> {
    let mut rules = RetentionRules::of(project, places.days, now_us);
    let pinned: HashSet<TraceId> = places.meta.pins(project.id)?.into_iter().collect();
    let mut notable = HashSet::new();
    if rules.favours_notable() {
        notable = places.engine.project(places.store.snapshot(), project.id).failed_traces().await?;
        let (data, tables, project) = (places.data.clone(), places.tables.clone(), project.id);
        let read = move || -> Result<_, SqliteError> {
            let mut traces = HashSet::new();
            for table in &tables {
                traces.extend(retained_rows::notable_traces(&data, &**table, project)?);
            }
            Ok(traces)
        };
        notable.extend(blocking(read).await??);
    }
    rules.set_traces(notable, pinned);
    Ok(rules)
}

/// Deletes the expired rows of all tables. A failure affects no other project or table.
async fn expire_rows(places: &RetentionResources, rules: &BTreeMap<u64, RetentionRules>, failures: &mut Vec<TableExpiryFailure>) {
    let cutoffs: Vec<(u64, Arc<ExpiryCutoffs>)> = rules.iter().map(|(project, rules)| (*project, Arc::new(rules.cutoffs()))).collect();
    for table in &places.tables {
        let mut deleted = 0;
        for (project, cutoffs) in &cutoffs {
            match table.clone().expire(*project, cutoffs.clone()).await {
                Ok(0) => {}
                Ok(rows) => {
                    tracing::info!(database = table.database(), project, rows, "retention.tables.expired");
                    deleted += rows;
                }
                Err(error) => failures.push(TableExpiryFailure::new(&**table, Some(*project), error.into())),
            }
        }
        overwrite_deleted(places, table, deleted, failures).await;
    }
}

/// Deletes the rows that expire for all projects together: those that are older than the data of every project.
async fn expire_common_rows(places: &RetentionResources, before_us: i64, failures: &mut Vec<TableExpiryFailure>) {
    for table in &places.tables {
        match table.clone().expire_of_all_projects(before_us).await {
            Ok(deleted) => overwrite_deleted(places, table, deleted, failures).await,
            Err(error) => failures.push(TableExpiryFailure::new(&**table, None, error.into())),
        }
    }
}

/// Empties the WAL of a table after rows were deleted: it still contains them.
async fn overwrite_deleted(
    places: &RetentionResources,
    table: &Arc<dyn RetainedRows>,
    deleted: u64,
    failures: &mut Vec<TableExpiryFailure>,
) {
    if deleted == 0 {
        return;
    }
    let (data, of_table) = (places.data.clone(), table.clone());
    let emptied = blocking(move || retained_rows::empty_wal(&data, &*of_table)).await;
    if let Err(error) = emptied.and_then(|emptied| Ok(emptied?)) {
        failures.push(TableExpiryFailure::new(&**table, None, error));
    }
}

/// Deletes the oldest segments while the data directory exceeds the disk budget, logs it and stores a receipt.
async fn within_budget(places: &RetentionResources, budget: u64) -> Result<(), RetentionError> {
    let data = places.data.clone();
    let used = blocking(move || bytes_of(&data)).await?;
    if budget == 0 || used <= budget {
        return Ok(());
    }
    let began = std::time::Instant::now();
    let swept = places.store.drop_oldest(used - budget).await?;
    if swept.files.is_empty() {
        tracing::warn!(used, budget, reason = "no old segments are left to delete", "retention.disk_budget.exceeded");
        return Ok(());
    }
    tracing::warn!(used, budget, spans = swept.spans, "retention.disk_budget.oldest_deleted");
    let mut receipt = DeletionReceipt::of(0, DeletionSubject::Budget, &swept);
    receipt.subject = Some(format!("{used} bytes where {budget} may be used (disk.budget_bytes)"));
    receipt.duration_ms = began.elapsed().as_millis() as u64;
    receipt.keep(places).await
}
