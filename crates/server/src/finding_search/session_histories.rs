//! Questions of conversations, so that a repeated question is found when the next trace of the conversation is searched.

use std::collections::HashMap;

use hinomi_evaluation::signals::QuestionHistory;
use hinomi_model::id::TraceId;
use hinomi_model::money::Usd;
use hinomi_model::span::Span;
use hinomi_query::{ProjectSnapshot, QueryError};
use hinomi_store::rows::SpanRow;
use hinomi_tables::findings::SearchedTrace;

use crate::trace_work::{MAX_TRACE_BYTES, MAX_TRACE_SPANS};

/// How far before a trace the earlier traces of its conversation are read, in microseconds: six hours.
const LOOK_BACK_US: i64 = 6 * 3_600_000_000;
/// Maximum number of earlier traces of a conversation that are read.
const MAX_EARLIER_TRACES: usize = 6;
/// Maximum number of conversations that are remembered.
const MAX_SESSIONS: usize = 20_000;

/// Questions of one conversation.
#[derive(Debug)]
struct SessionHistory {
    questions: QuestionHistory,
    /// Start and ID of the last trace.
    last: (i64, TraceId),
    used_us: i64,
}

/// Questions of the conversations whose traces were searched last.
#[derive(Debug)]
pub(super) struct SessionHistories {
    sessions: HashMap<(u64, String), SessionHistory>,
    /// Time since which every conversation is remembered, in microseconds since the Unix epoch.
    complete_since_us: i64,
}

impl SessionHistories {
    pub(super) fn new(now_us: i64) -> SessionHistories {
        SessionHistories { sessions: HashMap::new(), complete_since_us: now_us }
    }

    /// Adds the questions that repeat earlier ones to the findings of traces, which are in order of time.
    pub(super) async fn add_repeated_questions(
        &mut self,
        snapshot: &ProjectSnapshot,
        project: u64,
        runs: &mut [(SearchedTrace, Vec<SpanRow>)],
        now_us: i64,
    ) -> Result<(), QueryError> {
        self.remove_unused(now_us);
        let mut earlier = self.earlier_traces(snapshot, project, runs, now_us).await?;
        for (run, rows) in runs {
            let Some(session) = &run.session else { continue };
            let key = (project, session.clone());
            let at = (run.start_us, run.trace);
            if let Some(earlier) = earlier.remove(session) {
                let mut questions = QuestionHistory::default();
                for (_, rows) in earlier {
                    questions.add_trace(&spans_of(&rows));
                }
                self.sessions.insert(key.clone(), SessionHistory { questions, last: at, used_us: now_us });
            }
            let history = self.sessions.entry(key).or_insert_with(|| SessionHistory {
                questions: QuestionHistory::default(),
                last: at,
                used_us: now_us,
            });
            history.last = at;
            history.used_us = now_us;
            run.findings.extend(history.questions.add_trace(&spans_of(rows)).into_iter().map(|finding| (finding, Usd::ZERO)));
        }
        Ok(())
    }

    /// Reads the earlier traces of the conversations that are not remembered, or whose traces do not arrive in order.
    async fn earlier_traces(
        &self,
        snapshot: &ProjectSnapshot,
        project: u64,
        runs: &[(SearchedTrace, Vec<SpanRow>)],
        now_us: i64,
    ) -> Result<HashMap<String, Vec<(TraceId, Vec<SpanRow>)>>, QueryError> {
        let mut first: HashMap<&str, (i64, TraceId)> = HashMap::new();
        for (run, _) in runs {
            if let Some(session) = &run.session {
                first.entry(session).or_insert((run.start_us, run.trace));
            }
        }
        first.retain(|session, at| match self.sessions.get(&(project, (*session).to_owned())) {
            Some(known) => *at <= known.last,
            None => at.0 - LOOK_BACK_US < self.complete_since_us || at.0 > now_us,
        });
        let Some(from_us) = first.values().map(|(start_us, _)| start_us - LOOK_BACK_US).min() else { return Ok(HashMap::new()) };
        let to_us = first.values().map(|(start_us, _)| start_us + 1).max().unwrap_or(from_us);
        let sessions: Vec<&str> = first.keys().copied().collect();
        let mut traces = snapshot.traces_of_sessions(&sessions, (from_us, to_us)).await?;
        let mut wanted = Vec::new();
        for (session, traces) in &mut traces {
            let Some((start_us, trace)) = first.get(session.as_str()) else { continue };
            traces.retain(|(other, other_us)| (*other_us, *other) < (*start_us, *trace) && *other_us >= start_us - LOOK_BACK_US);
            traces.drain(..traces.len().saturating_sub(MAX_EARLIER_TRACES));
            wanted.extend(traces.iter().map(|(trace, _)| *trace));
        }
        let mut full = snapshot.full_traces(&wanted, MAX_TRACE_SPANS, MAX_TRACE_BYTES).await?;
        let mut found: HashMap<String, Vec<(TraceId, Vec<SpanRow>)>> =
            first.keys().map(|session| ((*session).to_owned(), Vec::new())).collect();
        for (session, traces) in traces {
            let rows = traces.into_iter().filter_map(|(trace, _)| Some((trace, full.spans.remove(&trace)?)));
            found.insert(session, rows.collect());
        }
        Ok(found)
    }

    /// Forgets conversations that were not used for long, and half of all if there are too many.
    fn remove_unused(&mut self, now_us: i64) {
        self.sessions.retain(|_, history| history.used_us >= now_us - LOOK_BACK_US);
        if self.sessions.len() > MAX_SESSIONS {
            let mut used: Vec<i64> = self.sessions.values().map(|history| history.used_us).collect();
            let (_, middle, _) = used.select_nth_unstable(MAX_SESSIONS / 2);
            let middle_us = *middle;
            self.sessions.retain(|_, history| history.used_us > middle_us);
            self.complete_since_us = now_us;
        }
    }
}

fn spans_of(rows: &[SpanRow]) -> Vec<&Span> {
    rows.iter().map(|row| &row.span).collect()
}
