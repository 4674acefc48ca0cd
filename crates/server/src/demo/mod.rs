//! Sample traffic for `hinomi demo`: what the programs of tabi-desk, a fictional travel agency, would have sent.
//!
//! Six pipelines run with sentry-python and sentry-javascript: a trip planner with tools and a second agent, a support desk with
//! retrieval, a document search, review digests, a classifier on an unpriced model, and a three-line script. For one customer the planner
//! has been looping for some hours, which causes most of the cost. The same seed and time produce the same bytes.
//!
//! - `schedule` decides when visits happen; `trip_planner`, `support_desk` and `batch` generate them.
//! - `trace` builds spans along a clock; `llm` adds the attributes that instrumentations write for calls of models and tools.
//! - `sentry_envelope` builds the envelopes, `texts` provides the texts, `random` the random numbers.

mod batch;
mod llm;
mod log_lines;
mod random;
mod schedule;
mod sentry_envelope;
mod support_desk;
#[cfg(test)]
mod tests;
mod texts;
mod trace;
mod trip_planner;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use schedule::DemoVisitSchedule;

/// Number of traces per day that [`envelopes`] generates.
pub const TRACES_PER_DAY: u32 = 1_500;

/// Number of traces per day that [`live`] generates: three or four per minute.
pub const LIVE_TRACES_PER_DAY: u32 = 5_000;

/// A Sentry envelope as an SDK would have sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoEnvelope {
    /// Header line and items.
    pub body: Vec<u8>,
    /// Start of the earliest span, in microseconds since the Unix epoch.
    pub start_us: i64,
    /// Time at which the SDK would have sent the envelope, in microseconds since the Unix epoch.
    pub end_us: i64,
}

/// Generates the traffic of a period of length `span` before `now_us`, in the order in which it was sent. All spans have ended by `now_us`.
/// The headers have no `sent_at`: from an old `sent_at`, a server would conclude that the client's clock is wrong, and move the spans to
/// the present.
pub fn envelopes(seed: u64, now_us: i64, span: Duration, dsn_key: &str) -> impl Iterator<Item = DemoEnvelope> {
    envelopes_at(TRACES_PER_DAY, seed, now_us, span, dsn_key)
}

/// Like [`envelopes`], with another number of traces per day.
pub fn envelopes_at(traces_per_day: u32, seed: u64, now_us: i64, span: Duration, dsn_key: &str) -> impl Iterator<Item = DemoEnvelope> {
    let from_us = now_us.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
    let visits = DemoVisitSchedule::new(seed, from_us, traces_per_day, schedule::loop_start(now_us).max(from_us));
    let visits = visits.take_while(move |visit| visit.at_us < now_us);
    EnvelopeSchedule::new(visits, now_us, dsn_key, false).filter(move |envelope| envelope.end_us <= now_us)
}

/// Generates endless traffic from `from_us` on, in the order in which it must be sent. Each envelope is due at [`DemoEnvelope::end_us`].
/// The rate is the same by day and by night, and the customer whose agent loops continues to send.
pub fn live(seed: u64, from_us: i64, dsn_key: &str) -> impl Iterator<Item = DemoEnvelope> {
    live_at(LIVE_TRACES_PER_DAY, seed, from_us, dsn_key)
}

/// Like [`live`], with another number of traces per day.
pub fn live_at(traces_per_day: u32, seed: u64, from_us: i64, dsn_key: &str) -> impl Iterator<Item = DemoEnvelope> {
    let first_loop_us = from_us + 240_000_000;
    let visits = DemoVisitSchedule::new(seed.wrapping_add(1), from_us, traces_per_day, first_loop_us).with_even_load();
    EnvelopeSchedule::new(visits, from_us, dsn_key, true)
}

/// An envelope ordered by the time at which it is sent, then by the number of its creation.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct PendingEnvelope {
    end_us: i64,
    number: u64,
    start_us: i64,
    body: Vec<u8>,
}

/// Envelopes of visits in the order in which they end.
struct EnvelopeSchedule<V: Iterator> {
    visits: std::iter::Peekable<std::iter::Fuse<V>>,
    now_us: i64,
    dsn_key: String,
    with_sent_at: bool,
    /// Envelopes that are built and not returned yet, the first to end on top.
    pending: BinaryHeap<Reverse<PendingEnvelope>>,
    built_count: u64,
    rng: random::DemoRng,
}

impl<V: Iterator<Item = schedule::DemoVisit>> EnvelopeSchedule<V> {
    fn new(visits: V, now_us: i64, dsn_key: &str, with_sent_at: bool) -> EnvelopeSchedule<V> {
        EnvelopeSchedule {
            visits: visits.fuse().peekable(),
            now_us,
            dsn_key: dsn_key.to_owned(),
            with_sent_at,
            pending: BinaryHeap::new(),
            built_count: 0,
            rng: random::DemoRng::of(&[now_us as u64]),
        }
    }

    fn add_envelope(&mut self, envelope: DemoEnvelope) {
        self.built_count += 1;
        let DemoEnvelope { body, start_us, end_us } = envelope;
        self.pending.push(Reverse(PendingEnvelope { end_us, number: self.built_count, start_us, body }));
    }
}

impl<V: Iterator<Item = schedule::DemoVisit>> Iterator for EnvelopeSchedule<V> {
    type Item = DemoEnvelope;

    fn next(&mut self) -> Option<DemoEnvelope> {
        // A visit ends after it starts, so every envelope that ends before the next visit starts can be returned.
        while let Some(visit) = self.visits.peek() {
            if self.pending.peek().is_some_and(|Reverse(first)| first.end_us <= visit.at_us) {
                break;
            }
            let visit = self.visits.next()?;
            if self.rng.chance(0.012) {
                let report = sentry_envelope::client_report(&mut self.rng, visit.at_us);
                self.add_envelope(report);
            }
            let trace = schedule::trace(&visit, self.now_us);
            for envelope in sentry_envelope::envelopes(&trace, &self.dsn_key, self.with_sent_at) {
                self.add_envelope(envelope);
            }
        }
        let Reverse(PendingEnvelope { end_us, start_us, body, .. }) = self.pending.pop()?;
        Some(DemoEnvelope { body, start_us, end_us })
    }
}
