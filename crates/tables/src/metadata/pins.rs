//! Pinned traces, and receipts of deletions.

use hinomi_model::id::TraceId;
use rusqlite::params;

use super::error::MetadataError;
use super::{MetadataStore, now_us};

/// Maximum number of receipts that are listed.
const MAX_LISTED_RECEIPTS: u32 = 1000;

impl MetadataStore {
    /// Pins a trace, so that it does not expire.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn pin(&self, project: u64, trace: TraceId) -> Result<(), MetadataError> {
        let insert = "INSERT INTO pins VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.lock().execute(insert, params![project, trace.to_string(), now_us()])?;
        Ok(())
    }

    /// Unpins traces.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn unpin(&self, project: u64, traces: impl IntoIterator<Item = TraceId>) -> Result<(), MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for trace in traces {
            transaction.execute("DELETE FROM pins WHERE project_id = ?1 AND trace = ?2", params![project, trace.to_string()])?;
        }
        Ok(transaction.commit()?)
    }

    /// Returns the pinned traces of a project.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn pins(&self, project: u64) -> Result<Vec<TraceId>, MetadataError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached("SELECT trace FROM pins WHERE project_id = ?1")?;
        let ids = select.query_map([project], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Returns whether a trace is pinned.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn is_pinned(&self, project: u64, trace: TraceId) -> Result<bool, MetadataError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached("SELECT 1 FROM pins WHERE project_id = ?1 AND trace = ?2")?;
        Ok(select.exists(params![project, trace.to_string()])?)
    }

    /// Stores a receipt of a deletion as JSON.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn add_receipt(&self, receipt: &str) -> Result<(), MetadataError> {
        self.lock().execute("INSERT INTO deletions (receipt) VALUES (?1)", [receipt])?;
        Ok(())
    }

    /// Records a deletion as JSON before it starts, so that the deletion continues when the server starts after a crash. Returns the ID of
    /// the deletion.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn begin_deletion(&self, begun: &str) -> Result<i64, MetadataError> {
        let connection = self.lock();
        connection.execute("INSERT INTO begun_deletions (begun) VALUES (?1)", [begun])?;
        Ok(connection.last_insert_rowid())
    }

    /// Returns the deletions that have begun but do not have a receipt yet, the oldest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn unfinished_deletions(&self) -> Result<Vec<(i64, String)>, MetadataError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached("SELECT id, begun FROM begun_deletions ORDER BY id")?;
        Ok(select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    /// Replaces the record of a deletion that had begun by the receipt of the deletion. The file then contains no part of the record.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn end_deletion(&self, begun: i64, receipt: &str) -> Result<(), MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute("INSERT INTO deletions (receipt) VALUES (?1)", [receipt])?;
        transaction.execute("DELETE FROM begun_deletions WHERE id = ?1", [begun])?;
        transaction.commit()?;
        Ok(crate::database::truncate_wal(&connection)?)
    }

    /// Deletes the record of a deletion that had begun and found no data.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn cancel_deletion(&self, begun: i64) -> Result<(), MetadataError> {
        let connection = self.lock();
        connection.execute("DELETE FROM begun_deletions WHERE id = ?1", [begun])?;
        Ok(crate::database::truncate_wal(&connection)?)
    }

    /// Returns the receipts, newest first.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn receipts(&self) -> Result<Vec<String>, MetadataError> {
        let connection = self.lock();
        let mut select = connection.prepare_cached("SELECT receipt FROM deletions ORDER BY id DESC LIMIT ?1")?;
        Ok(select.query_map([MAX_LISTED_RECEIPTS], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }
}
