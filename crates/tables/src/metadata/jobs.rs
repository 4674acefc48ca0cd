//! Long work that the server does beside requests: what is to be done, how far it is, and what came of it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::MetadataError;
use super::{MetadataStore, now_us};

/// Jobs that have ended, of one project and kind, that are kept at most.
const MAX_ENDED_JOBS: u32 = 100;

/// State of a background job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// The job waits for another job.
    Queued,
    /// The job is running, or was when the server stopped; it then continues when the server starts again.
    Running,
    /// The job waits for something other than a job, and continues automatically.
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

    /// Its name in the database and in the API.
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

    /// Whether nothing more becomes of it.
    pub fn is_ended(self) -> bool {
        matches!(self, JobState::Done | JobState::Failed | JobState::Cancelled)
    }
}

/// A job as it is stored. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Its number, which is never given again.
    pub id: i64,
    /// The project that it works on.
    pub project: u64,
    /// What sort of work it is.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// What is to be done, as JSON that the kind knows.
    pub task: String,
    /// How far it is, as JSON that the kind knows; `None` before it begins.
    pub progress: Option<String>,
    /// How many things have been worked on.
    pub done: u64,
    /// How many there are to work on, as far as is known.
    pub total: u64,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was asked for.
    pub created_us: i64,
    /// When work on it first began.
    pub started_us: Option<i64>,
    /// When it ended.
    pub ended_us: Option<i64>,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only those of this project.
    pub project: Option<u64>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those with a lower number.
    pub before: Option<i64>,
}

const COLUMNS: &str = "id, project_id, kind, state, task, progress, done, total, reason, created_us, started_us, ended_us";

fn record(row: &Row) -> rusqlite::Result<JobRecord> {
    let state: String = row.get(3)?;
    Ok(JobRecord {
        id: row.get(0)?,
        project: row.get(1)?,
        kind: row.get(2)?,
        // A state that a newer version wrote is none that this one could go on with.
        state: JobState::ALL.into_iter().find(|known| known.name() == state).unwrap_or(JobState::Failed),
        task: row.get(4)?,
        progress: row.get(5)?,
        done: row.get(6)?,
        total: row.get(7)?,
        reason: row.get(8)?,
        created_us: row.get(9)?,
        started_us: row.get(10)?,
        ended_us: row.get(11)?,
    })
}

impl MetadataStore {
    /// Adds a job that waits to be worked on, and forgets ended ones of the same project and kind beyond the newest hundred.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
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

    /// Writes down where a job stands: state, progress, counts, reason and times.
    ///
    /// # Errors
    ///
    /// [`MetadataError::NoJob`] when it was deleted with its project; else when the database cannot be written.
    pub fn update_job(&self, job: &JobRecord) -> Result<(), MetadataError> {
        let changed = self.lock().execute(
            "UPDATE jobs SET state = ?2, progress = ?3, done = ?4, total = ?5, reason = ?6, started_us = ?7, ended_us = ?8 WHERE id = ?1",
            params![job.id, job.state.name(), job.progress, job.done, job.total, job.reason, job.started_us, job.ended_us],
        )?;
        if changed == 1 { Ok(()) } else { Err(MetadataError::NoJob(job.id)) }
    }

    /// A job by its number.
    ///
    /// # Errors
    ///
    /// [`MetadataError::NoJob`] when there is none.
    pub fn job(&self, id: i64) -> Result<JobRecord, MetadataError> {
        read(&self.lock(), id)?.ok_or(MetadataError::NoJob(id))
    }

    /// Jobs, the newest first.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn jobs(&self, filter: &JobFilter, limit: usize) -> Result<Vec<JobRecord>, MetadataError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs
             WHERE (?1 IS NULL OR project_id = ?1) AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4"
        ))?;
        let wanted = params![filter.project, filter.kind, filter.before, i64::try_from(limit).unwrap_or(i64::MAX)];
        Ok(select.query_map(wanted, record)?.collect::<Result<_, _>>()?)
    }

    /// Jobs that have not ended, in the order in which they were asked for.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub fn unfinished_jobs(&self) -> Result<Vec<JobRecord>, MetadataError> {
        let connection = self.lock();
        let mut select =
            connection.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE state IN ('queued', 'running', 'paused') ORDER BY id"))?;
        Ok(select.query_map([], record)?.collect::<Result<_, _>>()?)
    }
}

fn read(connection: &Connection, id: i64) -> Result<Option<JobRecord>, MetadataError> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"))?;
    Ok(select.query_row([id], record).optional()?)
}
