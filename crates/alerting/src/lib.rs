//! Alert rules and budgets: what they measure, when they fire, and who is notified.
//!
//! `rule` and `incident` define rules, budgets and incidents; `alert_store` stores them in `alerts.db`. `worker::row_feed` receives every
//! row that the store adds or removes. `evaluator::series_index` finds the metric series of a row (`evaluator::metric_series`), which add
//! it to time buckets. The `evaluator` compares the series with the thresholds when rows arrive and as time passes. It is pure: it
//! receives the time as an argument. The `worker` runs it on a thread: it reads past rows from the store (`worker::backfill`), stores the
//! changes, finds the top contributors (`incident::contributors`) and passes notifications to `delivery`.

mod alert_store;
mod clock;
pub mod delivery;
mod error;
mod evaluator;
mod incident;
mod name_redaction;
mod preview;
mod project_counters;
mod retention;
mod rule;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use hinomi_tables::database::SqliteError;

pub use crate::delivery::notification::{BudgetPeriod, ComparisonBaseline};
pub use crate::evaluator::forecast::{ForecastMethod, SpendForecast};
pub use crate::evaluator::state::{BudgetGroupState, BudgetState, RuleState};
pub use crate::incident::chart::{IncidentChart, IncidentDefinition, ThresholdLine, incident_chart};
pub use crate::rule::budget::{Budget, WeekStart};
pub use crate::rule::duration::HumanDuration;
pub use crate::rule::file::{AlertFile, AlertFileChange, AlertFileChangeKind, ChannelNames, parse_file as read_file, write_file};
pub use crate::rule::metric::{AlertMetric, ScoreStatistic};
use crate::worker::row_feed::RowChangeFeed;
pub use alert_store::{AlertRecord, FORMAT, IncidentFilter};
use alert_store::{AlertStore, IncidentChange, PendingNotification};
pub use clock::{EvaluationClock, SystemClock};
pub use error::AlertError;
use evaluator::RuleEvaluator;
pub use incident::{AlertSource, Incident, IncidentEventKind, IncidentState, IncidentTimelineEntry};
pub use preview::{PreviewError, RulePreview, preview};
use project_counters::ProjectCounters;
pub use rule::{AlertRule, NoDataPolicy, NotificationPolicy};
use worker::EvaluationWorker;
pub use worker::{ErrorCountFn, EvaluatorDependencies, FindingCountFn, ScoreStatisticFn};

/// Time for which resolved incidents are remembered, which keeps late spans from firing for them again, in microseconds.
const RESOLVED_MEMORY_US: i64 = 63 * 86_400_000_000;

/// Maximum time to wait until delivery has accepted pending notifications.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(60);

/// Rules, budgets and incidents of all projects. The methods block while they read or write.
#[derive(Debug)]
pub struct AlertService {
    store: AlertStore,
    evaluator: Mutex<RuleEvaluator>,
    /// State of budgets by project and name.
    states: RwLock<HashMap<(u64, String), Arc<BudgetState>>>,
    /// Notifications of actions by people, until the evaluation thread takes them.
    pending_notifications: Mutex<Vec<PendingNotification>>,
    /// Counters of projects that are scraped.
    project_counters: Mutex<HashMap<u64, ProjectCounters>>,
    /// Set when rules or budgets were changed in this process.
    definitions_changed: AtomicBool,
    /// Number of passes of the evaluation thread. At the end of each pass, delivery has accepted its notifications.
    completed_passes: AtomicU64,
    worker: Mutex<Option<EvaluationThread>>,
}

/// The running evaluation thread.
#[derive(Debug)]
struct EvaluationThread {
    feed: Arc<RowChangeFeed>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Action of a person on an incident.
#[derive(Debug, Clone, PartialEq)]
pub enum IncidentAction {
    /// Acknowledges the incident.
    Acknowledge,
    /// Resolves the incident.
    Resolve,
    /// Adds a note.
    Note(String),
    /// Snoozes notifications until this time, in microseconds since the Unix epoch; `None` ends the snooze.
    Snooze(Option<i64>),
}

macro_rules! definition_operations {
    ($what:literal, $type:ty, $list:ident, $get:ident, $create:ident, $replace:ident, $delete:ident, $mute:ident) => {
        #[doc = concat!("Returns the ", $what, "s of a project, the oldest first.\n\n# Errors\n\nReturns an error if the database cannot be read.")]
        pub fn $list(&self, project: u64) -> Result<Vec<AlertRecord<$type>>, AlertError> {
            Ok(self.store.list_definitions(Some(project))?)
        }

        #[doc = concat!("Returns a ", $what, ".\n\n# Errors\n\nReturns an error if the ", $what, " does not exist.")]
        pub fn $get(&self, project: u64, id: i64) -> Result<AlertRecord<$type>, AlertError> {
            self.store.definition(project, id)
        }

        #[doc = concat!("Creates a ", $what, ".\n\n# Errors\n\nReturns an error if the ", $what, " is not valid, or its name is taken.")]
        pub fn $create(&self, project: u64, what: &$type) -> Result<AlertRecord<$type>, AlertError> {
            self.store.create_definition(project, what, now_us()).inspect(|_| self.reload_definitions())
        }

        #[doc = concat!("Replaces a ", $what, ".\n\n# Errors\n\nReturns an error if the ", $what, " does not exist or is not valid, or its name is taken.")]
        pub fn $replace(&self, project: u64, id: i64, what: &$type) -> Result<AlertRecord<$type>, AlertError> {
            self.store.replace_definition(project, id, what, now_us()).inspect(|_| self.reload_definitions())
        }

        #[doc = concat!("Deletes a ", $what, ". Its incidents are kept.\n\n# Errors\n\nReturns an error if the ", $what, " does not exist.")]
        pub fn $delete(&self, project: u64, id: i64) -> Result<(), AlertError> {
            self.store.delete_definition::<$type>(project, id).inspect(|()| self.reload_definitions())
        }

        #[doc = concat!("Mutes a ", $what, " until a time; `None` unmutes it.\n\n# Errors\n\nReturns an error if the ", $what, " does not exist.")]
        pub fn $mute(&self, project: u64, id: i64, until_us: Option<i64>) -> Result<AlertRecord<$type>, AlertError> {
            self.store.set_muted::<$type>(project, id, until_us).inspect(|_| self.reload_definitions())
        }
    };
}

impl AlertService {
    /// Opens or creates `alerts.db` in a data directory.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<AlertService, SqliteError> {
        let store = AlertStore::open(dir)?;
        let mut evaluator = RuleEvaluator::new(now_us());
        for incident in store.recent_incidents(now_us() - RESOLVED_MEMORY_US)? {
            evaluator.restore_incident(incident);
        }
        Ok(AlertService {
            store,
            evaluator: Mutex::new(evaluator),
            states: RwLock::default(),
            pending_notifications: Mutex::default(),
            project_counters: Mutex::default(),
            definitions_changed: AtomicBool::new(false),
            completed_passes: AtomicU64::new(0),
            worker: Mutex::default(),
        })
    }

    /// Starts the evaluation thread. The queries of the thread run on `runtime`, which has a lower priority than ingestion.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread cannot be started.
    pub fn start(self: &Arc<Self>, dependencies: EvaluatorDependencies, runtime: tokio::runtime::Handle) -> std::io::Result<()> {
        let (feed, heard) = RowChangeFeed::new();
        let (feed, stop) = (Arc::new(feed), Arc::new(AtomicBool::new(false)));
        dependencies.store.subscribe_to_rows(feed.clone());
        lock(&self.evaluator).set_public_url(&dependencies.public_url);
        let ringer = EvaluationWorker::new(self.clone(), dependencies, (feed.clone(), heard), runtime, stop.clone());
        let thread = std::thread::Builder::new().name("alert".to_owned()).spawn(move || ringer.run())?;
        *lock(&self.worker) = Some(EvaluationThread { feed, stop, thread });
        Ok(())
    }

    /// Stops the evaluation thread after it has evaluated all received rows. Blocks the calling thread.
    pub fn stop(&self) {
        let running = lock(&self.worker).take();
        if let Some(EvaluationThread { feed, stop, thread }) = running {
            stop.store(true, Ordering::Release);
            feed.wake();
            let _ = thread.join();
        }
    }

    /// Makes the evaluation thread reload rules and budgets.
    fn reload_definitions(&self) {
        self.definitions_changed.store(true, Ordering::Release);
        self.wake_worker();
    }

    fn wake_worker(&self) {
        if let Some(running) = lock(&self.worker).as_ref() {
            running.feed.wake();
        }
    }

    /// Returns the state of a budget, from memory; `None` if it does not exist or has not been counted yet.
    pub fn budget_state(&self, project: u64, name: &str) -> Option<Arc<BudgetState>> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.get(&(project, name.to_owned())).cloned()
    }

    /// Returns the counters of a project in the Prometheus text format. The counters start with the first call of this function for the
    /// project.
    pub fn prometheus_text(&self, project: u64) -> String {
        let mut scrapes = lock(&self.project_counters);
        let is_new = !scrapes.contains_key(&project);
        let text = scrapes.entry(project).or_default().prometheus_text(project);
        drop(scrapes);
        if is_new {
            self.reload_definitions();
        }
        text
    }

    /// Returns the current value of a rule and its open incidents.
    pub fn rule_state(&self, id: i64) -> RuleState {
        let evaluator = lock(&self.evaluator);
        let (open_incidents, severity) = evaluator.open_severity(id);
        RuleState { value: evaluator.current_value(id), open_incidents, severity }
    }

    /// Returns the time zone of a rule or budget; `None` if it is not active.
    pub fn time_zone_of(&self, id: i64) -> Option<String> {
        lock(&self.evaluator).watch(id).map(|watcher| watcher.time_zone().to_owned())
    }

    /// Waits until delivery has accepted all pending notifications; returns false if that takes too long.
    fn wait_for_handover(&self) -> bool {
        let rounds = || self.completed_passes.load(Ordering::Acquire);
        let (seen, began) = (rounds(), std::time::Instant::now());
        while rounds() < seen + 2 && lock(&self.worker).is_some() {
            if began.elapsed() > HANDOVER_TIMEOUT {
                return false;
            }
            self.wake_worker();
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    definition_operations!("rule", AlertRule, rules, rule, create_rule, replace_rule, delete_rule, mute_rule);
    definition_operations!("budget", Budget, budgets, budget, create_budget, replace_budget, delete_budget, mute_budget);

    /// Returns incidents of a project, the newest first, and the number of its open incidents at the same moment.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn incidents(&self, project: u64, filter: &IncidentFilter) -> Result<(Vec<Incident>, u64), AlertError> {
        Ok(self.store.incidents(project, filter)?)
    }

    /// Returns an incident and its timeline, the oldest entry first.
    ///
    /// # Errors
    ///
    /// Returns an error if the incident does not exist.
    pub fn incident(&self, project: u64, id: i64) -> Result<(Incident, Vec<IncidentTimelineEntry>), AlertError> {
        self.store.read_incident(project, id)
    }

    /// Applies an action to an incident and returns the changed incident. Acknowledging an incident again has no effect.
    ///
    /// # Errors
    ///
    /// Returns an error if the incident does not exist, or is resolved. Notes can still be added to a resolved incident.
    pub fn act_on_incident(&self, project: u64, id: i64, action: &IncidentAction, by: Option<String>) -> Result<Incident, AlertError> {
        let mut evaluator = lock(&self.evaluator);
        evaluator.advance_clock(now_us());
        let (stored, _) = self.store.read_incident(project, id)?;
        // The evaluator has newer values of an open incident than the database.
        let incident = evaluator.open_incident_by_id(id).cloned().unwrap_or(stored);
        let mut changes = vec![act_on_incident(&evaluator, incident, action, by)?];
        self.store.write_changes(&mut changes)?;
        let incident = changes[0].incident.clone();
        lock(&self.pending_notifications).append(&mut changes[0].pending_notifications);
        evaluator.apply_changes(changes);
        drop(evaluator);
        self.wake_worker();
        Ok(incident)
    }
}

impl Drop for AlertService {
    fn drop(&mut self) {
        self.stop();
    }
}

fn act_on_incident(
    evaluator: &RuleEvaluator,
    mut incident: Incident,
    action: &IncidentAction,
    by: Option<String>,
) -> Result<IncidentChange, AlertError> {
    let now_us = now_us();
    let line = |happened| IncidentTimelineEntry { by: by.clone(), ..IncidentTimelineEntry::new(now_us, happened) };
    let with = |incident, entry| IncidentChange { incident, entries: vec![entry], pending_notifications: Vec::new() };
    if let IncidentAction::Note(text) = action {
        return Ok(with(incident, IncidentTimelineEntry { text: Some(text.clone()), ..line(IncidentEventKind::Note) }));
    }
    if incident.resolved_us.is_some() {
        return Err(AlertError::Over(incident.id));
    }
    match action {
        IncidentAction::Acknowledge if incident.acknowledged_us.is_some() => {
            Ok(IncidentChange { incident, entries: Vec::new(), pending_notifications: Vec::new() })
        }
        IncidentAction::Acknowledge => {
            incident.acknowledged_us = Some(now_us);
            incident.acknowledged_by.clone_from(&by);
            Ok(with(incident, line(IncidentEventKind::Acknowledged)))
        }
        IncidentAction::Snooze(until_us) => {
            incident.snoozed_until_us = *until_us;
            Ok(with(
                incident,
                IncidentTimelineEntry { text: until_us.map(hinomi_model::api_time::rfc3339), ..line(IncidentEventKind::Snoozed) },
            ))
        }
        IncidentAction::Resolve | IncidentAction::Note(_) => {
            incident.resolved_by = Some(by.clone().unwrap_or_else(|| "by hand".to_owned()));
            let value = incident.value;
            let mut change = evaluator.resolve_change(&incident, None, value);
            change.entries.iter_mut().for_each(|entry| entry.by.clone_from(&by));
            Ok(change)
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
