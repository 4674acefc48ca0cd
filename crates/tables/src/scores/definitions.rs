//! Score definitions: what the scores with a name mean.

use hinomi_model::score::ScoreDataType;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ScoreStore, key};
use crate::database::SqliteError;

/// Maximum number of definitions of a project.
pub(super) const MAX_DEFINITIONS: u64 = 500;
/// Maximum number of categories of a definition.
const MAX_CATEGORIES: usize = 100;
/// Maximum number of characters of a name, a category and a description.
const MAX_NAME_CHARACTERS: usize = 200;
const MAX_DESCRIPTION_CHARACTERS: usize = 2_000;

/// Which end of a scale is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreDirection {
    /// A higher value is better.
    Higher,
    /// A lower value is better.
    Lower,
}

/// A category of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreCategory {
    /// Name of the category.
    pub label: String,
    /// Number that stands for the category in means; null if there is none.
    #[serde(default)]
    #[schema(required)]
    pub value: Option<f64>,
}

/// Fields of a score definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreDefinitionDraft {
    /// Name of the scores, unique in the project.
    pub name: String,
    /// Type of their values.
    pub data_type: ScoreDataType,
    /// Smallest value of a numeric score; null for no limit.
    #[serde(default)]
    #[schema(required)]
    pub min: Option<f64>,
    /// Largest value of a numeric score; null for no limit.
    #[serde(default)]
    #[schema(required)]
    pub max: Option<f64>,
    /// Categories of a categorical score.
    #[serde(default)]
    #[schema(required)]
    pub categories: Vec<ScoreCategory>,
    /// Which end of the scale is good; null if neither is.
    #[serde(default)]
    #[schema(required)]
    pub better: Option<ScoreDirection>,
    /// Value from which a score is bad, away from the good end; a score with this value is bad. Null if no value is bad. Requires `better`.
    #[serde(default)]
    #[schema(required)]
    pub bad_from: Option<f64>,
    /// Categories that are bad.
    #[serde(default)]
    #[schema(required)]
    pub bad_labels: Vec<String>,
    /// What the score means, for people who give it.
    #[serde(default)]
    #[schema(required)]
    pub description: String,
}

/// A score definition.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreDefinition {
    /// ID of the definition.
    pub id: String,
    /// Its fields.
    pub draft: ScoreDefinitionDraft,
}

/// Reason why a definition is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// Text that is empty or too long.
    #[error("{field}: must have 1 to {max} characters")]
    TextLength {
        /// Name of the field.
        field: &'static str,
        /// Maximum number of characters.
        max: usize,
    },
    /// `min` above `max`, or a limit that is no finite number.
    #[error("min and max: must be finite numbers, min below max")]
    Range,
    /// Limits, categories or a bad value for another data type.
    #[error("{field}: not valid for the data type {data_type}")]
    OtherDataType {
        /// Name of the field.
        field: &'static str,
        /// Data type of the definition.
        data_type: ScoreDataType,
    },
    /// Bad value without a direction.
    #[error("bad_from: requires better, which says on which side of the value a score is bad")]
    BadValueWithoutDirection,
    /// Categorical definition without categories, with too many, or with one twice.
    #[error("categories: must have 1 to {MAX_CATEGORIES} different labels")]
    Categories,
    /// Bad category that is not among the categories.
    #[error("bad_labels: {0:?} is not one of the categories")]
    UnknownCategory(String),
}

impl ScoreDefinitionDraft {
    /// Checks the fields.
    ///
    /// # Errors
    ///
    /// Returns an error if a field is missing, out of range or not valid for the data type.
    pub fn check(&self) -> Result<(), DefinitionError> {
        let length = |field, text: &str, min: usize, max: usize| {
            let is_valid = (min..=max).contains(&text.chars().count()) && text.trim() == text && !text.contains(char::is_control);
            if is_valid { Ok(()) } else { Err(DefinitionError::TextLength { field, max }) }
        };
        length("name", &self.name, 1, MAX_NAME_CHARACTERS)?;
        if self.description.chars().count() > MAX_DESCRIPTION_CHARACTERS {
            return Err(DefinitionError::TextLength { field: "description", max: MAX_DESCRIPTION_CHARACTERS });
        }
        let data_type = self.data_type;
        let is_number = matches!(data_type, ScoreDataType::Numeric | ScoreDataType::Boolean);
        let wrong = |field| Err(DefinitionError::OtherDataType { field, data_type });
        if data_type != ScoreDataType::Numeric && (self.min.is_some() || self.max.is_some()) {
            return wrong("min and max");
        }
        if [self.min, self.max, self.bad_from].into_iter().flatten().any(|number| !number.is_finite())
            || self.min.zip(self.max).is_some_and(|(min, max)| min >= max)
        {
            return Err(DefinitionError::Range);
        }
        if self.bad_from.is_some() && !is_number {
            return wrong("bad_from");
        }
        if self.bad_from.is_some() && self.better.is_none() {
            return Err(DefinitionError::BadValueWithoutDirection);
        }
        if data_type != ScoreDataType::Categorical {
            return if self.categories.is_empty() && self.bad_labels.is_empty() { Ok(()) } else { wrong("categories and bad_labels") };
        }
        let mut labels: Vec<&str> = self.categories.iter().map(|category| category.label.as_str()).collect();
        labels.iter().try_for_each(|label| length("categories", label, 1, MAX_NAME_CHARACTERS))?;
        labels.sort_unstable();
        labels.dedup();
        if labels.is_empty() || labels.len() != self.categories.len() || labels.len() > MAX_CATEGORIES {
            return Err(DefinitionError::Categories);
        }
        match self.bad_labels.iter().find(|label| !labels.contains(&label.as_str())) {
            Some(label) => Err(DefinitionError::UnknownCategory(label.clone())),
            None => Ok(()),
        }
    }

    /// Returns whether a score is bad; `None` if the definition does not say which scores are bad, or the score has no such value.
    pub fn is_bad(&self, value: Option<f64>, label: Option<&str>) -> Option<bool> {
        if self.data_type == ScoreDataType::Categorical {
            return label.filter(|_| !self.bad_labels.is_empty()).map(|label| self.bad_labels.iter().any(|bad| bad == label));
        }
        let (value, bad_from, better) = (value?, self.bad_from?, self.better?);
        Some(if better == ScoreDirection::Higher { value <= bad_from } else { value >= bad_from })
    }
}

/// Result of storing a definition.
#[derive(Debug, Clone, PartialEq)]
pub enum DefinitionChange {
    /// The definition was stored.
    Stored(ScoreDefinition),
    /// Another definition of the project has this name.
    NameTaken,
    /// The project has the maximum number of definitions.
    TooMany,
    /// There is no such definition.
    NotFound,
}

impl ScoreStore {
    /// Returns the definitions of a project by name. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn definitions(&self, project: u64) -> Result<Vec<ScoreDefinition>, SqliteError> {
        self.database.read(|transaction| select_definitions(transaction, key(project)))
    }

    /// Stores a definition: a new one, or the one with the ID. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn store_definition(&self, project: u64, id: Option<&str>, draft: &ScoreDefinitionDraft) -> Result<DefinitionChange, SqliteError> {
        self.database.write(|transaction| change_definition(transaction, key(project), id, draft))
    }

    /// Deletes a definition; its scores stay. Returns false if there is none. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn delete_definition(&self, project: u64, id: &str) -> Result<bool, SqliteError> {
        let delete = "DELETE FROM definitions WHERE project = ?1 AND CAST(id AS TEXT) = ?2";
        self.database.write(|transaction| Ok(transaction.execute(delete, params![key(project), id])? > 0))
    }
}

fn change_definition(
    transaction: &Transaction,
    project: i64,
    id: Option<&str>,
    draft: &ScoreDefinitionDraft,
) -> rusqlite::Result<DefinitionChange> {
    let of_name = "SELECT CAST(id AS TEXT) FROM definitions WHERE project = ?1 AND name = ?2";
    let of_name: Option<String> = transaction.query_row(of_name, params![project, draft.name], |row| row.get(0)).optional()?;
    if of_name.is_some_and(|other| Some(other.as_str()) != id) {
        return Ok(DefinitionChange::NameTaken);
    }
    let fields = serde_json::to_string(draft).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let stored = match id {
        Some(id) => {
            let update = "UPDATE definitions SET name = ?3, data_type = ?4, fields = ?5 WHERE project = ?1 AND CAST(id AS TEXT) = ?2";
            if transaction.execute(update, params![project, id, draft.name, draft.data_type.as_str(), fields])? == 0 {
                return Ok(DefinitionChange::NotFound);
            }
            id.to_owned()
        }
        None => {
            let count: u64 = transaction.query_row("SELECT count(*) FROM definitions WHERE project = ?1", [project], |row| row.get(0))?;
            if count >= MAX_DEFINITIONS {
                return Ok(DefinitionChange::TooMany);
            }
            let insert = "INSERT INTO definitions (project, name, data_type, fields) VALUES (?1, ?2, ?3, ?4)";
            transaction.execute(insert, params![project, draft.name, draft.data_type.as_str(), fields])?;
            transaction.last_insert_rowid().to_string()
        }
    };
    Ok(DefinitionChange::Stored(ScoreDefinition { id: stored, draft: draft.clone() }))
}

pub(super) fn select_definitions(transaction: &Transaction, project: i64) -> rusqlite::Result<Vec<ScoreDefinition>> {
    let read = |row: &Row| {
        let fields = row.get_ref(1)?.as_str()?;
        let draft = serde_json::from_str(fields);
        let draft = draft.map_err(|error| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error)))?;
        Ok(ScoreDefinition { id: row.get(0)?, draft })
    };
    let mut select = transaction.prepare_cached("SELECT CAST(id AS TEXT), fields FROM definitions WHERE project = ?1 ORDER BY name")?;
    select.query_map([project], read)?.collect()
}
