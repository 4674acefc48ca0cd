//! Long work that goes on in the server whoever asked for it has gone: jobs, with their state in `hinomi.db`.
//!
//! Of each project and kind one runs at a time; the others wait. What had begun when the server stopped goes on with the next start, from where
//! it was last written down.

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

/// Jobs of all projects that run at the same time.
const MAX_RUNNING_JOBS: usize = 2;

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobTask {
    /// Gives stored calls the costs that they have by the prices of now.
    Reprice {
        /// Start of the range in microseconds since the Unix epoch; `None` for everything kept.
        from_us: Option<i64>,
        /// End, not included; `None` for everything up to the newest call.
        to_us: Option<i64>,
    },
}

impl JobTask {
    /// Its name in the database and in the API.
    pub fn kind(&self) -> &'static str {
        match self {
            JobTask::Reprice { .. } => "reprice",
        }
    }
}

/// What jobs work with.
#[derive(Debug, Clone)]
pub struct JobResources {
    /// Projects, and the jobs themselves.
    pub meta: Arc<MetadataStore>,
    /// Spans.
    pub store: Arc<Store>,
    /// Where queries run.
    pub engine: QueryEngine,
    /// The prices in force.
    pub prices: Arc<ActivePrices>,
}

/// The jobs of a server.
#[derive(Debug)]
pub struct JobRunner {
    resources: JobResources,
    /// Threads that give way to intake.
    threads: Handle,
    /// Ends all of them with the server; they go on with its next start.
    stop: CancellationToken,
    slots: Semaphore,
    running: Mutex<HashMap<i64, RunningJob>>,
    /// Rises whenever the state of a job changes.
    changes: watch::Sender<u64>,
}

/// A job that has a task of its own, though it may wait for a slot.
#[derive(Debug, Clone)]
struct RunningJob {
    project: u64,
    kind: &'static str,
    /// Somebody ended it.
    cancelled: CancellationToken,
    /// Cancelled with it and with the server.
    control: RepriceControl,
    /// What was done before the piece that is in work, and how much there is.
    done_before: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

/// How work on a job ended.
enum JobEnd {
    Done,
    /// Somebody cancelled it, or the server stops.
    Stopped,
    Failed(String),
}

impl JobRunner {
    /// A runner without jobs: [`start`](JobRunner::start) begins.
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

    /// Goes on with jobs that have not ended.
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
                // A newer version wrote it, whose work this one cannot do.
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

    /// Adds a job, and begins with it where nothing of the same project and kind runs.
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

    /// A job as it stands now.
    ///
    /// # Errors
    ///
    /// [`MetadataError::NoJob`] when there is none.
    pub fn get(&self, id: i64) -> Result<JobRecord, MetadataError> {
        let record = self.resources.meta.job(id)?;
        Ok(self.as_of_now(record))
    }

    /// Jobs as they stand now, the newest first.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn list(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRecord>, MetadataError> {
        let records = self.resources.meta.jobs(filter, limit)?;
        Ok(records.into_iter().map(|record| self.as_of_now(record)).collect())
    }

    /// Ends a job that has not ended, between two of its writes, and waits for that. What it has done stays done.
    ///
    /// # Errors
    ///
    /// [`MetadataError::NoJob`] when there is none.
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

    /// Waits until a job has ended, or the server stops, and answers how it stands.
    ///
    /// # Errors
    ///
    /// [`MetadataError::NoJob`] when there is none.
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

    /// Waits until nothing is in work any more, after the server's end has begun.
    pub async fn stopped(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            // Not held while it is waited.
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
            // It goes on with the next start.
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
            // One whose project was deleted meanwhile has gone with it.
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
    /// How many things have been worked on, of how many.
    fn counts(&self) -> (u64, u64) {
        let done = self.done_before.load(Ordering::Relaxed) + self.control.calls.load(Ordering::Relaxed);
        // More may have come than were counted at the beginning.
        (done, self.total.load(Ordering::Relaxed).max(done))
    }
}

fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
