//! The background job that evaluates stored data with one evaluator: six hours at a time, with the progress saved after each part.

use std::collections::BTreeMap;
use std::sync::Arc;

use hinomi_query::QueryScope;
use hinomi_tables::evaluators::EvaluatorRecord;
use serde::{Deserialize, Serialize};

use super::selection::{CandidateScope, select_targets};
use super::{EvaluationService, MAX_BATCH_TRACES};
use crate::jobs::{JobContext, JobError, JobHandler, JobLimits};
use crate::trace_work::TraceWorkError;

/// Length of a part in microseconds.
const PART_US: i64 = 6 * 3_600_000_000;
/// Number of repetitions of a batch after an erasure.
const MAX_REPETITIONS: usize = 5;

/// Selects the evaluator and the time range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationBackfillTask {
    /// ID of the evaluator.
    pub evaluator: i64,
    /// Start of the time range in microseconds since the Unix epoch; `None` for everything stored.
    pub from_us: Option<i64>,
    /// Exclusive end of the time range; `None` for everything up to the newest span.
    pub to_us: Option<i64>,
}

/// Progress of the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationBackfillProgress {
    /// Start of the time range in microseconds since the Unix epoch.
    pub from_us: i64,
    /// Exclusive end of the time range.
    pub to_us: i64,
    /// Targets that start before this time have been evaluated.
    pub reached_us: i64,
    /// Version of the evaluator. If it changes, the job starts again.
    pub version: u64,
    /// Number of evaluations by outcome, such as `scored`.
    pub outcomes: BTreeMap<String, u64>,
}

/// Evaluates stored data.
#[derive(Debug)]
pub struct EvaluationBackfillJob {
    /// Databases.
    pub service: Arc<EvaluationService>,
}

impl JobHandler for EvaluationBackfillJob {
    const KIND: &'static str = "evaluate";
    type Task = EvaluationBackfillTask;
    type Progress = EvaluationBackfillProgress;

    fn limits(&self) -> JobLimits {
        JobLimits { max_running: 1, ..JobLimits::default() }
    }

    async fn run(&self, job: &JobContext<EvaluationBackfillJob>) -> Result<(), JobError> {
        let record = self.evaluator(job).await?;
        let mut progress = match job.saved_progress().filter(|progress| progress.version == record.version) {
            Some(progress) => progress,
            None => self.prepare_range(job, &record).await?,
        };
        while progress.reached_us < progress.to_us {
            job.check()?;
            let record = self.evaluator(job).await?;
            if record.version != progress.version {
                progress = self.prepare_range(job, &record).await?;
                continue;
            }
            let part_end_us = progress.reached_us.saturating_add(PART_US).min(progress.to_us);
            self.evaluate_part(job, record, (progress.reached_us, part_end_us), &mut progress.outcomes).await?;
            progress.reached_us = part_end_us;
            job.save_progress(&progress)?;
        }
        Ok(())
    }
}

impl EvaluationBackfillJob {
    /// Returns the evaluator as it is stored now.
    async fn evaluator(&self, job: &JobContext<EvaluationBackfillJob>) -> Result<EvaluatorRecord, JobError> {
        let (evaluators, project, id) = (self.service.evaluators.clone(), job.project(), job.task().evaluator);
        let found = tokio::task::spawn_blocking(move || evaluators.evaluator(project, id)).await.map_err(|_| JobError::Interrupted)?;
        found.map_err(temporary)?.ok_or_else(|| JobError::Permanent("the evaluator was deleted".to_owned()))
    }

    /// Determines the time range and counts the targets.
    async fn prepare_range(
        &self,
        job: &JobContext<EvaluationBackfillJob>,
        record: &EvaluatorRecord,
    ) -> Result<EvaluationBackfillProgress, JobError> {
        let snapshot = self.service.snapshot(job.project());
        let EvaluationBackfillTask { from_us, to_us, .. } = job.task();
        let open = QueryScope { from_us: from_us.unwrap_or(i64::MIN), to_us: to_us.unwrap_or(i64::MAX), ..QueryScope::all() };
        let (from_us, to_us) = snapshot.resolved_range(&open).await.map_err(temporary)?;
        let evaluator = self.service.prepare_one(record.clone()).await?;
        let mut total = 0;
        let mut start_us = from_us;
        while start_us < to_us {
            job.check()?;
            let end_us = start_us.saturating_add(PART_US).min(to_us);
            total += select_targets(&snapshot, &evaluator, CandidateScope::Range(start_us, end_us)).await.map_err(temporary)?.targets.len();
            start_us = end_us;
        }
        job.counts().set_done(0);
        job.counts().set_total(total as u64);
        let outcomes = BTreeMap::new();
        Ok(EvaluationBackfillProgress { from_us, to_us, reached_us: from_us, version: record.version, outcomes })
    }

    /// Evaluates the targets that start in a part of the time range.
    async fn evaluate_part(
        &self,
        job: &JobContext<EvaluationBackfillJob>,
        record: EvaluatorRecord,
        (from_us, to_us): (i64, i64),
        outcomes: &mut BTreeMap<String, u64>,
    ) -> Result<(), JobError> {
        let service = &self.service;
        let evaluator = Arc::new(service.prepare_one(record).await?);
        let selected = select_targets(&service.snapshot(job.project()), &evaluator, CandidateScope::Range(from_us, to_us)).await;
        for batch in selected.map_err(temporary)?.targets.chunks(MAX_BATCH_TRACES) {
            let mut repetitions = 0;
            let tally = loop {
                job.check()?;
                let read_at = service.scores.erasure_count();
                let snapshot = service.snapshot(job.project());
                let evaluated = service.evaluate(&snapshot, vec![(evaluator.clone(), batch.to_vec())]).await?;
                match service.store_results(job.project(), evaluated, read_at).await {
                    Err(TraceWorkError::Erased) if repetitions < MAX_REPETITIONS => repetitions += 1,
                    stored => break stored?,
                }
            };
            job.counts().add_done(batch.len() as u64);
            for ((_, outcome), count) in tally {
                *outcomes.entry(outcome).or_default() += count;
            }
        }
        Ok(())
    }
}

fn temporary(error: impl std::fmt::Display) -> JobError {
    JobError::Temporary { reason: error.to_string(), retry_after: None }
}

impl From<TraceWorkError> for JobError {
    fn from(error: TraceWorkError) -> JobError {
        match error {
            TraceWorkError::Stopping => JobError::Interrupted,
            TraceWorkError::Evaluator(_) | TraceWorkError::Filter(_) => JobError::Permanent(error.to_string()),
            TraceWorkError::Query(_) | TraceWorkError::Database(_) | TraceWorkError::Erased => temporary(error),
        }
    }
}
