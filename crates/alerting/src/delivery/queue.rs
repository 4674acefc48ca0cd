//! The queue of each target: what is next, how it ended, what is folded together.

use std::time::Duration;

use hinomi_tables::database::SqliteError;
use rusqlite::{Connection, OptionalExtension, params};

use super::notice::{AlertNotice, AlertNoticeKind, AlertNoticeLinks, AlertSeverity};
use super::outbox::{NotificationOutbox, TargetId, insert_notice, key_of, now_us};
use super::retry_schedule::{PATIENCE, pause};
use super::target::{ChannelConfiguration, NotificationTarget};
use super::target_store::find;
use super::transport::{DeliveryAttemptResult, DeliveryDisposition};

/// More than so many that wait for one target become one message.
const STORM: i64 = 10;
/// At most so many are gathered in one.
const MOST_GATHERED: i64 = 2000;
/// A target that people read gets so many messages within [`CALM`] one by one; what comes then is gathered until that has passed.
const ONE_BY_ONE: i64 = 10;
const CALM: Duration = Duration::from_secs(60);

/// What is to be sent now. Its attempt is written down already.
#[derive(Debug)]
pub(super) struct DueDelivery {
    pub(super) delivery: i64,
    attempt: i64,
    failed_before: u32,
    created_us: i64,
    pub(super) notice: AlertNotice,
    pub(super) target: NotificationTarget,
}

impl NotificationOutbox {
    /// The first waiting delivery of each target, as (when it is due in microseconds, target). Blocks.
    pub(super) fn heads(&self) -> Result<Vec<(i64, TargetId)>, SqliteError> {
        self.run(|db| {
            let mut select = db.prepare_cached(
                "SELECT next_us, target FROM deliveries
                 WHERE id IN (SELECT min(id) FROM deliveries WHERE state = 'waiting' GROUP BY target)",
            )?;
            select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
    }

    /// Takes what is to be sent to a target now, and writes down that it is being sent; `None` where nothing is due. A target's
    /// deliveries go in their order: while the first one waits for its next attempt, so do those behind it. Blocks.
    pub(super) fn take(&self, target: TargetId) -> Result<Option<DueDelivery>, SqliteError> {
        self.run(|db| {
            let transaction = db.transaction()?;
            let Some(target) = find(&transaction, target)? else { return Ok(None) };
            if head(&transaction, target.id)?.is_none_or(|(_, next_us)| next_us > now_us()) {
                return Ok(None);
            }
            if target.address.is_read_by_people()
                && let Some(calm_us) = storm_until(&transaction, target.id)?
            {
                transaction.execute(
                    "UPDATE deliveries SET next_us = ?2 WHERE id = (SELECT min(id) FROM deliveries WHERE target = ?1 AND state = 'waiting')",
                    params![target.id, calm_us],
                )?;
                transaction.commit()?;
                return Ok(None);
            }
            fold(&transaction, &target)?;
            let Some((delivery, _)) = head(&transaction, target.id)? else { return Ok(None) };
            let next = begin(&transaction, delivery, target)?;
            transaction.commit()?;
            Ok(Some(next))
        })
    }

    /// Writes down how an attempt ended, and what follows. Says whether the target can be sent the next one. Blocks.
    pub(super) fn ended(&self, next: &DueDelivery, took: Duration, ended: &DeliveryAttemptResult) -> Result<bool, SqliteError> {
        let now = now_us();
        let age = Duration::from_micros(u64::try_from(now - next.created_us).unwrap_or(0));
        let (state, next_us, goes_on) = match ended.then {
            DeliveryDisposition::Delivered => ("delivered", now, true),
            DeliveryDisposition::GiveUp => ("failed", now, true),
            DeliveryDisposition::Again(_) if age >= PATIENCE || next.notice.kind == AlertNoticeKind::Test => ("failed", now, true),
            DeliveryDisposition::Again(asked) => ("waiting", now + micros(pause(next.failed_before + 1, asked)), false),
        };
        self.run(|db| {
            let transaction = db.transaction()?;
            transaction.execute(
                "UPDATE attempts SET duration_us = ?2, status = ?3, error = ?4 WHERE id = ?1",
                params![next.attempt, micros(took), ended.status, ended.error],
            )?;
            // Somebody may have cancelled it meanwhile.
            transaction.execute(
                "UPDATE deliveries SET state = ?2, next_us = ?3 WHERE id = ?1 AND (state IN ('waiting', 'sending') OR ?2 = 'delivered')",
                params![next.delivery, state, next_us],
            )?;
            transaction.commit()
        })?;
        Ok(goes_on)
    }

    /// What was being sent when the process ended: nobody knows whether it arrived, so that it is due again. Blocks.
    pub(super) fn resume(&self) -> Result<usize, SqliteError> {
        self.run(|db| {
            let transaction = db.transaction()?;
            let open = "SELECT delivery FROM attempts WHERE duration_us IS NULL AND error IS NULL";
            let resumed = transaction
                .execute(&format!("UPDATE deliveries SET next_us = ?1 WHERE state = 'waiting' AND id IN ({open})"), [now_us()])?;
            transaction.execute(&format!("UPDATE deliveries SET state = 'failed' WHERE state = 'sending' AND id IN ({open})"), [])?;
            transaction.execute(
                "UPDATE attempts SET error = 'the server stopped before the answer came' WHERE duration_us IS NULL AND error IS NULL",
                [],
            )?;
            transaction.commit()?;
            Ok(resumed)
        })
    }

    /// Takes a test for a target, past its queue. Blocks.
    pub(super) fn take_test(&self, notice: AlertNotice, target: NotificationTarget) -> Result<DueDelivery, SqliteError> {
        self.run(|db| {
            let transaction = db.transaction()?;
            let id = insert_notice(&transaction, &notice)?;
            let delivery = transaction.query_row(
                "INSERT INTO deliveries (notice, target, state, next_us, created_us) VALUES (?1, ?2, 'sending', ?3, ?3) RETURNING id",
                params![id, target.id, now_us()],
                |row| row.get(0),
            )?;
            let next = begin(&transaction, delivery, target)?;
            transaction.commit()?;
            Ok(next)
        })
    }

    /// Deletes what was told, or given up, before a time. Returns how many notices. Blocks.
    ///
    /// # Errors
    ///
    /// When the database cannot be written.
    pub fn delete_before(&self, project: u64, us: i64) -> Result<usize, SqliteError> {
        self.run(|db| {
            db.execute(
                "DELETE FROM notices WHERE project = ?1 AND at_us < ?2
                 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE notice = notices.id AND state IN ('waiting', 'sending'))",
                params![key_of(project), us],
            )
        })
    }
}

/// The first waiting delivery of a target, and when it is due.
fn head(db: &Connection, target: TargetId) -> rusqlite::Result<Option<(i64, i64)>> {
    let mut select = db.prepare_cached("SELECT id, next_us FROM deliveries WHERE target = ?1 AND state = 'waiting' ORDER BY id LIMIT 1")?;
    select.query_row([target], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn begin(db: &Connection, delivery: i64, target: NotificationTarget) -> rusqlite::Result<DueDelivery> {
    let (body, created_us): (String, i64) = db
        .prepare_cached(
            "SELECT notices.body, deliveries.created_us FROM deliveries JOIN notices ON notices.id = deliveries.notice WHERE deliveries.id = ?1",
        )?
        .query_row([delivery], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let failed_before = db.query_row("SELECT count(*) FROM attempts WHERE delivery = ?1", [delivery], |row| row.get(0))?;
    let attempt = db
        .prepare_cached("INSERT INTO attempts (delivery, started_us) VALUES (?1, ?2) RETURNING id")?
        .query_row(params![delivery, now_us()], |row| row.get(0))?;
    Ok(DueDelivery { delivery, attempt, failed_before, created_us, notice: parsed(&body)?, target })
}

/// Until when a target that people read is left in peace: it has had its messages of this minute.
fn storm_until(db: &Connection, target: TargetId) -> rusqlite::Result<Option<i64>> {
    let since = now_us() - micros(CALM);
    let mut select =
        db.prepare_cached("SELECT count(*), min(next_us) FROM deliveries WHERE target = ?1 AND state = 'delivered' AND next_us > ?2")?;
    let (told, first): (i64, Option<i64>) = select.query_row(params![target, since], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.filter(|_| told >= ONE_BY_ONE).map(|first| first + micros(CALM)))
}

/// Makes one message of a storm. What was attempted already stays as it is: the receiver may have it.
fn fold(db: &Connection, target: &NotificationTarget) -> rusqlite::Result<()> {
    const WAITING: &str = "FROM deliveries JOIN notices ON notices.id = deliveries.notice
        WHERE deliveries.target = ?1 AND deliveries.state = 'waiting' AND notices.rule != 0
        AND NOT EXISTS (SELECT 1 FROM attempts WHERE attempts.delivery = deliveries.id)
        AND (?2 OR json_extract(notices.body, '$.kind') != 'resolved')";
    // PagerDuty ends an alert by the end of its own incident, which pages nobody.
    let ends_too = !matches!(target.address, ChannelConfiguration::Pagerduty { .. });
    let waiting: i64 =
        db.prepare_cached(&format!("SELECT count(*) {WAITING}"))?.query_row(params![target.id, ends_too], |row| row.get(0))?;
    if waiting <= STORM {
        return Ok(());
    }
    let mut select = db.prepare_cached(&format!(
        "SELECT deliveries.id, deliveries.created_us, notices.body {WAITING} ORDER BY deliveries.id LIMIT {MOST_GATHERED}"
    ))?;
    let rows: Vec<(i64, i64, String)> = select
        .query_map(params![target.id, ends_too], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let gathered: Vec<AlertNotice> = rows.iter().map(|(_, _, body)| parsed(body)).collect::<rusqlite::Result<_>>()?;
    let (Some((first, created_us, _)), Some((last, ..))) = (rows.first(), rows.last()) else { return Ok(()) };
    let Some(id) = insert_notice(db, &digest(gathered, &format!("digest-{}-{first}-{last}", target.id)))? else { return Ok(()) };
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

/// One notice of many. Its rule is none, by which a digest is known.
fn digest(gathered: Vec<AlertNotice>, key: &str) -> AlertNotice {
    let worst = gathered.iter().map(|notice| notice.severity).max().unwrap_or(AlertSeverity::Warning);
    let first = gathered[0].clone();
    let alerts = first.links.incident.split("/alerts").next().map(|page| format!("{page}/alerts"));
    AlertNotice {
        idempotency_key: key.to_owned(),
        rule_id: 0,
        incident_id: None,
        kind: AlertNoticeKind::Digest,
        severity: worst,
        value: None,
        threshold: None,
        group: None,
        culprits: Vec::new(),
        culprits_since: None,
        budget: None,
        outlook: None,
        at: gathered.iter().map(|notice| notice.at).max().unwrap_or(first.at),
        links: AlertNoticeLinks { incident: alerts.unwrap_or(first.links.incident), traces: None },
        gathered,
        ..first
    }
}

fn parsed(body: &str) -> rusqlite::Result<AlertNotice> {
    serde_json::from_str(body).map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
