//! Queue of each channel: the next delivery, the results of attempts, and digests.

use std::time::Duration;

use hinomi_tables::database::SqliteError;
use rusqlite::{Connection, OptionalExtension, params};

use super::channel::{ChannelConfiguration, NotificationChannel};
use super::channel_store::find_channel;
use super::notification::{AlertNotification, AlertNotificationKind, AlertNotificationLinks, AlertSeverity};
use super::outbox::{ChannelId, NotificationOutbox, insert_notification, now_us, sql_project_id};
use super::retry_schedule::{MAX_RETRY_AGE, retry_delay};
use super::transport::{DeliveryAttemptResult, DeliveryDisposition};

/// Number of waiting deliveries to one channel above which they are combined in a digest.
const DIGEST_THRESHOLD: i64 = 10;
/// Maximum number of changes in a digest.
const MAX_DIGEST_CHANGES: i64 = 2000;
/// Number of separate messages within [`SEPARATE_MESSAGES_PERIOD`] to a channel that people read. Further ones wait until that time has
/// passed, and are combined.
const MAX_SEPARATE_MESSAGES: i64 = 10;
const SEPARATE_MESSAGES_PERIOD: Duration = Duration::from_secs(60);

/// A delivery that is due. The attempt to deliver it has already been recorded.
#[derive(Debug)]
pub(super) struct DueDelivery {
    pub(super) delivery: i64,
    attempt: i64,
    failed_attempts: u32,
    created_us: i64,
    pub(super) notification: AlertNotification,
    pub(super) target: NotificationChannel,
}

impl NotificationOutbox {
    /// Returns the first waiting delivery of each channel, as (due time in microseconds since the Unix epoch, channel). Blocks the calling
    /// thread.
    pub(super) fn first_waiting(&self) -> Result<Vec<(i64, ChannelId)>, SqliteError> {
        self.with_connection(|db| {
            let mut select = db.prepare_cached(
                "SELECT next_us, target FROM deliveries
                 WHERE id IN (SELECT min(id) FROM deliveries WHERE state = 'waiting' GROUP BY target)",
            )?;
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// Takes the due delivery to a channel, and records the attempt; returns `None` if no delivery is due. The deliveries of a channel are
    /// in order: while the first delivery waits for its next attempt, the other deliveries wait too. Blocks the calling thread.
    pub(super) fn take_due(&self, target: ChannelId) -> Result<Option<DueDelivery>, SqliteError> {
        self.with_connection(|db| {
            let transaction = db.transaction()?;
            let Some(target) = find_channel(&transaction, target, &self.cipher)? else { return Ok(None) };
            if first_waiting_of(&transaction, target.id)?.is_none_or(|(_, next_us)| next_us > now_us()) {
                return Ok(None);
            }
            if target.configuration.is_read_by_people()
                && let Some(calm_us) = digest_until(&transaction, target.id)?
            {
                transaction.execute(
                    "UPDATE deliveries SET next_us = ?2 WHERE id = (SELECT min(id) FROM deliveries WHERE target = ?1 AND state = 'waiting')",
                    params![target.id, calm_us],
                )?;
                transaction.commit()?;
                return Ok(None);
            }
            combine_in_digest(&transaction, &target)?;
            let Some((delivery, _)) = first_waiting_of(&transaction, target.id)? else { return Ok(None) };
            let next = begin_attempt(&transaction, delivery, target)?;
            transaction.commit()?;
            Ok(Some(next))
        })
    }

    /// Records the result of an attempt and schedules the next attempt. Returns whether the next delivery to the channel can be sent now.
    /// Blocks the calling thread.
    pub(super) fn record_result(&self, next: &DueDelivery, took: Duration, ended: &DeliveryAttemptResult) -> Result<bool, SqliteError> {
        let now = now_us();
        let age = Duration::from_micros(u64::try_from(now - next.created_us).unwrap_or(0));
        let (state, next_us, goes_on) = match ended.disposition {
            DeliveryDisposition::Delivered => ("delivered", now, true),
            DeliveryDisposition::GiveUp => ("failed", now, true),
            DeliveryDisposition::Retry(_) if age >= MAX_RETRY_AGE || next.notification.kind == AlertNotificationKind::Test => {
                ("failed", now, true)
            }
            DeliveryDisposition::Retry(asked) => ("waiting", now + duration_us(retry_delay(next.failed_attempts + 1, asked)), false),
        };
        self.with_connection(|db| {
            let transaction = db.transaction()?;
            transaction.execute(
                "UPDATE attempts SET duration_us = ?2, status = ?3, error = ?4 WHERE id = ?1",
                params![next.attempt, duration_us(took), ended.status, ended.error],
            )?;
            // The delivery may have been cancelled meanwhile.
            transaction.execute(
                "UPDATE deliveries SET state = ?2, next_us = ?3 WHERE id = ?1 AND (state IN ('waiting', 'sending') OR ?2 = 'delivered')",
                params![next.delivery, state, next_us],
            )?;
            transaction.commit()
        })?;
        Ok(goes_on)
    }

    /// Schedules the deliveries whose attempts were interrupted by the end of the process: it is unknown whether they arrived. Blocks the
    /// calling thread.
    pub(super) fn resume_interrupted(&self) -> Result<usize, SqliteError> {
        self.with_connection(|db| {
            let transaction = db.transaction()?;
            let open = "SELECT delivery FROM attempts WHERE duration_us IS NULL AND error IS NULL";
            let resumed = transaction
                .execute(&format!("UPDATE deliveries SET next_us = ?1 WHERE state = 'waiting' AND id IN ({open})"), [now_us()])?;
            transaction.execute(&format!("UPDATE deliveries SET state = 'failed' WHERE state = 'sending' AND id IN ({open})"), [])?;
            transaction.execute(
                "UPDATE attempts SET error = 'the server stopped before a response arrived' WHERE duration_us IS NULL AND error IS NULL",
                [],
            )?;
            transaction.commit()?;
            Ok(resumed)
        })
    }

    /// Takes a test for a channel, ahead of its queue. Blocks the calling thread.
    pub(super) fn take_test(&self, notification: AlertNotification, target: NotificationChannel) -> Result<DueDelivery, SqliteError> {
        self.with_connection(|db| {
            let transaction = db.transaction()?;
            let id = insert_notification(&transaction, &notification)?;
            let delivery = transaction.query_row(
                "INSERT INTO deliveries (notice, target, state, next_us, created_us) VALUES (?1, ?2, 'sending', ?3, ?3) RETURNING id",
                params![id, target.id, now_us()],
                |row| row.get(0),
            )?;
            let next = begin_attempt(&transaction, delivery, target)?;
            transaction.commit()?;
            Ok(next)
        })
    }

    /// Deletes notifications from before a time that have been delivered or given up, and returns their number. Blocks the calling thread.
    pub(super) fn delete_before(&self, project: u64, us: i64) -> Result<usize, SqliteError> {
        self.with_connection(|db| {
            db.execute(
                "DELETE FROM notices WHERE project = ?1 AND at_us < ?2
                 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = notices.id AND state IN ('waiting', 'sending'))",
                params![sql_project_id(project), us],
            )
        })
    }
}

/// Returns the first waiting delivery of a channel, and its due time.
fn first_waiting_of(db: &Connection, target: ChannelId) -> rusqlite::Result<Option<(i64, i64)>> {
    let mut select = db.prepare_cached("SELECT id, next_us FROM deliveries WHERE target = ?1 AND state = 'waiting' ORDER BY id LIMIT 1")?;
    select.query_row([target], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn begin_attempt(db: &Connection, delivery: i64, target: NotificationChannel) -> rusqlite::Result<DueDelivery> {
    let (body, created_us): (String, i64) = db
        .prepare_cached(
            "SELECT notices.body, deliveries.created_us FROM deliveries JOIN notices ON notices.id = deliveries.notice WHERE deliveries.id = ?1",
        )?
        .query_row([delivery], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let failed_attempts = db.query_row("SELECT count(*) FROM attempts WHERE delivery = ?1", [delivery], |row| row.get(0))?;
    let attempt = db
        .prepare_cached("INSERT INTO attempts (delivery, started_us) VALUES (?1, ?2) RETURNING id")?
        .query_row(params![delivery, now_us()], |row| row.get(0))?;
    Ok(DueDelivery { delivery, attempt, failed_attempts, created_us, notification: parse_notification(&body)?, target })
}

/// Returns the time until which messages to a channel wait, if it has received the maximum number of separate messages.
fn digest_until(db: &Connection, target: ChannelId) -> rusqlite::Result<Option<i64>> {
    let since = now_us() - duration_us(SEPARATE_MESSAGES_PERIOD);
    let mut select =
        db.prepare_cached("SELECT count(*), min(next_us) FROM deliveries WHERE target = ?1 AND state = 'delivered' AND next_us > ?2")?;
    let (told, first): (i64, Option<i64>) = select.query_row(params![target, since], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.filter(|_| told >= MAX_SEPARATE_MESSAGES).map(|first| first + duration_us(SEPARATE_MESSAGES_PERIOD)))
}

/// Combines waiting deliveries in a digest. Deliveries that were attempted remain: the receiver may have them.
fn combine_in_digest(db: &Connection, target: &NotificationChannel) -> rusqlite::Result<()> {
    const FROM_WAITING_DELIVERIES: &str = "FROM deliveries JOIN notices ON notices.id = deliveries.notice
        WHERE deliveries.target = ?1 AND deliveries.state = 'waiting' AND notices.rule != 0
        AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.delivery = deliveries.id)
        AND (?2 OR json_extract(notices.body, '$.kind') != 'resolved')";
    // PagerDuty resolves an alert by the resolution of its own incident, which pages nobody.
    let ends_too = !matches!(target.configuration, ChannelConfiguration::Pagerduty { .. });
    let waiting: i64 = db
        .prepare_cached(&format!("SELECT count(*) {FROM_WAITING_DELIVERIES}"))?
        .query_row(params![target.id, ends_too], |row| row.get(0))?;
    if waiting <= DIGEST_THRESHOLD {
        return Ok(());
    }
    let mut select = db.prepare_cached(&format!(
        "SELECT deliveries.id, deliveries.created_us, notices.body {FROM_WAITING_DELIVERIES} ORDER BY deliveries.id LIMIT {MAX_DIGEST_CHANGES}"
    ))?;
    let rows: Vec<(i64, i64, String)> = select
        .query_map(params![target.id, ends_too], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let combined: Vec<AlertNotification> = rows.iter().map(|(_, _, body)| parse_notification(body)).collect::<rusqlite::Result<_>>()?;
    let (Some((first, created_us, _)), Some((last, ..))) = (rows.first(), rows.last()) else { return Ok(()) };
    let Some(id) = insert_notification(db, &digest_notification(combined, &format!("digest-{}-{first}-{last}", target.id)))? else {
        return Ok(());
    };
    let delivery: i64 = db.query_row(
        "INSERT INTO deliveries (notice, target, next_us, created_us) VALUES (?1, ?2, ?3, ?4) RETURNING id",
        params![id, target.id, now_us(), created_us],
        |row| row.get(0),
    )?;
    let mut update = db.prepare_cached("UPDATE deliveries SET state = 'folded', folded_into = ?2 WHERE id = ?1")?;
    for (folded, ..) in &rows {
        update.execute(params![folded, delivery])?;
    }
    Ok(())
}

/// Creates the notification of a digest. It is recognized by its rule ID, which is 0.
fn digest_notification(combined: Vec<AlertNotification>, key: &str) -> AlertNotification {
    let worst = combined.iter().map(|notification| notification.severity).max().unwrap_or(AlertSeverity::Warning);
    let first = combined[0].clone();
    let alerts = first.links.incident.split("/alerts").next().map(|page| format!("{page}/alerts"));
    AlertNotification {
        idempotency_key: key.to_owned(),
        rule_id: 0,
        incident_id: None,
        kind: AlertNotificationKind::Digest,
        severity: worst,
        value: None,
        threshold: None,
        group: None,
        culprits: Vec::new(),
        culprits_since: None,
        budget: None,
        outlook: None,
        at: combined.iter().map(|notification| notification.at).max().unwrap_or(first.at),
        links: AlertNotificationLinks { incident: alerts.unwrap_or(first.links.incident), traces: None },
        gathered: combined,
        ..first
    }
}

fn parse_notification(body: &str) -> rusqlite::Result<AlertNotification> {
    serde_json::from_str(body).map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

fn duration_us(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
