//! The evaluation thread: receives row changes, evaluates the rules, stores the resulting changes, explains them, and passes notifications
//! to delivery.

pub(crate) mod backfill;
mod find_contributors;
pub(crate) mod row_feed;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hinomi_query::QueryEngine;
use hinomi_store::{RowChanges, Store};
use hinomi_tables::outcomes::OutcomeStore;

use super::alert_store::{IncidentChange, PendingNotification};
use super::clock::EvaluationClock;
use super::evaluator::metric_series::{AlertGroupKey, AlertSeries, AlertSeriesSpec};
use super::evaluator::prepared_rule::{AlertWatch, RuleWatch};
use super::evaluator::{BudgetPeriodSpend, EvaluationPass};
use super::rule::metric::{MetricFormula, PolledMetric, ScoreStatistic};
use super::worker::backfill::PendingBackfill;
use super::worker::row_feed::{EvaluatorMessage, RowChangeFeed};
use super::{AlertService, BudgetState, lock};
use crate::delivery::NotificationOutbox;

/// Interval of evaluation passes by the clock, in microseconds.
const TICK_INTERVAL_US: i64 = 1_000_000;
/// Interval of queries for rules that are not evaluated from spans, in microseconds.
const POLL_INTERVAL_US: i64 = 10_000_000;
/// Maximum delay after which received rows are evaluated, even if more rows arrive.
const MAX_BATCH_DELAY: Duration = Duration::from_millis(25);
/// Difference between wall clock and monotonic clock above which the wall clock is considered to have jumped, in microseconds.
const MIN_CLOCK_JUMP_US: i64 = 120_000_000;

/// Returns a figure of the scores with a name in a project, between two times; `None` if it is unknown. Logs errors.
pub type ScoreStatisticFn = dyn Fn(u64, &str, ScoreStatistic, i64, i64) -> Option<f64> + Send + Sync;

/// Returns the number of traces of a project that start between two times, have findings, and match a filter; `None` if they cannot be
/// read, which is logged.
pub type FindingCountFn = dyn Fn(u64, &str, i64, i64) -> Option<u64> + Send + Sync;

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
    /// Reads figures of scores.
    pub scores: Box<ScoreStatisticFn>,
    /// Counts traces with findings.
    pub findings: Box<FindingCountFn>,
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
    dependencies: EvaluatorDependencies,
    feed: Arc<RowChangeFeed>,
    messages: Receiver<EvaluatorMessage>,
    runtime: tokio::runtime::Handle,
    stop: Arc<AtomicBool>,
    /// Stored notifications that delivery has not accepted yet.
    pending_notifications: Vec<PendingNotification>,
    /// Changes whose contributors are not determined yet: project and incident.
    unexplained_changes: Vec<(u64, i64)>,
    version: i64,
    last_tick_us: i64,
    last_poll_us: i64,
    /// Wall-clock and monotonic time of the last tick.
    clocks_at_last_tick: (i64, i64),
    is_failing: bool,
    /// Whether the last backfill failed.
    is_backfill_failing: bool,
    /// Backfill that runs on another thread.
    pending_backfill: Option<PendingBackfill>,
}

impl EvaluationWorker {
    pub(super) fn new(
        alerts: Arc<AlertService>,
        dependencies: EvaluatorDependencies,
        (feed, message): (Arc<RowChangeFeed>, Receiver<EvaluatorMessage>),
        runtime: tokio::runtime::Handle,
        stop: Arc<AtomicBool>,
    ) -> EvaluationWorker {
        let clocks_at_last_tick = (dependencies.clock.now_us(), dependencies.clock.steady_us());
        EvaluationWorker {
            alerts,
            dependencies,
            feed,
            messages: message,
            runtime,
            stop,
            pending_notifications: Vec::new(),
            unexplained_changes: Vec::new(),
            version: -1,
            last_tick_us: i64::MIN,
            last_poll_us: i64::MIN,
            clocks_at_last_tick,
            is_failing: false,
            is_backfill_failing: false,
            pending_backfill: None,
        }
    }

    /// Runs until it is stopped. Before it ends, it evaluates all received rows.
    pub(super) fn run(mut self) {
        match self.alerts.store.pending_notifications() {
            Ok(untold) => self.pending_notifications = untold,
            Err(error) => tracing::error!(%error, "alert.definition.read_failed"),
        }
        // Notifications left over from a crash are sent without delay; their contributors follow on the incident page.
        self.unexplained_changes =
            self.pending_notifications.iter().filter_map(|one| Some((one.notification.project, one.notification.incident_id?))).collect();
        self.deliver_notifications();
        self.reload_definitions();
        loop {
            let is_stopping = self.stop.load(Ordering::Acquire);
            let mut moved = 0;
            match self.messages.recv_timeout(if is_stopping { Duration::ZERO } else { Duration::from_millis(200) }) {
                Ok(message) => moved += self.receive(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let since = std::time::Instant::now();
            while since.elapsed() < MAX_BATCH_DELAY
                && let Ok(message) = self.messages.try_recv()
            {
                moved += self.receive(message);
            }
            if self.feed.has_overflowed() {
                tracing::warn!(reason = "spans arrived faster than rules were evaluated", "alert.backfill.restarted");
                lock(&self.alerts.evaluator).set_watches(Vec::new());
                // The backfill that is running lacks these rows too.
                if let Some(pending) = &mut self.pending_backfill {
                    pending.note_lost_changes();
                }
                self.reload_definitions();
            }
            if moved > 0 {
                self.evaluate(EvaluationPass::RowsArrived);
            }
            if self.last_tick_us == i64::MIN || self.dependencies.clock.steady_us() - self.last_tick_us >= TICK_INTERVAL_US {
                self.evaluate_by_clock();
            }
            self.deliver_notifications();
            self.alerts.completed_passes.fetch_add(1, Ordering::AcqRel);
            if is_stopping && moved == 0 {
                return;
            }
        }
    }

    fn receive(&mut self, message: EvaluatorMessage) -> usize {
        let RowChanges { version, added, removed } = match message {
            EvaluatorMessage::Moved(moved) => moved,
            EvaluatorMessage::Changed => {
                self.last_tick_us = i64::MIN;
                return 0;
            }
            EvaluatorMessage::Counted(filled) => {
                self.finish_backfill(filled);
                return 0;
            }
        };
        let mut scrapes = lock(&self.alerts.project_counters);
        for (rows, sign) in [(&removed, -1), (&added, 1)] {
            for row in rows {
                if let Some(scrape) = scrapes.get_mut(&row.project_id) {
                    scrape.count_span(&row.span, sign);
                }
            }
        }
        drop(scrapes);
        let mut evaluator = lock(&self.alerts.evaluator);
        evaluator.advance_clock(self.dependencies.clock.now_us());
        removed.iter().for_each(|row| evaluator.count_span(row.project_id, &row.span, -1, version));
        added.iter().for_each(|row| evaluator.count_span(row.project_id, &row.span, 1, version));
        drop(evaluator);
        let count = added.len() + removed.len();
        if let Some(pending) = &mut self.pending_backfill {
            pending.buffer_changes(RowChanges { version, added, removed });
        }
        count
    }

    /// Evaluates changes that follow from the time alone.
    fn evaluate_by_clock(&mut self) {
        let (now_us, steady_us) = (self.dependencies.clock.now_us(), self.dependencies.clock.steady_us());
        let drift = (now_us - self.clocks_at_last_tick.0) - (steady_us - self.clocks_at_last_tick.1);
        if drift.abs() > MIN_CLOCK_JUMP_US {
            tracing::warn!(seconds = drift / 1_000_000, "alert.clock.jumped");
            lock(&self.alerts.evaluator).note_missed_spans(now_us);
        }
        self.clocks_at_last_tick = (now_us, steady_us);
        self.last_tick_us = steady_us;
        let version = self.alerts.store.version().unwrap_or(self.version);
        if self.alerts.definitions_changed.swap(false, Ordering::AcqRel) || version != self.version {
            self.version = version;
            self.reload_definitions();
        }
        self.evaluate(EvaluationPass::ClockTick);
        if steady_us - self.last_poll_us >= POLL_INTERVAL_US || self.last_poll_us == i64::MIN {
            self.last_poll_us = steady_us;
            self.poll_rules(now_us);
        }
        self.deliver_notifications();
        self.explain_one_sent_notification();
    }

    /// Activates the stored rules and budgets and loads the series that they need.
    fn reload_definitions(&mut self) {
        let table = &self.alerts.store;
        let kept =
            table.list_definitions::<super::AlertRule>(None).and_then(|rules| Ok((rules, table.list_definitions::<super::Budget>(None)?)));
        let (rules, budgets) = match kept {
            Ok(kept) => kept,
            Err(error) => return tracing::error!(%error, "alert.definition.read_failed"),
        };
        let budgets = budgets.into_iter().filter_map(|budget| {
            let (id, name) = (budget.id, budget.definition.name.clone());
            AlertWatch::budget(budget).inspect_err(|error| tracing::error!(%error, id, name, "alert.budget.not_activated")).ok()
        });
        let watchers: Vec<AlertWatch> = rules.into_iter().map(AlertWatch::rule).chain(budgets).collect();
        let missing = {
            let mut evaluator = lock(&self.alerts.evaluator);
            evaluator.advance_clock(self.dependencies.clock.now_us());
            evaluator.set_watches(watchers)
        };
        let is_pending =
            |wanted: &(AlertSeriesSpec, i64)| self.pending_backfill.as_ref().is_some_and(|pending| pending.specs.contains(wanted));
        let fresh: Vec<AlertSeries> = missing.iter().filter(|wanted| !is_pending(wanted)).filter_map(empty_series).collect();
        let mut wants = lock(&self.alerts.evaluator).required_fields();
        let of_pending: Vec<AlertSeries> =
            self.pending_backfill.iter().flat_map(|pending| &pending.specs).filter_map(self::empty_series).collect();
        fresh.iter().chain(&of_pending).for_each(|one_series| wants.entry(one_series.spec.project).or_default().add_fields_of(one_series));
        lock(&self.alerts.project_counters).keys().for_each(|project| wants.entry(*project).or_default().texts = true);
        if self.feed.set_required_fields(wants) {
            // Rows that a running commit selected with the old fields must be in the snapshot that is read next.
            self.dependencies.store.wait_for_publication();
        }
        let (mut near, far): (Vec<AlertSeries>, Vec<AlertSeries>) = fresh.into_iter().partition(backfill::is_quick);
        if !near.is_empty() {
            let dependencies = (&self.dependencies.store, &self.dependencies.engine, &self.runtime);
            match backfill::backfill(dependencies, &mut near, self.dependencies.clock.now_us()) {
                Ok(()) => lock(&self.alerts.evaluator).add_series(near),
                Err(error) => self.schedule_backfill(&error.to_string()),
            }
        }
        // One backfill runs at a time: series that are needed meanwhile are counted after it.
        if !far.is_empty() && self.pending_backfill.is_none() {
            self.backfill_in_background(far);
        } else if !far.is_empty() {
            self.version = -1;
        }
    }

    /// Counts series on another thread, so evaluation continues.
    fn backfill_in_background(&mut self, mut series: Vec<AlertSeries>) {
        self.pending_backfill = Some(PendingBackfill::new(&series));
        let (store, engine, runtime) = (self.dependencies.store.clone(), self.dependencies.engine.clone(), self.runtime.clone());
        let (feed, now_us) = (self.feed.clone(), self.dependencies.clock.now_us());
        let count = move || {
            let filled = backfill::backfill((&store, &engine, &runtime), &mut series, now_us);
            feed.send_backfill(filled.map(|()| series).map_err(|error| error.to_string()));
        };
        if let Err(error) = std::thread::Builder::new().name("alert-count".to_owned()).spawn(count) {
            self.pending_backfill = None;
            self.schedule_backfill(&error.to_string());
        }
    }

    /// Takes the result of a backfill on another thread.
    fn finish_backfill(&mut self, filled: Result<Vec<AlertSeries>, String>) {
        let Some(pending) = self.pending_backfill.take() else { return };
        // Evaluate and publish it immediately.
        self.last_tick_us = i64::MIN;
        match filled {
            Ok(series) => match pending.catch_up(series, self.dependencies.clock.now_us()) {
                Some(series) => {
                    self.is_backfill_failing = false;
                    lock(&self.alerts.evaluator).add_series(series);
                }
                None => self.schedule_backfill("more spans arrived during the backfill than can be buffered"),
            },
            Err(error) => self.schedule_backfill(&error),
        }
    }

    /// Schedules another attempt at the next tick.
    fn schedule_backfill(&mut self, error: &str) {
        self.version = -1;
        if !std::mem::replace(&mut self.is_backfill_failing, true) {
            tracing::error!(error, effect = "new rules are not evaluated yet", "alert.backfill.failed");
        }
    }

    fn evaluate(&mut self, pass: EvaluationPass) {
        let alerts = self.alerts.clone();
        let mut evaluator = lock(&alerts.evaluator);
        let changes = evaluator.evaluate(self.dependencies.clock.now_us(), pass);
        let fired: Vec<i64> = changes.iter().map(|change| change.incident.rule).collect();
        self.store_changes(&mut evaluator, changes);
        self.alerts.publish_budgets(&evaluator, pass, &fired);
        drop(evaluator);
        self.explain_pending_notifications();
        self.deliver_notifications();
    }

    /// Evaluates rules whose values are not computed from spans.
    fn poll_rules(&mut self, now_us: i64) {
        let alerts = self.alerts.clone();
        let rules = lock(&alerts.evaluator).polled_rules();
        for watch in rules {
            let from_us = now_us - watch.record.definition.window.0;
            let value = self.poll_rule(&watch, from_us, now_us);
            let mut evaluator = lock(&alerts.evaluator);
            let changes = evaluator.evaluate_polled(watch.record.id, value, from_us, now_us);
            self.store_changes(&mut evaluator, changes);
        }
    }

    fn poll_rule(&self, watch: &RuleWatch, from_us: i64, to_us: i64) -> Option<f64> {
        let rule = &watch.record.definition;
        match rule.measure.made() {
            MetricFormula::Polled(PolledMetric::Outcomes(kinds)) => {
                let rows = self.dependencies.outcomes.rows(watch.record.project, from_us, to_us);
                let rows = rows.inspect_err(|error| tracing::error!(%error, "alert.outcomes.read_failed")).ok()?;
                let filled = rows.iter().filter(|row| kinds.contains(&row.outcome.as_str())).map(|row| row.quantity);
                Some(filled.sum::<u64>() as f64)
            }
            MetricFormula::Polled(PolledMetric::Errors) => {
                (self.dependencies.errors)(watch.record.project, from_us, to_us).map(|count| count as f64)
            }
            MetricFormula::Polled(PolledMetric::Scores(statistic)) => {
                (self.dependencies.scores)(watch.record.project, rule.score.as_deref()?, statistic, from_us, to_us)
            }
            MetricFormula::Polled(PolledMetric::Findings) => {
                (self.dependencies.findings)(watch.record.project, &rule.filter, from_us, to_us).map(|count| count as f64)
            }
            _ => None,
        }
    }

    /// Stores changes, and applies them only if that succeeds; otherwise they are evaluated again.
    fn store_changes(&mut self, evaluator: &mut super::evaluator::RuleEvaluator, mut changes: Vec<IncidentChange>) {
        if changes.is_empty() {
            return;
        }
        if let Err(error) = self.alerts.store.write_changes(&mut changes) {
            if !std::mem::replace(&mut self.is_failing, true) {
                tracing::error!(%error, "alert.changes.write_failed");
            }
            evaluator.mark_all_changed();
            return;
        }
        self.is_failing = false;
        for change in &changes {
            tracing::info!(rule = change.incident.rule_name, incident = change.incident.id, state = ?change.incident.state(), "alert.incident.changed");
            self.pending_notifications.extend(change.pending_notifications.iter().cloned());
            if change.pending_notifications.is_empty() && change.incident.culprits.is_empty() && change.incident.resolved_us.is_none() {
                self.unexplained_changes.push((change.incident.project, change.incident.id));
            }
        }
        evaluator.apply_changes(changes);
    }

    /// Passes stored notifications to delivery. After a crash they are passed again, and delivery recognizes them by their keys.
    fn deliver_notifications(&mut self) {
        self.pending_notifications.append(&mut lock(&self.alerts.pending_notifications));
        if self.pending_notifications.is_empty() {
            return;
        }
        let notifications: Vec<_> = self.pending_notifications.iter().map(|one| (one.notification.clone(), one.targets.clone())).collect();
        let told = self.dependencies.outbox.enqueue(&notifications).and_then(|_| {
            let ids: Vec<i64> = self.pending_notifications.iter().map(|one| one.id).collect();
            self.alerts.store.delete_notifications(&ids)
        });
        match told {
            Ok(()) => self.pending_notifications.clear(),
            Err(error) => tracing::error!(%error, "alert.notification.enqueue_failed"),
        }
    }
}

fn empty_series((spec, keep): &(AlertSeriesSpec, i64)) -> Option<AlertSeries> {
    spec.new_series(*keep).inspect_err(|error| tracing::error!(%error, filter = spec.filter, "alert.rule.not_activated")).ok()
}

impl AlertService {
    /// Publishes the state of budgets for readers that must not wait.
    fn publish_budgets(&self, evaluator: &super::evaluator::RuleEvaluator, pass: EvaluationPass, fired: &[i64]) {
        let budgets = evaluator.watches().filter_map(|watcher| match watcher {
            AlertWatch::Budget(watch) => Some(watch),
            AlertWatch::Rule(_) => None,
        });
        let mut states: HashMap<(u64, String), Arc<BudgetState>> = HashMap::new();
        let known = self.states.read().unwrap_or_else(PoisonError::into_inner).clone();
        for watch in budgets {
            let which = (watch.record.project, watch.record.definition.name.clone());
            let last = known.get(&which);
            let Some(mut standing) = evaluator.period_spend(watch.record.id, &AlertGroupKey::AllSpans, false) else { continue };
            let last = last.filter(|last| last.from_us == standing.from_us);
            let fresh = last
                .filter(|last| !is_forecast_due(last, &standing, evaluator.current_minute(), pass) && !fired.contains(&watch.record.id));
            let forecast = match fresh {
                // Until the next forecast, move the last one with the spend, so it is never below what is spent.
                Some(last) => (last.forecast.clone().map(|forecast| forecast.moved_by(standing.spent - last.spent)), last.forecast_basis),
                None => {
                    standing.forecast =
                        evaluator.period_spend(watch.record.id, &AlertGroupKey::AllSpans, true).and_then(|standing| standing.forecast);
                    (standing.forecast.clone(), (evaluator.current_minute(), standing.spent))
                }
            };
            let last = last.filter(|_| pass == EvaluationPass::RowsArrived);
            let groups = watch.record.definition.group_by.as_ref().map(|_| match last.and_then(|last| last.groups.clone()) {
                Some(groups) => groups,
                None => Arc::new(evaluator.group_spends(watch.record.id)),
            });
            states.insert(which, Arc::new(BudgetState::new(watch, &standing, forecast, groups)));
        }
        *self.states.write().unwrap_or_else(PoisonError::into_inner) = states;
    }
}

/// Returns whether the forecast of a budget is due, which takes longer than the rest: once a minute, and when another hundredth of the
/// amount or spend has been spent.
fn is_forecast_due(last: &BudgetState, now: &BudgetPeriodSpend, minute: i64, pass: EvaluationPass) -> bool {
    let (made, spent) = last.forecast_basis;
    let least = now.spent.max(last.amount) / 100.0;
    (pass == EvaluationPass::ClockTick && made != minute)
        || (now.spent - spent).abs() > least
        || (last.forecast.is_none() && now.spent != spent)
}
