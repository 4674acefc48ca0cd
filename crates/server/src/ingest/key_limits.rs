//! Limits of ingest keys: items per minute, bytes per day, origins of pages, and the end of a replaced key.
//!
//! A request is admitted before its body is read if its key has room for at least one more item and one more byte; then all of it counts.
//! So a batch that is larger than the limit is stored once, and the key pays for it by waiting longer. A check costs one lock for a
//! request, however many items it has. The bytes of the day are written with the time of the last use, every 20 seconds and when the
//! server stops; items of the minute are only in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use hinomi_tables::metadata::{IngestKey, IngestKeyDay, IngestKeyUse};

use super::rejection::IngestRejection;

const MINUTE_US: f64 = 60e6;
const SECOND_US: i64 = 1_000_000;
const DAY_S: i64 = 86_400;

/// Use of all ingest keys since the server started.
#[derive(Debug, Default)]
pub struct IngestKeyUsage {
    keys: Mutex<HashMap<i64, KeyUsage>>,
}

#[derive(Debug, Clone, Copy)]
struct KeyUsage {
    last_used_us: i64,
    last_day: IngestKeyDay,
    /// Items that the key has not waited for yet, as of `backlog_at_us`.
    backlog: f64,
    backlog_at_us: i64,
    is_written: bool,
}

impl KeyUsage {
    /// Starts with the bytes that an earlier process has written.
    fn of_key(key: &IngestKey, now_us: i64) -> KeyUsage {
        KeyUsage { last_used_us: now_us, last_day: key.last_day, backlog: 0.0, backlog_at_us: now_us, is_written: true }
    }

    /// Returns the items that the key has not waited for at a time.
    fn backlog_at(&self, per_minute: f64, now_us: i64) -> f64 {
        // A clock that goes backwards pays nothing back.
        let elapsed_us = now_us.saturating_sub(self.backlog_at_us).max(0) as f64;
        (self.backlog - elapsed_us * per_minute / MINUTE_US).max(0.0)
    }
}

impl IngestKeyUsage {
    /// Checks whether a request with this key is admitted, and notes that the key was used.
    pub(crate) fn admit(&self, key: &IngestKey, headers: &HeaderMap, now_us: i64) -> Result<(), IngestRejection> {
        if key.is_expired(now_us) {
            return Err(IngestRejection::KeyExpired);
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let origin = String::from_utf8_lossy(origin.as_bytes());
            if !key.limits.admits_origin(&origin) {
                return Err(IngestRejection::Origin(origin.into_owned()));
            }
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = keys.entry(key.id).or_insert_with(|| KeyUsage::of_key(key, now_us));
        usage.last_used_us = now_us;
        usage.is_written = false;
        if let Some(limit) = key.limits.items_per_minute {
            let per_minute = limit as f64;
            let missing = usage.backlog_at(per_minute, now_us) + 1.0 - per_minute;
            if missing > 0.0 {
                return Err(IngestRejection::KeyRateLimit { limit, retry_s: (missing / per_minute * 60.0).ceil().max(1.0) as u32 });
            }
        }
        if let Some(limit) = key.limits.bytes_per_day
            && usage.last_day.bytes_on(IngestKeyDay::day_of(now_us)) >= limit
        {
            let retry_s = DAY_S - now_us.div_euclid(SECOND_US).rem_euclid(DAY_S);
            return Err(IngestRejection::KeyQuota { limit, retry_s: u32::try_from(retry_s).unwrap_or(1) });
        }
        Ok(())
    }

    /// Counts bytes of a body that was received.
    pub(crate) fn count_bytes(&self, key: &IngestKey, bytes: usize, now_us: i64) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = keys.entry(key.id).or_insert_with(|| KeyUsage::of_key(key, now_us));
        let day = IngestKeyDay::day_of(now_us);
        let bytes = usage.last_day.bytes_on(day).saturating_add(bytes as u64);
        usage.last_day = IngestKeyDay { day, bytes };
        usage.is_written = false;
    }

    /// Counts items of a request.
    pub(crate) fn count_items(&self, key: &IngestKey, items: usize, now_us: i64) {
        let Some(limit) = key.limits.items_per_minute else { return };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = keys.entry(key.id).or_insert_with(|| KeyUsage::of_key(key, now_us));
        usage.backlog = usage.backlog_at(limit as f64, now_us) + items as f64;
        usage.backlog_at_us = now_us;
    }

    /// Returns the bytes that were received today with a key.
    pub(crate) fn bytes_today(&self, key: &IngestKey, now_us: i64) -> u64 {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let last_day = keys.get(&key.id).map_or(key.last_day, |usage| usage.last_day);
        last_day.bytes_on(IngestKeyDay::day_of(now_us))
    }

    /// Returns the uses that are not written yet, and regards them as written.
    pub(super) fn take_unwritten(&self) -> Vec<IngestKeyUse> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unwritten = Vec::new();
        for (key, usage) in keys.iter_mut().filter(|(_, usage)| !usage.is_written) {
            usage.is_written = true;
            unwritten.push(IngestKeyUse { key: *key, last_used_us: usage.last_used_us, last_day: usage.last_day });
        }
        unwritten
    }
}

#[cfg(test)]
mod tests {
    use hinomi_tables::metadata::{IngestKeyLimits, MetadataStore};
    use proptest::prelude::*;

    use super::*;

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn key(limits: IngestKeyLimits) -> IngestKey {
        MetadataStore::open_in_memory().unwrap().create_key(1, "k", &limits).unwrap()
    }

    fn admit(usage: &IngestKeyUsage, key: &IngestKey, now_us: i64) -> Result<(), IngestRejection> {
        usage.admit(key, &HeaderMap::new(), now_us)
    }

    #[test]
    fn items_are_limited_by_the_minute() {
        let (usage, key) = (IngestKeyUsage::default(), key(IngestKeyLimits { items_per_minute: Some(10), ..Default::default() }));
        admit(&usage, &key, NOW_US).unwrap();
        usage.count_items(&key, 10, NOW_US);
        let Err(IngestRejection::KeyRateLimit { retry_s, .. }) = admit(&usage, &key, NOW_US) else { panic!("not limited") };
        assert_eq!(retry_s, 6);
        admit(&usage, &key, NOW_US + 6_000_000).unwrap();
        // A batch larger than the limit is paid for by waiting.
        usage.count_items(&key, 100, NOW_US + 6_000_000);
        let Err(IngestRejection::KeyRateLimit { retry_s, .. }) = admit(&usage, &key, NOW_US + 6_000_000) else { panic!("not limited") };
        assert_eq!(retry_s, 600);
        let raised = IngestKey { limits: IngestKeyLimits { items_per_minute: Some(1000), ..Default::default() }, ..key };
        admit(&usage, &raised, NOW_US + 6_000_000).unwrap();
    }

    #[test]
    fn bytes_are_limited_by_the_day_and_survive_a_restart() {
        let key = key(IngestKeyLimits { bytes_per_day: Some(1000), ..Default::default() });
        let usage = IngestKeyUsage::default();
        usage.count_bytes(&key, 999, NOW_US);
        admit(&usage, &key, NOW_US).unwrap();
        usage.count_bytes(&key, 1, NOW_US);
        let Err(IngestRejection::KeyQuota { retry_s, .. }) = admit(&usage, &key, NOW_US) else { panic!("not limited") };
        let written = usage.take_unwritten();
        assert_eq!((written.len(), usage.take_unwritten().len()), (1, 0));
        let restarted = IngestKey { last_day: written[0].last_day, ..key };
        let usage = IngestKeyUsage::default();
        assert_eq!(usage.bytes_today(&restarted, NOW_US), 1000);
        assert!(matches!(admit(&usage, &restarted, NOW_US), Err(IngestRejection::KeyQuota { .. })));
        admit(&usage, &restarted, NOW_US + i64::from(retry_s) * SECOND_US).unwrap();
    }

    #[test]
    fn origins_and_expiry_are_checked() {
        let usage = IngestKeyUsage::default();
        let key = key(IngestKeyLimits { allowed_origins: vec!["https://*.example.com".into()], ..Default::default() });
        let of_page = |origin: &str| HeaderMap::from_iter([(header::ORIGIN, origin.parse().unwrap())]);
        usage.admit(&key, &HeaderMap::new(), NOW_US).unwrap();
        usage.admit(&key, &of_page("https://app.example.com"), NOW_US).unwrap();
        for origin in ["https://evil.example", "null"] {
            assert!(matches!(usage.admit(&key, &of_page(origin), NOW_US), Err(IngestRejection::Origin(_))), "{origin}");
        }
        let expired = IngestKey { expires_us: Some(NOW_US), ..key };
        admit(&usage, &expired, NOW_US - 1).unwrap();
        assert!(matches!(admit(&usage, &expired, NOW_US), Err(IngestRejection::KeyExpired)));
    }

    proptest! {
        #[test]
        fn admitted_items_never_exceed_the_limit_by_more_than_a_burst_and_a_batch(
            limit in 1..50_u64, requests in prop::collection::vec((0..30_000_000_i64, 1..20_usize), 1..60),
        ) {
            let (usage, key) = (IngestKeyUsage::default(), key(IngestKeyLimits { items_per_minute: Some(limit), ..Default::default() }));
            let (mut now_us, mut admitted) = (NOW_US, 0);
            for (wait_us, items) in requests {
                now_us += wait_us;
                match admit(&usage, &key, now_us) {
                    Ok(()) => { usage.count_items(&key, items, now_us); admitted += items; }
                    Err(IngestRejection::KeyRateLimit { retry_s, .. }) => {
                        prop_assert!(admit(&usage, &key, now_us + i64::from(retry_s) * SECOND_US).is_ok(), "the announced wait is enough");
                    }
                    Err(other) => prop_assert!(false, "{other}"),
                }
            }
            let refilled = (now_us - NOW_US) as f64 * limit as f64 / MINUTE_US;
            prop_assert!(admitted as f64 <= refilled + limit as f64 + 20.0 + 1e-6);
        }
    }
}
