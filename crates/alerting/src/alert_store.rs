//! Database of rules, budgets, incidents and pending notifications: `alerts.db`.
//!
//! A command may change rules while the server runs. A change of an incident and its notification are written in one transaction.
//! Notifications that are still in `notices` at a start are passed to delivery again, which recognizes duplicates by their key.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hinomi_tables::database;
use hinomi_tables::database::SqliteError;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::AlertError;
use super::incident::{AlertSource, Incident, IncidentTimelineEntry};
use super::rule::AlertRule;
use super::rule::budget::Budget;
use crate::delivery::notification::AlertNotification;

/// Version of the schema that is written, and the newest version that can be read.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// File name of the database.
pub(super) const DATABASE: &str = "alerts.db";

const MIGRATIONS: [&str; 1] = ["
    -- Rules and budgets share their numbers, so that an incident and a message need one number only.
    CREATE TABLE rules (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        project INTEGER NOT NULL,
        source TEXT NOT NULL,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        muted_until_us INTEGER,
        created_us INTEGER NOT NULL,
        updated_us INTEGER NOT NULL,
        UNIQUE (project, source, name)
    ) STRICT;
    CREATE TABLE incidents (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        project INTEGER NOT NULL,
        rule INTEGER NOT NULL,
        opened_us INTEGER NOT NULL,
        resolved_us INTEGER,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX incidents_of_project ON incidents (project, id);
    CREATE INDEX incidents_of_rule ON incidents (rule, id);
    CREATE INDEX incidents_open ON incidents (project, id) WHERE resolved_us IS NULL;
    CREATE TABLE timeline (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        incident INTEGER NOT NULL REFERENCES incidents ON DELETE CASCADE,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX timeline_of_incident ON timeline (incident, id);
    CREATE TABLE notices (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        targets TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
"];

/// A stored rule or budget.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRecord<T> {
    /// ID of the rule or budget.
    pub id: i64,
    /// ID of the project.
    pub project: u64,
    /// Definition of the rule or budget.
    pub definition: T,
    /// Time until which it is muted, in microseconds since the Unix epoch; the maximum of `i64` for no end.
    pub muted_until_us: Option<i64>,
    /// Time of creation, in microseconds since the Unix epoch.
    pub created_us: i64,
    /// Time of the last change, in microseconds since the Unix epoch.
    pub updated_us: i64,
}

impl<T> AlertRecord<T> {
    /// Returns whether the rule or budget is muted at a time.
    pub fn is_muted(&self, now_us: i64) -> bool {
        self.muted_until_us.is_some_and(|until| now_us < until)
    }
}

/// A definition that can be stored as a rule: an alert rule or a budget.
pub(super) trait AlertDefinition: Serialize + DeserializeOwned + Clone {
    const SOURCE: AlertSource;
    fn name(&self) -> &str;
    fn check(&self) -> Result<(), AlertError>;
}

impl AlertDefinition for AlertRule {
    const SOURCE: AlertSource = AlertSource::Rule;
    fn name(&self) -> &str {
        &self.name
    }
    fn check(&self) -> Result<(), AlertError> {
        AlertRule::check(self)
    }
}

impl AlertDefinition for Budget {
    const SOURCE: AlertSource = AlertSource::Budget;
    fn name(&self) -> &str {
        &self.name
    }
    fn check(&self) -> Result<(), AlertError> {
        Budget::check(self)
    }
}

/// A notification that delivery has not accepted yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PendingNotification {
    /// ID of the notification; 0 until it is stored.
    pub(super) id: i64,
    pub(super) notification: AlertNotification,
    pub(super) targets: Vec<i64>,
}

/// Selects incidents.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter {
    /// Only open incidents if true, only resolved ones if false.
    pub open: Option<bool>,
    /// Only incidents of this rule or budget.
    pub rule: Option<i64>,
    /// Only incidents with a smaller ID, for the page after another page.
    pub before: Option<i64>,
    /// Maximum number of incidents.
    pub limit: usize,
}

/// The open database.
#[derive(Debug)]
pub(super) struct AlertStore {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl AlertStore {
    pub(super) fn open(dir: &Path) -> Result<AlertStore, SqliteError> {
        let path = dir.join(DATABASE);
        Ok(AlertStore { connection: Mutex::new(database::open(&path, &MIGRATIONS)?), path })
    }

    /// Returns a number that changes when another connection commits.
    pub(super) fn version(&self) -> Result<i64, SqliteError> {
        self.with_connection(|connection| connection.pragma_query_value(None, "data_version", |row| row.get(0)))
    }

    pub(super) fn list_definitions<T: AlertDefinition>(&self, project: Option<u64>) -> Result<Vec<AlertRecord<T>>, SqliteError> {
        self.with_connection(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT id, project, body, muted_until_us, created_us, updated_us FROM rules
                 WHERE source = ?1 AND (?2 IS NULL OR project = ?2) ORDER BY id",
            )?;
            select.query_map(params![T::SOURCE.name(), project.map(number)], read_record)?.collect()
        })
    }

    pub(super) fn definition<T: AlertDefinition>(&self, project: u64, id: i64) -> Result<AlertRecord<T>, AlertError> {
        let found = self.with_connection(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT id, project, body, muted_until_us, created_us, updated_us FROM rules WHERE source = ?1 AND project = ?2 AND id = ?3",
            )?;
            select.query_row(params![T::SOURCE.name(), number(project), id], read_record).optional()
        })?;
        found.ok_or(AlertError::Unknown(T::SOURCE.name()))
    }

    pub(super) fn create_definition<T: AlertDefinition>(
        &self,
        project: u64,
        definition: &T,
        now_us: i64,
    ) -> Result<AlertRecord<T>, AlertError> {
        definition.check()?;
        let body = json(definition);
        let inserted = self.with_connection(|connection| {
            let insert = "INSERT INTO rules (project, source, name, body, created_us, updated_us) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
                          ON CONFLICT DO NOTHING RETURNING id";
            connection
                .query_row(insert, params![number(project), T::SOURCE.name(), definition.name(), body, now_us], |row| row.get(0))
                .optional()
        })?;
        let id = inserted.ok_or_else(|| AlertError::NameTaken { what: T::SOURCE.name(), name: definition.name().to_owned() })?;
        Ok(AlertRecord { id, project, definition: definition.clone(), muted_until_us: None, created_us: now_us, updated_us: now_us })
    }

    pub(super) fn replace_definition<T: AlertDefinition>(
        &self,
        project: u64,
        id: i64,
        definition: &T,
        now_us: i64,
    ) -> Result<AlertRecord<T>, AlertError> {
        definition.check()?;
        let body = json(definition);
        self.definition::<T>(project, id)?;
        let taken = self.with_connection(|connection| {
            let other = "SELECT EXISTS (SELECT 1 FROM rules WHERE project = ?1 AND source = ?2 AND name = ?3 AND id <> ?4)";
            let taken: bool =
                connection.query_row(other, params![number(project), T::SOURCE.name(), definition.name(), id], |row| row.get(0))?;
            if !taken {
                let update = "UPDATE rules SET name = ?2, body = ?3, updated_us = ?4 WHERE id = ?1";
                connection.execute(update, params![id, definition.name(), body, now_us])?;
            }
            Ok(taken)
        })?;
        if taken {
            return Err(AlertError::NameTaken { what: T::SOURCE.name(), name: definition.name().to_owned() });
        }
        self.definition(project, id)
    }

    pub(super) fn delete_definition<T: AlertDefinition>(&self, project: u64, id: i64) -> Result<(), AlertError> {
        let deleted = self.with_connection(|connection| {
            let delete = "DELETE FROM rules WHERE id = ?1 AND project = ?2 AND source = ?3";
            connection.execute(delete, params![id, number(project), T::SOURCE.name()])
        })?;
        if deleted == 0 { Err(AlertError::Unknown(T::SOURCE.name())) } else { Ok(()) }
    }

    /// Deletes all rules and budgets of a project and returns their number.
    pub(super) fn delete_rules(&self, project: u64) -> Result<usize, SqliteError> {
        self.with_connection(|connection| connection.execute("DELETE FROM rules WHERE project = ?1", [number(project)]))
    }

    /// Sets the time until which a rule or budget is muted; `None` to unmute it.
    pub(super) fn set_muted<T: AlertDefinition>(&self, project: u64, id: i64, until_us: Option<i64>) -> Result<AlertRecord<T>, AlertError> {
        self.definition::<T>(project, id)?;
        self.with_connection(|connection| connection.execute("UPDATE rules SET muted_until_us = ?2 WHERE id = ?1", params![id, until_us]))?;
        self.definition(project, id)
    }

    /// Returns incidents of a project, the newest first, and the number of its open incidents. The list and the number are read while no
    /// incident changes, so the number counts exactly the incidents that the list can show.
    pub(super) fn incidents(&self, project: u64, filter: &IncidentFilter) -> Result<(Vec<Incident>, u64), SqliteError> {
        self.with_connection(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT id, body FROM incidents WHERE project = ?1 AND (?2 IS NULL OR rule = ?2) AND (?3 IS NULL OR id < ?3)
                 AND (?4 IS NULL OR (resolved_us IS NULL) = ?4) ORDER BY id DESC LIMIT ?5",
            )?;
            let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
            let found = select
                .query_map(params![number(project), filter.rule, filter.before, filter.open, limit], read_incident)?
                .collect::<rusqlite::Result<_>>()?;
            let count = "SELECT count(*) FROM incidents WHERE project = ?1 AND resolved_us IS NULL";
            Ok((found, connection.query_row(count, [number(project)], |row| row.get(0))?))
        })
    }

    /// Returns the open incidents, and the incidents that were resolved at or after a time, the oldest first. The evaluator needs these
    /// incidents to avoid firing twice.
    pub(super) fn recent_incidents(&self, us: i64) -> Result<Vec<Incident>, SqliteError> {
        self.with_connection(|connection| {
            let mut select =
                connection.prepare_cached("SELECT id, body FROM incidents WHERE resolved_us IS NULL OR resolved_us >= ?1 ORDER BY id")?;
            select.query_map([us], read_incident)?.collect()
        })
    }

    pub(super) fn read_incident(&self, project: u64, id: i64) -> Result<(Incident, Vec<IncidentTimelineEntry>), AlertError> {
        let found = self.with_connection(|connection| {
            let mut select = connection.prepare_cached("SELECT id, body FROM incidents WHERE project = ?1 AND id = ?2")?;
            let Some(found) = select.query_row(params![number(project), id], read_incident).optional()? else { return Ok(None) };
            let mut select = connection.prepare_cached("SELECT body FROM timeline WHERE incident = ?1 ORDER BY id")?;
            let entries = select.query_map([id], |row| read_json(row, 0))?.collect::<rusqlite::Result<Vec<IncidentTimelineEntry>>>()?;
            Ok(Some((found, entries)))
        })?;
        found.ok_or(AlertError::Unknown("incident"))
    }

    /// Writes changes of incidents, their timeline entries and notifications in one transaction. Sets the IDs of new incidents and
    /// notifications.
    pub(super) fn write_changes(&self, changes: &mut [IncidentChange]) -> Result<(), SqliteError> {
        self.with_connection(|connection| {
            let transaction = connection.transaction()?;
            // One batch may open and resolve the same incident.
            let mut opened = HashMap::new();
            for change in changes.iter_mut() {
                let incident = &change.incident;
                let which = incident.identity();
                if let Some(id) = opened.get(&which).copied().filter(|_| incident.id == 0) {
                    change.incident.id = id;
                }
                change.write_changes(&transaction)?;
                opened.insert(which, change.incident.id);
            }
            transaction.commit()
        })
    }

    /// Returns the notifications that delivery has not accepted yet, the oldest first.
    pub(super) fn pending_notifications(&self) -> Result<Vec<PendingNotification>, SqliteError> {
        self.with_connection(|connection| {
            let mut select = connection.prepare_cached("SELECT id, body, targets FROM notices ORDER BY id")?;
            select
                .query_map([], |row| {
                    Ok(PendingNotification { id: row.get(0)?, notification: read_json(row, 1)?, targets: read_json(row, 2)? })
                })?
                .collect()
        })
    }

    /// Deletes notifications that delivery has accepted.
    pub(super) fn delete_notifications(&self, ids: &[i64]) -> Result<(), SqliteError> {
        self.with_connection(|connection| {
            let transaction = connection.transaction()?;
            for id in ids {
                transaction.execute("DELETE FROM notices WHERE id = ?1", [id])?;
            }
            transaction.commit()
        })
    }

    /// Deletes incidents that were resolved before a time and returns their number.
    pub(super) fn delete_before(&self, project: u64, us: i64) -> Result<usize, SqliteError> {
        let delete = "DELETE FROM incidents WHERE project = ?1 AND resolved_us < ?2";
        self.with_connection(|connection| connection.execute(delete, params![number(project), us]))
    }

    fn with_connection<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, SqliteError> {
        work(&mut lock(&self.connection)).map_err(SqliteError::sqlite_error(&self.path))
    }
}

/// A change of an incident, with its timeline entries and notifications.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct IncidentChange {
    pub(super) incident: Incident,
    pub(super) entries: Vec<IncidentTimelineEntry>,
    pub(super) pending_notifications: Vec<PendingNotification>,
}

impl IncidentChange {
    fn write_changes(&mut self, transaction: &Transaction) -> rusqlite::Result<()> {
        let incident = &mut self.incident;
        let body = json(incident);
        if incident.id == 0 {
            let insert = "INSERT INTO incidents (project, rule, opened_us, resolved_us, body) VALUES (?1, ?2, ?3, ?4, ?5)";
            let project = number(incident.project);
            transaction.execute(insert, params![project, incident.rule, incident.opened_us, incident.resolved_us, body])?;
            incident.id = transaction.last_insert_rowid();
        } else {
            let update = "UPDATE incidents SET resolved_us = ?2, body = ?3 WHERE id = ?1";
            transaction.execute(update, params![incident.id, incident.resolved_us, body])?;
        }
        for entry in &self.entries {
            transaction.execute("INSERT INTO timeline (incident, body) VALUES (?1, ?2)", params![incident.id, json(entry)])?;
        }
        for pending_notifications in &mut self.pending_notifications {
            pending_notifications.notification.incident_id = Some(incident.id);
            pending_notifications.notification.links.incident.push_str(&incident.id.to_string());
            let insert = "INSERT INTO notices (targets, body) VALUES (?1, ?2)";
            transaction.execute(insert, params![json(&pending_notifications.targets), json(&pending_notifications.notification)])?;
            pending_notifications.id = transaction.last_insert_rowid();
        }
        Ok(())
    }
}

fn read_record<T: AlertDefinition>(row: &Row) -> rusqlite::Result<AlertRecord<T>> {
    Ok(AlertRecord {
        id: row.get(0)?,
        project: row.get(1)?,
        definition: read_json(row, 2)?,
        muted_until_us: row.get(3)?,
        created_us: row.get(4)?,
        updated_us: row.get(5)?,
    })
}

fn read_incident(row: &Row) -> rusqlite::Result<Incident> {
    Ok(Incident { id: row.get(0)?, ..read_json(row, 1)? })
}

/// Reads a JSON column.
fn read_json<T: DeserializeOwned>(row: &Row, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into()))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps with text keys, finite numbers and texts have a JSON form")
}

pub(super) fn number(project: u64) -> i64 {
    i64::try_from(project).unwrap_or(i64::MAX)
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
