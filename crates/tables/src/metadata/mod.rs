//! What the server knows beside telemetry: projects, ingest keys, API tokens, sign-ins. One SQLite database, `hinomi.db`.
//!
//! The commands (`hinomi token create`) open it beside a running server, so a token, a key or a link is valid at once. What a
//! request needs, projects and their keys, is held in memory as a [`ProjectDirectory`] and read again when another process has changed it.

mod access_secrets;
mod custom_prices;
mod directory;
mod error;
mod jobs;
mod pins;
mod projects;
mod schema;
mod sessions;
#[cfg(test)]
mod tests;
mod tokens;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use access_secrets::CredentialLastUses;
pub use custom_prices::CustomPriceRecord;
pub use directory::{DisplayCurrency, IngestKey, ProjectDirectory, ProjectRecord, RetentionOverrides};
pub use error::MetadataError;
pub use jobs::{JobFilter, JobRecord, JobState};
pub use projects::ProjectPatch;
pub use schema::FORMAT;
pub use sessions::{SessionKind, SessionRecord};
pub use tokens::{ApiTokenRecord, ApiTokenScope};

/// How old the directory may be before another process's change is looked for.
const FRESH: Duration = Duration::from_millis(500);

/// Name of the setting that holds the running server's secret.
const SERVER_SECRET: &str = "server_secret";

/// Name of the setting that holds the secret with which receipts name users.
const RECEIPT_KEY: &str = "receipt_key";

/// The open database.
#[derive(Debug)]
pub struct MetadataStore {
    connection: Mutex<Connection>,
    seen: RwLock<CachedDirectory>,
    used: Mutex<CredentialLastUses>,
}

/// The directory, and how fresh it is.
#[derive(Debug)]
struct CachedDirectory {
    directory: Arc<ProjectDirectory>,
    /// SQLite's number of changes by other connections.
    version: i64,
    at: Instant,
}

impl MetadataStore {
    /// Opens the database in a data folder, and makes both where there are none. Project 1 is there then.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, or a newer version wrote the database.
    pub fn open(dir: &Path) -> Result<MetadataStore, MetadataError> {
        MetadataStore::of(schema::open(dir)?)
    }

    /// What a data folder knows in which nothing has been set; it lies in memory.
    ///
    /// # Errors
    ///
    /// When there is no memory for it.
    pub fn of_no_folder() -> Result<MetadataStore, MetadataError> {
        MetadataStore::of(schema::in_memory()?)
    }

    fn of(connection: Connection) -> Result<MetadataStore, MetadataError> {
        let seen =
            CachedDirectory { directory: Arc::new(directory::read(&connection)?), version: data_version(&connection)?, at: Instant::now() };
        Ok(MetadataStore { connection: Mutex::new(connection), seen: RwLock::new(seen), used: Mutex::default() })
    }

    /// Projects and keys, at most half a second old.
    pub fn directory(&self) -> Arc<ProjectDirectory> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if seen.at.elapsed() < FRESH {
            return seen.directory.clone();
        }
        drop(seen);
        // What cannot be read anew is still true as far as is known.
        self.refresh(false).unwrap_or_else(|_| self.seen.read().unwrap_or_else(PoisonError::into_inner).directory.clone())
    }

    /// The ingest key with this text. One that is not known is looked for once more, since it may be new.
    pub fn key(&self, public_key: &str) -> Option<IngestKey> {
        let known = self.directory();
        let found = known.keys.get(public_key).cloned();
        found.or_else(|| self.refresh(false).ok()?.keys.get(public_key).cloned())
    }

    /// Reads the directory again if anything has changed, or in any case.
    fn refresh(&self, in_any_case: bool) -> Result<Arc<ProjectDirectory>, MetadataError> {
        let connection = self.lock();
        let version = data_version(&connection)?;
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if in_any_case || version != seen.version {
            seen.directory = Arc::new(directory::read(&connection)?);
            seen.version = version;
        }
        seen.at = Instant::now();
        Ok(seen.directory.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives new projects numbers above this one: something is stored under it.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn reserve_numbers(&self, project: u64) -> Result<(), MetadataError> {
        Ok(schema::reserve(&self.lock(), project)?)
    }

    /// When the database was made anew beside others that held something, in microseconds since the Unix epoch: it had been lost.
    pub fn made_anew_us(&self) -> Option<i64> {
        self.get(schema::MADE_ANEW)?.parse().ok()
    }

    /// Keeps a value of the server itself, such as the address that it listens on.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn set(&self, name: &str, value: &str) -> Result<(), MetadataError> {
        self.lock().execute("INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value", [name, value])?;
        Ok(())
    }

    /// Forgets a value kept by [`set`](MetadataStore::set).
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn unset(&self, name: &str) -> Result<(), MetadataError> {
        self.lock().execute("DELETE FROM settings WHERE name = ?1", [name])?;
        Ok(())
    }

    /// Forgets what is true of one server only, for a folder that has been copied: its addresses, and who is signed in.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn forget_server(&self) -> Result<(), MetadataError> {
        let sql = "DELETE FROM sessions; DELETE FROM sign_ins; DELETE FROM settings WHERE name IN ('public_url', 'listening', 'server_secret', 'configuration');";
        Ok(self.lock().execute_batch(&format!("BEGIN; {sql} COMMIT;"))?)
    }

    /// Makes a new secret of the running server, which commands beside it read with [`server_secret`](MetadataStore::server_secret).
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn create_server_secret(&self) -> Result<String, MetadataError> {
        let secret = access_secrets::hex(32);
        self.set(SERVER_SECRET, &secret)?;
        Ok(secret)
    }

    /// The secret with which receipts of deletions name users, made when it is first needed. It stays with the folder, also in backups of it.
    ///
    /// # Errors
    ///
    /// When the database cannot be read or written.
    pub fn receipt_key(&self) -> Result<String, MetadataError> {
        let connection = self.lock();
        connection.execute("INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO NOTHING", [RECEIPT_KEY, &access_secrets::hex(32)])?;
        Ok(connection.query_row("SELECT value FROM settings WHERE name = ?1", [RECEIPT_KEY], |row| row.get(0))?)
    }

    /// The secret of the server that runs, or ran last.
    pub fn server_secret(&self) -> Option<String> {
        self.get(SERVER_SECRET)
    }

    /// A value kept by [`set`](MetadataStore::set).
    pub fn get(&self, name: &str) -> Option<String> {
        self.lock().query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0)).ok()
    }
}

/// Changes whenever another connection has committed something.
fn data_version(connection: &Connection) -> Result<i64, MetadataError> {
    Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

/// Now, in microseconds since the Unix epoch.
fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
