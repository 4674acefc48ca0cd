//! Clock of the evaluator, which tests replace.

use std::fmt::Debug;
use std::time::Instant;

/// Source of the time.
pub trait EvaluationClock: Debug + Send + Sync {
    /// Returns the wall-clock time in microseconds since the Unix epoch. It may jump in either direction.
    fn now_us(&self) -> i64;
    /// Returns a monotonic time in microseconds since an arbitrary moment.
    fn steady_us(&self) -> i64;
}

/// The system clock.
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
