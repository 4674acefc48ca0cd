//! The view of a job that its handler gets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hinomi_tables::metadata::JobRecord;
use tokio_util::sync::CancellationToken;

use super::handler::{JobError, JobHandler, JobLimits};
use super::queue::JobQueue;
use super::rate_limit::RateLimit;

/// Number of processed items and of all items of a job, which can be read while the job runs.
#[derive(Debug, Clone, Default)]
pub struct JobCounts {
    done: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

impl JobCounts {
    pub(super) fn new(done: u64, total: u64) -> JobCounts {
        let counts = JobCounts::default();
        counts.set_done(done);
        counts.set_total(total);
        counts
    }

    /// Returns the number of processed items and the number of all items. The second number is never smaller than the first, even if items
    /// were added after they were counted.
    pub fn get(&self) -> (u64, u64) {
        let done = self.done.load(Ordering::Relaxed);
        (done, self.total.load(Ordering::Relaxed).max(done))
    }

    /// Sets the number of processed items.
    pub fn set_done(&self, items: u64) {
        self.done.store(items, Ordering::Relaxed);
    }

    /// Adds processed items.
    pub fn add_done(&self, items: u64) {
        self.done.fetch_add(items, Ordering::Relaxed);
    }

    /// Sets the number of all items.
    pub fn set_total(&self, items: u64) {
        self.total.store(items, Ordering::Relaxed);
    }

    /// Returns the counter of processed items, for work that increments the counter itself.
    pub fn done_counter(&self) -> Arc<AtomicU64> {
        self.done.clone()
    }
}

/// Why a job must end early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobInterruption {
    /// A user cancelled the job; it does not continue.
    Cancelled,
    /// The server stops; after the next start, the job continues from the last saved progress.
    Shutdown,
}

/// Signals that end a job early.
#[derive(Debug, Clone)]
pub(super) struct JobSignals {
    /// Cancelled by a user.
    cancelled: CancellationToken,
    /// Cancelled by a user or when the server stops.
    pub(super) interrupted: CancellationToken,
}

impl JobSignals {
    /// Creates signals that interrupt the job when `stop` is cancelled.
    pub(super) fn new(stop: &CancellationToken) -> JobSignals {
        JobSignals { cancelled: CancellationToken::new(), interrupted: stop.child_token() }
    }

    pub(super) fn cancel(&self) {
        // The reason must be known before the work is interrupted.
        self.cancelled.cancel();
        self.interrupted.cancel();
    }

    pub(super) fn interruption(&self) -> Option<JobInterruption> {
        if self.cancelled.is_cancelled() {
            return Some(JobInterruption::Cancelled);
        }
        self.interrupted.is_cancelled().then_some(JobInterruption::Shutdown)
    }
}

/// Everything that an attempt at a job of any kind needs.
#[derive(Debug)]
pub(super) struct JobAttempt {
    pub(super) queue: Arc<JobQueue>,
    /// The job as it was last written.
    pub(super) record: JobRecord,
    pub(super) counts: JobCounts,
    pub(super) signals: JobSignals,
    pub(super) limits: JobLimits,
}

/// One attempt at a job: its task, its progress, its limits, and whether it is interrupted.
#[derive(Debug)]
pub struct JobContext<H: JobHandler> {
    id: i64,
    project: u64,
    task: H::Task,
    queue: Arc<JobQueue>,
    record: Mutex<JobRecord>,
    counts: JobCounts,
    signals: JobSignals,
    limits: JobLimits,
}

impl<H: JobHandler> JobContext<H> {
    pub(super) fn new(attempt: JobAttempt) -> Result<JobContext<H>, JobError> {
        let JobAttempt { queue, record, counts, signals, limits } = attempt;
        let task = serde_json::from_str(&record.task).map_err(|error| JobError::Permanent(format!("unreadable task: {error}")))?;
        Ok(JobContext { id: record.id, project: record.project, task, queue, record: Mutex::new(record), counts, signals, limits })
    }

    /// Returns the ID of the job.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Returns the ID of the project that the job works on.
    pub fn project(&self) -> u64 {
        self.project
    }

    /// Returns what the job has to do.
    pub fn task(&self) -> &H::Task {
        &self.task
    }

    /// Returns the limits of the job's kind.
    pub fn limits(&self) -> &JobLimits {
        &self.limits
    }

    /// Returns the counters of processed items and of all items. The counters continue from the last saved progress.
    pub fn counts(&self) -> &JobCounts {
        &self.counts
    }

    /// Returns the progress that was saved last, by this or an earlier attempt; `None` if there is none, or if it cannot be read.
    pub fn saved_progress(&self) -> Option<H::Progress> {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.progress.as_deref().and_then(|text| serde_json::from_str(text).ok())
    }

    /// Writes the progress and the counters durably. The counters must match the progress, because the next attempt continues from the
    /// counters and the progress.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written, or the job was deleted together with its project.
    pub fn save_progress(&self, progress: &H::Progress) -> Result<(), JobError> {
        let text = serde_json::to_string(progress).map_err(|error| JobError::Permanent(format!("unwritable progress: {error}")))?;
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let before = record.done;
        (record.done, record.total) = self.counts.get();
        if record.done > before {
            record.attempts = 0;
        }
        record.progress = Some(text);
        Ok(self.queue.store_record(&record)?)
    }

    /// Returns why the job must end now; `None` while it may continue.
    pub fn interruption(&self) -> Option<JobInterruption> {
        self.signals.interruption()
    }

    /// Returns a token that is cancelled when the job must end, for any reason.
    pub fn interrupted(&self) -> &CancellationToken {
        &self.signals.interrupted
    }

    /// Checks that the job may continue.
    ///
    /// # Errors
    ///
    /// Returns [`JobError::Interrupted`] if the job must end.
    pub fn check(&self) -> Result<(), JobError> {
        if self.interrupted().is_cancelled() { Err(JobError::Interrupted) } else { Ok(()) }
    }

    /// Waits until a rate limit allows the next call.
    ///
    /// # Errors
    ///
    /// Returns [`JobError::Interrupted`] if the job must end before that.
    pub async fn acquire(&self, limit: &RateLimit) -> Result<(), JobError> {
        self.interrupted().run_until_cancelled(limit.acquire()).await.ok_or(JobError::Interrupted)
    }
}
