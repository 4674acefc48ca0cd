//! Background jobs: long work that continues in the server when the client disconnects. Their state is in `hinomi.db`.
//!
//! One job per project and kind runs at a time; the others wait. A job that was running when the server stopped continues after the next
//! start, from its last saved progress.

mod reprice;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hinomi_query::QueryEngine;
use hinomi_store::Store;
use hinomi_tables::metadata::{JobFilter, JobRecord, JobState, MetadataError, MetadataStore};
use hinomi_tables::prices::ActivePrices;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::reprice::RepriceControl;
pub use reprice::RepriceProgress;

/// Number of jobs that run at the same time, of all projects.
const MAX_RUNNING_JOBS: usize = 2;

/// Work of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobTask {
    /// Recalculates the cost of stored calls with current prices.
    Reprice {
        /// Start of the time range in microseconds since the Unix epoch; `None` for everything stored.
        from_us: Option<i64>,
        /// Exclusive end of the time range; `None` for everything up to the newest call.
        to_us: Option<i64>,
    },
}

impl JobTask {
    /// Returns the name of the kind in the database and in the API.
    pub fn kind(&self) -> &'static str {
        match self {
            JobTask::Reprice { .. } => "reprice",
        }
    }
}

/// Resources that jobs use.
#[derive(Debug, Clone)]
pub struct JobResources {
    /// Projects, and the jobs themselves.
    pub meta: Arc<MetadataStore>,
    /// Spans.
    pub store: Arc<Store>,
    /// Engine that runs queries.
    pub engine: QueryEngine,
    /// Current prices.
    pub prices: Arc<ActivePrices>,
}

/// Runs the jobs of a server.
#[derive(Debug)]
pub struct JobRunner {
    resources: JobResources,
    /// Low-priority threads.
    threads: Handle,
    /// Stops all jobs when the server stops; they continue after its next start.
    stop: CancellationToken,
    slots: Semaphore,
    running: Mutex<HashMap<i64, RunningJob>>,
    /// Incremented whenever the state of a job changes.
    changes: watch::Sender<u64>,
}

/// A job that has a task, which may be waiting for a slot.
#[derive(Debug, Clone)]
struct RunningJob {
    project: u64,
    kind: &'static str,
    /// Cancelled by a user.
    cancelled: CancellationToken,
    /// Cancelled by a user or when the server stops.
    control: RepriceControl,
    /// Number of calls processed before the current batch, and the total number of calls.
    done_before: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

/// How the work on a job ended.
enum JobEnd {
    Done,
    /// A user cancelled it, or the server stops.
    Stopped,
    Failed(String),
}

impl JobRunner {
    /// Creates a runner without jobs: [`start`](JobRunner::start) begins them.
    pub fn new(resources: JobResources, threads: Handle, stop: CancellationToken) -> Arc<JobRunner> {
        Arc::new(JobRunner {
            resources,
            threads,
            stop,
            slots: Semaphore::new(MAX_RUNNING_JOBS),
            running: Mutex::default(),
            changes: watch::Sender::new(0),
        })
    }

    /// Continues jobs that have not ended.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn start(self: &Arc<Self>) -> Result<(), MetadataError> {
        let mut running = self.running();
        let mut busy: HashSet<(u64, &str)> = running.values().map(|job| (job.project, job.kind)).collect();
        for record in self.resources.meta.unfinished_jobs()? {
            if running.contains_key(&record.id) {
                continue;
            }
            let Ok(task) = serde_json::from_str::<JobTask>(&record.task) else {
                // A newer version wrote the job, and this version cannot do its work.
                tracing::error!(job = record.id, kind = record.kind, "jobs.job.unknown_task");
                continue;
            };
            if !busy.insert((record.project, task.kind())) {
                continue;
            }
            let cancelled = CancellationToken::new();
            let job = RunningJob {
                project: record.project,
                kind: task.kind(),
                control: RepriceControl { calls: Arc::default(), stop: self.stop.child_token() },
                cancelled,
                done_before: Arc::new(AtomicU64::new(record.done)),
                total: Arc::new(AtomicU64::new(record.total)),
            };
            running.insert(record.id, job.clone());
            self.threads.spawn(self.clone().work(record, task, job));
        }
        Ok(())
    }

    /// Adds a job, and starts it if no other job of the same project and kind runs.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn submit(self: &Arc<Self>, project: u64, task: &JobTask) -> Result<JobRecord, MetadataError> {
        let text = serde_json::to_string(task).map_err(|error| MetadataError::Invalid(error.to_string()))?;
        let record = self.resources.meta.create_job(project, task.kind(), &text)?;
        self.start()?;
        Ok(record)
    }

    /// Returns a job with its current progress.
    ///
    /// # Errors
    ///
    /// [`MetadataError::NoJob`] when the job does not exist.
    pub fn get(&self, id: i64) -> Result<JobRecord, MetadataError> {
        let record = self.resources.meta.job(id)?;
        Ok(self.as_of_now(record))
    }

    /// Returns jobs with their current progress, the newest first.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn list(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRecord>, MetadataError> {
        let records = self.resources.meta.jobs(filter, limit)?;
        Ok(records.into_iter().map(|record| self.as_of_now(record)).collect())
    }

    /// Cancels a job between two of its writes, and waits until it has ended. What it has done stays done. A job that has ended is
    /// returned unchanged.
    ///
    /// # Errors
    ///
    /// [`MetadataError::NoJob`] when the job does not exist.
    pub async fn cancel(self: &Arc<Self>, id: i64) -> Result<JobRecord, MetadataError> {
        let record = self.get(id)?;
        if record.state.is_ended() {
            return Ok(record);
        }
        let running = self.running().get(&id).cloned();
        if let Some(job) = running {
            job.cancelled.cancel();
            job.control.stop.cancel();
            return self.wait(id).await;
        }
        self.end(JobRecord { state: JobState::Cancelled, ..record })?;
        self.get(id)
    }

    /// Waits until a job has ended or the server stops, and returns the job.
    ///
    /// # Errors
    ///
    /// [`MetadataError::NoJob`] when the job does not exist.
    pub async fn wait(&self, id: i64) -> Result<JobRecord, MetadataError> {
        let mut changes = self.changes.subscribe();
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
    pub async fn stopped(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            // The lock must not be held while waiting.
            let is_idle = self.running().is_empty();
            if is_idle || changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<i64, RunningJob>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn as_of_now(&self, mut record: JobRecord) -> JobRecord {
        if let Some(job) = self.running().get(&record.id).filter(|_| !record.state.is_ended()) {
            (record.done, record.total) = job.counts();
        }
        record
    }

    async fn work(self: Arc<Self>, record: JobRecord, task: JobTask, job: RunningJob) {
        let id = record.id;
        let working = self.threads.spawn(self.clone().work_on(record, task, job.clone()));
        let end = working.await.unwrap_or_else(|error| JobEnd::Failed(format!("a fault in the program: {error}")));
        let state = match &end {
            JobEnd::Done => Some(JobState::Done),
            JobEnd::Failed(_) => Some(JobState::Failed),
            JobEnd::Stopped if job.cancelled.is_cancelled() => Some(JobState::Cancelled),
            // The job continues after the next start.
            JobEnd::Stopped => None,
        };
        let reason = if let JobEnd::Failed(reason) = end { Some(reason) } else { None };
        let (done, total) = job.counts();
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
            let ended = self.resources.meta.job(id).and_then(|record| self.end(JobRecord { state, reason, done, total, ..record }));
            // The job was deleted together with its project.
            if let Err(error) = ended.or_else(|error| if matches!(error, MetadataError::NoJob(_)) { Ok(()) } else { Err(error) }) {
                tracing::error!(%error, job = id, "jobs.job.write_failed");
            }
        }
        self.running().remove(&id);
        self.changes.send_modify(|changes| *changes += 1);
        if !self.stop.is_cancelled()
            && let Err(error) = self.start()
        {
            tracing::error!(%error, "jobs.runner.start_failed");
        }
    }

    async fn work_on(self: Arc<Self>, mut record: JobRecord, task: JobTask, job: RunningJob) -> JobEnd {
        let slot = tokio::select! {
            slot = self.slots.acquire() => slot,
            () = job.control.stop.cancelled() => return JobEnd::Stopped,
        };
        let Ok(_slot) = slot else { return JobEnd::Stopped };
        record.state = JobState::Running;
        record.started_us = record.started_us.or(Some(now_us()));
        if let Err(error) = self.write(&record) {
            return JobEnd::Failed(error.to_string());
        }
        match task {
            JobTask::Reprice { from_us, to_us } => self.reprice(record, (from_us, to_us), &job).await,
        }
    }

    fn write(&self, record: &JobRecord) -> Result<(), MetadataError> {
        self.resources.meta.update_job(record)?;
        self.changes.send_modify(|changes| *changes += 1);
        Ok(())
    }

    fn end(&self, record: JobRecord) -> Result<(), MetadataError> {
        self.write(&JobRecord { ended_us: Some(now_us()), ..record })
    }
}

impl RunningJob {
    /// Returns the number of processed calls and the total number of calls.
    fn counts(&self) -> (u64, u64) {
        let done = self.done_before.load(Ordering::Relaxed) + self.control.calls.load(Ordering::Relaxed);
        // More calls may have arrived since they were counted.
        (done, self.total.load(Ordering::Relaxed).max(done))
    }
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
