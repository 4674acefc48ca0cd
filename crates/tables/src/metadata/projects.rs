//! Creating and changing projects.

use hinomi_model::mapping::MappingRuleSet;
use rusqlite::params;

use super::directory::{DisplayCurrency, ProjectRecord, RetentionOverrides};
use super::error::MetadataError;
use super::ingest_keys::{IngestKeyLimits, insert_key};
use super::message_hiding::MessageHiding;
use super::{MetadataStore, access_secrets, now_us};

/// Maximum length of the name of a project, a key, an account or a token in characters.
pub(super) const MAX_NAME_LENGTH: usize = 100;
/// Allowed retention in days.
const RETENTION_DAYS: std::ops::RangeInclusive<u32> = 1..=3650;

/// Maximum number of environments with their own retention.
const MAX_ENVIRONMENTS: usize = 100;

/// Changes of a project. `None` leaves a value unchanged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectPatch {
    /// Name of the project.
    pub name: Option<String>,
    /// Days for which spans are stored.
    pub retention_days: Option<u32>,
    /// Retention of classes of data.
    pub retention_overrides: Option<RetentionOverrides>,
    /// Display currency; `Some(None)` removes it.
    pub currency: Option<Option<DisplayCurrency>>,
    /// Whether the cost that a client reports takes precedence.
    pub prefer_client_cost: Option<bool>,
    /// Whether missing tokens are estimated from messages.
    pub estimate_usage: Option<bool>,
    /// Whom messages are hidden from.
    pub message_hiding: Option<MessageHiding>,
    /// Whether the project rejects all incoming data.
    pub disabled: Option<bool>,
}

impl MetadataStore {
    /// Creates a project with its first key.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is empty or too long, or the database cannot be written.
    pub fn create_project(&self, name: &str, demo: bool) -> Result<ProjectRecord, MetadataError> {
        let name = checked_name(name)?;
        let id = {
            let mut connection = self.lock();
            let transaction = connection.transaction()?;
            transaction.execute("INSERT INTO projects (name, demo, created_us) VALUES (?1, ?2, ?3)", params![name, demo, now_us()])?;
            let id = transaction.last_insert_rowid();
            insert_key(&transaction, id, &access_secrets::hex(16), "Default", &IngestKeyLimits::default())?;
            transaction.commit()?;
            u64::try_from(id).unwrap_or_default()
        };
        self.project(id)
    }

    /// Creates the first key of project 1, with the given text or a random text. Does nothing if project 1 has or had a key.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not 32 hex digits, or the database cannot be written.
    pub fn create_first_key(&self, text: Option<&str>) -> Result<(), MetadataError> {
        let text = match text {
            Some(text) if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => text.to_ascii_lowercase(),
            Some(_) => return Err(MetadataError::Invalid("dsn_key (HINOMI_DSN_KEY): must be 32 hex digits".into())),
            None => access_secrets::hex(16),
        };
        {
            let mut connection = self.lock();
            let transaction = connection.transaction()?;
            let made = transaction.execute("INSERT INTO settings VALUES ('first_key', 'made') ON CONFLICT DO NOTHING", [])?;
            if made == 1 {
                insert_key(&transaction, 1, &text, "Default", &IngestKeyLimits::default())?;
            }
            transaction.commit()?;
        }
        self.refresh(true).map(drop)
    }

    /// Changes a project.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such project, or a value is invalid.
    pub fn update_project(&self, id: u64, patch: &ProjectPatch) -> Result<ProjectRecord, MetadataError> {
        let mut project = self.project(id)?;
        if let Some(name) = &patch.name {
            project.name = checked_name(name)?.to_owned();
        }
        if let Some(days) = patch.retention_days {
            if !RETENTION_DAYS.contains(&days) {
                return Err(MetadataError::Invalid(format!(
                    "retention_days: must be from {} to {}",
                    RETENTION_DAYS.start(),
                    RETENTION_DAYS.end()
                )));
            }
            project.retention_days = Some(days);
        }
        if let Some(overrides) = &patch.retention_overrides {
            let days = overrides.environments.values().chain(&overrides.message_days).chain(&overrides.flagged_days);
            if days.clone().any(|days| !RETENTION_DAYS.contains(days)) {
                return Err(MetadataError::Invalid(format!(
                    "retention: days must be from {} to {}",
                    RETENTION_DAYS.start(),
                    RETENTION_DAYS.end()
                )));
            }
            if overrides.environments.len() > MAX_ENVIRONMENTS
                || overrides.environments.keys().any(|name| name.is_empty() || name.len() > 200)
            {
                return Err(MetadataError::Invalid(format!(
                    "retention: must have at most {MAX_ENVIRONMENTS} environments, each with a name"
                )));
            }
            project.retention_overrides = overrides.clone();
        }
        if let Some(currency) = &patch.currency {
            project.currency = currency.as_ref().map(checked_currency).transpose()?;
        }
        project.prefer_client_cost = patch.prefer_client_cost.unwrap_or(project.prefer_client_cost);
        project.estimate_usage = patch.estimate_usage.unwrap_or(project.estimate_usage);
        project.message_hiding = patch.message_hiding.unwrap_or(project.message_hiding);
        project.disabled = patch.disabled.unwrap_or(project.disabled);
        self.lock().execute(
            "UPDATE projects SET name = ?2, retention_days = ?3, currency_code = ?4, currency_rate = ?5, prefer_client_cost = ?6,
             disabled = ?7, estimate_usage = ?8, keep = ?9, hide_messages = ?10 WHERE id = ?1",
            params![
                id,
                project.name,
                project.retention_days,
                project.currency.as_ref().map(|currency| &currency.code),
                project.currency.as_ref().map(|currency| currency.rate),
                project.prefer_client_cost,
                project.disabled,
                project.estimate_usage,
                serde_json::to_string(&project.retention_overrides).unwrap_or_default(),
                project.message_hiding
            ],
        )?;
        self.project(id)
    }

    /// Replaces the mapping rules of a project by the rules in a text.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such project, or the text is not a valid rule file.
    pub fn set_mapping(&self, id: u64, text: &str) -> Result<ProjectRecord, MetadataError> {
        MappingRuleSet::from_text(text).map_err(|error| MetadataError::Invalid(error.to_string()))?;
        self.project(id)?;
        self.lock().execute("UPDATE projects SET mapping = ?2 WHERE id = ?1", params![id, text])?;
        self.project(id)
    }

    /// Records that the first span of a project has arrived.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn note_first_span(&self, project: u64) -> Result<(), MetadataError> {
        self.lock()
            .execute("UPDATE projects SET first_span_us = ?2 WHERE id = ?1 AND first_span_us IS NULL", params![project, now_us()])?;
        self.refresh(true).map(drop)
    }

    /// Deletes a project with its keys, tokens, prices and members; its data must be deleted before. Project 1 itself is kept.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub fn delete_project(&self, id: u64) -> Result<(), MetadataError> {
        {
            let mut connection = self.lock();
            let transaction = connection.transaction()?;
            if id == 1 {
                transaction.execute("UPDATE projects SET first_span_us = NULL WHERE id = 1", [])?;
            } else {
                for table in ["keys", "tokens", "prices", "members"] {
                    transaction.execute(&format!("DELETE FROM {table} WHERE project_id = ?1"), [id])?;
                }
                transaction.execute("DELETE FROM projects WHERE id = ?1", [id])?;
            }
            for table in ["pins", "jobs"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE project_id = ?1"), [id])?;
            }
            transaction.commit()?;
            crate::database::truncate_wal(&connection)?;
        }
        self.refresh(true).map(drop)
    }

    /// Returns the current state of a project.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such project.
    pub fn project(&self, id: u64) -> Result<ProjectRecord, MetadataError> {
        self.refresh(true)?.projects.get(&id).cloned().ok_or(MetadataError::NoProject(id))
    }
}

pub(super) fn checked_name(name: &str) -> Result<&str, MetadataError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_LENGTH || name.chars().any(char::is_control) {
        return Err(MetadataError::Invalid(format!("name: must have 1 to {MAX_NAME_LENGTH} printable characters")));
    }
    Ok(name)
}

fn checked_currency(currency: &DisplayCurrency) -> Result<DisplayCurrency, MetadataError> {
    let code_fits = currency.code.len() == 3 && currency.code.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !code_fits || !currency.rate.is_finite() || currency.rate <= 0.0 {
        return Err(MetadataError::Invalid("currency: must have a code of three letters and a rate above 0".into()));
    }
    Ok(DisplayCurrency { code: currency.code.to_ascii_uppercase(), rate: currency.rate })
}
