//! Helpers for the tests of delivery.

mod receiver;
mod worker;

use rusqlite::params;

use super::NotificationOutbox;
use super::notification::{
    AlertContributor, AlertNotification, AlertNotificationKind, AlertNotificationLinks, AlertSeverity, CostProjection, MeasureUnit,
    MessageLanguage, ShareOf, ThresholdDirection,
};

/// Notification of a daily budget that was exceeded.
pub(super) fn notification(key: &str) -> AlertNotification {
    AlertNotification {
        idempotency_key: key.to_owned(),
        project: 1,
        rule_id: 7,
        rule_name: "Budget of the day".to_owned(),
        incident_id: Some(3),
        kind: AlertNotificationKind::Opened,
        severity: AlertSeverity::Critical,
        measure: "cost".to_owned(),
        unit: MeasureUnit::Usd,
        compare: None,
        value: Some(50.42),
        threshold: Some(50.0),
        direction: ThresholdDirection::Above,
        group: None,
        window_from: 1_795_359_600_000_000,
        window_to: 1_795_446_000_000_000,
        at: 1_795_428_000_000_000,
        time_zone: "Asia/Tokyo".to_owned(),
        culprits: vec![AlertContributor {
            dimension: "user".to_owned(),
            key: Some("u_20481".to_owned()),
            unit: MeasureUnit::Usd,
            contribution: 6.42,
            usual: Some(0.09),
            share: Some(0.93),
            share_of: ShareOf::Change,
            since: None,
            link: Some("http://127.0.0.1:8119/p/1/traces?q=user:u_20481".to_owned()),
        }],
        culprits_since: None,
        budget: None,
        outlook: Some(CostProjection { projected_usd: 67.79, until: 1_795_446_000_000_000 }),
        links: AlertNotificationLinks { incident: "http://127.0.0.1:8119/p/1/alerts/incidents/3".to_owned(), traces: None },
        language: MessageLanguage::En,
        gathered: Vec::new(),
    }
}

/// Inserts a channel of a project into the database.
pub(super) fn slack(outbox: &NotificationOutbox, project: u64) -> i64 {
    let insert = "INSERT INTO targets (project, name, address, secret, created_us) VALUES (?1, 'ops', '{}', '{}', 0) RETURNING id";
    outbox.with_connection(|db| db.query_row(insert, params![project], |row| row.get(0))).unwrap()
}
