//! The evaluation thread: receives row changes, evaluates the rules, stores the resulting changes, explains them, and passes notices to
//! delivery.

pub(crate) mod backfill;
mod explain;
pub(crate) mod row_feed;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hinomi_query::QueryEngine;
use hinomi_store::{RowChanges, Store};
use hinomi_tables::outcomes::OutcomeStore;

use super::alert_store::{IncidentChange, PendingNotice};
use super::clock::EvaluationClock;
use super::evaluator::metric_series::{AlertGroupKey, AlertSeries, AlertSeriesSpec};
use super::evaluator::prepared_rule::{AlertWatch, RuleWatch};
use super::evaluator::{BudgetPeriodSpend, EvaluationPass};
use super::rule::metric::{MetricFormula, PolledMetric};
use super::worker::backfill::PendingBackfill;
use super::worker::row_feed::{EvaluatorMessage, RowChangeFeed};
use super::{AlertService, BudgetState, lock};
use crate::delivery::NotificationOutbox;

/// Interval of evaluation passes by the clock, in microseconds.
const TICK_US: i64 = 1_000_000;
/// Interval of queries for rules that are not evaluated from spans, in microseconds.
const ASK_US: i64 = 10_000_000;
/// Maximum delay after which received rows are evaluated, even if more rows arrive.
const GATHER: Duration = Duration::from_millis(25);
/// Difference between wall clock and monotonic clock above which the wall clock is considered to have jumped, in microseconds.
const JUMP_US: i64 = 120_000_000;
/// Maximum duration of a commit that began before a rule was known.
const SETTLE: Duration = Duration::from_millis(100);

/// Returns the mean of the scores with a name in a project, between two times; `None` if there are none. Logs errors.
pub type MeanScoreFn = dyn Fn(u64, &str, i64, i64) -> Option<f64> + Send + Sync;

/// Returns the number of error events of a project between two times; `None` if they cannot be read, which is logged.
pub type ErrorCountFn = dyn Fn(u64, i64, i64) -> Option<u64> + Send + Sync;

/// The other parts of the server that the evaluator needs.
pub struct EvaluatorDependencies {
    /// Store of spans.
    pub store: Arc<Store>,
    /// Engine that queries run on.
    pub engine: QueryEngine,
    /// Outcomes of received items.
    pub outcomes: Arc<OutcomeStore>,
    /// Reads mean scores.
    pub scores: Box<MeanScoreFn>,
    /// Counts error events.
    pub errors: Box<ErrorCountFn>,
    /// Outbox of notifications.
    pub outbox: Arc<NotificationOutbox>,
    /// Base URL of links.
    pub public_url: String,
    /// Clock of the evaluator.
    pub clock: Box<dyn EvaluationClock>,
}

/// State of the evaluation thread.
pub(super) struct EvaluationWorker {
    alerts: Arc<AlertService>,
    around: EvaluatorDependencies,
    feed: Arc<RowChangeFeed>,
    heard: Receiver<EvaluatorMessage>,
    runtime: tokio::runtime::Handle,
    stop: Arc<AtomicBool>,
    /// Stored notices that delivery has not accepted yet.
    untold: Vec<PendingNotice>,
    /// Changes whose contributors are not determined yet: project and incident.
    unexplained: Vec<(u64, i64)>,
    version: i64,
    ticked_us: i64,
    asked_us: i64,
    /// Wall-clock and monotonic time of the last tick.
    clocks: (i64, i64),
    is_failing: bool,
    /// Whether the last backfill failed.
    is_uncounted: bool,
    /// Backfill that runs on another thread.
    pending: Option<PendingBackfill>,
}

impl EvaluationWorker {
    pub(super) fn new(
        alerts: Arc<AlertService>,
        around: EvaluatorDependencies,
        (feed, heard): (Arc<RowChangeFeed>, Receiver<EvaluatorMessage>),
        runtime: tokio::runtime::Handle,
        stop: Arc<AtomicBool>,
    ) -> EvaluationWorker {
        let clocks = (around.clock.now_us(), around.clock.steady_us());
        EvaluationWorker {
            alerts,
            around,
            feed,
            heard,
            runtime,
            stop,
            untold: Vec::new(),
            unexplained: Vec::new(),
            version: -1,
            ticked_us: i64::MIN,
            asked_us: i64::MIN,
            clocks,
            is_failing: false,
            is_uncounted: false,
            pending: None,
        }
    }

    /// Runs until it is stopped. Everything received by then is evaluated.
    pub(super) fn run(mut self) {
        match self.alerts.table.untold() {
            Ok(untold) => self.untold = untold,
            Err(error) => tracing::error!(%error, "alert.definition.read_failed"),
        }
        // Notices left over from a crash are sent without delay; their contributors follow on the incident page.
        self.unexplained = self.untold.iter().filter_map(|one| Some((one.notice.project, one.notice.incident_id?))).collect();
        self.tell();
        self.reload();
        loop {
            let is_stopping = self.stop.load(Ordering::Acquire);
            let mut moved = 0;
            match self.heard.recv_timeout(if is_stopping { Duration::ZERO } else { Duration::from_millis(200) }) {
                Ok(heard) => moved += self.hear(heard),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let since = std::time::Instant::now();
            while since.elapsed() < GATHER
                && let Ok(heard) = self.heard.try_recv()
            {
                moved += self.hear(heard);
            }
            if self.feed.has_overflowed() {
                tracing::warn!(reason = "spans arrived faster than rules were evaluated", "alert.backfill.restarted");
                lock(&self.alerts.bell).set(Vec::new());
                // The backfill that is running lacks these rows too.
                if let Some(pending) = &mut self.pending {
                    pending.miss();
                }
                self.reload();
            }
            if moved > 0 {
                self.judge(EvaluationPass::Arrived);
            }
            if self.ticked_us == i64::MIN || self.around.clock.steady_us() - self.ticked_us >= TICK_US {
                self.tick();
            }
            self.tell();
            self.alerts.rounds.fetch_add(1, Ordering::AcqRel);
            if is_stopping && moved == 0 {
                return;
            }
        }
    }

    fn hear(&mut self, heard: EvaluatorMessage) -> usize {
        let RowChanges { version, added, gone } = match heard {
            EvaluatorMessage::Moved(moved) => moved,
            EvaluatorMessage::Changed => {
                self.ticked_us = i64::MIN;
                return 0;
            }
            EvaluatorMessage::Counted(counted) => {
                self.counted(counted);
                return 0;
            }
        };
        let mut scrapes = lock(&self.alerts.scrapes);
        for (rows, sign) in [(&gone, -1), (&added, 1)] {
            for row in rows {
                if let Some(scrape) = scrapes.get_mut(&row.project_id) {
                    scrape.count(&row.span, sign);
                }
            }
        }
        drop(scrapes);
        let mut bell = lock(&self.alerts.bell);
        bell.pass(self.around.clock.now_us());
        gone.iter().for_each(|row| bell.count(row.project_id, &row.span, -1, version));
        added.iter().for_each(|row| bell.count(row.project_id, &row.span, 1, version));
        drop(bell);
        let count = added.len() + gone.len();
        if let Some(pending) = &mut self.pending {
            pending.keep(RowChanges { version, added, gone });
        }
        count
    }

    /// Evaluates changes that follow from the time alone.
    fn tick(&mut self) {
        let (now_us, steady_us) = (self.around.clock.now_us(), self.around.clock.steady_us());
        let drift = (now_us - self.clocks.0) - (steady_us - self.clocks.1);
        if drift.abs() > JUMP_US {
            tracing::warn!(seconds = drift / 1_000_000, "alert.clock.jumped");
            lock(&self.alerts.bell).missed(now_us);
        }
        self.clocks = (now_us, steady_us);
        self.ticked_us = steady_us;
        let version = self.alerts.table.version().unwrap_or(self.version);
        if self.alerts.changed.swap(false, Ordering::AcqRel) || version != self.version {
            self.version = version;
            self.reload();
        }
        self.judge(EvaluationPass::Clock);
        if steady_us - self.asked_us >= ASK_US || self.asked_us == i64::MIN {
            self.asked_us = steady_us;
            self.ask(now_us);
        }
        self.tell();
        self.explain_later();
    }

    /// Activates the stored rules and budgets and loads the series that they need.
    fn reload(&mut self) {
        let table = &self.alerts.table;
        let kept = table.list::<super::AlertRule>(None).and_then(|rules| Ok((rules, table.list::<super::Budget>(None)?)));
        let (rules, budgets) = match kept {
            Ok(kept) => kept,
            Err(error) => return tracing::error!(%error, "alert.definition.read_failed"),
        };
        let budgets = budgets.into_iter().filter_map(|budget| {
            let (id, name) = (budget.id, budget.what.name.clone());
            AlertWatch::budget(budget).inspect_err(|error| tracing::error!(%error, id, name, "alert.budget.not_activated")).ok()
        });
        let watchers: Vec<AlertWatch> = rules.into_iter().map(AlertWatch::rule).chain(budgets).collect();
        let missing = {
            let mut bell = lock(&self.alerts.bell);
            bell.pass(self.around.clock.now_us());
            bell.set(watchers)
        };
        let is_pending = |wanted: &(AlertSeriesSpec, i64)| self.pending.as_ref().is_some_and(|pending| pending.specs.contains(wanted));
        let fresh: Vec<AlertSeries> = missing.iter().filter(|wanted| !is_pending(wanted)).filter_map(fresh).collect();
        let mut wants = lock(&self.alerts.bell).wants();
        let of_pending: Vec<AlertSeries> = self.pending.iter().flat_map(|pending| &pending.specs).filter_map(self::fresh).collect();
        fresh.iter().chain(&of_pending).for_each(|track| wants.entry(track.spec.project).or_default().add(track));
        lock(&self.alerts.scrapes).keys().for_each(|project| wants.entry(*project).or_default().texts = true);
        if self.feed.want(wants) {
            // Wait for running commits: rows that they selected with the old fields are in the snapshot that is read next.
            std::thread::sleep(SETTLE);
        }
        let (mut near, far): (Vec<AlertSeries>, Vec<AlertSeries>) = fresh.into_iter().partition(backfill::is_near);
        if !near.is_empty() {
            let around = (&self.around.store, &self.around.engine, &self.runtime);
            match backfill::count(around, &mut near, self.around.clock.now_us()) {
                Ok(()) => lock(&self.alerts.bell).fill(near),
                Err(error) => self.count_again(&error.to_string()),
            }
        }
        // One backfill runs at a time: series that are needed meanwhile are counted after it.
        if !far.is_empty() && self.pending.is_none() {
            self.count_beside(far);
        } else if !far.is_empty() {
            self.version = -1;
        }
    }

    /// Counts series on another thread, so evaluation continues.
    fn count_beside(&mut self, mut tracks: Vec<AlertSeries>) {
        self.pending = Some(PendingBackfill::new(&tracks));
        let (store, engine, runtime) = (self.around.store.clone(), self.around.engine.clone(), self.runtime.clone());
        let (feed, now_us) = (self.feed.clone(), self.around.clock.now_us());
        let count = move || {
            let counted = backfill::count((&store, &engine, &runtime), &mut tracks, now_us);
            feed.counted(counted.map(|()| tracks).map_err(|error| error.to_string()));
        };
        if let Err(error) = std::thread::Builder::new().name("alert-count".to_owned()).spawn(count) {
            self.pending = None;
            self.count_again(&error.to_string());
        }
    }

    /// Takes the result of a backfill on another thread.
    fn counted(&mut self, counted: Result<Vec<AlertSeries>, String>) {
        let Some(pending) = self.pending.take() else { return };
        // Evaluate and publish it immediately.
        self.ticked_us = i64::MIN;
        match counted {
            Ok(tracks) => match pending.catch_up(tracks, self.around.clock.now_us()) {
                Some(tracks) => {
                    self.is_uncounted = false;
                    lock(&self.alerts.bell).fill(tracks);
                }
                None => self.count_again("more spans came meanwhile than are kept"),
            },
            Err(error) => self.count_again(&error),
        }
    }

    /// Schedules another attempt at the next tick.
    fn count_again(&mut self, error: &str) {
        self.version = -1;
        if !std::mem::replace(&mut self.is_uncounted, true) {
            tracing::error!(error, effect = "new rules are not evaluated yet", "alert.backfill.failed");
        }
    }

    fn judge(&mut self, round: EvaluationPass) {
        let alerts = self.alerts.clone();
        let mut bell = lock(&alerts.bell);
        let changes = bell.judge(self.around.clock.now_us(), round);
        let rang: Vec<i64> = changes.iter().map(|change| change.incident.rule).collect();
        self.write(&mut bell, changes);
        self.alerts.publish(&bell, round, &rang);
        drop(bell);
        self.explain_now();
        self.tell();
    }

    /// Evaluates rules whose values are not computed from spans.
    fn ask(&mut self, now_us: i64) {
        let alerts = self.alerts.clone();
        let rules = lock(&alerts.bell).asked();
        for watch in rules {
            let from_us = now_us - watch.kept.what.window.0;
            let value = self.ask_one(&watch, from_us, now_us);
            let mut bell = lock(&alerts.bell);
            let changes = bell.judge_asked(watch.kept.id, value, from_us, now_us);
            self.write(&mut bell, changes);
        }
    }

    fn ask_one(&self, watch: &RuleWatch, from_us: i64, to_us: i64) -> Option<f64> {
        let rule = &watch.kept.what;
        match rule.measure.made() {
            MetricFormula::Asked(PolledMetric::Outcomes(kinds)) => {
                let rows = self.around.outcomes.rows(watch.kept.project, from_us, to_us);
                let rows = rows.inspect_err(|error| tracing::error!(%error, "alert.outcomes.read_failed")).ok()?;
                let counted = rows.iter().filter(|row| kinds.contains(&row.outcome.as_str())).map(|row| row.quantity);
                Some(counted.sum::<u64>() as f64)
            }
            MetricFormula::Asked(PolledMetric::Errors) => {
                (self.around.errors)(watch.kept.project, from_us, to_us).map(|count| count as f64)
            }
            MetricFormula::Asked(PolledMetric::Scores) => (self.around.scores)(watch.kept.project, rule.score.as_deref()?, from_us, to_us),
            _ => None,
        }
    }

    /// Stores changes, and applies them only if that succeeds; otherwise they are evaluated again.
    fn write(&mut self, bell: &mut super::evaluator::RuleEvaluator, mut changes: Vec<IncidentChange>) {
        if changes.is_empty() {
            return;
        }
        if let Err(error) = self.alerts.table.write(&mut changes) {
            if !std::mem::replace(&mut self.is_failing, true) {
                tracing::error!(%error, "alert.changes.write_failed");
            }
            bell.judge_again();
            return;
        }
        self.is_failing = false;
        for change in &changes {
            tracing::info!(rule = change.incident.rule_name, incident = change.incident.id, state = ?change.incident.state(), "alert.incident.changed");
            self.untold.extend(change.untold.iter().cloned());
            if change.untold.is_empty() && change.incident.culprits.is_empty() && change.incident.resolved_us.is_none() {
                self.unexplained.push((change.incident.project, change.incident.id));
            }
        }
        bell.settle(changes);
    }

    /// Passes stored notices to delivery. After a crash they are passed again, and delivery recognizes them by their keys.
    fn tell(&mut self) {
        self.untold.append(&mut lock(&self.alerts.untold));
        if self.untold.is_empty() {
            return;
        }
        let notices: Vec<_> = self.untold.iter().map(|one| (one.notice.clone(), one.targets.clone())).collect();
        let told = self.around.outbox.enqueue(&notices).and_then(|_| {
            let ids: Vec<i64> = self.untold.iter().map(|one| one.id).collect();
            self.alerts.table.told(&ids)
        });
        match told {
            Ok(()) => self.untold.clear(),
            Err(error) => tracing::error!(%error, "alert.notification.enqueue_failed"),
        }
    }
}

fn fresh((spec, keep): &(AlertSeriesSpec, i64)) -> Option<AlertSeries> {
    spec.track(*keep).inspect_err(|error| tracing::error!(%error, filter = spec.filter, "alert.rule.not_activated")).ok()
}

impl AlertService {
    /// Publishes the state of budgets for readers that must not wait.
    fn publish(&self, bell: &super::evaluator::RuleEvaluator, round: EvaluationPass, rang: &[i64]) {
        let budgets = bell.watchers().filter_map(|watcher| match watcher {
            AlertWatch::Budget(watch) => Some(watch),
            AlertWatch::Rule(_) => None,
        });
        let mut states: HashMap<(u64, String), Arc<BudgetState>> = HashMap::new();
        let known = self.states.read().unwrap_or_else(PoisonError::into_inner).clone();
        for watch in budgets {
            let which = (watch.kept.project, watch.kept.what.name.clone());
            let last = known.get(&which);
            let Some(mut standing) = bell.standing(watch.kept.id, &AlertGroupKey::Whole, false) else { continue };
            let last = last.filter(|last| last.from_us == standing.from_us);
            let fresh = last.filter(|last| !is_due(last, &standing, bell.minute(), round) && !rang.contains(&watch.kept.id));
            let forecast = match fresh {
                // Until the next forecast, move the last one with the spend, so it is never below what is spent.
                Some(last) => (last.forecast.clone().map(|forecast| forecast.moved(standing.spent - last.spent)), last.forecast_of),
                None => {
                    standing.forecast = bell.standing(watch.kept.id, &AlertGroupKey::Whole, true).and_then(|standing| standing.forecast);
                    (standing.forecast.clone(), (bell.minute(), standing.spent))
                }
            };
            let last = last.filter(|_| round == EvaluationPass::Arrived);
            let groups = watch.kept.what.group_by.as_ref().map(|_| match last.and_then(|last| last.groups.clone()) {
                Some(groups) => groups,
                None => Arc::new(bell.standings(watch.kept.id)),
            });
            states.insert(which, Arc::new(BudgetState::new(watch, &standing, forecast, groups)));
        }
        *self.states.write().unwrap_or_else(PoisonError::into_inner) = states;
    }
}

/// Returns whether the forecast of a budget is due, which takes longer than the rest: once a minute, and when another hundredth of the
/// amount or spend has been spent.
fn is_due(last: &BudgetState, now: &BudgetPeriodSpend, minute: i64, round: EvaluationPass) -> bool {
    let (made, spent) = last.forecast_of;
    let least = now.spent.max(last.amount) / 100.0;
    (round == EvaluationPass::Clock && made != minute)
        || (now.spent - spent).abs() > least
        || (last.forecast.is_none() && now.spent != spent)
}
