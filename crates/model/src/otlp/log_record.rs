//! Decoded log records.

use serde_json::{Map, Value};

use super::binary::DecodeFootprint;
use crate::clock::ClockDriftCorrector;
use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};
use crate::{decode_budget, time};

/// A log record as sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DecodedLogRecord {
    pub(super) trace_id: Option<u128>,
    pub(super) span_id: Option<u64>,
    /// Time of the event in nanoseconds since the Unix epoch; 0 if it was not sent.
    pub(super) time_ns: u64,
    /// Time of observation in nanoseconds since the Unix epoch; 0 if it was not sent.
    pub(super) observed_ns: u64,
    /// Severity from 1 to 24, four numbers for each level; 0 if it was not sent.
    pub(super) severity_number: i32,
    /// Severity as the client names it.
    pub(super) severity_text: String,
    pub(super) event_name: String,
    pub(super) body: Value,
    pub(super) attributes: Map<String, Value>,
}

impl DecodeFootprint for DecodedLogRecord {
    fn bytes(&self) -> usize {
        decode_budget::text_bytes(&self.severity_text)
            + decode_budget::text_bytes(&self.event_name)
            + decode_budget::value(&self.body)
            + decode_budget::object(&self.attributes)
    }
}

impl DecodedLogRecord {
    /// Returns possible names of the record's event. Clients differ: older clients send an attribute, newer clients send a field (which may
    /// contain a code location), and some send the name as the body.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let attribute = self.attributes.get("event.name").and_then(Value::as_str);
        let field = Some(self.event_name.as_str());
        [attribute, field, self.body.as_str()].into_iter().flatten().filter(|name| !name.is_empty())
    }

    /// Returns the time in nanoseconds since the Unix epoch by the client's clock: the first plausible time of the record, otherwise the
    /// time of receipt.
    pub(super) fn at_ns(&self, clock: &ClockDriftCorrector) -> u64 {
        let ns = |us: i64| u64::try_from(us).ok().and_then(|us| us.checked_mul(1000));
        let told = || ns(time::from_text(self.attributes.get("event.timestamp")?.as_str()?)?);
        let micros = |ns: &u64| i64::try_from(ns / 1000).unwrap_or(i64::MAX);
        let can_be = |ns: &u64| clock.is_plausible(micros(ns));
        let sent = [self.time_ns, self.observed_ns];
        let possible = sent.into_iter().find(can_be).or_else(|| told().filter(can_be));
        // A wrong clock is corrected where the record is placed in time.
        let by_wrong_clock = || sent.into_iter().find(|ns| clock.may_be_wrong_clock(micros(ns)));
        possible.or_else(by_wrong_clock).or_else(|| ns(clock.received_us())).unwrap_or_default()
    }

    /// Returns true if only implausible times were sent.
    pub(super) fn has_impossible_time(&self, clock: &ClockDriftCorrector) -> bool {
        let can_be = |ns: &u64| clock.is_plausible(i64::try_from(ns / 1000).unwrap_or(i64::MAX));
        let mut sent = [self.time_ns, self.observed_ns].into_iter().filter(|ns| *ns > 0).peekable();
        sent.peek().is_some() && !sent.any(|ns| can_be(&ns))
    }

    /// Returns the trace and span in which the record was written.
    pub(super) fn trace(&self) -> Option<(TraceId, Option<SpanId>)> {
        let trace = self.trace_id.filter(|id| *id != 0)?;
        Some((TraceId(trace), self.span_id.filter(|id| *id != 0).map(SpanId)))
    }

    /// Returns a hash that is the same if the record is sent again, and different for every other record.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let attributes = Value::Object(self.attributes.clone()).to_string();
        let times = [self.time_ns, self.observed_ns].map(|ns| ns.to_string());
        Fingerprint::of(&[&times[0], &times[1], &self.event_name, &self.body.to_string(), &attributes])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::DecodeContext;
    use crate::mapping::MappingRuleSet;
    use crate::price::PriceBook;

    #[test]
    fn the_first_time_that_was_sent() {
        let Value::Object(attributes) = json!({ "event.timestamp": "2026-11-23T15:33:13.508Z" }) else { panic!("an object") };
        let (written, observed, now) = (1_795_447_993_000_000_008, 1_795_447_993_000_000_007, 1_795_448_000_000_000);
        let context = DecodeContext {
            received_us: now,
            retention_us: None,
            price: PriceBook::embedded(),
            mapping: MappingRuleSet::none(),
            earlier_grouping: true,
        };
        let at_ns = |record: &DecodedLogRecord| record.at_ns(&ClockDriftCorrector::new(&context, None));
        let record = DecodedLogRecord { observed_ns: observed, time_ns: written, attributes, ..DecodedLogRecord::default() };
        assert_eq!(at_ns(&record), written);
        for never in [0, 1, u64::MAX] {
            assert_eq!(at_ns(&DecodedLogRecord { time_ns: never, ..record.clone() }), observed);
            let untimed = DecodedLogRecord { time_ns: never, observed_ns: never, ..record.clone() };
            assert_eq!(at_ns(&untimed), 1_795_447_993_508_000_000);
            let nowhere = DecodedLogRecord { time_ns: never, ..DecodedLogRecord::default() };
            assert_eq!(
                (at_ns(&nowhere), nowhere.has_impossible_time(&ClockDriftCorrector::new(&context, None))),
                (now as u64 * 1000, never > 0)
            );
        }
        let ahead = u64::try_from(now * 1000).unwrap() + 90_000_000_000_000;
        assert_eq!(at_ns(&DecodedLogRecord { time_ns: ahead, observed_ns: observed, ..DecodedLogRecord::default() }), observed);
        assert_eq!(at_ns(&DecodedLogRecord { time_ns: ahead, ..DecodedLogRecord::default() }), ahead, "by a clock that is days off");
    }

    #[test]
    fn any_difference_changes_the_record_fingerprint() {
        let record = DecodedLogRecord { event_name: "a".into(), body: json!("b"), ..DecodedLogRecord::default() };
        assert_eq!(record.fingerprint(), record.clone().fingerprint());
        assert_ne!(record.fingerprint(), DecodedLogRecord { time_ns: 1, ..record.clone() }.fingerprint());
    }
}
