//! Events of a request, as parts of spans.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::ClockDriftCorrector;
use crate::fingerprint::Fingerprint;
use crate::media::trim_except_media;
use crate::messages::TextLimit;
use crate::outcome_reason::OutcomeReason;
use crate::partial_spans::{SpanFragment, SpanFragmentContent};
use crate::{decode_budget, time};

/// An event of a trace or observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LangfuseEvent {
    /// Kind of the event: `trace-create`, `generation-update`; `EXTENT_PART` for the duration of a trace that follows from its observations.
    pub kind: String,
    /// Fields of the event as sent.
    pub body: Map<String, Value>,
    /// Correction that is added to the times of the event, in microseconds, because the client's clock is ahead.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shift_us: i64,
    /// Attributes that name the SDK that wrote the event.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub sdk: Map<String, Value>,
    /// Fields of the body with an implausible time, such as Go's zero time. These fields are ignored, in whatever order events arrive.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impossible: Vec<String>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Fields of a body that are times.
const TIME_FIELDS: [&str; 4] = ["startTime", "timestamp", "endTime", "completionStartTime"];

/// Kind of a part that only contains the minimum extent of a trace.
pub(super) const EXTENT_PART: &str = "extent";

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LangfuseEntityKind {
    Trace,
    Observation,
    Score,
    /// Log messages of the SDK itself.
    Log,
}

/// Kinds of events without the suffix `-create` or `-update`.
const EVENT_KINDS: [(&str, LangfuseEntityKind); 14] = [
    ("trace", LangfuseEntityKind::Trace),
    ("score", LangfuseEntityKind::Score),
    ("span", LangfuseEntityKind::Observation),
    ("generation", LangfuseEntityKind::Observation),
    ("event", LangfuseEntityKind::Observation),
    ("observation", LangfuseEntityKind::Observation),
    ("agent", LangfuseEntityKind::Observation),
    ("tool", LangfuseEntityKind::Observation),
    ("chain", LangfuseEntityKind::Observation),
    ("retriever", LangfuseEntityKind::Observation),
    ("evaluator", LangfuseEntityKind::Observation),
    ("embedding", LangfuseEntityKind::Observation),
    ("guardrail", LangfuseEntityKind::Observation),
    ("sdk-log", LangfuseEntityKind::Log),
];

impl LangfuseEntityKind {
    pub(super) fn of(kind: &str) -> Option<LangfuseEntityKind> {
        EVENT_KINDS.iter().find(|(name, _)| *name == subject(kind)).map(|(_, sort)| *sort)
    }
}

/// Returns the subject of an event: `generation` for `generation-update`.
pub(super) fn subject(kind: &str) -> &str {
    kind.strip_suffix("-create").or_else(|| kind.strip_suffix("-update")).unwrap_or(kind)
}

/// Key and times of an event.
#[derive(Debug)]
pub(super) struct LangfuseEventTimes {
    key: String,
    /// Time at which the event was written.
    pub(super) at_us: i64,
    /// Earliest and latest time of its observation.
    from_us: i64,
    to_us: i64,
    shift_us: i64,
    /// Fields of the body with an implausible time.
    impossible: Vec<String>,
}

impl LangfuseEventTimes {
    /// Reads the times. Missing times are derived from the other times.
    pub(super) fn of(event: &Value, body: &Map<String, Value>, clock: &ClockDriftCorrector) -> Result<LangfuseEventTimes, OutcomeReason> {
        let sent = |value: Option<&Value>| time::from_text(value?.as_str()?);
        let time = |value: Option<&Value>| sent(value).filter(|at| clock.is_plausible(*at));
        let written = time(event.get("timestamp"));
        let own: Vec<i64> = TIME_FIELDS[..3].iter().filter_map(|name| time(body.get(*name))).collect();
        let is_impossible = |name: &&str| sent(body.get(*name)).is_some_and(|at| !clock.is_plausible(at));
        let impossible = TIME_FIELDS.into_iter().filter(is_impossible).map(str::to_owned).collect();
        let at_us = written.or_else(|| own.first().copied()).unwrap_or(clock.received_us());
        let from_us = own.iter().copied().min().unwrap_or(at_us);
        let to_us = own.iter().copied().max().unwrap_or(at_us);
        let shift_us = clock.clock_shift_us(to_us).map_err(|_| OutcomeReason::TooOld)?;
        let id = event.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.map_or_else(|| Fingerprint::of(&[&event.to_string()]).to_string(), str::to_owned);
        // Of two events with the same time, the one that creates comes first.
        let update = event.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("-update"));
        Ok(LangfuseEventTimes { key: format!("{}.{id}", u8::from(update)), at_us, from_us, to_us, shift_us, impossible })
    }

    /// Returns the event as a part of its span.
    pub(super) fn to_part(&self, kind: &str, body: &Map<String, Value>) -> SpanFragment {
        let mut body: Map<String, Value> =
            body.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect();
        body.values_mut().for_each(|value| trim_except_media(value, TextLimit::default()));
        let impossible = self.impossible.clone();
        let event = LangfuseEvent { kind: kind.to_owned(), body, shift_us: self.shift_us, sdk: Map::new(), impossible };
        SpanFragment { key: self.key.clone(), at_us: self.at_us, content: SpanFragmentContent::Event(event) }
    }

    /// Returns the extent of the trace that follows from an event of an observation.
    pub(super) fn extent(&self, trace: &str) -> SpanFragment {
        extent(trace, self.from_us, self.to_us, self.shift_us)
    }
}

fn extent(trace: &str, from_us: i64, to_us: i64, shift_us: i64) -> SpanFragment {
    let fields = [("id", json!(trace)), ("from_us", json!(from_us)), ("to_us", json!(to_us))];
    let body = fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    let event = LangfuseEvent { kind: EXTENT_PART.to_owned(), body, shift_us, sdk: Map::new(), impossible: Vec::new() };
    SpanFragment { key: format!("2.{from_us}.{to_us}"), at_us: from_us, content: SpanFragmentContent::Event(event) }
}

/// Sets the SDK that wrote a part. The body of a request names the SDK after the events.
pub(super) fn set_sdk(part: &mut SpanFragment, sdk: &Map<String, Value>) {
    if let SpanFragmentContent::Event(event) = &mut part.content
        && event.kind != EXTENT_PART
    {
        event.sdk.clone_from(sdk);
    }
}

impl LangfuseEvent {
    /// Returns the bytes that are charged to the request for this event.
    pub(crate) fn bytes(&self) -> usize {
        decode_budget::text_bytes(&self.kind) + decode_budget::object(&self.body) + decode_budget::object(&self.sdk)
    }

    /// Returns the minimum extent of a trace: start and end.
    pub(super) fn extent(&self) -> Option<(i64, i64)> {
        let number = |name: &str| self.body.get(name).and_then(Value::as_i64);
        if self.kind == EXTENT_PART { Some((number("from_us")?, number("to_us")?)) } else { None }
    }
}

/// Merges all parts with an extent of the trace into one part, at the position of the first.
pub(super) fn merge_extents(parts: Vec<SpanFragment>) -> Vec<SpanFragment> {
    let mut kept: Vec<SpanFragment> = Vec::with_capacity(parts.len());
    let mut first = None;
    for part in parts {
        match first.and_then(|first: usize| Some((first, merged_extent(&kept[first], &part)?))) {
            Some((first, widened)) => kept[first] = widened,
            None => {
                let is_extent = matches!(&part.content, SpanFragmentContent::Event(event) if event.extent().is_some());
                first = first.or(is_extent.then_some(kept.len()));
                kept.push(part);
            }
        }
    }
    kept
}

/// Merges two extents of a trace.
fn merged_extent(known: &SpanFragment, more: &SpanFragment) -> Option<SpanFragment> {
    let (SpanFragmentContent::Event(of_known), SpanFragmentContent::Event(of_more)) = (&known.content, &more.content) else { return None };
    let ((from, to), (more_from, more_to)) = (of_known.extent()?, of_more.extent()?);
    let trace = of_known.body.get("id")?.as_str()?;
    Some(extent(trace, from.min(more_from), to.max(more_to), of_known.shift_us.min(of_more.shift_us)))
}
