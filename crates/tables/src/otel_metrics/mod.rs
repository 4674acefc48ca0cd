//! Points of OpenTelemetry metrics: one SQLite database, `metrics.db`.
//!
//! Points are much less frequent than spans: a program sends one point per minute and series. Points arrive by series and are queried by
//! series and time, and duplicates have the same series and time. A table with this key is therefore suitable. Totals of spans never
//! include points.
//!
//! A *series* contains all points that one writer reports about one thing since it began to count. A program that restarts begins a new
//! series, so a counter only increases within a series.

mod list;
mod retention;
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

/// Maximum number of metrics per project, by name, unit and kind.
pub const MAX_METRICS: usize = 2_000;
/// Maximum number of series that a project can begin in one day. An attribute with a new value each time would make every point a series.
pub const MAX_NEW_SERIES_PER_DAY: usize = 20_000;
/// Maximum number of series that are processed in one transaction of a deletion.
const DELETION_BATCH_SERIES: usize = 500;

/// File name of the database.
const DATABASE: &str = "metrics.db";
/// Format version that is written, and the newest that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

const MIGRATIONS: &[&str] = &["
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

/// Result of storing the points of a request: the number of points by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use = "the caller must count an outcome for each point that is not stored"]
pub struct OtelMetricAppendResult {
    /// Number of points that are stored: durable and visible.
    pub stored: usize,
    /// Number of points that were dropped because the series already has a point at that time.
    pub duplicates: usize,
    /// Number of points that were dropped because the project already has [`MAX_METRICS`] metrics.
    pub too_many_metrics: usize,
    /// Number of points that were dropped because the project has already begun [`MAX_NEW_SERIES_PER_DAY`] today.
    pub too_many_series: usize,
}

/// The metrics of all projects.
#[derive(Debug)]
pub struct OtelMetricStore {
    database: GroupCommitDatabase,
}

impl OtelMetricStore {
    /// Opens the metrics in a data directory.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be opened, or was written by a newer version.
    pub fn open(dir: &Path) -> Result<OtelMetricStore, SqliteError> {
        Ok(OtelMetricStore { database: GroupCommitDatabase::open(&dir.join(DATABASE), MIGRATIONS)? })
    }

    /// Stores the points of one request. When it returns, they are on disk and visible to every later query.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. In this case, no point of the request is stored; the same request may be sent
    /// again.
    pub async fn append(&self, project: u64, received_us: i64, points: Vec<MetricPoint>) -> Result<OtelMetricAppendResult, SqliteError> {
        if points.is_empty() {
            return Ok(OtelMetricAppendResult::default());
        }
        self.database.write(move |transaction| write::append(transaction, project, received_us, &points)).await
    }

    /// Returns the metrics of a project with a point in a time range, in microseconds since the Unix epoch, by name.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn list(&self, project: u64, from_us: i64, to_us: i64) -> Result<Vec<OtelMetricSummary>, SqliteError> {
        self.database.read(move |transaction| list::list(transaction, project, from_us, to_us)).await
    }

    /// Returns values over time. The inner error says why the query has no result.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn chart(&self, project: u64, query: OtelMetricQuery) -> Result<Result<OtelMetricChart, OtelMetricQueryError>, SqliteError> {
        self.database.read(move |transaction| series::metric_chart(transaction, project, &query)).await
    }

    /// Deletes the points of a project before a time, in microseconds since the Unix epoch, and series and metrics that have no points
    /// left. Returns the number of deleted points.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written. Some points may already have been deleted.
    pub async fn delete_before(&self, project: u64, before_us: i64) -> Result<u64, SqliteError> {
        let mut deleted = 0;
        loop {
            let (points, series) = self
                .database
                .write(move |transaction| write::delete_before(transaction, project, before_us, DELETION_BATCH_SERIES))
                .await?;
            deleted += points as u64;
            if series < DELETION_BATCH_SERIES {
                return Ok(deleted);
            }
        }
    }

    /// Ends the writing thread; later appends fail.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

/// Converts microseconds to nanoseconds; times out of range become the limit.
fn us_to_ns(us: i64) -> i64 {
    us.saturating_mul(1000)
}
