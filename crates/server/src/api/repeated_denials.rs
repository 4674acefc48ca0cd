//! Limits how often denials are recorded: nobody should be able to fill the disk with entries of what they may not do. The first denials
//! of an account or address in a minute are entries of their own, the others are counted in one entry.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use hinomi_model::api_time::rfc3339;
use hinomi_tables::audit_log::{AuditActor, AuditEvent};
use serde_json::json;

/// Denials of a source in a minute that have entries of their own.
const MAX_ENTRIES_PER_MINUTE: u64 = 10;
/// Maximum number of sources that are distinguished, and of actions that an entry distinguishes.
const MAX_SOURCES: usize = 1000;
const MAX_ACTIONS: usize = 20;
const MINUTE_US: i64 = 60_000_000;

/// Action of the entry that counts the surplus.
const SURPLUS_ACTION: &str = "requests.denied";

/// Counts denials by their source.
#[derive(Debug, Default)]
pub struct DenialLimiter {
    sources: Mutex<HashMap<DenialSource, DenialWindow>>,
}

/// Who was denied: an account, or else the network that the address belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum DenialSource {
    Account(i64),
    Address(IpAddr),
    /// All sources beyond the maximum number.
    Others,
}

impl DenialSource {
    fn of_actor(actor: &AuditActor) -> DenialSource {
        match (actor.account_id, actor.address) {
            (Some(account), _) => DenialSource::Account(account),
            // A client can have all addresses of a network with 64 bits.
            (None, Some(IpAddr::V6(address))) => DenialSource::Address(IpAddr::V6((address.to_bits() >> 64 << 64).into())),
            (None, Some(address)) => DenialSource::Address(address),
            (None, None) => DenialSource::Others,
        }
    }
}

/// Denials of a source in one minute.
#[derive(Debug)]
struct DenialWindow {
    actor: AuditActor,
    from_us: i64,
    last_us: i64,
    count: u64,
    /// Surplus by action.
    surplus: BTreeMap<String, u64>,
}

impl DenialWindow {
    fn new(actor: AuditActor, now_us: i64) -> DenialWindow {
        DenialWindow { actor, from_us: now_us, last_us: now_us, count: 0, surplus: BTreeMap::new() }
    }

    fn has_ended(&self, now_us: i64) -> bool {
        now_us < self.from_us || now_us - self.from_us >= MINUTE_US
    }

    /// Returns the entry that counts the surplus; `None` if there is none.
    fn into_event(self) -> Option<AuditEvent> {
        let count: u64 = self.surplus.values().sum();
        let event = || {
            AuditEvent::new(self.actor, SURPLUS_ACTION)
                .detail("count", count)
                .detail("actions", json!(self.surplus))
                .detail("from", rfc3339(self.from_us))
                .detail("to", rfc3339(self.last_us))
        };
        (count > 0).then(event)
    }
}

impl DenialLimiter {
    /// Returns the entries to append for a denial: usually its own, and that of the surplus of an earlier minute.
    pub(super) fn admit(&self, event: AuditEvent, now_us: i64) -> Vec<AuditEvent> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = DenialSource::of_actor(&event.actor);
        if sources.len() >= MAX_SOURCES && !sources.contains_key(&source) {
            source = DenialSource::Others;
        }
        let ended = sources.get(&source).is_some_and(|window| window.has_ended(now_us));
        let mut events: Vec<AuditEvent> = ended.then(|| sources.remove(&source)?.into_event()).flatten().into_iter().collect();
        let window = sources.entry(source).or_insert_with(|| DenialWindow::new(event.actor.clone(), now_us));
        window.count += 1;
        window.last_us = now_us;
        if window.count <= MAX_ENTRIES_PER_MINUTE {
            events.push(event);
        } else {
            let is_named = window.surplus.len() < MAX_ACTIONS || window.surplus.contains_key(&event.action);
            *window.surplus.entry(if is_named { event.action } else { "other".to_owned() }).or_default() += 1;
        }
        events
    }

    /// Returns the entries of all minutes that have ended, or of all minutes.
    pub fn take_surplus(&self, now_us: i64, also_current: bool) -> Vec<AuditEvent> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = sources.extract_if(|_, window| also_current || window.has_ended(now_us));
        ended.filter_map(|(_, window)| window.into_event()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const NOW_US: i64 = 1_800_000_000_000_000;

    fn denial(account: Option<i64>, address: &str, action: &str) -> AuditEvent {
        let address = address.parse().ok();
        AuditEvent::new(AuditActor { account_id: account, name: "Ann".into(), credential: "session 1".into(), address }, action)
    }

    fn count_of(event: &AuditEvent) -> Value {
        event.details["count"].clone()
    }

    #[test]
    fn surplus_of_a_minute_is_one_entry() {
        let limiter = DenialLimiter::default();
        let admitted: usize =
            (0..100).map(|number| limiter.admit(denial(Some(2), "192.0.2.1", "keys.create.denied"), NOW_US + number).len()).sum();
        assert_eq!(admitted as u64, MAX_ENTRIES_PER_MINUTE);
        assert_eq!(limiter.admit(denial(Some(3), "192.0.2.1", "keys.create.denied"), NOW_US).len(), 1, "another account");
        assert_eq!(limiter.take_surplus(NOW_US + 1000, false), []);
        let later = limiter.admit(denial(Some(2), "192.0.2.9", "keys.delete.denied"), NOW_US + MINUTE_US);
        assert_eq!(later.iter().map(|event| event.action.as_str()).collect::<Vec<_>>(), [SURPLUS_ACTION, "keys.delete.denied"]);
        assert_eq!((count_of(&later[0]), &later[0].details["actions"]), (json!(90), &json!({ "keys.create.denied": 90 })));
        assert_eq!(limiter.take_surplus(NOW_US + 3 * MINUTE_US, false), [], "nothing is left over");
    }

    #[test]
    fn surplus_is_written_without_another_denial() {
        let limiter = DenialLimiter::default();
        for number in 0..30 {
            limiter.admit(denial(None, "2001:db8::1", &format!("a{number}.failed")), NOW_US);
        }
        // The same network.
        assert_eq!(limiter.admit(denial(None, "2001:db8::ffff", "b.failed"), NOW_US), []);
        let surplus = limiter.take_surplus(NOW_US, true);
        assert_eq!((surplus.len(), count_of(&surplus[0])), (1, json!(21)));
        assert!(surplus[0].details["actions"].as_object().unwrap().len() <= MAX_ACTIONS + 1);
        assert_eq!(limiter.take_surplus(NOW_US, true), []);
    }

    #[test]
    fn many_sources_take_bounded_memory() {
        let limiter = DenialLimiter::default();
        let admitted: usize = (0..5000).map(|account| limiter.admit(denial(Some(account), "", "x.denied"), NOW_US).len()).sum();
        assert!(admitted <= MAX_SOURCES + MAX_ENTRIES_PER_MINUTE as usize, "{admitted}");
        assert!(limiter.sources.lock().unwrap().len() <= MAX_SOURCES + 1);
    }
}
