//! Secrets of API tokens and sessions: 256 random bits each, of which only the hash is stored.

use std::collections::HashMap;
use std::sync::PoisonError;

use rand::Rng;
use rusqlite::params;
use sha2::{Digest, Sha256};

use super::MetadataStore;
use super::error::MetadataError;

/// Minimum interval between two writes of the time of last use.
const MIN_LAST_USE_INTERVAL_US: i64 = 60_000_000;

/// The credential of a request, with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CredentialId {
    Token(i64),
    Session(i64),
}

/// Time of the last use of each credential that has not been written yet, in microseconds since the Unix epoch.
pub(super) type CredentialLastUses = HashMap<CredentialId, i64>;

impl MetadataStore {
    pub(super) fn note_credential_use(&self, credential: CredentialId, now_us: i64) {
        self.credential_uses.lock().unwrap_or_else(PoisonError::into_inner).insert(credential, now_us);
    }

    /// Writes the times at which tokens and sessions were last used. Must be called periodically; each time is written at most once a
    /// minute.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn write_credential_uses(&self) -> Result<(), MetadataError> {
        let used = std::mem::take(&mut *self.credential_uses.lock().unwrap_or_else(PoisonError::into_inner));
        let connection = self.lock();
        for (credential, at_us) in used {
            let (table, id) = match credential {
                CredentialId::Token(id) => ("tokens", id),
                CredentialId::Session(id) => ("sessions", id),
            };
            let sql = format!("UPDATE {table} SET last_used_us = ?2 WHERE id = ?1 AND (last_used_us IS NULL OR last_used_us < ?3)");
            connection.prepare_cached(&sql)?.execute(params![id, at_us, at_us - MIN_LAST_USE_INTERVAL_US])?;
        }
        Ok(())
    }
}

/// Returns a number of random bytes as hex digits.
pub(super) fn hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    rand::rng().fill_bytes(&mut random);
    hex::encode(random)
}

pub(super) fn hash(secret: &str) -> Vec<u8> {
    // Secrets of 256 random bits do not need a slow hash.
    Sha256::digest(secret.as_bytes()).to_vec()
}
