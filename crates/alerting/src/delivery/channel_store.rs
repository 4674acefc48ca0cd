//! Notification channels in the database.

use hinomi_tables::database::SqliteError;
use hinomi_tables::secret_cipher::SecretCipher;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::allowed_networks::AllowedNetworks;
use super::channel::{ChannelConfiguration, ChannelError, ChannelSecret, NotificationChannel, checked_name, new_signing_secret};
use super::notification::MessageLanguage;
use super::outbox::{ChannelId, NotificationOutbox, now_us, sql_project_id};

/// Maximum number of channels of one project.
const MAX_CHANNELS: i64 = 200;

/// Definition of a channel as a user sends it.
#[derive(Debug, Clone)]
pub struct NotificationChannelDraft {
    /// Name of the channel.
    pub name: String,
    /// Language of the messages; `None` for the language of the rule.
    pub language: Option<MessageLanguage>,
    /// True if nothing is sent to the channel.
    pub disabled: bool,
    /// Kind and configuration of the channel.
    pub configuration: ChannelConfiguration,
    /// Secret of the channel. `None` keeps the stored secret; for a webhook without a secret, a secret is generated.
    pub secret: Option<ChannelSecret>,
}

/// Reason why a change of a channel fails.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The definition is not valid.
    #[error(transparent)]
    Invalid(#[from] ChannelError),
    /// The channel or delivery does not exist.
    #[error("{0} not found")]
    Missing(&'static str),
    /// The database failed.
    #[error(transparent)]
    Sqlite(#[from] SqliteError),
}

impl NotificationOutbox {
    /// Creates a channel. If a signing secret was generated, the second value is this secret; it is returned only here. Blocks the calling
    /// thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the definition is not valid, or the database cannot be written.
    pub fn create_channel(
        &self,
        project: u64,
        draft: NotificationChannelDraft,
        allowed: &AllowedNetworks,
    ) -> Result<(NotificationChannel, Option<ChannelSecret>), NotifyError> {
        let (name, secret, made) = check_draft(&draft, ChannelSecret::default(), allowed)?;
        let created_us = now_us();
        let id = self.with_connection(|db| {
            let transaction = db.transaction()?;
            let known: i64 =
                transaction.query_row("SELECT count(*) FROM targets WHERE project = ?1", [sql_project_id(project)], |row| row.get(0))?;
            if known >= MAX_CHANNELS {
                return Ok(None);
            }
            let id: ChannelId = transaction.query_row(
                "INSERT INTO targets (project, name, language, disabled, address, secret, created_us) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 RETURNING id",
                params![
                    sql_project_id(project),
                    name,
                    language_code(draft.language),
                    draft.disabled,
                    to_json(&draft.configuration)?,
                    self.cipher.encrypt(secret.reveal()),
                    created_us
                ],
                |row| row.get(0),
            )?;
            transaction.commit()?;
            Ok(Some(id))
        })?;
        let Some(id) = id else {
            return Err(ChannelError::invalid(
                "name",
                format!("cannot be added: a project has at most {MAX_CHANNELS} notification channels"),
            )
            .into());
        };
        let NotificationChannelDraft { language, disabled, configuration, .. } = draft;
        Ok((NotificationChannel { id, project, name, language, disabled, configuration, secret, created_us }, made))
    }

    /// Updates a channel. The waiting deliveries of the channel are retried immediately, because the update may have fixed the problem. If
    /// the channel is disabled, they are cancelled. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the channel does not exist, the definition is not valid, or the database cannot be written.
    pub fn update_channel(
        &self,
        project: u64,
        id: ChannelId,
        draft: NotificationChannelDraft,
        allowed: &AllowedNetworks,
    ) -> Result<(NotificationChannel, Option<ChannelSecret>), NotifyError> {
        let old = self.target(project, id)?;
        // A secret is kept only for the same kind of channel and the same place.
        let same_place = secret_destination(&old.configuration) == secret_destination(&draft.configuration);
        let kept = if same_place { old.secret } else { ChannelSecret::default() };
        let (name, secret, made) = check_draft(&draft, kept, allowed)?;
        self.with_connection(|db| {
            let transaction = db.transaction()?;
            transaction.execute(
                "UPDATE targets SET name = ?2, language = ?3, disabled = ?4, address = ?5, secret = ?6 WHERE id = ?1",
                params![
                    id,
                    name,
                    language_code(draft.language),
                    draft.disabled,
                    to_json(&draft.configuration)?,
                    self.cipher.encrypt(secret.reveal())
                ],
            )?;
            let waiting = if draft.disabled {
                "UPDATE deliveries SET state = 'cancelled' WHERE target = ?1 AND state = 'waiting' AND ?2 > 0"
            } else {
                "UPDATE deliveries SET next_us = ?2 WHERE target = ?1 AND state = 'waiting' AND next_us > ?2"
            };
            transaction.execute(waiting, params![id, now_us()])?;
            transaction.commit()
        })?;
        self.delivery_due.notify_one();
        let NotificationChannelDraft { language, disabled, configuration, .. } = draft;
        Ok((NotificationChannel { id, project, name, language, disabled, configuration, secret, created_us: old.created_us }, made))
    }

    /// Deletes a channel with its deliveries. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the channel does not exist, or the database cannot be written.
    pub fn delete_channel(&self, project: u64, id: ChannelId) -> Result<(), NotifyError> {
        let deleted = self
            .with_connection(|db| db.execute("DELETE FROM targets WHERE id = ?1 AND project = ?2", params![id, sql_project_id(project)]))?;
        if deleted == 0 { Err(NotifyError::Missing("target")) } else { Ok(()) }
    }

    /// Returns the channels of a project, the oldest first. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn targets(&self, project: u64) -> Result<Vec<NotificationChannel>, SqliteError> {
        self.with_connection(|db| {
            let mut select = db.prepare_cached(&format!("SELECT {CHANNEL_COLUMNS} FROM targets WHERE project = ?1 ORDER BY id"))?;
            select.query_map([sql_project_id(project)], |row| read_channel(row, &self.cipher))?.collect()
        })
    }

    /// Returns one channel. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the channel does not exist, or the database cannot be read.
    pub fn target(&self, project: u64, id: ChannelId) -> Result<NotificationChannel, NotifyError> {
        let found = self.with_connection(|db| find_channel(db, id, &self.cipher))?;
        found.filter(|target| target.project == project).ok_or(NotifyError::Missing("target"))
    }
}

const CHANNEL_COLUMNS: &str = "id, project, name, language, disabled, address, secret, created_us";

/// Returns a channel by its ID, regardless of the project.
pub(super) fn find_channel(db: &Connection, id: ChannelId, cipher: &SecretCipher) -> rusqlite::Result<Option<NotificationChannel>> {
    db.prepare_cached(&format!("SELECT {CHANNEL_COLUMNS} FROM targets WHERE id = ?1"))?
        .query_row([id], |row| read_channel(row, cipher))
        .optional()
}

fn read_channel(row: &Row, cipher: &SecretCipher) -> rusqlite::Result<NotificationChannel> {
    let (address, secret): (String, String) = (row.get(5)?, row.get(6)?);
    let failed = |column, error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error);
    let language: Option<String> = row.get(3)?;
    Ok(NotificationChannel {
        id: row.get(0)?,
        project: row.get(1)?,
        name: row.get(2)?,
        language: language.map(|word| if word == "ja" { MessageLanguage::Ja } else { MessageLanguage::En }),
        disabled: row.get(4)?,
        configuration: serde_json::from_str(&address).map_err(|error| failed(5, Box::new(error)))?,
        secret: ChannelSecret::new(cipher.decrypt(&secret).map_err(|error| failed(6, Box::new(error)))?),
        created_us: row.get(7)?,
    })
}

/// Checks a definition and returns its name, its secret, and the secret again if it was just generated.
fn check_draft(
    draft: &NotificationChannelDraft,
    kept: ChannelSecret,
    allowed: &AllowedNetworks,
) -> Result<(String, ChannelSecret, Option<ChannelSecret>), ChannelError> {
    let name = checked_name(&draft.name)?;
    let mut secret = draft.secret.clone().unwrap_or(kept);
    let mut made = None;
    if matches!(draft.configuration, ChannelConfiguration::Webhook { .. }) && secret == ChannelSecret::default() {
        secret = new_signing_secret();
        made = Some(secret.clone());
    }
    draft.configuration.check(&secret, allowed)?;
    Ok((name, secret, made))
}

/// Returns the place that a secret is sent to: a change of the host must not send the secret to another one.
fn secret_destination(address: &ChannelConfiguration) -> (&'static str, String) {
    let at = match address {
        ChannelConfiguration::Email { host, username, .. } => format!("{host} {}", username.as_deref().unwrap_or_default()),
        ChannelConfiguration::Pagerduty { endpoint } => endpoint.clone().unwrap_or_default(),
        // A signature does not reveal the key, and for the others the URL is the secret itself.
        ChannelConfiguration::Webhook { .. }
        | ChannelConfiguration::Slack
        | ChannelConfiguration::Discord
        | ChannelConfiguration::Teams => String::new(),
    };
    (address.kind(), at)
}

fn language_code(language: Option<MessageLanguage>) -> Option<&'static str> {
    language.map(|language| match language {
        MessageLanguage::En => "en",
        MessageLanguage::Ja => "ja",
    })
}

fn to_json(address: &ChannelConfiguration) -> rusqlite::Result<String> {
    serde_json::to_string(address).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
