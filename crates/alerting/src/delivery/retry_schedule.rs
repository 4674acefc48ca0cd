//! Retry schedule: increasing delays with jitter, so channels that failed together are not retried at the same time.

use std::time::Duration;

use rand::RngExt;

/// Delays after the first, second, … failed attempt in seconds; the last one repeats.
const RETRY_DELAYS_S: [u64; 8] = [2, 10, 30, 120, 300, 900, 1800, 3600];
/// Maximum age of a delivery for which it is retried.
pub(super) const MAX_RETRY_AGE: Duration = Duration::from_secs(24 * 3600);
/// Maximum delay that a channel may request.
const MAX_REQUESTED_DELAY: Duration = Duration::from_secs(6 * 3600);

/// Returns the delay after a number of failed attempts (from 1). A longer delay that the channel requests (`Retry-After`) is respected.
pub(super) fn retry_delay(failed: u32, requested: Option<Duration>) -> Duration {
    let step = usize::try_from(failed.saturating_sub(1)).unwrap_or(usize::MAX).min(RETRY_DELAYS_S.len() - 1);
    let chance = rand::rng().random_range(0.9..1.2);
    let own = Duration::from_secs(RETRY_DELAYS_S[step]).mul_f64(chance);
    own.max(requested.unwrap_or_default().min(MAX_REQUESTED_DELAY))
}

/// Parses `Retry-After`: seconds, or a date.
pub(super) fn parse_retry_after(text: &str, now_us: i64) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().as_microsecond();
    u64::try_from(until - now_us).ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delays_grow_and_respect_retry_after() {
        assert!(retry_delay(1, None) < retry_delay(2, None));
        assert!(retry_delay(7, None) < Duration::from_secs(2200));
        assert!(retry_delay(1000, None) <= Duration::from_secs(4320));
        assert_eq!(retry_delay(1, Some(Duration::from_secs(77))), Duration::from_secs(77));
        assert_eq!(retry_delay(1, Some(Duration::from_secs(u64::MAX))), MAX_REQUESTED_DELAY);
        assert!(retry_delay(2, Some(Duration::from_secs(1))) > Duration::from_secs(8));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(parse_retry_after(" 30 ", 0), Some(Duration::from_secs(30)));
        assert_eq!(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 20_000_000), Some(Duration::from_secs(40)));
        assert_eq!(parse_retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 90_000_000), None);
        assert_eq!(parse_retry_after("soon", 0), None);
    }
}
