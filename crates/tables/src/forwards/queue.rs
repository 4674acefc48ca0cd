//! The queues: a request is stored once, with one delivery for each target that takes its protocol.

use std::sync::PoisonError;

use bytes::Bytes;
use rusqlite::{Transaction, named_params};
use sha2::{Digest, Sha256};

use super::{ForwardRecord, ForwardStore, ForwardType, forward};
use crate::database::SqliteError;
use crate::secret_cipher::SecretCipher;

/// Maximum total size of all waiting bodies, in bytes. A request that does not fit is counted as failed.
pub(super) const MAX_QUEUED_BYTES: i64 = 1 << 30;
/// Maximum age of a request. After that time, the request is dropped.
pub(super) const MAX_AGE_US: i64 = 7 * 86_400_000_000;
/// Time for which the hash of a request is kept, so that a repeated request is recognized.
pub(super) const HASH_AGE_US: i64 = 3_600_000_000;

/// Protocol of a received request, which determines the path at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardedProtocol {
    /// Sentry's protocol: last part of the path, such as `envelope` or `store`.
    Sentry(String),
    /// OTLP: `traces`, `logs` or `metrics`.
    Otlp(String),
    /// Langfuse's API: last part of the path, `ingestion` or `scores`.
    Langfuse(String),
}

impl ForwardedProtocol {
    /// Returns whether a service accepts requests of this protocol.
    pub fn suits(&self, kind: ForwardType) -> bool {
        match (self, kind) {
            (ForwardedProtocol::Sentry(_), ForwardType::Sentry)
            | (ForwardedProtocol::Langfuse(_), ForwardType::Langfuse)
            | (ForwardedProtocol::Otlp(_), ForwardType::Otlp) => true,
            (ForwardedProtocol::Otlp(signal), ForwardType::Langfuse) => signal == "traces",
            (ForwardedProtocol::Otlp(signal), ForwardType::Sentry) => signal != "metrics",
            _ => false,
        }
    }

    fn to_text(&self) -> String {
        match self {
            ForwardedProtocol::Sentry(path) => format!("sentry/{path}"),
            ForwardedProtocol::Otlp(signal) => format!("otlp/{signal}"),
            ForwardedProtocol::Langfuse(path) => format!("langfuse/{path}"),
        }
    }

    fn from_text(text: &str) -> ForwardedProtocol {
        match text.split_once('/') {
            Some(("sentry", path)) => ForwardedProtocol::Sentry(path.to_owned()),
            Some(("langfuse", path)) => ForwardedProtocol::Langfuse(path.to_owned()),
            Some((_, signal)) => ForwardedProtocol::Otlp(signal.to_owned()),
            None => ForwardedProtocol::Otlp(text.to_owned()),
        }
    }
}

/// A received request as it is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedRequest {
    /// Protocol.
    pub protocol: ForwardedProtocol,
    /// Content type as the client sent it.
    pub content_type: String,
    /// Servers that the request has passed, separated by commas, without this server.
    pub hops: String,
    /// Body after decompression.
    pub body: Bytes,
}

/// A request that is due for a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueForward {
    /// Target.
    pub forward: ForwardRecord,
    /// ID of the request.
    pub request_id: i64,
    /// Time at which the request was received, in microseconds since the Unix epoch.
    pub received_us: i64,
    /// Number of failed attempts.
    pub attempts: u32,
    /// Request.
    pub request: ForwardedRequest,
}

/// Result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardResult {
    /// The target accepted the request.
    Delivered,
    /// The attempt failed; the next attempt is due at this time, in microseconds since the Unix epoch.
    Retry {
        /// Time of the next attempt.
        due_us: i64,
        /// Reason.
        error: String,
    },
    /// The target will never accept the request.
    Failed {
        /// Reason.
        error: String,
    },
}

impl ForwardStore {
    /// Stores a request for all enabled targets of a project that take its protocol. When this function returns, the request is on disk. A
    /// request that does not fit into the queue, or cannot be written, is counted as failed, and ingestion continues. If the hash of the
    /// body is known, the body was received before and is not stored again.
    pub async fn enqueue(&self, project: u64, request: ForwardedRequest, received_us: i64) {
        let targets = self.enabled(project).unwrap_or_else(|| Vec::new().into());
        let targets: Vec<i64> = targets.iter().filter(|target| request.protocol.suits(target.kind)).map(|target| target.id).collect();
        if targets.is_empty() {
            return;
        }
        let written = self.write_request(project, request, received_us, targets.clone()).await;
        match written {
            Ok(true) => self.changed.notify_one(),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, project, "forward.queue.write_failed");
                let mut unwritten = self.unwritten.lock().unwrap_or_else(PoisonError::into_inner);
                targets.into_iter().for_each(|target| *unwritten.entry(target).or_default() += 1);
            }
        }
    }

    /// Writes a request and its deliveries. Returns false if it does not fit, or is a repeat.
    async fn write_request(
        &self,
        project: u64,
        request: ForwardedRequest,
        received_us: i64,
        targets: Vec<i64>,
    ) -> Result<bool, SqliteError> {
        let protocol = request.protocol.to_text();
        let hash = Sha256::new().chain_update(&protocol).chain_update([0]).chain_update(&request.body).finalize().to_vec();
        let change = move |transaction: &Transaction| {
            let size = i64::try_from(request.body.len()).unwrap_or(i64::MAX);
            let queued: i64 = transaction.query_row("SELECT bytes FROM queue_size", (), |row| row.get(0))?;
            if queued.saturating_add(size) > MAX_QUEUED_BYTES {
                for target in &targets {
                    let error = format!("the queue is full ({} MiB)", MAX_QUEUED_BYTES >> 20);
                    note_failure(transaction, *target, &error, received_us)?;
                }
                return Ok(false);
            }
            let inserted = transaction.execute(
                "INSERT INTO requests (project, received_us, hash, protocol, content_type, hops, size, body)
                 VALUES (:project, :received, :hash, :protocol, :type, :hops, :size, :body) ON CONFLICT DO NOTHING",
                named_params! { ":project": project as i64, ":received": received_us, ":hash": hash, ":protocol": protocol,
                ":type": request.content_type, ":hops": request.hops, ":size": size, ":body": &request.body[..] },
            )?;
            if inserted == 0 {
                return Ok(false);
            }
            let id = transaction.last_insert_rowid();
            let mut statement = transaction
                .prepare_cached("INSERT INTO deliveries (forward, request, due_us) SELECT id, ?2, 0 FROM forwards WHERE id = ?1")?;
            for target in &targets {
                statement.execute((target, id))?;
            }
            Ok(true)
        };
        self.database.write(change).await
    }

    /// Returns the time at which the next request is due for each enabled target with a queue, in microseconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn next_due(&self) -> Result<Vec<(i64, i64)>, SqliteError> {
        let sql = "SELECT forward, min(due_us) FROM deliveries JOIN forwards ON forwards.id = forward WHERE enabled GROUP BY forward";
        self.database
            .read(move |transaction| transaction.prepare_cached(sql)?.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
            .await
    }

    /// Returns the requests that are due for an enabled target, in order of arrival: at most `limit`, and none after their bodies together
    /// exceed `max_bytes`.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn due_for(&self, forward: i64, now_us: i64, limit: usize, max_bytes: usize) -> Result<Vec<DueForward>, SqliteError> {
        let cipher = self.cipher.clone();
        self.database.read(move |transaction| due_of(transaction, forward, now_us, &cipher, limit, max_bytes)).await
    }

    /// Records the result of an attempt.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub async fn finish_attempt(&self, forward: i64, request: i64, result: ForwardResult, now_us: i64) -> Result<(), SqliteError> {
        self.database
            .write(move |transaction| {
                match &result {
                    ForwardResult::Retry { due_us, error } => {
                        transaction.execute(
                            "UPDATE deliveries SET due_us = ?3, attempts = attempts + 1 WHERE forward = ?1 AND request = ?2",
                            (forward, request, due_us),
                        )?;
                        transaction
                            .execute("UPDATE forwards SET last_error = ?2, last_error_us = ?3 WHERE id = ?1", (forward, error, now_us))?;
                        return Ok(());
                    }
                    ForwardResult::Delivered => {
                        transaction.execute(
                            "UPDATE forwards SET delivered = delivered + 1, last_error = NULL, last_error_us = NULL WHERE id = ?",
                            [forward],
                        )?;
                    }
                    ForwardResult::Failed { error } => note_failure(transaction, forward, error, now_us)?,
                }
                transaction.execute("DELETE FROM deliveries WHERE forward = ? AND request = ?", (forward, request))?;
                drop_body_if_unneeded(transaction, request)
            })
            .await
    }

    /// Gives up requests that are too old, and deletes the hashes of earlier requests. Returns the number of deliveries that were given up.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub async fn expire_requests(&self, now_us: i64) -> Result<u64, SqliteError> {
        self.database
            .write(move |transaction| {
                let (oldest, oldest_hash) = (now_us - MAX_AGE_US, now_us - HASH_AGE_US);
                let mut overdue = transaction.prepare_cached(
                    "SELECT forward, count(*) FROM deliveries JOIN requests ON requests.id = request WHERE received_us < ? GROUP BY forward",
                )?;
                let overdue = overdue.query_map([oldest], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
                let overdue = overdue.collect::<rusqlite::Result<Vec<_>>>()?;
                for (forward, count) in &overdue {
                    transaction.execute(
                        "UPDATE forwards SET failed = failed + ?2, last_error = ?3, last_error_us = ?4 WHERE id = ?1",
                        (forward, count, format!("given up after {} days", MAX_AGE_US / 86_400_000_000), now_us),
                    )?;
                }
                transaction.execute("DELETE FROM requests WHERE received_us < ?", [oldest])?;
                transaction.execute("DELETE FROM requests WHERE body IS NULL AND received_us < ?", [oldest_hash])?;
                Ok(overdue.iter().map(|(_, count)| count.unsigned_abs()).sum())
            })
            .await
    }
}

/// Counts a request as failed for a target.
fn note_failure(transaction: &Transaction, forward: i64, error: &str, now_us: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE forwards SET failed = failed + 1, last_error = ?2, last_error_us = ?3 WHERE id = ?1";
    transaction.execute(sql, (forward, error, now_us)).map(drop)
}

fn drop_body_if_unneeded(transaction: &Transaction, request: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE requests SET body = NULL WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE request = ?1)";
    transaction.prepare_cached(sql)?.execute([request]).map(drop)
}

/// Deletes the bodies that no target waits for any more.
pub(super) fn drop_unneeded_bodies(transaction: &Transaction) -> rusqlite::Result<()> {
    let sql = "UPDATE requests SET body = NULL
               WHERE body IS NOT NULL AND NOT EXISTS (SELECT 1 FROM deliveries WHERE request = requests.id)";
    transaction.execute(sql, ()).map(drop)
}

/// Returns the requests that are due for one target.
fn due_of(
    transaction: &Transaction,
    id: i64,
    now_us: i64,
    cipher: &SecretCipher,
    limit: usize,
    max_bytes: usize,
) -> rusqlite::Result<Vec<DueForward>> {
    let mut statement = transaction.prepare_cached(
        "SELECT forwards.id, forwards.project, type, url, key, enabled, created_us,
                requests.id, received_us, attempts, protocol, content_type, hops, body
         FROM deliveries JOIN forwards ON forwards.id = forward JOIN requests ON requests.id = request
         WHERE forward = ? AND due_us <= ? AND body IS NOT NULL AND enabled ORDER BY request LIMIT ?",
    )?;
    let mut rows = statement.query((id, now_us, limit as i64))?;
    let (mut due, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let protocol: String = row.get(10)?;
        let request = ForwardedRequest {
            protocol: ForwardedProtocol::from_text(&protocol),
            content_type: row.get(11)?,
            hops: row.get(12)?,
            body: row.get::<_, Vec<u8>>(13)?.into(),
        };
        bytes += request.body.len();
        due.push(DueForward {
            forward: forward(row, cipher)?,
            request_id: row.get(7)?,
            received_us: row.get(8)?,
            attempts: row.get(9)?,
            request,
        });
        if bytes > max_bytes {
            break;
        }
    }
    Ok(due)
}
