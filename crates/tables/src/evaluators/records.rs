//! Evaluators: what they evaluate, and how.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hinomi_model::names;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{EvaluatorStore, key};
use crate::database::SqliteError;

/// Maximum number of evaluators of a project.
pub const MAX_EVALUATORS: u64 = 100;

names!(
    /// What an evaluator evaluates.
    EvaluatorTarget {
        /// LLM calls.
        Span = "span",
        /// Traces.
        Trace = "trace",
        /// Conversations.
        Session = "session",
    }
);

/// A rate at which the targets of a filter are selected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SamplingRule)]
#[serde(deny_unknown_fields)]
pub struct SamplingRuleDraft {
    /// Filter in the filter language. Empty for all targets.
    #[serde(default)]
    #[schema(required)]
    pub q: String,
    /// Fraction of the targets that are selected, from 0 to 1.
    pub rate: f64,
}

/// Which fraction of the targets is evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EvaluatorSampling {
    /// The same fraction of all targets, from 0 to 1.
    Rate(f64),
    /// The first rule whose filter matches applies. A target without a rule is not evaluated.
    Rules(Vec<SamplingRuleDraft>),
}

impl Default for EvaluatorSampling {
    fn default() -> Self {
        EvaluatorSampling::Rate(1.0)
    }
}

/// Fields of an evaluator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvaluatorDraft {
    /// Name of the evaluator and of its scores, unique in the project.
    pub name: String,
    /// Type of the evaluator, such as `contains`.
    #[serde(rename = "type")]
    pub evaluator_type: String,
    /// Configuration of the type.
    #[serde(default = "empty_object")]
    #[schema(value_type = BTreeMap<String, Value>, required)]
    pub config: Value,
    /// What is evaluated.
    pub target: EvaluatorTarget,
    /// Filter in the filter language. Empty for all targets.
    #[serde(default)]
    #[schema(required)]
    pub q: String,
    /// Which fraction of the targets is evaluated. Default: all.
    #[serde(default)]
    #[schema(required)]
    pub sampling: EvaluatorSampling,
    /// Seed of the sampling. Evaluators with the same seed and rate select the same conversations. Null for the seed of the project.
    #[serde(default)]
    #[schema(required)]
    pub seed: Option<u64>,
    /// Maximum cost of a day in US dollars; null for no limit. Evaluators without a model cost nothing.
    #[serde(default)]
    #[schema(required)]
    pub daily_budget: Option<f64>,
    /// False if the evaluator does not run. Default: true.
    #[serde(default = "default_true")]
    #[schema(required)]
    pub enabled: bool,
}

fn empty_object() -> Value {
    Value::Object(serde_json::Map::new())
}

fn default_true() -> bool {
    true
}

impl EvaluatorDraft {
    /// Returns whether scores of the other evaluator can be compared with scores of this one: only then is the version the same.
    fn has_same_method(&self, other: &EvaluatorDraft) -> bool {
        (&self.evaluator_type, &self.config, self.target) == (&other.evaluator_type, &other.config, other.target)
    }
}

/// A stored evaluator.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluatorRecord {
    /// ID of the evaluator.
    pub id: i64,
    /// ID of the project.
    pub project: u64,
    /// Version: increases when type, configuration or target change.
    pub version: u64,
    /// Fields.
    pub draft: EvaluatorDraft,
    /// Time of creation in microseconds since the Unix epoch.
    pub created_us: i64,
    /// Time of the last change in microseconds since the Unix epoch.
    pub updated_us: i64,
}

/// Result of storing an evaluator.
#[derive(Debug, Clone, PartialEq)]
pub enum EvaluatorChange {
    /// The evaluator was stored.
    Stored(Box<EvaluatorRecord>),
    /// Another evaluator of the project has the name.
    NameTaken,
    /// The project has too many evaluators.
    TooMany,
    /// There is no evaluator with the ID.
    NotFound,
}

const COLUMNS: &str = "id, project, version, fields, created_us, updated_us";

impl EvaluatorStore {
    /// Returns the evaluators of a project by name. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn evaluators(&self, project: u64) -> Result<Vec<EvaluatorRecord>, SqliteError> {
        self.database.read(|transaction| {
            let mut select = transaction.prepare_cached(&format!("SELECT {COLUMNS} FROM evaluators WHERE project = ?1 ORDER BY name"))?;
            select.query_map([key(project)], read_row)?.collect()
        })
    }

    /// Returns whether an evaluator of any project is enabled. Evaluators that were deleted with their project may still count.
    pub fn has_enabled(&self) -> bool {
        self.has_enabled.load(Ordering::Acquire)
    }

    /// Returns the flag that is true while an evaluator of any project is enabled.
    pub fn enabled_flag(&self) -> Arc<AtomicBool> {
        self.has_enabled.clone()
    }

    /// Returns an evaluator; `None` if it does not exist. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn evaluator(&self, project: u64, id: i64) -> Result<Option<EvaluatorRecord>, SqliteError> {
        self.database.read(|transaction| select_one(transaction, key(project), id))
    }

    /// Creates an evaluator, or replaces the one with the ID. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn store_evaluator(
        &self,
        project: u64,
        id: Option<i64>,
        draft: &EvaluatorDraft,
        now_us: i64,
    ) -> Result<EvaluatorChange, SqliteError> {
        self.database.write(|transaction| {
            let project = key(project);
            let taken = "SELECT id FROM evaluators WHERE project = ?1 AND name = ?2 AND id IS NOT ?3";
            if transaction.prepare_cached(taken)?.exists(params![project, draft.name, id])? {
                return Ok(EvaluatorChange::NameTaken);
            }
            let fields = serde_json::to_string(draft).unwrap_or_default();
            let id = match id {
                Some(id) => {
                    let Some(before) = select_one(transaction, project, id)? else { return Ok(EvaluatorChange::NotFound) };
                    let version = before.version + u64::from(!before.draft.has_same_method(draft));
                    transaction.execute(
                        "UPDATE evaluators SET name = ?2, version = ?3, enabled = ?4, fields = ?5, updated_us = ?6 WHERE id = ?1",
                        params![id, draft.name, version as i64, draft.enabled, fields, now_us],
                    )?;
                    id
                }
                None => {
                    let count: u64 =
                        transaction.query_row("SELECT count(*) FROM evaluators WHERE project = ?1", [project], |row| row.get(0))?;
                    if count >= MAX_EVALUATORS {
                        return Ok(EvaluatorChange::TooMany);
                    }
                    transaction.execute(
                        "INSERT INTO evaluators (project, name, version, enabled, fields, created_us, updated_us)
                         VALUES (?1, ?2, 1, ?3, ?4, ?5, ?5)",
                        params![project, draft.name, draft.enabled, fields, now_us],
                    )?;
                    transaction.last_insert_rowid()
                }
            };
            self.has_enabled.store(has_enabled(transaction)?, Ordering::Release);
            Ok(select_one(transaction, project, id)?.map_or(EvaluatorChange::NotFound, |record| EvaluatorChange::Stored(Box::new(record))))
        })
    }

    /// Deletes an evaluator. Its scores stay. Returns false if it does not exist. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn delete_evaluator(&self, project: u64, id: i64) -> Result<bool, SqliteError> {
        let delete = "DELETE FROM evaluators WHERE project = ?1 AND id = ?2";
        self.database.write(|transaction| {
            let is_deleted = transaction.execute(delete, params![key(project), id])? > 0;
            self.has_enabled.store(has_enabled(transaction)?, Ordering::Release);
            Ok(is_deleted)
        })
    }

    /// Returns the time before which all received spans have been evaluated, in microseconds since the Unix epoch. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn evaluated_until_us(&self) -> Result<Option<i64>, SqliteError> {
        let select = "SELECT evaluated_until_us FROM progress";
        self.database.read(|transaction| transaction.query_row(select, [], |row| row.get(0)).optional())
    }

    /// Records the time before which all received spans have been evaluated. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn set_evaluated_until(&self, time_us: i64) -> Result<(), SqliteError> {
        let set = "INSERT INTO progress VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET evaluated_until_us = ?1";
        self.database.write(|transaction| transaction.execute(set, [time_us]).map(drop))
    }
}

pub(super) fn has_enabled(transaction: &Transaction) -> rusqlite::Result<bool> {
    transaction.prepare_cached("SELECT 1 FROM evaluators WHERE enabled = 1")?.exists([])
}

fn select_one(transaction: &Transaction, project: i64, id: i64) -> rusqlite::Result<Option<EvaluatorRecord>> {
    let select = format!("SELECT {COLUMNS} FROM evaluators WHERE project = ?1 AND id = ?2");
    transaction.prepare_cached(&select)?.query_row(params![project, id], read_row).optional()
}

fn read_row(row: &Row) -> rusqlite::Result<EvaluatorRecord> {
    let fields = row.get_ref(3)?.as_str()?;
    let invalid = |error| rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, Box::new(error));
    Ok(EvaluatorRecord {
        id: row.get(0)?,
        project: row.get(1)?,
        version: row.get(2)?,
        draft: serde_json::from_str(fields).map_err(invalid)?,
        created_us: row.get(4)?,
        updated_us: row.get(5)?,
    })
}
