//! When things happened, by a clock that may be wrong.

use crate::price::PriceBook;
use crate::time::SECOND_US;

/// What decoding must know beside the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// When the request came, in microseconds since the Unix epoch.
    pub received_us: i64,
    /// For how long spans are kept, in microseconds; older ones are dropped at once. `None` keeps all.
    pub retention_us: Option<i64>,
    /// The price table.
    pub price: &'a PriceBook,
}

/// A client's clock is taken for right up to this much behind.
const MAX_BEHIND_US: i64 = 55 * 60 * SECOND_US;
/// And up to this much ahead.
const MAX_AHEAD_US: i64 = 60 * SECOND_US;

/// Why a time is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTime {
    /// Nothing that old is kept.
    TooOld,
}

/// Corrects the times of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    received_us: i64,
    oldest_us: Option<i64>,
    shift_us: i64,
}

impl Clock {
    pub(crate) fn new(context: &Context, sent_at_us: Option<i64>) -> Clock {
        let drift = sent_at_us.map_or(0, |sent| context.received_us.saturating_sub(sent));
        Clock {
            received_us: context.received_us,
            oldest_us: context.retention_us.map(|kept| context.received_us.saturating_sub(kept)),
            shift_us: if (-MAX_AHEAD_US..=MAX_BEHIND_US).contains(&drift) { 0 } else { drift },
        }
    }

    /// What to add to the times of something that ended then.
    pub(crate) fn shift(&self, end_us: i64) -> Result<i64, NoTime> {
        let mut shift = self.shift_us;
        let ahead = end_us.saturating_add(shift).saturating_sub(self.received_us);
        if ahead > MAX_AHEAD_US {
            shift = shift.saturating_sub(ahead);
        }
        match self.oldest_us {
            Some(oldest) if end_us.saturating_add(shift) < oldest => Err(NoTime::TooOld),
            _ => Ok(shift),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * SECOND_US;

    fn clock(sent_at: Option<i64>) -> Clock {
        let context = Context { received_us: 1000 * HOUR, retention_us: Some(100 * HOUR), price: PriceBook::embedded() };
        Clock::new(&context, sent_at)
    }

    #[test]
    fn a_clock_that_is_nearly_right_is_right() {
        assert_eq!(clock(None).shift(999 * HOUR), Ok(0));
        assert_eq!(clock(Some(1000 * HOUR - MAX_BEHIND_US)).shift(999 * HOUR), Ok(0));
        assert_eq!(clock(None).shift(1000 * HOUR + MAX_AHEAD_US), Ok(0));
    }

    #[test]
    fn drift_is_added() {
        assert_eq!(clock(Some(10 * HOUR)).shift(9 * HOUR), Ok(990 * HOUR));
        assert_eq!(clock(Some(1010 * HOUR)).shift(1009 * HOUR), Ok(-10 * HOUR));
    }

    #[test]
    fn the_future_becomes_now_and_the_distant_past_is_not_kept() {
        assert_eq!(clock(None).shift(1005 * HOUR), Ok(-5 * HOUR));
        assert_eq!(clock(None).shift(899 * HOUR), Err(NoTime::TooOld));
        assert_eq!(clock(None).shift(i64::MIN), Err(NoTime::TooOld));
    }
}
