//! Deliveries with all their attempts, for the API and the page.

use hinomi_model::api_time::rfc3339;
use hinomi_tables::database::SqliteError;
use hinomi_tables::secret_cipher::SecretCipher;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::channel::{ChannelKind, NotificationChannel};
use super::channel_store::{NotifyError, find_channel};
use super::notification::{AlertGroup, AlertNotification, AlertNotificationKind, AlertSeverity};
use super::outbox::{ChannelId, NotificationOutbox, sql_project_id};

/// State of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// An attempt will be made.
    Waiting,
    /// An attempt is in progress.
    Sending,
    /// The notification was delivered.
    Delivered,
    /// All attempts failed.
    Failed,
    /// The notification was sent as part of a digest.
    Folded,
    /// The notification will not be sent.
    Cancelled,
}

/// One notification to one channel.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NotificationDelivery {
    /// ID of the delivery.
    pub id: i64,
    /// ID of the notification channel.
    #[schema(value_type = i64)]
    pub target_id: ChannelId,
    /// Name of the notification channel.
    pub target_name: String,
    /// Kind of the notification channel, such as `email` or `slack`.
    #[schema(value_type = ChannelKind)]
    pub target_kind: &'static str,
    /// State of the delivery.
    #[schema(value_type = DeliveryState)]
    pub state: String,
    /// What happened to the incident.
    pub kind: AlertNotificationKind,
    /// Severity of the incident.
    pub severity: AlertSeverity,
    /// Key of the change, which is sent with every attempt.
    pub idempotency_key: String,
    /// ID of the rule or budget; null for tests and digests.
    #[schema(required)]
    pub rule_id: Option<i64>,
    /// Name of the rule or budget.
    pub rule_name: String,
    /// ID of the incident; null for tests and digests.
    #[schema(required)]
    pub incident_id: Option<i64>,
    /// Group of the rule or budget; null if it has no groups.
    #[schema(required)]
    pub group: Option<AlertGroup>,
    /// Number of changes that a digest combines; 0 for all other kinds.
    pub gathered: usize,
    /// ID of the delivery of the digest that contains this change; null if it was sent separately.
    #[schema(required)]
    pub folded_into: Option<i64>,
    /// Time at which the notification was created (RFC 3339).
    pub created_at: String,
    /// Time of the next attempt (RFC 3339); null if there is none.
    #[schema(required)]
    pub next_attempt_at: Option<String>,
    /// Attempts in the order of their time.
    pub attempts: Vec<DeliveryAttempt>,
}

/// One attempt to deliver a notification.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct DeliveryAttempt {
    /// Start of the attempt (RFC 3339).
    pub at: String,
    /// Duration in milliseconds; null while the attempt is in progress, or if the server stopped before it ended.
    #[schema(required)]
    pub duration_ms: Option<f64>,
    /// HTTP or SMTP status code; null if there was no response.
    #[schema(required)]
    pub status: Option<u16>,
    /// Reason for the failure; null if the attempt succeeded.
    #[schema(required)]
    pub error: Option<String>,
}

/// Selects deliveries.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only deliveries about this incident.
    pub incident: Option<i64>,
    /// Only deliveries to this channel.
    pub target: Option<ChannelId>,
    /// Only deliveries in this state.
    pub state: Option<String>,
    /// Only deliveries with a smaller ID, for the page after another page.
    pub before: Option<i64>,
    /// Maximum number of deliveries.
    pub limit: usize,
}

const SELECT_DELIVERIES: &str = "SELECT deliveries.id, deliveries.target, deliveries.state, deliveries.next_us, deliveries.created_us,
    deliveries.folded_into, notices.body FROM deliveries JOIN notices ON notices.id = deliveries.notice";

impl NotificationOutbox {
    /// Returns deliveries of a project, the newest first. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn deliveries(&self, project: u64, filter: &DeliveryFilter) -> Result<Vec<NotificationDelivery>, SqliteError> {
        self.with_connection(|db| {
            let mut select = db.prepare_cached(&format!(
                "{SELECT_DELIVERIES} WHERE notices.project = ?1 AND (?2 IS NULL OR notices.incident = ?2) AND (?3 IS NULL OR deliveries.target = ?3)
                 AND (?4 IS NULL OR deliveries.state = ?4) AND (?5 IS NULL OR deliveries.id < ?5) ORDER BY deliveries.id DESC LIMIT ?6"
            ))?;
            let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
            let values = params![sql_project_id(project), filter.incident, filter.target, filter.state, filter.before, limit];
            let rows: Vec<DeliveryRow> = select.query_map(values, read_row)?.collect::<rusqlite::Result<_>>()?;
            rows.into_iter().map(|raw| read_delivery(db, raw, &self.cipher)).collect()
        })
    }

    /// Returns one delivery. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the delivery does not exist, or the database cannot be read.
    pub fn delivery(&self, project: u64, id: i64) -> Result<NotificationDelivery, NotifyError> {
        let found = self.with_connection(|db| {
            let mut select = db.prepare_cached(&format!("{SELECT_DELIVERIES} WHERE notices.project = ?1 AND deliveries.id = ?2"))?;
            let rows: Vec<DeliveryRow> =
                select.query_map(params![sql_project_id(project), id], read_row)?.collect::<rusqlite::Result<_>>()?;
            rows.into_iter().next().map(|raw| read_delivery(db, raw, &self.cipher)).transpose()
        })?;
        found.ok_or(NotifyError::Missing("delivery"))
    }

    /// Returns the number of waiting deliveries of each channel, as (channel, number). Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub fn waiting_by_channel(&self, project: u64) -> Result<Vec<(ChannelId, i64)>, SqliteError> {
        self.with_connection(|db| {
            let mut select = db.prepare_cached(
                "SELECT deliveries.target, count(*) FROM deliveries JOIN targets ON targets.id = deliveries.target
                 WHERE targets.project = ?1 AND deliveries.state = 'waiting' GROUP BY deliveries.target",
            )?;
            select.query_map([sql_project_id(project)], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }
}

struct DeliveryRow {
    id: i64,
    target: ChannelId,
    state: String,
    next_us: i64,
    created_us: i64,
    folded_into: Option<i64>,
    body: String,
}

fn read_row(row: &Row) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        id: row.get(0)?,
        target: row.get(1)?,
        state: row.get(2)?,
        next_us: row.get(3)?,
        created_us: row.get(4)?,
        folded_into: row.get(5)?,
        body: row.get(6)?,
    })
}

fn read_delivery(db: &Connection, raw: DeliveryRow, cipher: &SecretCipher) -> rusqlite::Result<NotificationDelivery> {
    let notification: AlertNotification = serde_json::from_str(&raw.body)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Text, Box::new(error)))?;
    let target: NotificationChannel = find_channel(db, raw.target, cipher)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let mut select = db.prepare_cached("SELECT started_us, duration_us, status, error FROM attempts WHERE delivery = ?1 ORDER BY id")?;
    let attempt = |row: &Row| {
        Ok(DeliveryAttempt {
            at: rfc3339(row.get(0)?),
            duration_ms: row.get::<_, Option<i64>>(1)?.map(|us| us as f64 / 1000.0),
            status: row.get(2)?,
            error: row.get(3)?,
        })
    };
    let attempts = select.query_map([raw.id], attempt)?.collect::<rusqlite::Result<_>>()?;
    Ok(NotificationDelivery {
        id: raw.id,
        target_id: raw.target,
        target_name: target.name,
        target_kind: target.configuration.kind(),
        next_attempt_at: (raw.state == "waiting").then(|| rfc3339(raw.next_us)),
        state: raw.state,
        kind: notification.kind,
        severity: notification.severity,
        idempotency_key: notification.idempotency_key,
        rule_id: Some(notification.rule_id).filter(|rule| *rule != 0),
        rule_name: notification.rule_name,
        incident_id: notification.incident_id,
        group: notification.group,
        gathered: notification.gathered.len(),
        folded_into: raw.folded_into,
        created_at: rfc3339(raw.created_us),
        attempts,
    })
}
