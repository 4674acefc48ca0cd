//! Holds a deletion that may be unintended.
//!
//! The data directory records the retention of each project, and the time at which it was last applied (`retention.last` in `hinomi.db`).
//! If the retention is now shorter, because of a setting, a start without the configuration, or a clock that jumped, the next sweep first
//! counts the data that it would delete. If this is more than a small part of the data, the deletion waits until somebody confirms it
//! (`hinomi retention confirm`), or until the server has run for a week since it first reported the deletion.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hinomi_store::{DeletionLoss, RetentionCandidate, RetentionDecision};
use hinomi_tables::database::SqliteError;
use hinomi_tables::metadata::{MetadataError, MetadataStore, ProjectRecord, RetentionOverrides};
use hinomi_tables::retained_rows;
use hinomi_tables::retained_rows::{ExpiringRowCount, ExpiryCutoffs, RetainedRows};
use serde::{Deserialize, Serialize};

use super::classes::RetentionRules;
use super::{RetentionError, RetentionResources, run_blocking};

/// Running time after which the server deletes without confirmation. It counts while the server runs, so a clock that jumps does not
/// shorten it.
const CONFIRMATION_PERIOD: Duration = Duration::from_secs(7 * 86_400);
/// Divisor for the part of a project's data that a change of settings may delete without confirmation: one tenth.
const SETTINGS_CHANGE_DIVISOR: u64 = 10;
/// The same for time that passed without a deletion, because the server was stopped or the clock jumped: one half.
const DOWNTIME_DIVISOR: u64 = 2;
/// Number of traces with errors or scores below which a decrease is not suspicious: they may all have expired.
const MIN_FLAGGED_TRACES: u64 = 100;
/// Gap between two sweeps that counts as normal.
const MAX_USUAL_SWEEP_GAP: Duration = Duration::from_secs(2 * 3600);

/// Metadata keys in `hinomi.db`.
const LAST_SWEEP_SETTING: &str = "retention.last";
const HELD_DELETION_SETTING: &str = "retention.held";
const CONFIRMED_DELETION_SETTING: &str = "retention.confirmed";

/// Retention of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ProjectRetention {
    days: u32,
    #[serde(rename = "keep")]
    overrides: RetentionOverrides,
}

impl ProjectRetention {
    fn of_projects(project: &ProjectRecord, days: u32) -> ProjectRetention {
        ProjectRetention { days: project.retention_days.unwrap_or(days), overrides: project.retention_overrides.clone() }
    }

    fn retention_rules(&self, now_us: i64) -> RetentionRules {
        let project =
            ProjectRecord { retention_days: Some(self.days), retention_overrides: self.overrides.clone(), ..ProjectRecord::default() };
        RetentionRules::of_project(&project, self.days, now_us)
    }
}

/// Retention that was last applied.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct EnforcedRetention {
    /// Retention by project, and when it was applied, in microseconds since the Unix epoch.
    projects: BTreeMap<u64, (ProjectRetention, i64)>,
    /// Number of traces with errors or scores, for each project that stores these longer.
    notable: BTreeMap<u64, u64>,
    /// Disk budget in bytes.
    budget_bytes: Option<u64>,
}

/// A held deletion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetentionHold {
    /// ID by which a confirmation refers to it.
    id: String,
    /// Retention that would be applied.
    projects: BTreeMap<u64, ProjectRetention>,
    budget_bytes: Option<u64>,
    /// Seconds that the server has run since it first reported the deletion.
    waited_s: u64,
    /// What would be deleted and why, one sentence each.
    pub what: Vec<String>,
}

impl RetentionHold {
    /// Returns the description of the held deletion.
    pub fn description(&self) -> String {
        let left = CONFIRMATION_PERIOD.as_secs().saturating_sub(self.waited_s);
        let left =
            if left > 2 * 86_400 { format!("{} more days", left.div_ceil(86_400)) } else { format!("{} more hours", left.div_ceil(3600)) };
        format!(
            "a deletion waits for confirmation: {}; revert the setting if this is not intended, or run `hinomi retention confirm`; otherwise the server deletes the data after {left} of running time",
            self.what.join("; ")
        )
    }
}

/// State of a held deletion between two sweeps.
#[derive(Debug, Default)]
pub struct RetentionHoldTracker(Mutex<RetentionHoldState>);

#[derive(Debug, Default)]
struct RetentionHoldState {
    hold: Option<RetentionHold>,
    /// Time of the last check.
    checked_at: Option<Instant>,
}

impl RetentionHoldTracker {
    /// Returns the held deletion at this moment.
    pub fn current_hold(&self) -> Option<RetentionHold> {
        self.lock().hold.clone()
    }

    fn lock(&self) -> MutexGuard<'_, RetentionHoldState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the held deletion of a data directory, as the server saved it.
pub fn stored_hold(meta: &MetadataStore) -> Option<RetentionHold> {
    serde_json::from_str(&meta.setting(HELD_DELETION_SETTING)?).ok()
}

/// Confirms the held deletion and returns it; `None` if there is none.
///
/// # Errors
///
/// Returns an error if the database cannot be written.
pub fn confirm_hold(meta: &MetadataStore) -> Result<Option<RetentionHold>, MetadataError> {
    let Some(held) = stored_hold(meta) else { return Ok(None) };
    meta.set_setting(CONFIRMED_DELETION_SETTING, &held.id)?;
    Ok(Some(held))
}

/// Returns whether the held deletion has been confirmed but not carried out.
pub fn is_confirmed(meta: &MetadataStore, holds: &RetentionHoldTracker) -> bool {
    holds.current_hold().is_some_and(|held| meta.setting(CONFIRMED_DELETION_SETTING).as_ref() == Some(&held.id))
}

/// Returns the retention of each project that was last applied, one line each.
pub fn enforced_settings(meta: &MetadataStore) -> Vec<String> {
    let projects = last_enforced(meta).projects;
    projects.iter().map(|(project, (kept, _))| format!("project {project}: retention of {} days", kept.days)).collect()
}

/// Returns the settings whose retention is shorter than the retention that was last applied, for a data directory whose server is not
/// running.
pub fn reduced_settings(meta: &MetadataStore, days: u32, budget_bytes: u64) -> Vec<String> {
    let last = last_enforced(meta);
    let mut found = Vec::new();
    for project in meta.directory().projects.values() {
        let now = ProjectRetention::of_projects(project, days);
        if let Some((before, _)) = last.projects.get(&project.id).filter(|(before, _)| now.days < before.days) {
            found.push(format!("project {}: {} days instead of {}", project.id, now.days, before.days));
        }
    }
    if let Some(before) = last.budget_bytes.filter(|before| is_smaller_budget(budget_bytes, Some(*before))) {
        let before = if before == 0 { "no limit".to_owned() } else { before.to_string() };
        found.push(format!("disk.budget_bytes: {budget_bytes} instead of {before}"));
    }
    found
}

fn last_enforced(meta: &MetadataStore) -> EnforcedRetention {
    meta.setting(LAST_SWEEP_SETTING).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Returns whether a budget is smaller than another; 0 means no budget.
fn is_smaller_budget(budget: u64, before: Option<u64>) -> bool {
    budget != 0 && before.is_none_or(|before| before == 0 || budget < before)
}

/// What a sweep may delete.
#[derive(Debug)]
pub(super) struct RetentionSweepPermit {
    /// Projects whose deletions are held.
    pub(super) held_projects: HashSet<u64>,
    /// Disk budget to apply in bytes; 0 for none.
    pub(super) budget_bytes: u64,
    last_enforced: EnforcedRetention,
    flagged: BTreeMap<u64, u64>,
    confirmed: bool,
}

/// Decides what may be deleted now. `rules` are the current ones, with the traces that are stored longer; `over_budget` is the number of
/// bytes to delete.
pub(super) async fn permit_sweep(
    resources: &RetentionResources,
    rules: &BTreeMap<u64, RetentionRules>,
    now_us: i64,
    over_budget: u64,
) -> Result<RetentionSweepPermit, RetentionError> {
    let meta = resources.meta.clone();
    let (last_enforced, confirmed, known) =
        run_blocking(move || (last_enforced(&meta), meta.setting(CONFIRMED_DELETION_SETTING), stored_hold(&meta))).await?;
    let favouring = rules.iter().filter(|(_, rules)| rules.stores_some_traces_longer());
    let flagged = favouring.map(|(project, rules)| (*project, rules.flagged_traces().len() as u64)).collect();
    let mut suspicious = SuspiciousDeletions::default();
    suspicious.check_retention(resources, &last_enforced, rules, now_us).await?;
    suspicious.check_notable(resources, &last_enforced, &flagged);
    suspicious.check_budget(resources, &last_enforced, over_budget);
    let mut permit = RetentionSweepPermit {
        held_projects: HashSet::new(),
        budget_bytes: resources.budget_bytes,
        last_enforced,
        flagged,
        confirmed: false,
    };
    if suspicious.reasons.is_empty() {
        store_hold(resources, None).await?;
        return Ok(permit);
    }
    let known = known.filter(|known| known.projects == suspicious.projects && known.budget_bytes == suspicious.budget_bytes);
    let is_new = known.is_none();
    let held = suspicious.into_hold(resources, known);
    if confirmed.as_ref() == Some(&held.id) || held.waited_s >= CONFIRMATION_PERIOD.as_secs() {
        tracing::warn!(what = held.what.join("; "), confirmed = confirmed.is_some(), "retention.deletion.resumed");
        store_hold(resources, None).await?;
        permit.confirmed = true;
        return Ok(permit);
    }
    if is_new {
        tracing::warn!(what = held.description(), "retention.deletion.held");
    }
    if held.budget_bytes.is_some() {
        permit.budget_bytes = permit.last_enforced.budget_bytes.unwrap_or(0);
    }
    permit.held_projects = held.projects.keys().copied().collect();
    store_hold(resources, Some(held)).await?;
    Ok(permit)
}

/// Deletions that may be unintended, found before a sweep.
#[derive(Debug, Default)]
struct SuspiciousDeletions {
    /// Retention that would be applied.
    projects: BTreeMap<u64, ProjectRetention>,
    /// Disk budget in bytes that would be applied.
    budget_bytes: Option<u64>,
    /// What would be deleted and why, one sentence each.
    reasons: Vec<String>,
}

impl SuspiciousDeletions {
    /// Finds projects of which a shorter retention, or a clock that jumped, would delete a large part.
    async fn check_retention(
        &mut self,
        resources: &RetentionResources,
        last: &EnforcedRetention,
        rules: &BTreeMap<u64, RetentionRules>,
        now_us: i64,
    ) -> Result<(), RetentionError> {
        let directory = resources.meta.directory();
        let usual_us = i64::try_from(MAX_USUAL_SWEEP_GAP.max(2 * resources.sweep_interval).as_micros()).unwrap_or(i64::MAX);
        // Projects whose retention is unchanged and was applied recently need no check.
        let unusual: Vec<(&u64, Option<&(ProjectRetention, i64)>)> = rules
            .keys()
            .map(|project| (project, last.projects.get(project)))
            .filter(|(project, before)| {
                let now = directory.projects.get(project).map(|project| ProjectRetention::of_projects(project, resources.default_days));
                !before.is_some_and(|(kept, at_us)| Some(kept) == now.as_ref() && now_us - at_us <= usual_us)
            })
            .collect();
        if unusual.is_empty() {
            return Ok(());
        }
        let rules_before = |(project, before): &(&u64, Option<&(ProjectRetention, i64)>)| {
            let (kept, at_us) = before.as_ref()?;
            let mut old = kept.retention_rules(*at_us);
            let now = rules.get(project)?;
            old.set_kept_traces(now.flagged_traces().clone(), now.pinned_traces());
            Some((**project, old))
        };
        let before: BTreeMap<u64, RetentionRules> = unusual.iter().filter_map(rules_before).collect();
        let lost = count_newly_expired(resources, &unusual.iter().map(|(project, _)| **project).collect(), before, rules).await?;
        for (project, before) in unusual {
            let Some(now) = directory.projects.get(project).map(|project| ProjectRetention::of_projects(project, resources.default_days))
            else {
                continue;
            };
            let by_time = before.is_some_and(|(kept, _)| *kept == now);
            let most = if by_time { DOWNTIME_DIVISOR } else { SETTINGS_CHANGE_DIVISOR };
            let found = lost.get(project).map(Vec::as_slice).unwrap_or_default();
            let Some((name, DeletionLoss { deleted_spans, all_spans })) =
                found.iter().find(|(_, tail)| tail.deleted_spans.saturating_mul(most) > tail.all_spans)
            else {
                continue;
            };
            let why = match before {
                None => format!("the previous retention is unknown, the current retention is {} days", now.days),
                Some((_, at_us)) if by_time => {
                    format!("the clock is {} days ahead of the last sweep", (now_us - at_us) / 86_400_000_000)
                }
                Some((kept, _)) if kept.days > now.days => format!("the retention is {} days instead of {}", now.days, kept.days),
                Some(_) => "some classes have a shorter retention than before".to_owned(),
            };
            self.reasons.push(format!("{deleted_spans} of {all_spans} {name} of project {project} would be deleted: {why}"));
            self.projects.insert(*project, now);
        }
        Ok(())
    }

    /// Finds projects that store traces with errors or scores longer, and of which most are not known any more.
    fn check_notable(&mut self, resources: &RetentionResources, last: &EnforcedRetention, flagged: &BTreeMap<u64, u64>) {
        let directory = resources.meta.directory();
        for (project, count) in flagged {
            let before = last.notable.get(project).copied().unwrap_or(0);
            let has_shrunk = before >= MIN_FLAGGED_TRACES && count.saturating_mul(DOWNTIME_DIVISOR) < before;
            if let Some(known) = directory.projects.get(project).filter(|_| has_shrunk) {
                self.reasons.push(format!(
                    "project {project} stores traces with errors or scores longer, but only {count} of {before} such traces are still known: errors.db or scores.db may be lost"
                ));
                self.projects.insert(*project, ProjectRetention::of_projects(known, resources.default_days));
            }
        }
    }

    /// Finds a smaller disk budget that would delete a large part of all spans.
    fn check_budget(&mut self, resources: &RetentionResources, last: &EnforcedRetention, over_budget: u64) {
        if over_budget == 0 || !is_smaller_budget(resources.budget_bytes, last.budget_bytes) {
            return;
        }
        let DeletionLoss { deleted_spans, all_spans } = resources.store.oldest_segments(over_budget);
        if deleted_spans.saturating_mul(SETTINGS_CHANGE_DIVISOR) > all_spans {
            let before = last.budget_bytes.filter(|bytes| *bytes > 0).map_or_else(String::new, |bytes| format!(" instead of {bytes}"));
            let budget_bytes = resources.budget_bytes;
            self.reasons.push(format!(
                "the oldest {deleted_spans} of {all_spans} spans would be deleted: disk.budget_bytes is {budget_bytes}{before}"
            ));
            self.budget_bytes = Some(budget_bytes);
        }
    }

    /// Returns the hold for these deletions, which continues the `known` one if that holds the same.
    fn into_hold(self, resources: &RetentionResources, known: Option<RetentionHold>) -> RetentionHold {
        let looked = resources.hold_tracker.lock().checked_at.replace(Instant::now()).filter(|_| known.is_some());
        let since_s = looked.map_or(0, |looked| looked.elapsed().as_secs());
        let (id, waited_s) = known.map_or_else(|| (format!("{:016x}", rand::random::<u64>()), 0), |known| (known.id, known.waited_s));
        let SuspiciousDeletions { projects, budget_bytes, reasons } = self;
        RetentionHold { id, projects, budget_bytes, waited_s: waited_s + since_s, what: reasons }
    }
}

/// Saves or removes the held deletion.
async fn store_hold(resources: &RetentionResources, held: Option<RetentionHold>) -> Result<(), RetentionError> {
    let text = held.as_ref().map(|held| serde_json::to_string(held).unwrap_or_default());
    let was_held = {
        let mut state = resources.hold_tracker.lock();
        std::mem::replace(&mut state.hold, held).is_some()
    };
    let meta = resources.meta.clone();
    let write = move || -> Result<(), MetadataError> {
        match text {
            Some(text) => meta.set_setting(HELD_DELETION_SETTING, &text),
            None if was_held || meta.setting(HELD_DELETION_SETTING).is_some() => {
                meta.delete_setting(HELD_DELETION_SETTING)?;
                meta.delete_setting(CONFIRMED_DELETION_SETTING)
            }
            None => Ok(()),
        }
    };
    Ok(run_blocking(write).await??)
}

impl RetentionSweepPermit {
    /// Saves the retention that was applied.
    pub(super) async fn enforced_settings(self, resources: &RetentionResources, now_us: i64) -> Result<(), RetentionError> {
        let directory = resources.meta.directory();
        let mut now = EnforcedRetention {
            projects: BTreeMap::new(),
            notable: self.flagged,
            budget_bytes: Some(self.budget_bytes)
                .filter(|_| self.confirmed || self.budget_bytes == resources.budget_bytes)
                .or(self.last_enforced.budget_bytes),
        };
        for project in &self.held_projects {
            match self.last_enforced.notable.get(project) {
                Some(before) => now.notable.insert(*project, *before),
                None => now.notable.remove(project),
            };
        }
        for project in directory.projects.values() {
            let entry = match self.last_enforced.projects.get(&project.id) {
                // The entry of a project does not change while its deletion is held.
                Some(before) if self.held_projects.contains(&project.id) => Some(before.clone()),
                None if self.held_projects.contains(&project.id) => None,
                _ => Some((ProjectRetention::of_projects(project, resources.default_days), now_us)),
            };
            now.projects.extend(entry.map(|entry| (project.id, entry)));
        }
        if now == self.last_enforced {
            return Ok(());
        }
        let (meta, text) = (resources.meta.clone(), serde_json::to_string(&now).unwrap_or_default());
        Ok(run_blocking(move || meta.set_setting(LAST_SWEEP_SETTING, &text)).await??)
    }
}

/// Losses by project, for each kind of data.
type ProjectDeletionLosses = BTreeMap<u64, Vec<(&'static str, DeletionLoss)>>;

/// Counts the data that expires by the current rules but not by the previous ones; without previous rules, all data that expires.
async fn count_newly_expired(
    resources: &RetentionResources,
    projects: &HashSet<u64>,
    before: BTreeMap<u64, RetentionRules>,
    now: &BTreeMap<u64, RetentionRules>,
) -> Result<ProjectDeletionLosses, RetentionError> {
    let (before, now) = (Arc::new(before), Arc::new(now.clone()));
    let fates = {
        let (before, now) = (before.clone(), now.clone());
        move |seen: &RetentionCandidate| {
            let fate = |rules: &BTreeMap<u64, RetentionRules>| {
                rules.get(&seen.project).map_or(RetentionDecision::Keep, |rules| rules.decide(seen))
            };
            fate(&now) > fate(&before)
        }
    };
    let latest = now.clone();
    let concerns = move |project: u64, start_us: i64| latest.get(&project).is_some_and(|rules| start_us < rules.latest_expiry_us());
    resources.store.flush().await?;
    let snapshot = resources.store.snapshot();
    let wanted = projects.clone();
    let spans = run_blocking(move || snapshot.count_losses(&wanted, &concerns, &fates)).await?;
    let (data, tables, wanted) = (resources.data.clone(), resources.tables.clone(), projects.clone());
    let count_all = move || -> Result<ProjectDeletionLosses, SqliteError> {
        let mut found = ProjectDeletionLosses::new();
        for project in wanted {
            let cutoffs = |rules: &BTreeMap<u64, RetentionRules>| rules.get(&project).map(RetentionRules::cutoffs);
            let mut losses = vec![("spans", spans.get(&project).copied().unwrap_or_default())];
            losses.extend(lost_rows(&data, &tables, project, cutoffs(&before).as_ref(), cutoffs(&now).as_ref())?);
            found.insert(project, losses);
        }
        Ok(found)
    };
    Ok(run_blocking(count_all).await??)
}

/// Counts the rows of a project that expire by the current cutoffs but not by the previous ones, by kind.
fn lost_rows(
    data: &Path,
    tables: &[Arc<dyn RetainedRows>],
    project: u64,
    before: Option<&ExpiryCutoffs>,
    now: Option<&ExpiryCutoffs>,
) -> Result<Vec<(&'static str, DeletionLoss)>, SqliteError> {
    let mut losses = Vec::new();
    for table in tables {
        let Some(rows) = table.rules().expiring else { continue };
        let [old_us, new_us] = [before, now].map(|cutoffs| cutoffs.map_or(i64::MIN, rows.cutoff));
        let ExpiringRowCount { all: all_spans, expiring } = retained_rows::count_expiring(data, &**table, &rows, project, old_us, new_us)?;
        losses.push((rows.label, DeletionLoss { all_spans, deleted_spans: expiring }));
    }
    Ok(losses)
}
