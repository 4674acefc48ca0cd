//! Which targets an evaluator evaluates: its filter, its sampling, and the probability of each target.

use std::collections::{BTreeMap, HashSet};

use hinomi_evaluation::evaluators::sampling::is_selected;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_query::filter::Filter;
use hinomi_query::{CallOutline, ProjectSnapshot, QueryError, QueryScope, RunOutline};
use hinomi_tables::evaluators::EvaluatorTarget;

use super::prepared::{PreparedEvaluator, SamplingRate};

/// Where targets are looked for.
#[derive(Debug, Clone, Copy)]
pub enum CandidateScope<'a> {
    /// In the spans that start in a time range, in microseconds since the Unix epoch.
    Range(i64, i64),
    /// In some traces.
    Traces(&'a HashSet<TraceId>),
}

/// A target that an evaluator selects.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectedTarget {
    /// ID of the trace; `None` for a conversation.
    pub trace: Option<TraceId>,
    /// ID of the span; `None` for a trace or a conversation.
    pub span: Option<SpanId>,
    /// ID of the conversation, if it has one.
    pub session: Option<String>,
    /// Start in microseconds since the Unix epoch; of a conversation, the start of its last trace in the scope.
    pub start_us: i64,
    /// Probability with which the target was selected.
    pub probability: f64,
}

/// Targets that an evaluator selects.
#[derive(Debug, Default)]
pub struct TargetSelection {
    /// Selected targets, in order of time.
    pub targets: Vec<SelectedTarget>,
    /// Number of targets that its filter matches.
    pub of: u64,
}

/// What identifies a target.
type TargetKey = (Option<TraceId>, Option<SpanId>, Option<String>);

impl SelectedTarget {
    fn of_call(call: CallOutline) -> SelectedTarget {
        let CallOutline { trace, span, session, start_us } = call;
        SelectedTarget { trace: Some(trace), span: Some(span), session, start_us, probability: 0.0 }
    }

    fn of_run(run: RunOutline) -> SelectedTarget {
        let RunOutline { trace, session, start_us, .. } = run;
        SelectedTarget { trace: Some(trace), span: None, session, start_us, probability: 0.0 }
    }

    fn key(&self) -> TargetKey {
        (self.trace, self.span, self.session.clone().filter(|_| self.trace.is_none()))
    }

    /// Returns the text whose hash decides whether the target is selected: the conversation, or the trace if there is none.
    fn sampling_key(&self) -> String {
        match (&self.session, self.trace) {
            (Some(session), _) => session.clone(),
            (None, Some(trace)) => trace.to_string(),
            (None, None) => String::new(),
        }
    }
}

/// Returns the targets in a scope that an evaluator selects.
///
/// # Errors
///
/// Returns an error if a query fails.
pub async fn select_targets(
    snapshot: &ProjectSnapshot,
    evaluator: &PreparedEvaluator,
    scope: CandidateScope<'_>,
) -> Result<TargetSelection, QueryError> {
    let target = evaluator.record.draft.target;
    let matching = candidates(snapshot, target, &evaluator.filter, scope).await?;
    let of = matching.len() as u64;
    // Targets by the first rule that matches. A target without a rule is not evaluated.
    let mut rest = matching;
    let mut targets = Vec::new();
    for SamplingRate { filter, rate } in &evaluator.rates {
        let of_rule = if filter.0.is_empty() {
            std::mem::take(&mut rest)
        } else {
            let both = Filter(evaluator.filter.0.iter().chain(&filter.0).cloned().collect());
            let keys: HashSet<TargetKey> = candidates(snapshot, target, &both, scope).await?.iter().map(SelectedTarget::key).collect();
            let (of_rule, others) = rest.into_iter().partition(|candidate| keys.contains(&candidate.key()));
            rest = others;
            of_rule
        };
        let selected = of_rule.into_iter().filter(|candidate| is_selected(&candidate.sampling_key(), evaluator.seed, *rate));
        targets.extend(selected.map(|candidate| SelectedTarget { probability: *rate, ..candidate }));
    }
    targets.sort_by_key(|target| target.start_us);
    Ok(TargetSelection { targets, of })
}

/// Returns the targets of a kind that a filter matches.
async fn candidates(
    snapshot: &ProjectSnapshot,
    target: EvaluatorTarget,
    filter: &Filter,
    scope: CandidateScope<'_>,
) -> Result<Vec<SelectedTarget>, QueryError> {
    let of_range = |from_us, to_us| QueryScope { from_us, to_us, filter: filter.clone() };
    if target == EvaluatorTarget::Span {
        let calls = match scope {
            CandidateScope::Range(from_us, to_us) => snapshot.calls_in_scope(&of_range(from_us, to_us)).await?,
            CandidateScope::Traces(traces) => snapshot.calls_among(traces, filter).await?,
        };
        return Ok(calls.into_iter().map(SelectedTarget::of_call).collect());
    }
    let runs = match scope {
        CandidateScope::Range(from_us, to_us) => snapshot.runs_in_scope(&of_range(from_us, to_us)).await?,
        CandidateScope::Traces(traces) => snapshot.runs_among(traces, filter).await?,
    };
    if target == EvaluatorTarget::Trace {
        return Ok(runs.into_iter().map(SelectedTarget::of_run).collect());
    }
    // Runs are in order of time: the last one of a conversation determines its start.
    let sessions: BTreeMap<String, i64> = runs.into_iter().filter_map(|run| Some((run.session?, run.start_us))).collect();
    let of_session = |(session, start_us)| SelectedTarget { trace: None, span: None, session: Some(session), start_us, probability: 0.0 };
    Ok(sessions.into_iter().map(of_session).collect())
}
