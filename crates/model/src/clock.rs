//! Correction of times from clients with a wrong clock.

use serde::{Deserialize, Serialize};

use crate::mapping::MappingRuleSet;
use crate::price::PriceBook;
use crate::span::names;
use crate::time::SECOND_US;

/// Inputs of decoding other than the bytes of the request.
#[derive(Debug, Clone, Copy)]
pub struct DecodeContext<'a> {
    /// Time at which the request arrived, in microseconds since the Unix epoch.
    pub received_us: i64,
    /// Retention of spans in microseconds; older spans are dropped during decoding. `None` keeps all.
    pub retention_us: Option<i64>,
    /// The price table.
    pub price: &'a PriceBook,
    /// Mapping rules of the project.
    pub mapping: &'a MappingRuleSet,
    /// Whether issues of an earlier version of the grouping algorithm are stored. If so, error events are also grouped by that version.
    pub earlier_grouping: bool,
}

/// Maximum delay of a client's clock that is not corrected.
const MAX_BEHIND_US: i64 = 55 * 60 * SECOND_US;
/// Maximum time that a client's clock may be ahead without a correction.
const MAX_AHEAD_US: i64 = 60 * SECOND_US;

/// Earliest plausible time, 2000-01-01. Earlier times are the zero of some calendar, or come from a machine that has lost its clock.
const MIN_PLAUSIBLE_US: i64 = 946_684_800 * SECOND_US;
/// Maximum time ahead of the receipt. A time further ahead is not a wrong clock but an invalid value.
const MAX_PLAUSIBLE_AHEAD_US: i64 = 86_400 * SECOND_US;
/// Range of times that a wrong clock may show. Times outside of it are the zero of a calendar or the largest possible number.
const WRONG_CLOCK_RANGE_US: std::ops::Range<i64> = 86_400 * SECOND_US..7_258_118_400 * SECOND_US;
/// Maximum distance of an implausible start and end that are taken for times of a clock that is off by decades: their difference is right
/// then.
const MAX_SHIFTED_DURATION_US: i64 = 86_400 * SECOND_US;

/// Returns whether the time is plausible for data with this time of receipt.
pub(crate) fn is_possible(at_us: i64, received_us: i64) -> bool {
    at_us >= MIN_PLAUSIBLE_US && at_us <= received_us.saturating_add(MAX_PLAUSIBLE_AHEAD_US)
}

names!(
    /// Source of a time that replaces an implausible time.
    TimeSource {
        /// The start of the span.
        Start = "start_time",
        /// The end of the span.
        End = "end_time",
        /// The time at which the event was written.
        Event = "event_time",
        /// The time at which the request arrived.
        Receipt = "received_at",
    }
);

/// Sources of the times of a span; `None` for a time that was not replaced. A correction of the clock does not count as a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeSources {
    /// Source of the start.
    pub start: Option<TimeSource>,
    /// Source of the end.
    pub end: Option<TimeSource>,
    /// Whether only one time is known, so that the span has no duration.
    pub has_no_duration: bool,
}

names!(
    /// Origin of the times of a span.
    SpanTimeSource {
        /// Both times are as sent, apart from a correction of the clock.
        Sent = "sent",
        /// A possible time, of the span or of one of its events, replaces an impossible one.
        Mended = "mended",
        /// The sent times are impossible. The time of receipt replaces them.
        Received = "received",
    }
);

impl SpanTimeSource {
    pub(crate) fn is_sent(&self) -> bool {
        *self == SpanTimeSource::Sent
    }
}

impl TimeSources {
    /// Returns the origin of both times.
    pub fn span_time_source(&self) -> SpanTimeSource {
        match (self.start, self.end) {
            (None, None) => SpanTimeSource::Sent,
            (Some(TimeSource::Receipt), _) | (_, Some(TimeSource::Receipt)) => SpanTimeSource::Received,
            _ => SpanTimeSource::Mended,
        }
    }
}

/// Times of a span after the correction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CorrectedSpanTimes {
    /// Start after the correction.
    pub(crate) start_us: i64,
    /// End after the correction, never before the start.
    pub(crate) end_us: i64,
    /// Correction that was added.
    pub(crate) shift_us: i64,
    pub(crate) sources: TimeSources,
}

/// Reason why a time is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimestampError {
    /// The time is before the start of the retention period.
    TooOld,
}

/// Corrects the times of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockDriftCorrector {
    received_us: i64,
    oldest_us: Option<i64>,
    shift_us: i64,
}

impl ClockDriftCorrector {
    pub(crate) fn new(context: &DecodeContext, sent_at_us: Option<i64>) -> ClockDriftCorrector {
        // A machine that has lost its clock starts at 1970 and counts from there; an earlier time is not valid.
        let drift = sent_at_us.filter(|sent| *sent > 0).map_or(0, |sent| context.received_us.saturating_sub(sent));
        ClockDriftCorrector {
            received_us: context.received_us,
            oldest_us: context.retention_us.map(|kept| context.received_us.saturating_sub(kept)),
            shift_us: if (-MAX_AHEAD_US..=MAX_BEHIND_US).contains(&drift) { 0 } else { drift },
        }
    }

    /// Returns the correction for an item that ended at `end_us`.
    pub(crate) fn clock_shift_us(&self, end_us: i64) -> Result<i64, TimestampError> {
        let mut shift = self.shift_us;
        let ahead = end_us.saturating_add(shift).saturating_sub(self.received_us);
        if ahead > MAX_AHEAD_US {
            shift = shift.saturating_sub(ahead);
        }
        match self.oldest_us {
            Some(oldest) if end_us.saturating_add(shift) < oldest => Err(TimestampError::TooOld),
            _ => Ok(shift),
        }
    }

    /// Returns whether the time is plausible after the correction of the client's clock.
    pub(crate) fn is_plausible(&self, at_us: i64) -> bool {
        is_possible(at_us.saturating_add(self.shift_us), self.received_us)
    }

    /// Returns whether a wrong clock can have caused this time.
    pub(crate) fn may_be_wrong_clock(&self, at_us: i64) -> bool {
        WRONG_CLOCK_RANGE_US.contains(&at_us)
    }

    /// Returns the time at which the request arrived.
    pub(crate) fn received_us(&self) -> i64 {
        self.received_us
    }

    /// Returns the corrected time and the correction. An implausible time becomes the time of receipt.
    pub(crate) fn corrected_time(&self, at_us: i64) -> Result<(i64, i64), TimestampError> {
        let shift = if self.is_plausible(at_us) { self.clock_shift_us(at_us)? } else { self.received_us.saturating_sub(at_us) };
        Ok((at_us.saturating_add(shift), shift))
    }

    /// Returns the corrected times of a span. If one time is implausible, the other time replaces it. If both times are implausible, the
    /// time of receipt replaces them. `None` is a time that was not sent.
    pub(crate) fn corrected_times(&self, start: Option<i64>, end: Option<i64>) -> Result<CorrectedSpanTimes, TimestampError> {
        let possible = |at: Option<i64>| at.filter(|at| self.is_plausible(*at));
        let as_sent = TimeSources::default();
        let (start_us, end_us, sources) = match (possible(start), possible(end)) {
            (Some(start), Some(end)) if start <= end => (start, end, as_sent),
            // Keeps a span during which the clock was set back.
            (Some(start), _) => (start, start, TimeSources { end: Some(TimeSource::Start), has_no_duration: true, ..as_sent }),
            (None, Some(end)) => (end, end, TimeSources { start: Some(TimeSource::End), has_no_duration: true, ..as_sent }),
            (None, None) => {
                let lasted = start.zip(end).and_then(|(start, end)| end.checked_sub(start));
                let lasted = lasted.filter(|lasted| (0..=MAX_SHIFTED_DURATION_US).contains(lasted));
                // A machine that was just switched on starts at 1970: only two times that differ come from a running clock then.
                let lasted = lasted.filter(|lasted| *lasted > 0 || start.is_some_and(|start| WRONG_CLOCK_RANGE_US.contains(&start)));
                let (start_us, end_us) = (self.received_us.saturating_sub(lasted.unwrap_or(0)), self.received_us);
                let moved = end.filter(|_| lasted.is_some()).map(|end| self.received_us.saturating_sub(end));
                let receipt = TimeSources { start: Some(TimeSource::Receipt), end: Some(TimeSource::Receipt), has_no_duration: true };
                let sources = if moved.is_some() { as_sent } else { receipt };
                return Ok(CorrectedSpanTimes { start_us, end_us, shift_us: moved.unwrap_or(0), sources });
            }
        };
        let shift_us = self.clock_shift_us(end_us)?;
        Ok(CorrectedSpanTimes { start_us: start_us.saturating_add(shift_us), end_us: end_us.saturating_add(shift_us), shift_us, sources })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600 * SECOND_US;
    const DAY: i64 = 24 * HOUR;
    /// 2026-11-23.
    const NOW: i64 = 1_795_428_000 * SECOND_US;
    /// Go's zero time.
    const YEAR_1: i64 = -62_135_596_800 * SECOND_US;

    fn clock(sent_at: Option<i64>) -> ClockDriftCorrector {
        let context = DecodeContext {
            received_us: NOW,
            retention_us: Some(100 * HOUR),
            price: PriceBook::embedded(),
            mapping: MappingRuleSet::none(),
            earlier_grouping: true,
        };
        ClockDriftCorrector::new(&context, sent_at)
    }

    #[test]
    fn small_clock_difference_is_not_corrected() {
        assert_eq!(clock(None).clock_shift_us(NOW - HOUR), Ok(0));
        assert_eq!(clock(Some(NOW - MAX_BEHIND_US)).clock_shift_us(NOW - HOUR), Ok(0));
        assert_eq!(clock(None).clock_shift_us(NOW + MAX_AHEAD_US), Ok(0));
    }

    #[test]
    fn clock_drift_is_corrected() {
        assert_eq!(clock(Some(NOW - 990 * HOUR)).clock_shift_us(NOW - 991 * HOUR), Ok(990 * HOUR));
        assert_eq!(clock(Some(NOW + 10 * HOUR)).clock_shift_us(NOW + 9 * HOUR), Ok(-10 * HOUR));
        // A machine that has lost its clock, as its time of sending shows.
        let placed = clock(Some(5 * SECOND_US)).corrected_times(Some(2 * SECOND_US), Some(3 * SECOND_US)).unwrap();
        assert_eq!((placed.start_us, placed.end_us, placed.sources), (NOW - 3 * SECOND_US, NOW - 2 * SECOND_US, TimeSources::default()));
    }

    #[test]
    fn future_time_becomes_receipt_time_and_expired_time_is_rejected() {
        assert_eq!(clock(None).clock_shift_us(NOW + 5 * HOUR), Ok(-5 * HOUR));
        assert_eq!(clock(None).clock_shift_us(NOW - 101 * HOUR), Err(TimestampError::TooOld));
        assert_eq!(clock(None).corrected_times(Some(NOW - 102 * HOUR), Some(NOW - 101 * HOUR)), Err(TimestampError::TooOld));
        assert_eq!(clock(None).corrected_time(NOW - 101 * HOUR), Err(TimestampError::TooOld));
    }

    #[test]
    fn implausible_time_is_replaced_by_the_other_one() {
        let (start, end) = (NOW - 3 * SECOND_US, NOW - SECOND_US);
        let from_start = TimeSources { start: None, end: Some(TimeSource::Start), has_no_duration: true };
        let from_end = TimeSources { start: Some(TimeSource::End), end: None, has_no_duration: true };
        for never in [None, Some(0), Some(1), Some(YEAR_1), Some(MIN_PLAUSIBLE_US - 1), Some(NOW + DAY + 1), Some(i64::MIN), Some(i64::MAX)]
        {
            let placed = clock(None).corrected_times(Some(start), never).unwrap();
            assert_eq!(placed, CorrectedSpanTimes { start_us: start, end_us: start, shift_us: 0, sources: from_start }, "{never:?}");
            let placed = clock(None).corrected_times(never, Some(end)).unwrap();
            assert_eq!(placed, CorrectedSpanTimes { start_us: end, end_us: end, shift_us: 0, sources: from_end }, "{never:?}");
        }
        let backwards = clock(None).corrected_times(Some(end), Some(start)).unwrap();
        assert_eq!(backwards, CorrectedSpanTimes { start_us: end, end_us: end, shift_us: 0, sources: from_start });
    }

    #[test]
    fn two_implausible_times_are_replaced_by_the_receipt_time() {
        let receipt = TimeSources { start: Some(TimeSource::Receipt), end: Some(TimeSource::Receipt), has_no_duration: true };
        let nowhere = [None, Some(0), Some(YEAR_1), Some(i64::MIN), Some(i64::MAX)];
        for (start, end) in nowhere.iter().flat_map(|start| nowhere.map(|end| (*start, end))) {
            let placed = clock(None).corrected_times(start, end).unwrap();
            assert_eq!(placed, CorrectedSpanTimes { start_us: NOW, end_us: NOW, shift_us: 0, sources: receipt }, "{start:?} {end:?}");
        }
        assert_eq!(clock(None).corrected_time(YEAR_1), Ok((NOW, NOW - YEAR_1)));
        assert_eq!(clock(None).corrected_time(i64::MAX).unwrap().0, NOW);
    }

    #[test]
    fn duration_is_kept_when_the_clock_is_off_by_decades() {
        for start in [7 * SECOND_US, NOW + 5000 * DAY, NOW - 12_000 * DAY] {
            let placed = clock(None).corrected_times(Some(start), Some(start + 2 * SECOND_US)).unwrap();
            assert_eq!((placed.start_us, placed.end_us, placed.sources), (NOW - 2 * SECOND_US, NOW, TimeSources::default()), "{start}");
            assert_eq!(placed.shift_us, NOW - 2 * SECOND_US - start);
        }
        let moment = clock(None).corrected_times(Some(NOW + 2 * DAY), Some(NOW + 2 * DAY)).unwrap();
        assert_eq!((moment.end_us, moment.shift_us, moment.sources), (NOW, -2 * DAY, TimeSources::default()));
    }
}
