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

pub use crate::delivery::notice::{BudgetPeriod, ComparisonBaseline};
pub use crate::evaluator::forecast::{ForecastMethod, SpendForecast};
pub use crate::evaluator::state::{BudgetGroupState, BudgetState, RuleState};
pub use crate::incident::chart::{IncidentChart, IncidentDefinition, ThresholdLine, chart};
pub use crate::rule::budget::{Budget, WeekStart};
pub use crate::rule::duration::HumanDuration;
pub use crate::rule::file::{AlertFile, AlertFileChange, AlertFileChangeKind, TargetNames, read as read_file, write as write_file};
pub use crate::rule::metric::AlertMetric;
use crate::worker::row_feed::RowChangeFeed;
pub use alert_store::{AlertRecord, FORMAT, IncidentFilter};
use alert_store::{AlertStore, IncidentChange, PendingNotice};
pub use clock::{EvaluationClock, SystemClock};
pub use error::AlertError;
use evaluator::RuleEvaluator;
pub use incident::{AlertSource, Incident, IncidentEventKind, IncidentState, IncidentTimelineEntry};
pub use preview::{PreviewError, RulePreview, preview};
use project_counters::ProjectCounters;
pub use rule::{AlertRule, NoDataPolicy, NotificationPolicy};
use worker::EvaluationWorker;
pub use worker::{ErrorCountFn, EvaluatorDependencies, MeanScoreFn};

/// Time for which resolved incidents are remembered, which keeps late spans from firing for them again, in microseconds.
const REMEMBERED_US: i64 = 63 * 86_400_000_000;

/// Maximum time to wait until delivery has accepted pending notices.
const IN_HAND: Duration = Duration::from_secs(60);

/// Rules, budgets and incidents of all projects. The methods block while they read or write.
#[derive(Debug)]
pub struct AlertService {
    table: AlertStore,
    bell: Mutex<RuleEvaluator>,
    /// State of budgets by project and name.
    states: RwLock<HashMap<(u64, String), Arc<BudgetState>>>,
    /// Notices of actions by people, until the evaluation thread takes them.
    untold: Mutex<Vec<PendingNotice>>,
    /// Counters of projects that are scraped.
    scrapes: Mutex<HashMap<u64, ProjectCounters>>,
    /// Set when rules or budgets were changed in this process.
    changed: AtomicBool,
    /// Number of passes of the evaluation thread. At the end of each pass, delivery has accepted its notices.
    rounds: AtomicU64,
    running: Mutex<Option<EvaluationThread>>,
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

macro_rules! kept {
    ($what:literal, $type:ty, $list:ident, $get:ident, $create:ident, $replace:ident, $delete:ident, $mute:ident) => {
        #[doc = concat!("Returns the ", $what, "s of a project, the oldest first.\n\n# Errors\n\nWhen the database cannot be read.")]
        pub fn $list(&self, project: u64) -> Result<Vec<AlertRecord<$type>>, AlertError> {
            Ok(self.table.list(Some(project))?)
        }

        #[doc = concat!("Returns a ", $what, ".\n\n# Errors\n\nWhen it does not exist.")]
        pub fn $get(&self, project: u64, id: i64) -> Result<AlertRecord<$type>, AlertError> {
            self.table.get(project, id)
        }

        #[doc = concat!("Creates a ", $what, ".\n\n# Errors\n\nWhen it is not valid, or its name is taken.")]
        pub fn $create(&self, project: u64, what: &$type) -> Result<AlertRecord<$type>, AlertError> {
            self.table.create(project, what, now_us()).inspect(|_| self.change())
        }

        #[doc = concat!("Replaces a ", $what, ".\n\n# Errors\n\nWhen it does not exist or is not valid, or its name is taken.")]
        pub fn $replace(&self, project: u64, id: i64, what: &$type) -> Result<AlertRecord<$type>, AlertError> {
            self.table.replace(project, id, what, now_us()).inspect(|_| self.change())
        }

        #[doc = concat!("Deletes a ", $what, ". Its incidents are kept.\n\n# Errors\n\nWhen it does not exist.")]
        pub fn $delete(&self, project: u64, id: i64) -> Result<(), AlertError> {
            self.table.delete::<$type>(project, id).inspect(|()| self.change())
        }

        #[doc = concat!("Mutes a ", $what, " until a time; `None` unmutes it.\n\n# Errors\n\nWhen it does not exist.")]
        pub fn $mute(&self, project: u64, id: i64, until_us: Option<i64>) -> Result<AlertRecord<$type>, AlertError> {
            self.table.mute::<$type>(project, id, until_us).inspect(|_| self.change())
        }
    };
}

impl AlertService {
    /// Opens or creates `alerts.db` in a data directory.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<AlertService, SqliteError> {
        let table = AlertStore::open(dir)?;
        let mut bell = RuleEvaluator::new(now_us());
        for incident in table.recent(now_us() - REMEMBERED_US)? {
            bell.remember(incident);
        }
        Ok(AlertService {
            table,
            bell: Mutex::new(bell),
            states: RwLock::default(),
            untold: Mutex::default(),
            scrapes: Mutex::default(),
            changed: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
            running: Mutex::default(),
        })
    }

    /// Starts the evaluation thread. Its queries run on `runtime`, which yields to ingestion.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start(self: &Arc<Self>, around: EvaluatorDependencies, runtime: tokio::runtime::Handle) -> std::io::Result<()> {
        let (feed, heard) = RowChangeFeed::new();
        let (feed, stop) = (Arc::new(feed), Arc::new(AtomicBool::new(false)));
        around.store.subscribe_to_rows(feed.clone());
        lock(&self.bell).link_to(&around.public_url);
        let ringer = EvaluationWorker::new(self.clone(), around, (feed.clone(), heard), runtime, stop.clone());
        let thread = std::thread::Builder::new().name("alert".to_owned()).spawn(move || ringer.run())?;
        *lock(&self.running) = Some(EvaluationThread { feed, stop, thread });
        Ok(())
    }

    /// Stops the evaluation thread after it has evaluated all received rows. Blocks.
    pub fn stop(&self) {
        let running = lock(&self.running).take();
        if let Some(EvaluationThread { feed, stop, thread }) = running {
            stop.store(true, Ordering::Release);
            feed.nudge();
            let _ = thread.join();
        }
    }

    /// Makes the evaluation thread reload rules and budgets.
    fn change(&self) {
        self.changed.store(true, Ordering::Release);
        self.nudge();
    }

    fn nudge(&self) {
        if let Some(running) = lock(&self.running).as_ref() {
            running.feed.nudge();
        }
    }

    /// Returns the state of a budget, from memory; `None` if it does not exist or has not been counted yet.
    pub fn budget_state(&self, project: u64, name: &str) -> Option<Arc<BudgetState>> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.get(&(project, name.to_owned())).cloned()
    }

    /// Returns the counters of a project in the Prometheus text format. They count from the first call for the project.
    pub fn scrape(&self, project: u64) -> String {
        let mut scrapes = lock(&self.scrapes);
        let is_new = !scrapes.contains_key(&project);
        let text = scrapes.entry(project).or_default().text(project);
        drop(scrapes);
        if is_new {
            self.change();
        }
        text
    }

    /// Returns the current value of a rule and its open incidents.
    pub fn rule_state(&self, id: i64) -> RuleState {
        let bell = lock(&self.bell);
        let (open, severity) = bell.open_of(id);
        RuleState { value: bell.figure(id), open, severity }
    }

    /// Returns the time zone of a rule or budget; `None` if it is not active.
    pub fn zone_of(&self, id: i64) -> Option<String> {
        lock(&self.bell).watcher(id).map(|watcher| watcher.time_zone().to_owned())
    }

    /// Waits until delivery has accepted all pending notices; returns false if that takes too long.
    fn is_handed_over(&self) -> bool {
        let rounds = || self.rounds.load(Ordering::Acquire);
        let (seen, began) = (rounds(), std::time::Instant::now());
        while rounds() < seen + 2 && lock(&self.running).is_some() {
            if began.elapsed() > IN_HAND {
                return false;
            }
            self.nudge();
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    kept!("rule", AlertRule, rules, rule, create_rule, replace_rule, delete_rule, mute_rule);
    kept!("budget", Budget, budgets, budget, create_budget, replace_budget, delete_budget, mute_budget);

    /// Returns incidents of a project, the newest first.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn incidents(&self, project: u64, wanted: &IncidentFilter) -> Result<Vec<Incident>, AlertError> {
        Ok(self.table.incidents(project, wanted)?)
    }

    /// Returns the number of open incidents of a project.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn open_incidents(&self, project: u64) -> Result<u64, AlertError> {
        Ok(self.table.count_open(project)?)
    }

    /// Returns an incident and its timeline, the oldest entry first.
    ///
    /// # Errors
    ///
    /// When the incident does not exist.
    pub fn incident(&self, project: u64, id: i64) -> Result<(Incident, Vec<IncidentTimelineEntry>), AlertError> {
        self.table.incident(project, id)
    }

    /// Applies an action to an incident and returns the changed incident. Acknowledging it again has no effect.
    ///
    /// # Errors
    ///
    /// When the incident does not exist, or is resolved. Notes can still be added to a resolved incident.
    pub fn act(&self, project: u64, id: i64, deed: &IncidentAction, by: Option<String>) -> Result<Incident, AlertError> {
        let mut bell = lock(&self.bell);
        bell.pass(now_us());
        let (stored, _) = self.table.incident(project, id)?;
        // The evaluator has newer values of an open incident than the database.
        let incident = bell.open_with(id).cloned().unwrap_or(stored);
        let mut changes = vec![act(&bell, incident, deed, by)?];
        self.table.write(&mut changes)?;
        let incident = changes[0].incident.clone();
        lock(&self.untold).append(&mut changes[0].untold);
        bell.settle(changes);
        drop(bell);
        self.nudge();
        Ok(incident)
    }
}

impl Drop for AlertService {
    fn drop(&mut self) {
        self.stop();
    }
}

fn act(bell: &RuleEvaluator, mut incident: Incident, deed: &IncidentAction, by: Option<String>) -> Result<IncidentChange, AlertError> {
    let now_us = now_us();
    let line = |happened| IncidentTimelineEntry { by: by.clone(), ..IncidentTimelineEntry::new(now_us, happened) };
    let with = |incident, entry| IncidentChange { incident, entries: vec![entry], untold: Vec::new() };
    if let IncidentAction::Note(text) = deed {
        return Ok(with(incident, IncidentTimelineEntry { text: Some(text.clone()), ..line(IncidentEventKind::Note) }));
    }
    if incident.resolved_us.is_some() {
        return Err(AlertError::Over(incident.id));
    }
    match deed {
        IncidentAction::Acknowledge if incident.acknowledged_us.is_some() => {
            Ok(IncidentChange { incident, entries: Vec::new(), untold: Vec::new() })
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
            let mut change = bell.ended(&incident, None, value);
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
