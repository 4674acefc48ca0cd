//! Traffic for `hinomi demo`: what the programs of an invented travel agency, tabi-desk, would have sent.
//!
//! Six pipelines run under sentry-python and sentry-javascript: a trip planner with tools and a second agent, a support desk that
//! answers from passages, a search of documents, digests of reviews, a classifier on a model without a price, and a three-line
//! script. For one customer the planner has been looping for some hours, which is where most of the money goes. The same seed and
//! time give the same bytes.
//!
//! - `schedule` says who comes when, `trip`, `desk` and `batch` tell what happens then,
//! - `trace` builds spans along a clock, `llm` adds what instrumentations write about calls of models and tools,
//! - `sentry_envelope` makes the envelopes, `texts` the words, `random` chance.

mod batch;
mod llm;
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

/// What [`envelopes`] makes of a day.
pub const TRACES_PER_DAY: u32 = 1_500;

/// What [`live`] makes of a day: three or four in a minute.
pub const LIVE_TRACES_PER_DAY: u32 = 5_000;

/// A Sentry envelope as an SDK would have sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoEnvelope {
    /// Header line and items.
    pub body: Vec<u8>,
    /// When the earliest span in it started, in microseconds since the Unix epoch.
    pub start_us: i64,
    /// When the SDK would have sent it.
    pub end_us: i64,
}

/// The traffic of a `span` of time up to now, in the order in which it was sent. All of it has ended by `now_us`. Headers have no
/// `sent_at`: a server would take an old one for a wrong clock and move the spans to now.
pub fn envelopes(seed: u64, now_us: i64, span: Duration, dsn_key: &str) -> impl Iterator<Item = DemoEnvelope> {
    envelopes_at(TRACES_PER_DAY, seed, now_us, span, dsn_key)
}

/// The same with another number of traces in a day.
pub fn envelopes_at(traces_per_day: u32, seed: u64, now_us: i64, span: Duration, dsn_key: &str) -> impl Iterator<Item = DemoEnvelope> {
    let from_us = now_us.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
    let visits = DemoVisitSchedule::new(seed, from_us, traces_per_day, schedule::loop_start(now_us).max(from_us));
    let visits = visits.take_while(move |visit| visit.at_us < now_us);
    EnvelopeSchedule::new(visits, now_us, dsn_key, false).filter(move |envelope| envelope.end_us <= now_us)
}

/// Traffic from now on, without an end, in the order in which it is to be sent, which is when [`DemoEnvelope::end_us`] has come. It is
/// as busy by night as by day, and the loop of the one customer goes on.
pub fn live(seed: u64, from_us: i64, dsn_key: &str) -> impl Iterator<Item = DemoEnvelope> {
    live_at(LIVE_TRACES_PER_DAY, seed, from_us, dsn_key)
}

/// The same with another number of traces in a day.
pub fn live_at(traces_per_day: u32, seed: u64, from_us: i64, dsn_key: &str) -> impl Iterator<Item = DemoEnvelope> {
    let first_loop_us = from_us + 240_000_000;
    let visits = DemoVisitSchedule::new(seed.wrapping_add(1), from_us, traces_per_day, first_loop_us).evenly();
    EnvelopeSchedule::new(visits, from_us, dsn_key, true)
}

/// An envelope by the time when it is sent; the number keeps those of one time in the order in which they were built.
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
    /// Built and not yet given out, the first to end on top.
    waiting: BinaryHeap<Reverse<PendingEnvelope>>,
    built: u64,
    dice: random::DemoRng,
}

impl<V: Iterator<Item = schedule::DemoVisit>> EnvelopeSchedule<V> {
    fn new(visits: V, now_us: i64, dsn_key: &str, with_sent_at: bool) -> EnvelopeSchedule<V> {
        EnvelopeSchedule {
            visits: visits.fuse().peekable(),
            now_us,
            dsn_key: dsn_key.to_owned(),
            with_sent_at,
            waiting: BinaryHeap::new(),
            built: 0,
            dice: random::DemoRng::of(&[now_us as u64]),
        }
    }

    fn put(&mut self, envelope: DemoEnvelope) {
        self.built += 1;
        let DemoEnvelope { body, start_us, end_us } = envelope;
        self.waiting.push(Reverse(PendingEnvelope { end_us, number: self.built, start_us, body }));
    }
}

impl<V: Iterator<Item = schedule::DemoVisit>> Iterator for EnvelopeSchedule<V> {
    type Item = DemoEnvelope;

    fn next(&mut self) -> Option<DemoEnvelope> {
        // A visit ends after it starts, so whatever ends before the next one starts can go.
        while let Some(visit) = self.visits.peek() {
            if self.waiting.peek().is_some_and(|Reverse(first)| first.end_us <= visit.at_us) {
                break;
            }
            let visit = self.visits.next()?;
            if self.dice.chance(0.012) {
                let report = sentry_envelope::client_report(&mut self.dice, visit.at_us);
                self.put(report);
            }
            let trace = schedule::trace(&visit, self.now_us);
            for envelope in sentry_envelope::envelopes(&trace, &self.dsn_key, self.with_sent_at) {
                self.put(envelope);
            }
        }
        let Reverse(PendingEnvelope { end_us, start_us, body, .. }) = self.waiting.pop()?;
        Some(DemoEnvelope { body, start_us, end_us })
    }
}
