//! Deletes data that has expired, and the oldest data when the disk budget is reached.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use hinomi_model::id::TraceId;
use hinomi_store::{RetentionDecision, RetentionSweep, RetentionSweepResult};
use hinomi_tables::database::SqliteError;
use hinomi_tables::metadata::ProjectRecord;

use super::classes::RetentionRules;
use super::erasure::{DeletionReceipt, DeletionSubject};
use super::held_deletions::permit;
use super::table_statements::{DeletedRowCounts, EXPIRED, EXPIRED_LINES};
use super::{RetentionError, RetentionResources, blocking, bytes_of, table_statements};

/// Cutoff times for other data that follows the retention of projects.
#[derive(Debug, Default)]
pub struct ExpiryCutoffs {
    /// Time by project before which everything expires, in microseconds since the Unix epoch. Projects with a held deletion are missing.
    pub before_us: BTreeMap<u64, i64>,
    /// Whether a deletion is held.
    pub waits: bool,
}

/// Deletes what has expired, except deletions that wait for confirmation. The log reports what was deleted.
///
/// # Errors
///
/// When something could not be read or written. What was deleted before stays deleted, and the next run continues.
pub async fn expire(places: &RetentionResources) -> Result<ExpiryCutoffs, RetentionError> {
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
    for (project, rules) in &rules {
        beside(places, *project, rules).await?;
    }
    within_budget(places, permit.budget_bytes).await?;
    let waits = places.holds.current().is_some();
    permit.enforced(places, now_us).await?;
    let before_us = rules.iter().map(|(project, rules)| (*project, rules.before_us())).collect();
    Ok(ExpiryCutoffs { before_us, waits })
}

/// Returns the rules of a project, with the traces that are stored longer than others.
async fn of_project(places: &RetentionResources, project: &ProjectRecord, now_us: i64) -> Result<RetentionRules, RetentionError> {
    let mut rules = RetentionRules::of(project, places.days, now_us);
    let pinned: HashSet<TraceId> = places.meta.pins(project.id)?.into_iter().collect();
    let mut notable = HashSet::new();
    if rules.favours_notable() {
        notable = places.engine.project(places.store.snapshot(), project.id).failed_traces().await?;
        let (data, project) = (places.data.clone(), project.id);
        notable.extend(blocking(move || table_statements::notable(&data, project)).await??);
    }
    rules.set_traces(notable, pinned);
    Ok(rules)
}

/// Deletes expired error events, scores and log lines.
async fn beside(places: &RetentionResources, project: u64, rules: &RetentionRules) -> Result<(), RetentionError> {
    let (before_us, lines_before_us) = (rules.notable_before_us(), rules.lines_before_us());
    let kept = rules.clone();
    let (data, scores) = (places.data.clone(), places.scores.clone());
    let gone = if rules.kept_traces().is_empty() {
        // The stores delete a few thousand rows at a time, so that ingestion continues.
        let errors = places.errors.delete_before(project, before_us).await?;
        let log_lines = places.logs.delete_before(project, lines_before_us).await?;
        let rest = move || {
            let scores = scores.delete_before(project, before_us)? as u64;
            if errors + log_lines + scores > 0 {
                table_statements::empty_wals(&data)?;
            }
            Ok::<_, SqliteError>(DeletedRowCounts { errors, scores, log_lines, ..DeletedRowCounts::default() })
        };
        blocking(rest).await??
    } else {
        let work = move || {
            let gone = table_statements::run(&data, EXPIRED, project, Some(before_us), &kept.pinned(), &[])?;
            let lines = table_statements::run(&data, EXPIRED_LINES, project, Some(lines_before_us), &kept.kept_traces(), &[])?;
            Ok::<_, SqliteError>(DeletedRowCounts { log_lines: gone.log_lines + lines.log_lines, ..gone })
        };
        blocking(work).await??
    };
    let DeletedRowCounts { errors, scores, log_lines, .. } = gone;
    if errors + scores + log_lines > 0 {
        tracing::info!(project, errors, scores, log_lines, "retention.tables.expired");
    }
    Ok(())
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
        tracing::warn!(used, budget, "retention.disk_budget.exceeded: what takes the room are no old spans");
        return Ok(());
    }
    tracing::warn!(used, budget, spans = swept.spans, "retention.disk_budget.oldest_deleted");
    let mut receipt = DeletionReceipt::of(0, DeletionSubject::Budget, &swept);
    receipt.subject = Some(format!("{used} bytes where {budget} may be used (disk.budget_bytes)"));
    receipt.duration_ms = began.elapsed().as_millis() as u64;
    receipt.keep(places).await
}
