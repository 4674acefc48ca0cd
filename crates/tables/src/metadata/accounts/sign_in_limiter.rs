//! Limits attempts to sign in with a password, by account and by address.
//!
//! The counts are in memory: an attacker cannot restart the server, and a count on disk would let anybody cause a write with every attempt.
//! An account whose limit is reached still signs in with a one-time link.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Period in which failed attempts are counted.
const PERIOD: Duration = Duration::from_secs(15 * 60);
/// Failed attempts in a period after which an account has to wait.
const MAX_ACCOUNT_FAILURES: u32 = 10;
/// Failed attempts in a period after which an address has to wait. Behind a proxy, all people share one address.
const MAX_ADDRESS_FAILURES: u32 = 100;
/// Accounts and addresses whose attempts are remembered.
const MAX_REMEMBERED: usize = 10_000;

/// Failed attempts of accounts and addresses.
#[derive(Debug, Default)]
pub(in crate::metadata) struct SignInLimiter {
    accounts: HashMap<String, FailureCount>,
    addresses: HashMap<IpAddr, FailureCount>,
}

#[derive(Debug, Clone, Copy)]
struct FailureCount {
    since: Instant,
    failures: u32,
}

impl SignInLimiter {
    /// Counts an attempt as failed before its password is checked, so that concurrent attempts are counted too.
    ///
    /// # Errors
    ///
    /// When too many attempts have failed: the time after which the next one is allowed.
    pub(super) fn begin_attempt(&mut self, account: &str, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let address = address.map(network_of);
        let waits = [
            wait_of(&self.accounts, account, MAX_ACCOUNT_FAILURES, now),
            address.and_then(|address| wait_of(&self.addresses, &address, MAX_ADDRESS_FAILURES, now)),
        ];
        if let Some(wait) = waits.into_iter().flatten().max() {
            return Err(wait);
        }
        count(&mut self.accounts, account.to_owned(), now);
        if let Some(address) = address {
            count(&mut self.addresses, address, now);
        }
        Ok(())
    }

    /// Records that the password of the last attempt was correct.
    pub(super) fn record_success(&mut self, account: &str, address: Option<IpAddr>) {
        self.accounts.remove(account);
        if let Some(count) = address.and_then(|address| self.addresses.get_mut(&network_of(address))) {
            count.failures = count.failures.saturating_sub(1);
        }
    }
}

/// Returns the time until the next attempt is allowed; `None` if it is allowed now.
fn wait_of<K: Hash + Eq + std::borrow::Borrow<Q>, Q: Hash + Eq + ?Sized>(
    counts: &HashMap<K, FailureCount>,
    key: &Q,
    max: u32,
    now: Instant,
) -> Option<Duration> {
    let found = counts.get(key).filter(|found| found.failures >= max)?;
    let age = now.saturating_duration_since(found.since);
    PERIOD.checked_sub(age).filter(|wait| !wait.is_zero())
}

fn count<K: Hash + Eq + Clone>(counts: &mut HashMap<K, FailureCount>, key: K, now: Instant) {
    if counts.len() >= MAX_REMEMBERED && !counts.contains_key(&key) {
        counts.retain(|_, count| now.saturating_duration_since(count.since) < PERIOD);
    }
    if counts.len() >= MAX_REMEMBERED
        && !counts.contains_key(&key)
        && let Some(oldest) = counts.iter().min_by_key(|(_, count)| (count.failures, count.since)).map(|(key, _)| key.clone())
    {
        counts.remove(&oldest);
    }
    let found = counts.entry(key).or_insert(FailureCount { since: now, failures: 0 });
    if now.saturating_duration_since(found.since) >= PERIOD {
        *found = FailureCount { since: now, failures: 0 };
    }
    found.failures += 1;
}

/// Returns the address by which attempts are counted: of an IPv6 address its /64, since one client has all of it.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) >> 64 << 64)),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(last: u16) -> Option<IpAddr> {
        Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, last, 0, 0, 0, 1)))
    }

    #[test]
    fn account_waits_until_the_period_has_passed() {
        let (mut limiter, start) = (SignInLimiter::default(), Instant::now());
        for number in 0..10 {
            assert_eq!(limiter.begin_attempt("ann", address(number), start), Ok(()));
        }
        let later = start + Duration::from_secs(60);
        assert_eq!(limiter.begin_attempt("ann", address(11), later), Err(PERIOD - Duration::from_secs(60)));
        assert_eq!(limiter.begin_attempt("bob", address(11), later), Ok(()));
        assert_eq!(limiter.begin_attempt("ann", address(11), start + PERIOD), Ok(()));
    }

    #[test]
    fn success_clears_the_account() {
        let (mut limiter, now) = (SignInLimiter::default(), Instant::now());
        for _ in 0..30 {
            for _ in 0..9 {
                assert_eq!(limiter.begin_attempt("ann", None, now), Ok(()));
            }
            limiter.record_success("ann", None);
        }
        for _ in 0..1_000 {
            assert_eq!(limiter.begin_attempt("ann", address(1), now), Ok(()));
            limiter.record_success("ann", address(1));
        }
    }

    #[test]
    fn address_waits_whatever_the_account_and_the_host_part() {
        let (mut limiter, now) = (SignInLimiter::default(), Instant::now());
        for number in 0..100_u16 {
            let address = Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, number, 0, 0, number)));
            assert_eq!(limiter.begin_attempt(&format!("account {number}"), address, now), Ok(()));
        }
        assert_eq!(limiter.begin_attempt("ann", address(1), now), Err(PERIOD));
        assert_eq!(limiter.begin_attempt("ann", address(2), now), Ok(()));
    }

    #[test]
    fn memory_is_limited_and_the_accounts_under_attack_stay() {
        let (mut limiter, now) = (SignInLimiter::default(), Instant::now());
        for _ in 0..10 {
            limiter.begin_attempt("ann", None, now).unwrap();
        }
        for number in 0..MAX_REMEMBERED + 100 {
            limiter.begin_attempt(&number.to_string(), None, now).unwrap();
        }
        assert_eq!(limiter.accounts.len(), MAX_REMEMBERED);
        assert_eq!(limiter.begin_attempt("ann", None, now), Err(PERIOD));
    }

    proptest! {
        #[test]
        fn no_order_of_attempts_passes_the_limit(attempts in prop::collection::vec((0..3_u8, 0..2_u16, 0..200_u64), 1..400)) {
            let (mut limiter, mut now) = (SignInLimiter::default(), Instant::now());
            let mut allowed: Vec<(u8, Instant)> = Vec::new();
            for (account, place, seconds) in attempts {
                now += Duration::from_secs(seconds);
                if limiter.begin_attempt(&account.to_string(), address(place), now).is_ok() {
                    allowed.push((account, now));
                }
                // Fixed periods allow at most the limit of two periods within the length of one.
                let recent = allowed.iter().filter(|(own, at)| *own == account && now - *at < PERIOD).count();
                prop_assert!(recent <= 2 * MAX_ACCOUNT_FAILURES as usize, "{recent}");
            }
        }
    }
}
