//! Metadata, which is everything except telemetry: projects, ingest keys, accounts, API tokens, sessions. One SQLite database, `hinomi.db`.
//!
//! Commands such as `hinomi token create` open it while a server runs, and a new token, key or link is valid at once. Projects and their
//! keys, which requests need, are held in memory as a [`ProjectDirectory`] and read again when another process has changed them.

mod access_secrets;
mod accounts;
mod custom_prices;
mod directory;
mod error;
mod ingest_keys;
mod jobs;
mod message_hiding;
mod one_time_links;
mod origin_patterns;
mod pins;
mod projects;
mod provider_identities;
mod provisioning;
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
use accounts::PasswordCheckState;
pub use accounts::{
    AccessGrant, AccountDraft, AccountIdentity, AccountKind, AccountPatch, AccountRecord, AccountRole, AccountState, MemberRecord,
    OPERATOR_ACCOUNT, PasswordSignIn,
};
pub use custom_prices::CustomPriceRecord;
pub use directory::{DisplayCurrency, ProjectDirectory, ProjectMapping, ProjectRecord, RetentionOverrides};
pub use error::MetadataError;
pub use ingest_keys::{IngestKey, IngestKeyDay, IngestKeyLimits, IngestKeyPatch, IngestKeyUse};
pub use jobs::{JobFilter, JobRecord, JobState};
pub use message_hiding::MessageHiding;
pub use one_time_links::LinkPurpose;
pub use projects::ProjectPatch;
pub use provider_identities::{IdentityRejection, ProviderIdentity, ProviderRoles, ProviderSession, ProviderSessionDraft, ProviderSignIn};
pub use provisioning::{ChangedRoles, ProvisionedGroup, ProvisionedGroupDraft, ProvisionedUser, ProvisionedUserDraft};
pub use schema::FORMAT;
pub use sessions::{SessionAccess, SessionOrigin, SessionRecord};
pub use tokens::{ApiTokenDraft, ApiTokenKind, ApiTokenRecord, ScimTokenAccess, TokenAccess};

/// Maximum age of the directory before changes of other processes are looked for.
const DIRECTORY_REFRESH_INTERVAL: Duration = Duration::from_millis(500);

/// Name of the setting with the running server's secret.
const SERVER_SECRET_SETTING: &str = "server_secret";

/// Name of the setting with the key that signs checkpoints of the audit log.
const AUDIT_KEY_SETTING: &str = "audit_key";

/// Name of the setting with the secret for the names of users in deletion receipts.
const RECEIPT_KEY_SETTING: &str = "receipt_key";

/// The open database.
#[derive(Debug)]
pub struct MetadataStore {
    connection: Mutex<Connection>,
    cached_directory: RwLock<CachedDirectory>,
    credential_uses: Mutex<CredentialLastUses>,
    password_checks: PasswordCheckState,
}

/// The cached directory and its version.
#[derive(Debug)]
struct CachedDirectory {
    directory: Arc<ProjectDirectory>,
    /// SQLite's counter of changes by other connections.
    version: i64,
    refreshed_at: Instant,
}

impl MetadataStore {
    /// Opens the database in a data directory, and creates directory and database if necessary. Project 1 always exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the directory cannot be written, or the database was written by a newer version.
    pub fn open(dir: &Path) -> Result<MetadataStore, MetadataError> {
        MetadataStore::from_connection(schema::open(dir)?)
    }

    /// Opens an empty database in memory, with the content of a new data directory.
    ///
    /// # Errors
    ///
    /// Returns an error if there is not enough memory.
    pub fn open_in_memory() -> Result<MetadataStore, MetadataError> {
        MetadataStore::from_connection(schema::in_memory()?)
    }

    fn from_connection(connection: Connection) -> Result<MetadataStore, MetadataError> {
        let seen = CachedDirectory {
            directory: Arc::new(directory::read(&connection)?),
            version: data_version(&connection)?,
            refreshed_at: Instant::now(),
        };
        Ok(MetadataStore {
            connection: Mutex::new(connection),
            cached_directory: RwLock::new(seen),
            credential_uses: Mutex::default(),
            password_checks: PasswordCheckState::default(),
        })
    }

    /// Returns projects and keys, at most half a second old.
    pub fn directory(&self) -> Arc<ProjectDirectory> {
        let seen = self.cached_directory.read().unwrap_or_else(PoisonError::into_inner);
        if seen.refreshed_at.elapsed() < DIRECTORY_REFRESH_INTERVAL {
            return seen.directory.clone();
        }
        drop(seen);
        // If the directory cannot be read again, the cached one is used.
        self.refresh(false).unwrap_or_else(|_| self.cached_directory.read().unwrap_or_else(PoisonError::into_inner).directory.clone())
    }

    /// Returns the ingest key with this text. An unknown key is looked up again in the database, because it may be new.
    pub fn key(&self, public_key: &str) -> Option<IngestKey> {
        let known = self.directory();
        let found = known.keys.get(public_key).cloned();
        found.or_else(|| self.refresh(false).ok()?.keys.get(public_key).cloned())
    }

    /// Reads the directory again if anything has changed, or if `in_any_case` is true.
    fn refresh(&self, in_any_case: bool) -> Result<Arc<ProjectDirectory>, MetadataError> {
        let connection = self.lock();
        let version = data_version(&connection)?;
        let mut seen = self.cached_directory.write().unwrap_or_else(PoisonError::into_inner);
        if in_any_case || version != seen.version {
            seen.directory = Arc::new(directory::read(&connection)?);
            seen.version = version;
        }
        seen.refreshed_at = Instant::now();
        Ok(seen.directory.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ensures that new projects get IDs above this ID, because data of this ID is stored.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn reserve_numbers(&self, project: u64) -> Result<(), MetadataError> {
        Ok(schema::reserve_project_ids(&self.lock(), project)?)
    }

    /// Returns the time at which the database was created again because it was missing while other databases had data, in microseconds
    /// since the Unix epoch.
    pub fn recreated_us(&self) -> Option<i64> {
        self.setting(schema::RECREATED_SETTING)?.parse().ok()
    }

    /// Stores a setting of the server itself, such as the address that it listens on.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<(), MetadataError> {
        self.lock().execute("INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value", [name, value])?;
        Ok(())
    }

    /// Deletes a setting stored with [`set_setting`](MetadataStore::set_setting).
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn delete_setting(&self, name: &str) -> Result<(), MetadataError> {
        self.lock().execute("DELETE FROM settings WHERE name = ?1", [name])?;
        Ok(())
    }

    /// Deletes the data that belongs to one server only, for a copied data directory: its addresses, and its sessions.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn forget_server(&self) -> Result<(), MetadataError> {
        let sql = "DELETE FROM sessions; DELETE FROM one_time_links; DELETE FROM settings WHERE name IN ('public_url', 'listening', 'server_secret', 'configuration');";
        Ok(self.lock().execute_batch(&format!("BEGIN; {sql} COMMIT;"))?)
    }

    /// Creates a new secret of the running server, which commands read with [`server_secret`](MetadataStore::server_secret).
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn create_server_secret(&self) -> Result<String, MetadataError> {
        let secret = access_secrets::hex(32);
        self.set_setting(SERVER_SECRET_SETTING, &secret)?;
        Ok(secret)
    }

    /// Returns the secret for the names of users in deletion receipts, creating it if necessary. It remains in the data directory and its
    /// backups.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read or written.
    pub fn receipt_key(&self) -> Result<String, MetadataError> {
        self.lasting_secret(RECEIPT_KEY_SETTING)
    }

    /// Returns the key that signs checkpoints of the audit log, creating it if necessary. It remains in the data directory and its backups.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read or written.
    pub fn audit_key(&self) -> Result<String, MetadataError> {
        self.lasting_secret(AUDIT_KEY_SETTING)
    }

    /// Returns a secret of the data directory, creating it if necessary.
    fn lasting_secret(&self, name: &str) -> Result<String, MetadataError> {
        let connection = self.lock();
        connection.execute("INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO NOTHING", [name, &access_secrets::hex(32)])?;
        Ok(connection.query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))?)
    }

    /// Returns the secret of the current or last server.
    pub fn server_secret(&self) -> Option<String> {
        self.setting(SERVER_SECRET_SETTING)
    }

    /// Returns a setting stored with [`set_setting`](MetadataStore::set_setting).
    pub fn setting(&self, name: &str) -> Option<String> {
        self.lock().query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0)).ok()
    }
}

/// Returns a number that changes whenever another connection has committed something.
fn data_version(connection: &Connection) -> Result<i64, MetadataError> {
    Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

/// Returns the current time in microseconds since the Unix epoch.
fn now_us() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}
