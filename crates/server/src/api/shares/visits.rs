//! Who opens share links: limits guesses, and finds the first visit of an hour for the audit log. In memory, because a count on disk would
//! let anybody cause a write with every request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const HOUR_US: i64 = 3_600_000_000;
/// Length of the window in which unknown tokens are counted.
const GUESS_WINDOW_US: i64 = 15 * 60_000_000;
/// Maximum number of unknown tokens from an address in a window.
const MAX_UNKNOWN_TOKENS: u32 = 30;
/// Maximum number of addresses and of visits that are remembered.
const MAX_REMEMBERED: usize = 20_000;

/// Unknown tokens from an address.
#[derive(Debug, Clone, Copy)]
struct UnknownTokenCount {
    window_start_us: i64,
    count: u32,
}

/// Visits of share links.
#[derive(Debug, Default)]
pub struct ShareVisits {
    unknown_tokens: Mutex<HashMap<Option<IpAddr>, UnknownTokenCount>>,
    hour_of_visits: Mutex<HashMap<(i64, Option<IpAddr>), i64>>,
}

impl ShareVisits {
    /// Returns how long an address must wait because it sent too many unknown tokens; `None` if it need not.
    pub(super) fn wait_before(&self, address: Option<IpAddr>, now_us: i64) -> Option<Duration> {
        let counted = *lock(&self.unknown_tokens).get(&address)?;
        let left_us = counted.window_start_us.saturating_add(GUESS_WINDOW_US).saturating_sub(now_us);
        (counted.count >= MAX_UNKNOWN_TOKENS && left_us > 0).then(|| Duration::from_micros(left_us.unsigned_abs()))
    }

    /// Counts an unknown token.
    pub(super) fn note_unknown_token(&self, address: Option<IpAddr>, now_us: i64) {
        let mut counts = lock(&self.unknown_tokens);
        let is_old = |counted: &UnknownTokenCount| counted.window_start_us.saturating_add(GUESS_WINDOW_US) <= now_us;
        if counts.len() >= MAX_REMEMBERED {
            counts.retain(|_, counted| !is_old(counted));
        }
        if counts.len() >= MAX_REMEMBERED {
            counts.clear();
        }
        let counted = counts.entry(address).or_insert(UnknownTokenCount { window_start_us: now_us, count: 0 });
        if is_old(counted) {
            *counted = UnknownTokenCount { window_start_us: now_us, count: 0 };
        }
        counted.count = counted.count.saturating_add(1);
    }

    /// Returns whether an address opens a link for the first time in this hour.
    pub(super) fn is_first(&self, link: i64, address: Option<IpAddr>, now_us: i64) -> bool {
        let hour = now_us / HOUR_US;
        let mut visits = lock(&self.hour_of_visits);
        if visits.len() >= MAX_REMEMBERED {
            visits.retain(|_, seen| *seen == hour);
        }
        if visits.len() >= MAX_REMEMBERED {
            visits.clear();
        }
        visits.insert((link, address), hour) != Some(hour)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_guesses_has_to_wait() {
        let visits = ShareVisits::default();
        let (guesser, other) = (Some(IpAddr::from([192, 0, 2, 1])), Some(IpAddr::from([192, 0, 2, 2])));
        for at_us in 0..i64::from(MAX_UNKNOWN_TOKENS) {
            assert_eq!(visits.wait_before(guesser, at_us), None);
            visits.note_unknown_token(guesser, at_us);
        }
        assert_eq!(visits.wait_before(guesser, GUESS_WINDOW_US / 3), Some(Duration::from_secs(600)));
        assert_eq!((visits.wait_before(other, 100), visits.wait_before(guesser, GUESS_WINDOW_US)), (None, None));
        visits.note_unknown_token(guesser, GUESS_WINDOW_US + 1);
        assert_eq!(visits.wait_before(guesser, GUESS_WINDOW_US + 2), None, "a new window");
    }

    #[test]
    fn a_visit_is_recorded_once_an_hour_for_each_link_and_address() {
        let visits = ShareVisits::default();
        let here = Some(IpAddr::from([192, 0, 2, 1]));
        assert!(visits.is_first(1, here, 0) && !visits.is_first(1, here, HOUR_US - 1));
        assert!(visits.is_first(1, None, 0) && visits.is_first(2, here, 0) && visits.is_first(1, here, HOUR_US));
    }
}
