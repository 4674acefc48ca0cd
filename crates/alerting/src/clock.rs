//! What time it is, passed in so that tests can say it.

use std::fmt::Debug;
use std::time::Instant;

/// Tells the time.
pub trait EvaluationClock: Debug + Send + Sync {
    /// By the calendar, in microseconds since the Unix epoch. It may jump either way.
    fn now_us(&self) -> i64;
    /// Since some moment, in microseconds. It never jumps.
    fn steady_us(&self) -> i64;
}

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock(Instant::now())
    }
}

impl EvaluationClock for SystemClock {
    fn now_us(&self) -> i64 {
        jiff::Timestamp::now().as_microsecond()
    }

    fn steady_us(&self) -> i64 {
        i64::try_from(self.0.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}
