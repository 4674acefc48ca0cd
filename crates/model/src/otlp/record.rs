//! A log record with its encoding taken off.

use serde_json::{Map, Value};

use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};
use crate::time;

/// A log record as sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Record {
    pub(super) trace_id: Option<u128>,
    pub(super) span_id: Option<u64>,
    /// Zero where it was not sent.
    pub(super) time_ns: u64,
    /// Likewise.
    pub(super) observed_ns: u64,
    /// From 1 to 24, four for each level; 0 where it was not sent.
    pub(super) severity_number: i32,
    /// The level in the client's own words.
    pub(super) severity_text: String,
    pub(super) event_name: String,
    pub(super) body: Value,
    pub(super) attributes: Map<String, Value>,
}

impl Record {
    /// Names of the event that the record tells of. Which one means something differs: the attribute was first, the field came
    /// later (and may hold a place in the program), and some write the name as the body.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let attribute = self.attributes.get("event.name").and_then(Value::as_str);
        let field = Some(self.event_name.as_str());
        [attribute, field, self.body.as_str()].into_iter().flatten().filter(|name| !name.is_empty())
    }

    /// When it happened, in nanoseconds since the Unix epoch.
    pub(super) fn at_ns(&self, received_us: i64) -> u64 {
        let ns = |us: i64| u64::try_from(us).ok().and_then(|us| us.checked_mul(1000));
        let told = || ns(time::from_text(self.attributes.get("event.timestamp")?.as_str()?)?);
        let sent = [self.time_ns, self.observed_ns].into_iter().find(|ns| *ns > 0);
        sent.or_else(told).or_else(|| ns(received_us)).unwrap_or_default()
    }

    /// The trace and span that it was written in.
    pub(super) fn trace(&self) -> Option<(TraceId, Option<SpanId>)> {
        let trace = self.trace_id.filter(|id| *id != 0)?;
        Some((TraceId(trace), self.span_id.filter(|id| *id != 0).map(SpanId)))
    }

    /// The same for a record that is sent again, and for no other.
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

    #[test]
    fn the_first_time_that_was_sent() {
        let Value::Object(attributes) = json!({ "event.timestamp": "2026-11-23T15:33:13.508Z" }) else { panic!("an object") };
        let record = Record { observed_ns: 7, time_ns: 8, attributes, ..Record::default() };
        assert_eq!(record.at_ns(1), 8);
        assert_eq!(Record { time_ns: 0, ..record.clone() }.at_ns(1), 7);
        let untimed = Record { time_ns: 0, observed_ns: 0, ..record };
        assert_eq!(untimed.at_ns(1), 1_795_447_993_508_000_000);
        assert_eq!(Record::default().at_ns(1), 1000);
    }

    #[test]
    fn what_differs_anywhere_is_another_record() {
        let record = Record { event_name: "a".into(), body: json!("b"), ..Record::default() };
        assert_eq!(record.fingerprint(), record.clone().fingerprint());
        assert_ne!(record.fingerprint(), Record { time_ns: 1, ..record.clone() }.fingerprint());
    }
}
