//! Evaluation in the background: traces when they are complete, conversations when they have been quiet for a time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use hinomi_model::id::TraceId;
use hinomi_query::filter::Filter;
use hinomi_tables::database::SqliteError;
use hinomi_tables::evaluators::EvaluatorTarget;

use super::EvaluationService;
use super::prepared::PreparedEvaluator;
use super::selection::{CandidateScope, SelectedTarget, select_targets};
use crate::trace_work::{TraceWork, TraceWorkError, now_us};

/// Maximum number of conversations that wait. Further ones are evaluated at once, and again when they change.
const MAX_WAITING_SESSIONS: usize = 200_000;
/// Maximum number of conversations that are evaluated at a time.
const MAX_BATCH_SESSIONS: usize = 200;
/// Minimum time between two evaluations of conversations, in microseconds: half a minute.
const SESSION_INTERVAL_US: i64 = 30_000_000;
/// How far before its last trace the traces of a conversation are searched, in microseconds: 30 days.
const MAX_SESSION_US: i64 = 30 * 86_400_000_000;

/// A conversation that waits until it is quiet.
#[derive(Debug, Clone, Copy)]
struct WaitingSession {
    /// Time of the last change in microseconds since the Unix epoch.
    changed_us: i64,
    /// Start of its earliest changed trace in microseconds since the Unix epoch.
    start_us: i64,
}

/// The evaluation of traces and conversations by the enabled evaluators of their project.
#[derive(Debug)]
pub struct EvaluationWork {
    service: Arc<EvaluationService>,
    quiet_session_us: i64,
    /// Time of the last evaluation of conversations in microseconds since the Unix epoch.
    sessions_evaluated_us: i64,
    sessions: HashMap<(u64, String), WaitingSession>,
}

impl EvaluationWork {
    /// Creates the work. A conversation is evaluated when no new trace of it has arrived for `quiet_session`.
    pub fn new(service: Arc<EvaluationService>, quiet_session: Duration) -> EvaluationWork {
        let quiet_session_us = i64::try_from(quiet_session.as_micros()).unwrap_or(i64::MAX);
        EvaluationWork { service, quiet_session_us, sessions_evaluated_us: 0, sessions: HashMap::new() }
    }

    /// Selects and evaluates targets, and stores the scores.
    async fn evaluate(
        &self,
        project: u64,
        evaluators: &[Arc<PreparedEvaluator>],
        traces: &HashSet<TraceId>,
        selects: impl Fn(&SelectedTarget) -> bool,
    ) -> Result<(), TraceWorkError> {
        let read_at = self.service.scores.erasure_count();
        let snapshot = self.service.snapshot(project);
        let mut work = Vec::new();
        for evaluator in evaluators {
            match select_targets(&snapshot, evaluator, CandidateScope::Traces(traces)).await {
                Ok(mut selection) => {
                    selection.targets.retain(&selects);
                    work.push((evaluator.clone(), selection.targets));
                }
                // One evaluator must not stop the others.
                Err(error) if error.is_user_error() => {
                    tracing::warn!(project, evaluator = evaluator.record.id, %error, "evaluator.select.failed");
                }
                Err(error) => return Err(error.into()),
            }
        }
        let evaluated = self.service.evaluate(&snapshot, work).await?;
        self.service.store_results(project, evaluated, read_at).await.map(drop)
    }

    /// Notes the conversations of traces, which are evaluated later.
    async fn note_sessions(&mut self, project: u64, traces: &HashSet<TraceId>) -> Result<(), TraceWorkError> {
        let runs = self.service.snapshot(project).runs_among(traces, &Filter::default()).await?;
        let changed_us = now_us();
        for run in runs {
            let Some(session) = run.session else { continue };
            let waiting = self.sessions.entry((project, session)).or_insert(WaitingSession { changed_us, start_us: run.start_us });
            waiting.changed_us = changed_us;
            waiting.start_us = waiting.start_us.min(run.start_us);
        }
        Ok(())
    }

    /// Evaluates conversations of a project.
    async fn evaluate_sessions(&self, project: u64, sessions: &[(String, WaitingSession)]) -> Result<(), TraceWorkError> {
        let evaluators = evaluators_of(self.service.prepare_enabled(project).await?, |target| target == EvaluatorTarget::Session);
        if evaluators.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = sessions.iter().map(|(session, _)| session.as_str()).collect();
        let from_us = sessions.iter().map(|(_, waiting)| waiting.start_us).min().unwrap_or_default().saturating_sub(MAX_SESSION_US);
        let found = self.service.snapshot(project).traces_of_sessions(&names, (from_us, i64::MAX)).await?;
        let traces: HashSet<TraceId> = found.into_values().flatten().map(|(trace, _)| trace).collect();
        // A trace can belong to several conversations, of which only these are due.
        let is_due = |target: &SelectedTarget| target.session.as_deref().is_some_and(|session| names.contains(&session));
        self.evaluate(project, &evaluators, &traces, is_due).await
    }
}

fn evaluators_of(all: Vec<PreparedEvaluator>, selects: impl Fn(EvaluatorTarget) -> bool) -> Vec<Arc<PreparedEvaluator>> {
    all.into_iter().filter(|evaluator| selects(evaluator.record.draft.target)).map(Arc::new).collect()
}

impl TraceWork for EvaluationWork {
    const NAME: &'static str = "evaluation";
    // A trace that goes on for longer is evaluated every hour.
    const MAX_DELAY_US: i64 = 3_600_000_000;
    // Evaluators evaluate what arrives from now on. Stored data is evaluated on request.
    const FIRST_PERIOD_US: i64 = 0;

    async fn process(&mut self, project: u64, traces: &[TraceId]) -> Result<(), TraceWorkError> {
        let evaluators = self.service.prepare_enabled(project).await?;
        if evaluators.is_empty() {
            return Ok(());
        }
        let traces: HashSet<TraceId> = traces.iter().copied().collect();
        if evaluators.iter().any(|evaluator| evaluator.record.draft.target == EvaluatorTarget::Session) {
            self.note_sessions(project, &traces).await?;
        }
        let of_traces = evaluators_of(evaluators, |target| target != EvaluatorTarget::Session);
        self.evaluate(project, &of_traces, &traces, |_| true).await
    }

    async fn process_pending(&mut self) -> Result<(), TraceWorkError> {
        let now_us = now_us();
        // Each evaluation searches the traces of all conversations that are due, so it waits until several are.
        let interval_us = SESSION_INTERVAL_US.min(self.quiet_session_us);
        if (self.sessions_evaluated_us..self.sessions_evaluated_us.saturating_add(interval_us)).contains(&now_us) {
            return Ok(());
        }
        self.sessions_evaluated_us = now_us;
        let quiet_since_us = now_us.saturating_sub(self.quiet_session_us);
        let is_full = self.sessions.len() > MAX_WAITING_SESSIONS;
        let is_due = |_: &(u64, String), waiting: &mut WaitingSession| is_full || waiting.changed_us <= quiet_since_us;
        let mut due: BTreeMap<u64, Vec<(String, WaitingSession)>> = BTreeMap::new();
        for ((project, session), waiting) in self.sessions.extract_if(is_due) {
            due.entry(project).or_default().push((session, waiting));
        }
        let mut failure = None;
        for (project, sessions) in due {
            for batch in sessions.chunks(MAX_BATCH_SESSIONS) {
                if let Err(error) = self.evaluate_sessions(project, batch).await {
                    // They wait again, with the time of their change, so that a restart finds them.
                    self.sessions.extend(batch.iter().map(|(session, waiting)| ((project, session.clone()), *waiting)));
                    failure = Some(error);
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn oldest_pending_us(&self) -> Option<i64> {
        self.sessions.values().map(|waiting| waiting.changed_us).min()
    }

    fn processed_until_us(&self) -> Result<Option<i64>, SqliteError> {
        self.service.evaluators.evaluated_until_us()
    }

    fn progress_recorder(&self) -> Box<dyn FnOnce(i64) -> Result<(), SqliteError> + Send> {
        let evaluators = self.service.evaluators.clone();
        Box::new(move |time_us| evaluators.set_evaluated_until(time_us))
    }
}
