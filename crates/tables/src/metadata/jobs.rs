//! Background jobs of the server: their tasks, their progress and their results.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::MetadataError;
use super::{MetadataStore, now_us};

/// Maximum number of ended jobs that are kept per project and kind.
const MAX_ENDED_JOBS: u32 = 100;

/// State of a background job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// The job waits for another job.
    Queued,
    /// The job is running, or was running when the server stopped. In the second case, the job continues when the server starts again.
    Running,
    /// The job waits, but not for another job, and continues automatically.
    Paused,
    /// The job has finished.
    Done,
    /// The job ended with an error.
    Failed,
    /// Somebody cancelled the job.
    Cancelled,
}

impl JobState {
    const ALL: [JobState; 6] =
        [JobState::Queued, JobState::Running, JobState::Paused, JobState::Done, JobState::Failed, JobState::Cancelled];

    /// Returns the name of the state in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Paused => "paused",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
        }
    }

    /// Returns whether the state is final.
    pub fn is_ended(self) -> bool {
        matches!(self, JobState::Done | JobState::Failed | JobState::Cancelled)
    }
}

/// A stored job. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// ID of the job, which is never reused.
    pub id: i64,
    /// Project that the job works on.
    pub project: u64,
    /// Kind of work.
    pub kind: String,
    /// State of the job.
    pub state: JobState,
    /// The task as JSON in the format of the job's kind.
    pub task: String,
    /// The progress as JSON in the format of the job's kind; `None` before the job starts.
    pub progress: Option<String>,
    /// Number of items that are done.
    pub done: u64,
    /// Number of known items.
    pub total: u64,
    /// Why the job failed.
    pub reason: Option<String>,
    /// Time of creation.
    pub created_us: i64,
    /// Time of the first start.
    pub started_us: Option<i64>,
    /// Time of the end.
    pub ended_us: Option<i64>,
    /// Number of attempts that failed temporarily since the job last made progress.
    pub attempts: u32,
    /// Time of the next attempt; `None` unless the state is paused.
    pub retry_us: Option<i64>,
}

/// Selects the jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only jobs of these projects; if `None`, jobs of all projects.
    pub projects: Option<Vec<u64>>,
    /// Only jobs of this kind.
    pub kind: Option<String>,
    /// Only jobs with a lower ID.
    pub before: Option<i64>,
}

const COLUMNS: &str =
    "id, project_id, kind, state, task, progress, done, total, reason, created_us, started_us, ended_us, attempts, retry_us";

fn read_job(row: &Row) -> rusqlite::Result<JobRecord> {
    let state: String = row.get(3)?;
    Ok(JobRecord {
        id: row.get(0)?,
        project: row.get(1)?,
        kind: row.get(2)?,
        // A state that a newer version wrote cannot be continued by this one.
        state: JobState::ALL.into_iter().find(|known| known.name() == state).unwrap_or(JobState::Failed),
        task: row.get(4)?,
        progress: row.get(5)?,
        done: row.get(6)?,
        total: row.get(7)?,
        reason: row.get(8)?,
        created_us: row.get(9)?,
        started_us: row.get(10)?,
        ended_us: row.get(11)?,
        attempts: row.get(12)?,
        retry_us: row.get(13)?,
    })
}

impl MetadataStore {
    /// Adds a queued job, and deletes ended jobs of the same project and kind beyond the newest hundred.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn create_job(&self, project: u64, kind: &str, task: &str) -> Result<JobRecord, MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute(
            "INSERT INTO jobs (project_id, kind, state, task, created_us) VALUES (?1, ?2, 'queued', ?3, ?4)",
            params![project, kind, task, now_us()],
        )?;
        let id = transaction.last_insert_rowid();
        transaction.execute(
            "DELETE FROM jobs WHERE id IN (
                SELECT id FROM jobs WHERE project_id = ?1 AND kind = ?2 AND ended_us IS NOT NULL ORDER BY id DESC LIMIT -1 OFFSET ?3)",
            params![project, kind, MAX_ENDED_JOBS],
        )?;
        transaction.commit()?;
        read(&connection, id)?.ok_or(MetadataError::NoJob(id))
    }

    /// Writes the state of a job: state, progress, counts, reason, attempts and times.
    ///
    /// # Errors
    ///
    /// Returns [`MetadataError::NoJob`] if the job was deleted with its project, or another error if the database cannot be written.
    pub fn update_job(&self, job: &JobRecord) -> Result<(), MetadataError> {
        let changed = self.lock().execute(
            "UPDATE jobs SET state = ?2, progress = ?3, done = ?4, total = ?5, reason = ?6, started_us = ?7, ended_us = ?8, attempts = ?9,
                retry_us = ?10 WHERE id = ?1",
            params![
                job.id,
                job.state.name(),
                job.progress,
                job.done,
                job.total,
                job.reason,
                job.started_us,
                job.ended_us,
                job.attempts,
                job.retry_us
            ],
        )?;
        if changed == 1 { Ok(()) } else { Err(MetadataError::NoJob(job.id)) }
    }

    /// Returns a job by its ID.
    ///
    /// # Errors
    ///
    /// Returns [`MetadataError::NoJob`] if there is no such job.
    pub fn job(&self, id: i64) -> Result<JobRecord, MetadataError> {
        read(&self.lock(), id)?.ok_or(MetadataError::NoJob(id))
    }

    /// Returns jobs, newest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn jobs(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRecord>, MetadataError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs
             WHERE (?1 IS NULL OR project_id IN (SELECT value FROM json_each(?1))) AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4"
        ))?;
        let projects = filter.projects.as_ref().map(|ids| serde_json::json!(ids).to_string());
        let wanted = params![projects, filter.kind, filter.before, i64::try_from(limit).unwrap_or(i64::MAX)];
        Ok(select.query_map(wanted, read_job)?.collect::<Result<_, _>>()?)
    }

    /// Returns the jobs that have not ended, in the order of their creation.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn unfinished_jobs(&self) -> Result<Vec<JobRecord>, MetadataError> {
        let connection = self.lock();
        let mut select =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE state IN ('queued', 'running', 'paused') ORDER BY id"))?;
        Ok(select.query_map([], read_job)?.collect::<Result<_, _>>()?)
    }
}

fn read(connection: &Connection, id: i64) -> Result<Option<JobRecord>, MetadataError> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"))?;
    Ok(select.query_row([id], read_job).optional()?)
}
