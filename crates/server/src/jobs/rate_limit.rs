//! A limit on the number of calls per time, such as the rate limit of an external API.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Spaces calls evenly, so that no period contains more of them than allowed. Jobs that use the same service share one limit.
#[derive(Debug)]
pub struct RateLimit {
    interval: Duration,
    /// Time from which the next call is allowed.
    next: Mutex<Instant>,
}

impl RateLimit {
    /// Allows a number of calls (at least 1) in each period, such as 60 in a minute.
    pub fn new(calls: u32, period: Duration) -> RateLimit {
        RateLimit { interval: period / calls.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits until the next call is allowed. Callers are served in the order of their calls. A caller that stops waiting does not use up a
    /// call.
    pub async fn acquire(&self) {
        // The lock is held while waiting: it queues the callers.
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        *next = Instant::now() + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn calls_are_spaced_evenly() {
        let limit = RateLimit::new(50, Duration::from_secs(1));
        let start = Instant::now();
        for number in 0..4 {
            limit.acquire().await;
            assert!(start.elapsed() >= Duration::from_millis(20) * number);
        }
    }

    #[tokio::test]
    async fn callers_that_stop_waiting_use_up_nothing() {
        let minute = Duration::from_secs(60);
        let limit = RateLimit::new(1, minute);
        limit.acquire().await;
        for _ in 0..20 {
            assert!(limit.acquire().now_or_never().is_none());
        }
        assert!(*limit.next.lock().await <= Instant::now() + minute);
    }
}
