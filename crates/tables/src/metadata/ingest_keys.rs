//! Ingest keys: creating, limiting, rotating and deleting them.

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::error::MetadataError;
use super::origin_patterns::{checked_pattern, is_origin_admitted};
use super::projects::checked_name;
use super::{MetadataStore, access_secrets, now_us};

/// Maximum number of patterns of allowed origins of a key.
const MAX_ORIGINS: usize = 50;

const DAY_US: i64 = 24 * 3_600_000_000;

/// Limits of what is accepted with an ingest key. `None`, or no pattern, is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct IngestKeyLimits {
    /// Spans, error events, log records, metric points and scores per minute.
    pub items_per_minute: Option<u64>,
    /// Bytes of request bodies, as they are sent, per day in UTC.
    pub bytes_per_day: Option<u64>,
    /// Origins of web pages that may send, such as `https://*.example.com`. Programs outside of browsers name no origin.
    pub allowed_origins: Vec<String>,
}

impl IngestKeyLimits {
    /// Returns whether a page with this origin may send.
    pub fn admits_origin(&self, origin: &str) -> bool {
        is_origin_admitted(&self.allowed_origins, origin)
    }

    fn checked(&self) -> Result<IngestKeyLimits, MetadataError> {
        for (name, limit) in [("items_per_minute", self.items_per_minute), ("bytes_per_day", self.bytes_per_day)] {
            if limit.is_some_and(|limit| limit == 0 || i64::try_from(limit).is_err()) {
                return Err(MetadataError::Invalid(format!("{name}: must be at least 1; null for no limit")));
            }
        }
        if self.allowed_origins.len() > MAX_ORIGINS {
            return Err(MetadataError::Invalid(format!("allowed_origins: must have at most {MAX_ORIGINS} patterns")));
        }
        let mut allowed_origins = self.allowed_origins.iter().map(|pattern| checked_pattern(pattern)).collect::<Result<Vec<_>, _>>()?;
        allowed_origins.sort();
        allowed_origins.dedup();
        Ok(IngestKeyLimits { allowed_origins, ..self.clone() })
    }
}

/// Bytes that were received with a key on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestKeyDay {
    /// Number of the day since the Unix epoch, in UTC.
    pub day: i64,
    /// Bytes of request bodies.
    pub bytes: u64,
}

impl IngestKeyDay {
    /// Returns the number of the day of a time in microseconds since the Unix epoch.
    pub fn day_of(time_us: i64) -> i64 {
        time_us.div_euclid(DAY_US)
    }

    /// Returns the bytes if they are those of this day, otherwise 0.
    pub fn bytes_on(self, day: i64) -> u64 {
        if self.day == day { self.bytes } else { 0 }
    }
}

/// An ingest key. It is public, part of the DSN, and cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestKey {
    /// ID of the key.
    pub id: i64,
    /// ID of the project that the key sends to.
    pub project: u64,
    /// The key: 32 lower-case hexadecimal digits.
    pub public_key: String,
    /// Name of the key.
    pub name: String,
    /// Label where the key itself must not be shown: the name, with the ID if another key of the project has the same name.
    pub label: String,
    /// Limits of the key.
    pub limits: IngestKeyLimits,
    /// Time until which the key is accepted, in microseconds since the Unix epoch; `None` for no end.
    pub expires_us: Option<i64>,
    /// Time of creation in microseconds since the Unix epoch.
    pub created_us: i64,
    /// Time of the last use in microseconds since the Unix epoch, accurate to a minute.
    pub last_used_us: Option<i64>,
    /// Bytes of the last day on which the key was used, as far as they are written.
    pub last_day: IngestKeyDay,
}

impl IngestKey {
    /// Returns whether the key is no longer accepted at a time in microseconds since the Unix epoch.
    pub fn is_expired(&self, at_us: i64) -> bool {
        self.expires_us.is_some_and(|expires_us| expires_us <= at_us)
    }
}

/// The use of a key since it was last written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestKeyUse {
    /// ID of the key.
    pub key: i64,
    /// Time of the last use in microseconds since the Unix epoch.
    pub last_used_us: i64,
    /// Bytes of the day of the last use.
    pub last_day: IngestKeyDay,
}

/// Changes of an ingest key. `None` leaves a value unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestKeyPatch {
    /// Name of the key.
    pub name: Option<String>,
    /// Limits of the key.
    pub limits: Option<IngestKeyLimits>,
    /// Time until which the key is accepted, in microseconds since the Unix epoch; `Some(None)` removes it.
    pub expires_us: Option<Option<i64>>,
}

impl MetadataStore {
    /// Creates another key.
    ///
    /// # Errors
    ///
    /// When there is no such project, or the name or a limit is invalid.
    pub fn create_key(&self, project: u64, name: &str, limits: &IngestKeyLimits) -> Result<IngestKey, MetadataError> {
        let (name, limits) = (checked_name(name)?, limits.checked()?);
        self.project(project)?;
        let text = access_secrets::hex(16);
        insert_key(&self.lock(), i64::try_from(project).unwrap_or_default(), &text, name, &limits)?;
        let directory = self.refresh(true)?;
        directory.keys.get(&text).cloned().ok_or(MetadataError::NoProject(project))
    }

    /// Changes a key.
    ///
    /// # Errors
    ///
    /// When the project has no such key, or a value is invalid.
    pub fn update_key(&self, project: u64, key: i64, patch: &IngestKeyPatch) -> Result<IngestKey, MetadataError> {
        let before = self.project_key(project, key)?;
        let name = patch.name.as_deref().map_or(Ok(before.name.as_str()), checked_name)?;
        let limits = patch.limits.as_ref().map_or_else(|| Ok(before.limits.clone()), IngestKeyLimits::checked)?;
        let expires_us = patch.expires_us.unwrap_or(before.expires_us);
        self.lock().execute(
            "UPDATE keys SET name = ?2, limits = ?3, expires_us = ?4 WHERE id = ?1",
            params![key, name, limits_text(&limits), expires_us],
        )?;
        self.project_key(project, key)
    }

    /// Replaces a key: creates a new one with the same name and limits, and ends the old one at a time in microseconds since the Unix epoch.
    /// Returns the new key and the old one.
    ///
    /// # Errors
    ///
    /// When the project has no such key, or the key expires earlier.
    pub fn rotate_key(&self, project: u64, key: i64, expires_us: i64) -> Result<(IngestKey, IngestKey), MetadataError> {
        let old = self.project_key(project, key)?;
        if old.expires_us.is_some() {
            return Err(MetadataError::Invalid(format!("key {key} was replaced before; rotate the key that replaced it")));
        }
        let text = access_secrets::hex(16);
        {
            let mut connection = self.lock();
            let transaction = connection.transaction()?;
            insert_key(&transaction, i64::try_from(project).unwrap_or_default(), &text, &old.name, &old.limits)?;
            transaction.execute("UPDATE keys SET expires_us = ?2 WHERE id = ?1", params![key, expires_us])?;
            transaction.commit()?;
        }
        let new = self.refresh(true)?.keys.get(&text).cloned().ok_or(MetadataError::NoProject(project))?;
        Ok((new, self.project_key(project, key)?))
    }

    /// Deletes a key: data sent with it is rejected from now on.
    ///
    /// # Errors
    ///
    /// When the project has no such key.
    pub fn delete_key(&self, project: u64, key: i64) -> Result<(), MetadataError> {
        let deleted = self.lock().execute("DELETE FROM keys WHERE project_id = ?1 AND id = ?2", params![project, key])?;
        self.refresh(true)?;
        if deleted == 1 { Ok(()) } else { Err(MetadataError::NoKey { project, key }) }
    }

    /// Returns a key of a project.
    ///
    /// # Errors
    ///
    /// When the project has no such key.
    pub fn project_key(&self, project: u64, key: i64) -> Result<IngestKey, MetadataError> {
        let directory = self.refresh(true)?;
        let found = directory.keys.values().find(|known| known.project == project && known.id == key);
        found.cloned().ok_or(MetadataError::NoKey { project, key })
    }

    /// Records the use of keys.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn note_key_uses(&self, uses: &[IngestKeyUse]) -> Result<(), MetadataError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        for IngestKeyUse { key, last_used_us, last_day } in uses {
            transaction
                .prepare_cached("UPDATE keys SET last_used_us = ?2, last_day = ?3, last_day_bytes = ?4 WHERE id = ?1")?
                .execute(params![key, last_used_us, last_day.day, last_day.bytes])?;
        }
        transaction.commit()?;
        drop(connection);
        self.refresh(true).map(drop)
    }
}

fn limits_text(limits: &IngestKeyLimits) -> String {
    serde_json::to_string(limits).unwrap_or_default()
}

pub(super) fn insert_key(
    connection: &Connection,
    project: i64,
    text: &str,
    name: &str,
    limits: &IngestKeyLimits,
) -> Result<(), MetadataError> {
    connection.execute(
        "INSERT INTO keys (project_id, public_key, name, created_us, limits) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![project, text, name, now_us(), limits_text(limits)],
    )?;
    Ok(())
}

pub(super) fn key_from_row(row: &rusqlite::Row) -> rusqlite::Result<IngestKey> {
    let limits: String = row.get("limits")?;
    Ok(IngestKey {
        id: row.get("id")?,
        project: row.get("project_id")?,
        public_key: row.get("public_key")?,
        name: row.get("name")?,
        label: row.get("name")?,
        limits: serde_json::from_str(&limits).unwrap_or_default(),
        expires_us: row.get("expires_us")?,
        created_us: row.get("created_us")?,
        last_used_us: row.get("last_used_us")?,
        last_day: IngestKeyDay { day: row.get("last_day")?, bytes: row.get("last_day_bytes")? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_key_keeps_its_limits_and_ends_later() {
        let meta = MetadataStore::open_in_memory().unwrap();
        let limits =
            IngestKeyLimits { items_per_minute: Some(10), allowed_origins: vec!["https://A.example.com/".into()], ..Default::default() };
        let key = meta.create_key(1, "web", &limits).unwrap();
        assert_eq!(key.limits.allowed_origins, ["https://a.example.com"]);
        let until = now_us() + DAY_US;
        let (new, old) = meta.rotate_key(1, key.id, until).unwrap();
        assert_eq!((&new.name, &new.limits, new.expires_us), (&key.name, &key.limits, None));
        assert_ne!(new.public_key, old.public_key);
        assert!(!old.is_expired(until - 1) && old.is_expired(until));
        assert!(matches!(meta.rotate_key(1, key.id, until), Err(MetadataError::Invalid(_))));
        assert_eq!(meta.directory().first_key(1).unwrap().id, new.id, "a DSN must not have a key that ends");
        assert!(matches!(meta.rotate_key(2, new.id, until), Err(MetadataError::NoKey { .. })));
        let patch = IngestKeyPatch { limits: Some(IngestKeyLimits::default()), expires_us: Some(None), ..Default::default() };
        assert_eq!(meta.update_key(1, old.id, &patch).unwrap().expires_us, None);
    }

    #[test]
    fn invalid_limits_are_refused() {
        let meta = MetadataStore::open_in_memory().unwrap();
        for limits in [
            IngestKeyLimits { items_per_minute: Some(0), ..Default::default() },
            IngestKeyLimits { bytes_per_day: Some(u64::MAX), ..Default::default() },
            IngestKeyLimits { allowed_origins: vec!["*.com".into()], ..Default::default() },
            IngestKeyLimits { allowed_origins: vec!["https://a.example".into(); MAX_ORIGINS + 1], ..Default::default() },
        ] {
            assert!(matches!(meta.create_key(1, "k", &limits), Err(MetadataError::Invalid(_))), "{limits:?}");
        }
    }

    #[test]
    fn bytes_of_a_day_are_kept() {
        let meta = MetadataStore::open_in_memory().unwrap();
        let key = meta.create_key(1, "k", &IngestKeyLimits::default()).unwrap();
        let last_day = IngestKeyDay { day: 20_000, bytes: 5 };
        meta.note_key_uses(&[IngestKeyUse { key: key.id, last_used_us: 7, last_day }]).unwrap();
        let key = meta.project_key(1, key.id).unwrap();
        assert_eq!((key.last_used_us, key.last_day.bytes_on(20_000), key.last_day.bytes_on(20_001)), (Some(7), 5, 0));
    }
}
