//! Points of metrics: one SQLite database, `metrics.db`.
//!
//! Points are few beside spans (a program sends one a minute for each series), come by series and are asked for by series and time,
//! and a repeat is known by exactly these: a table with that as its key suits them. They are never part of a sum of spans.
//!
//! A *series* is what one writer reports of one thing since it began counting: a program that starts again begins a new one, so that
//! within a series a counter only grows.

mod list;
mod series;
mod series_query;
#[cfg(test)]
mod tests;
mod write;

use std::path::Path;

use hinomi_model::otel_metric::MetricPoint;

use crate::database::{GroupCommitDatabase, SqliteError};
pub use list::OtelMetricSummary;
pub use series::{OtelMetricChart, OtelMetricGroup};
pub use series_query::{OtelMetricMeasure, OtelMetricQuery, OtelMetricQueryError};

/// Metrics of a project that are told apart, by name, unit and kind.
pub const MOST_METRICS: usize = 2_000;
/// Series that a project may begin in one day. An attribute that is different each time makes a series of each point.
pub const MOST_SERIES_A_DAY: usize = 20_000;
/// Series that are looked through in one transaction of deleting.
const DELETED_AT_ONCE: usize = 500;

/// The format that is written, and the newest that is read.
pub const FORMAT: u32 = STEPS.len() as u32;

const STEPS: &[&str] = &["
    CREATE TABLE metrics (
        id          INTEGER PRIMARY KEY,
        project     INTEGER NOT NULL,
        name        TEXT NOT NULL,
        unit        TEXT NOT NULL,
        kind        TEXT NOT NULL,
        description TEXT NOT NULL,
        UNIQUE (project, name, unit, kind)
    ) STRICT;
    -- Names of attributes, own ones of points and those of who reports.
    CREATE TABLE attributes (
        metric INTEGER NOT NULL REFERENCES metrics (id) ON DELETE CASCADE,
        name   TEXT NOT NULL,
        own    INTEGER NOT NULL,
        PRIMARY KEY (metric, name)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE series (
        id          INTEGER PRIMARY KEY,
        metric      INTEGER NOT NULL REFERENCES metrics (id) ON DELETE CASCADE,
        project     INTEGER NOT NULL,
        identity    BLOB NOT NULL,
        -- When counting began; 0 where points do not count from a beginning, or it is not known.
        start_ns    INTEGER NOT NULL,
        temporality TEXT NOT NULL,
        -- JSON.
        attributes  TEXT NOT NULL,
        first_ns    INTEGER NOT NULL,
        last_ns     INTEGER NOT NULL,
        -- The day on which it was first heard of, in days since the Unix epoch.
        day         INTEGER NOT NULL,
        UNIQUE (metric, identity, start_ns)
    ) STRICT;
    CREATE INDEX series_in_time ON series (metric, last_ns);
    CREATE INDEX series_of_day ON series (project, day);
    CREATE INDEX series_by_age ON series (project, first_ns);
    CREATE TABLE points (
        series    INTEGER NOT NULL REFERENCES series (id) ON DELETE CASCADE,
        at_ns     INTEGER NOT NULL,
        number    REAL,
        -- MessagePack of a histogram.
        histogram BLOB,
        PRIMARY KEY (series, at_ns)
    ) WITHOUT ROWID, STRICT;
"];

/// What became of the points of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "every point that is not stored is an outcome to be counted"]
pub struct OtelMetricAppendResult {
    /// Stored, durable, visible.
    pub stored: usize,
    /// Not stored, since the series has a point of that time.
    pub duplicates: usize,
    /// Not stored, since the project has [`MOST_METRICS`].
    pub too_many_metrics: usize,
    /// Not stored, since the project has begun [`MOST_SERIES_A_DAY`] today.
    pub too_many_series: usize,
}

/// The metrics of all projects.
#[derive(Debug)]
pub struct OtelMetricStore {
    database: GroupCommitDatabase,
}

impl OtelMetricStore {
    /// Opens them in a data folder.
    ///
    /// # Errors
    ///
    /// When the database cannot be opened, or a newer version wrote it.
    pub fn open(dir: &Path) -> Result<OtelMetricStore, SqliteError> {
        Ok(OtelMetricStore { database: GroupCommitDatabase::open(&dir.join("metrics.db"), STEPS)? })
    }

    /// Stores the points of one request. When it returns, they are on disk and in every later answer.
    ///
    /// # Errors
    ///
    /// Nothing of the request has been stored then; it may be sent again as it is.
    pub async fn append(&self, project: u64, received_us: i64, points: Vec<MetricPoint>) -> Result<OtelMetricAppendResult, SqliteError> {
        if points.is_empty() {
            return Ok(OtelMetricAppendResult::default());
        }
        self.database.write(move |transaction| write::append(transaction, project, received_us, &points)).await
    }

    /// The metrics of a project that have a point in a range of time, in microseconds since the Unix epoch, by name.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn list(&self, project: u64, from_us: i64, to_us: i64) -> Result<Vec<OtelMetricSummary>, SqliteError> {
        self.database.read(move |transaction| list::list(transaction, project, from_us, to_us)).await
    }

    /// Values over time; `None` where no such metric has a point in the range.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn draw(&self, project: u64, ask: OtelMetricQuery) -> Result<Result<OtelMetricChart, OtelMetricQueryError>, SqliteError> {
        self.database.read(move |transaction| series::draw(transaction, project, &ask)).await
    }

    /// Deletes the points of a project that were measured before a time, in microseconds since the Unix epoch; a series and a metric
    /// that have none left go too. Returns the number of points.
    ///
    /// # Errors
    ///
    /// When the database cannot be written. Some may have been deleted then.
    pub async fn delete_before(&self, project: u64, before_us: i64) -> Result<u64, SqliteError> {
        let mut deleted = 0;
        loop {
            let (points, series) =
                self.database.write(move |transaction| write::delete_before(transaction, project, before_us, DELETED_AT_ONCE)).await?;
            deleted += points as u64;
            if series < DELETED_AT_ONCE {
                return Ok(deleted);
            }
        }
    }

    /// Ends the writing thread; later appends fail.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// Nanoseconds from microseconds; a time beyond what they hold becomes their end.
fn ns(us: i64) -> i64 {
    us.saturating_mul(1000)
}
