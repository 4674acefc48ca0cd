//! Runs the jobs of the queue.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hinomi_tables::metadata::{JobFilter, JobRecord, JobState, MetadataError, MetadataStore};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::context::{JobAttempt, JobCounts, JobInterruption, JobSignals};
use super::handler::{JobError, JobHandler, JobRegistry, RegisteredJobHandler};
use super::queue::{JobQueue, now_us};

/// Maximum number of jobs of all kinds and projects that run at the same time.
pub(super) const MAX_RUNNING_JOBS: usize = 4;

/// Runs the jobs of a server.
#[derive(Debug)]
pub struct JobRunner {
    queue: Arc<JobQueue>,
    handlers: JobRegistry,
    /// Low-priority threads.
    threads: Handle,
    /// Stops all jobs when the server stops; they continue after its next start.
    stop: CancellationToken,
    /// One permit for each job that may run.
    slots: Semaphore,
    running: Mutex<HashMap<i64, RunningJob>>,
}

/// A job that the runner has taken from the queue. It may be waiting for a slot or for its next attempt.
#[derive(Debug, Clone)]
struct RunningJob {
    project: u64,
    kind: &'static str,
    signals: JobSignals,
    counts: JobCounts,
}

/// How the work on a job ended.
enum JobEnd {
    Done,
    /// A user cancelled the attempt, or the server stops.
    Interrupted,
    Failed(String),
}

impl JobRunner {
    /// Creates a runner that runs no jobs yet: [`start`](JobRunner::start) starts the stored jobs.
    pub fn new(meta: Arc<MetadataStore>, handlers: JobRegistry, threads: Handle, stop: CancellationToken) -> Arc<JobRunner> {
        Arc::new(JobRunner {
            queue: Arc::new(JobQueue::new(meta)),
            handlers,
            threads,
            stop,
            slots: Semaphore::new(MAX_RUNNING_JOBS),
            running: Mutex::default(),
        })
    }

    /// Continues jobs that have not ended.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn start(self: &Arc<Self>) -> Result<(), MetadataError> {
        let mut running = self.lock_running();
        let mut busy: HashSet<(u64, &str)> = running.values().map(|job| (job.project, job.kind)).collect();
        for record in self.queue.meta.unfinished_jobs()? {
            if running.contains_key(&record.id) {
                continue;
            }
            let Some(handler) = self.handlers.find(&record.kind, &record.task) else {
                // A newer version wrote the job, and this version cannot do its work.
                tracing::error!(job = record.id, kind = record.kind, "jobs.job.unknown_task");
                continue;
            };
            if !busy.insert((record.project, handler.kind)) {
                continue;
            }
            let job = RunningJob {
                project: record.project,
                kind: handler.kind,
                signals: JobSignals::new(&self.stop),
                counts: JobCounts::new(record.done, record.total),
            };
            running.insert(record.id, job.clone());
            self.threads.spawn(self.clone().run_job(record, handler.clone(), job));
        }
        Ok(())
    }

    /// Adds a job, and starts it if no other job of the same project and kind runs.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn submit_job<H: JobHandler>(self: &Arc<Self>, project: u64, task: &H::Task) -> Result<JobRecord, MetadataError> {
        let text = serde_json::to_string(task).map_err(|error| MetadataError::Invalid(error.to_string()))?;
        let record = self.queue.meta.create_job(project, H::KIND, &text)?;
        self.start()?;
        Ok(record)
    }

    /// Returns a job with its current progress.
    ///
    /// # Errors
    ///
    /// Returns [`MetadataError::NoJob`] if the job does not exist.
    pub fn get(&self, id: i64) -> Result<JobRecord, MetadataError> {
        let record = self.queue.meta.job(id)?;
        Ok(self.with_progress(record))
    }

    /// Returns jobs with their current progress, the newest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn list(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRecord>, MetadataError> {
        let records = self.queue.meta.jobs(filter, limit)?;
        Ok(records.into_iter().map(|record| self.with_progress(record)).collect())
    }

    /// Cancels a job between two of its writes, and waits until it has ended. Completed work of the job is kept. A job that has already
    /// ended is returned unchanged.
    ///
    /// # Errors
    ///
    /// Returns [`MetadataError::NoJob`] if the job does not exist.
    pub async fn cancel(self: &Arc<Self>, id: i64) -> Result<JobRecord, MetadataError> {
        if self.cancel_in_queue(id)? { self.get(id) } else { self.wait_for_job(id).await }
    }

    /// Cancels a job. Returns true if the job has ended, false if the runner works on it.
    fn cancel_in_queue(&self, id: i64) -> Result<bool, MetadataError> {
        // The lock keeps the job from being started in between.
        let running = self.lock_running();
        let record = self.queue.meta.job(id)?;
        if record.state.is_ended() {
            return Ok(true);
        }
        if let Some(job) = running.get(&id) {
            job.signals.cancel();
            return Ok(false);
        }
        self.queue.finish_job(JobRecord { state: JobState::Cancelled, ..record })?;
        Ok(true)
    }

    /// Waits until a job has ended or the server stops, and returns the job.
    ///
    /// # Errors
    ///
    /// Returns [`MetadataError::NoJob`] if the job does not exist.
    pub async fn wait_for_job(&self, id: i64) -> Result<JobRecord, MetadataError> {
        let mut changes = self.queue.subscribe();
        loop {
            let record = self.get(id)?;
            if record.state.is_ended() || self.stop.is_cancelled() {
                return Ok(record);
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return self.get(id) },
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Waits until no job is in progress, after the server has begun to stop.
    pub async fn wait_until_idle(&self) {
        let mut changes = self.queue.subscribe();
        loop {
            // The lock must not be held while waiting.
            let is_idle = self.lock_running().is_empty();
            if is_idle || changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn lock_running(&self) -> MutexGuard<'_, HashMap<i64, RunningJob>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_progress(&self, mut record: JobRecord) -> JobRecord {
        if let Some(job) = self.lock_running().get(&record.id).filter(|_| !record.state.is_ended()) {
            (record.done, record.total) = job.counts.get();
        }
        record
    }

    async fn run_job(self: Arc<Self>, record: JobRecord, handler: RegisteredJobHandler, job: RunningJob) {
        let id = record.id;
        // A task of its own: a panic in the handler ends the job, not the runner.
        let working = self.threads.spawn(self.clone().process_task(record, handler, job.clone()));
        let end = working.await.unwrap_or_else(|error| JobEnd::Failed(format!("internal error: {error}")));
        let state = match &end {
            JobEnd::Done => Some(JobState::Done),
            JobEnd::Failed(_) => Some(JobState::Failed),
            JobEnd::Interrupted if job.signals.interruption() == Some(JobInterruption::Cancelled) => Some(JobState::Cancelled),
            // The job continues after the next start.
            JobEnd::Interrupted => None,
        };
        let reason = if let JobEnd::Failed(reason) = end { Some(reason) } else { None };
        let (done, total) = job.counts.get();
        tracing::info!(
            job = id,
            kind = job.kind,
            project = job.project,
            done,
            total,
            state = state.map(JobState::name),
            reason,
            "jobs.job.ended"
        );
        if let Some(state) = state {
            let stored = self.queue.meta.job(id);
            let ended = stored.and_then(|record| self.queue.finish_job(JobRecord { state, reason, done, total, ..record }));
            // The job was deleted together with its project.
            if let Err(error) = ended.or_else(|error| if matches!(error, MetadataError::NoJob(_)) { Ok(()) } else { Err(error) }) {
                tracing::error!(%error, job = id, "jobs.job.write_failed");
            }
        }
        self.lock_running().remove(&id);
        self.queue.signal();
        if !self.stop.is_cancelled()
            && let Err(error) = self.start()
        {
            tracing::error!(%error, "jobs.runner.start_failed");
        }
    }

    /// Makes attempts at a job until one succeeds or no other one may follow.
    async fn process_task(self: Arc<Self>, mut record: JobRecord, handler: RegisteredJobHandler, job: RunningJob) -> JobEnd {
        loop {
            if !wait_until(record.retry_us, &job.signals.interrupted).await {
                return JobEnd::Interrupted;
            }
            let Some(_slots) = job.signals.interrupted.run_until_cancelled(self.slots(&handler)).await.flatten() else {
                return JobEnd::Interrupted;
            };
            record.state = JobState::Running;
            record.started_us = record.started_us.or(Some(now_us()));
            record.retry_us = None;
            if let Err(error) = self.queue.store_record(&record) {
                return JobEnd::Failed(error.to_string());
            }
            let attempt = JobAttempt {
                queue: self.queue.clone(),
                record,
                counts: job.counts.clone(),
                signals: job.signals.clone(),
                limits: handler.limits,
            };
            let id = attempt.record.id;
            let (reason, retry_after) = match handler.handler.clone().attempt(attempt).await {
                Ok(()) => return JobEnd::Done,
                Err(JobError::Permanent(reason)) => return JobEnd::Failed(reason),
                // An error that the interruption has caused does not count as a failed attempt.
                Err(_) if job.signals.interruption().is_some() => return JobEnd::Interrupted,
                Err(JobError::Interrupted) => return JobEnd::Failed("the work ended early".to_owned()),
                Err(JobError::Temporary { reason, retry_after }) => (reason, retry_after),
            };
            record = match self.postpone(id, &handler, &job, &reason, retry_after) {
                Ok(Some(record)) => record,
                Ok(None) => return JobEnd::Failed(reason),
                Err(error) => return JobEnd::Failed(error.to_string()),
            };
        }
    }

    /// Waits for the slots that a job occupies while it runs; `None` when the runner has no more slots.
    async fn slots<'a>(&'a self, handler: &'a RegisteredJobHandler) -> Option<(SemaphorePermit<'a>, SemaphorePermit<'a>)> {
        // The slot of the kind is first: a job that waits for it must not occupy a slot that other kinds could use.
        let of_kind = handler.slots.acquire().await.ok()?;
        Some((of_kind, self.slots.acquire().await.ok()?))
    }

    /// Counts a failed attempt and determines the time of the next one. Returns the job as it was saved last; `None` if there were too many
    /// attempts without progress.
    fn postpone(
        &self,
        id: i64,
        handler: &RegisteredJobHandler,
        job: &RunningJob,
        reason: &str,
        retry_after: Option<Duration>,
    ) -> Result<Option<JobRecord>, MetadataError> {
        let mut record = self.queue.meta.job(id)?;
        record.attempts += 1;
        if record.attempts >= handler.limits.max_attempts {
            return Ok(None);
        }
        let delay = handler.limits.retry_delay(record.attempts, retry_after);
        tracing::warn!(job = id, kind = job.kind, attempt = record.attempts, delay_s = delay.as_secs_f64(), reason, "jobs.attempt.failed");
        record.state = JobState::Paused;
        record.retry_us = Some(now_us().saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)));
        self.queue.store_record(&record)?;
        job.counts.set_done(record.done);
        job.counts.set_total(record.total);
        Ok(Some(record))
    }
}

/// Waits until a time in microseconds since the Unix epoch. Returns false when interrupted before that.
async fn wait_until(at_us: Option<i64>, interrupted: &CancellationToken) -> bool {
    let delay_us = at_us.map_or(0, |at_us| at_us.saturating_sub(now_us()));
    let delay = Duration::from_micros(u64::try_from(delay_us).unwrap_or(0));
    delay.is_zero() || interrupted.run_until_cancelled(tokio::time::sleep(delay)).await.is_some()
}
