//! The parts of a kind of job: its task, its progress, its work and its limits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hinomi_tables::metadata::MetadataError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::context::{JobAttempt, JobContext};

/// Maximum delay between two attempts, unless a failed attempt requests a longer one.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(600);
/// Maximum delay that a failed attempt can request.
const MAX_REQUESTED_DELAY: Duration = Duration::from_secs(6 * 3600);

/// Does the work of one kind of job. It holds the resources that the work needs.
///
/// An attempt may be interrupted at any time. The next attempt starts from the last saved progress and repeats all later work, so the work
/// must be repeatable.
pub trait JobHandler: fmt::Debug + Send + Sync + Sized + 'static {
    /// Name of the kind in the database and in the API.
    const KIND: &'static str;
    /// What a job has to do. It is stored as JSON, which later versions must be able to read.
    type Task: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// How far a job has come. It is stored as JSON; progress that cannot be read counts as none.
    type Progress: Serialize + DeserializeOwned + Send + 'static;

    /// Returns the limits of jobs of this kind. They are read once, when the handler is registered.
    fn limits(&self) -> JobLimits {
        JobLimits::default()
    }

    /// Does the work of a job, or the rest of it if progress was saved before.
    ///
    /// # Errors
    ///
    /// Returns a [`JobError`] that says whether the job fails, is attempted again, or was interrupted.
    fn run(&self, job: &JobContext<Self>) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// Limits of a kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// Maximum number of jobs of this kind that run at the same time, in all projects; at least 1.
    pub max_running: usize,
    /// Number of items that one job works on at the same time; at least 1.
    pub max_workers: usize,
    /// Number of attempts after which a job fails if none of them has made progress.
    pub max_attempts: u32,
    /// Delay before the second attempt. Each further delay is four times as long, up to ten minutes.
    pub min_retry_delay: Duration,
}

impl Default for JobLimits {
    fn default() -> JobLimits {
        JobLimits { max_running: 2, max_workers: 4, max_attempts: 5, min_retry_delay: Duration::from_secs(5) }
    }
}

impl JobLimits {
    /// Returns the delay after a number of failed attempts (from 1). A longer delay that the attempt requests is respected.
    pub(super) fn retry_delay(&self, failed: u32, requested: Option<Duration>) -> Duration {
        let factor = 4_u32.saturating_pow(failed.saturating_sub(1));
        let own = self.min_retry_delay.saturating_mul(factor).min(MAX_RETRY_DELAY);
        own.max(requested.unwrap_or_default().min(MAX_REQUESTED_DELAY))
    }
}

/// Reason why an attempt at a job ended before all work was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The attempt ended because it was interrupted: a user cancelled the job, or the server stops.
    #[error("the job was interrupted")]
    Interrupted,
    /// A later attempt may succeed.
    #[error("{reason}")]
    Temporary {
        /// What happened.
        reason: String,
        /// Delay that the cause of the error requested, such as a `Retry-After` header.
        retry_after: Option<Duration>,
    },
    /// The job fails: a later attempt would end with the same error.
    #[error("{0}")]
    Permanent(String),
}

impl From<MetadataError> for JobError {
    fn from(error: MetadataError) -> JobError {
        JobError::Permanent(error.to_string())
    }
}

/// A handler of any kind.
pub(super) trait AnyJobHandler: fmt::Debug + Send + Sync {
    /// Returns whether a stored task can be read.
    fn can_read(&self, task: &str) -> bool;

    /// Makes one attempt at a job.
    fn attempt(self: Arc<Self>, attempt: JobAttempt) -> BoxFuture<'static, Result<(), JobError>>;
}

impl<H: JobHandler> AnyJobHandler for H {
    fn can_read(&self, task: &str) -> bool {
        serde_json::from_str::<H::Task>(task).is_ok()
    }

    fn attempt(self: Arc<Self>, attempt: JobAttempt) -> BoxFuture<'static, Result<(), JobError>> {
        Box::pin(async move { self.run(&JobContext::new(attempt)?).await })
    }
}

/// A handler with its limits and the slots of its kind.
#[derive(Debug, Clone)]
pub(super) struct RegisteredJobHandler {
    pub(super) kind: &'static str,
    pub(super) handler: Arc<dyn AnyJobHandler>,
    pub(super) limits: JobLimits,
    /// One permit for each job of the kind that may run.
    pub(super) slots: Arc<Semaphore>,
}

/// The kinds of jobs that a runner can do.
#[derive(Debug, Default)]
pub struct JobRegistry(BTreeMap<&'static str, RegisteredJobHandler>);

impl JobRegistry {
    /// Adds the handler of a kind. It replaces an earlier handler of the same kind.
    #[must_use]
    pub fn with<H: JobHandler>(mut self, handler: H) -> JobRegistry {
        let limits = handler.limits();
        let slots = Arc::new(Semaphore::new(limits.max_running.max(1)));
        self.0.insert(H::KIND, RegisteredJobHandler { kind: H::KIND, handler: Arc::new(handler), limits, slots });
        self
    }

    /// Returns the handler of a kind if it can read the task; `None` for a job that a newer version of the program has stored.
    pub(super) fn find(&self, kind: &str, task: &str) -> Option<&RegisteredJobHandler> {
        self.0.get(kind).filter(|registered| registered.handler.can_read(task))
    }
}
