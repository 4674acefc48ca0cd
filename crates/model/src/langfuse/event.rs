//! One event of a request, as a piece of a span.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::ClockDriftCorrector;
use crate::fingerprint::Fingerprint;
use crate::messages::{TextLimit, trim_value};
use crate::partial_spans::{SpanFragment, SpanFragmentContent};
use crate::{decode_budget, time};

/// What an event tells of its trace or observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LangfuseEvent {
    /// `trace-create`, `generation-update`; [`EXTENT`] for what observations say of their trace.
    pub kind: String,
    /// Its fields as sent.
    pub body: Map<String, Value>,
    /// What is added to its times, since the client's clock is ahead.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shift_us: i64,
    /// Attributes that say which SDK wrote it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub sdk: Map<String, Value>,
    /// Fields of the body that are impossible times, such as the zero of Go's. They say nothing, in whatever order events come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub impossible: Vec<String>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Fields of a body that are times.
const TIMES: [&str; 4] = ["startTime", "timestamp", "endTime", "completionStartTime"];

/// The kind of a piece that tells only how long a trace lasts at least.
pub(super) const EXTENT: &str = "extent";

/// Events by what they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LangfuseEntityKind {
    Trace,
    Observation,
    Score,
    /// What the SDK says of itself.
    Log,
}

/// What stands before `-create` and `-update`.
const SORTS: [(&str, LangfuseEntityKind); 14] = [
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
        SORTS.iter().find(|(name, _)| *name == subject(kind)).map(|(_, sort)| *sort)
    }
}

/// What an event is about: `generation` for `generation-update`.
pub(super) fn subject(kind: &str) -> &str {
    kind.strip_suffix("-create").or_else(|| kind.strip_suffix("-update")).unwrap_or(kind)
}

/// An event's id and times.
#[derive(Debug)]
pub(super) struct LangfuseEventTimes {
    key: String,
    /// When the event was written.
    pub(super) at_us: i64,
    /// What its observation says of its own time.
    from_us: i64,
    to_us: i64,
    shift_us: i64,
    /// Fields of the body that are impossible times.
    impossible: Vec<String>,
}

impl LangfuseEventTimes {
    /// Reads them. What an event does not say follows from what it does.
    pub(super) fn of(event: &Value, body: &Map<String, Value>, clock: &ClockDriftCorrector) -> Result<LangfuseEventTimes, &'static str> {
        let sent = |value: Option<&Value>| time::from_text(value?.as_str()?);
        let time = |value: Option<&Value>| sent(value).filter(|at| clock.can_be(*at));
        let written = time(event.get("timestamp"));
        let own: Vec<i64> = TIMES[..3].iter().filter_map(|name| time(body.get(*name))).collect();
        let is_impossible = |name: &&str| sent(body.get(*name)).is_some_and(|at| !clock.can_be(at));
        let impossible = TIMES.into_iter().filter(is_impossible).map(str::to_owned).collect();
        let at_us = written.or_else(|| own.first().copied()).unwrap_or(clock.received_us());
        let from_us = own.iter().copied().min().unwrap_or(at_us);
        let to_us = own.iter().copied().max().unwrap_or(at_us);
        let shift_us = clock.shift(to_us).map_err(|_| "too_old")?;
        let id = event.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let id = id.map_or_else(|| Fingerprint::of(&[&event.to_string()]).to_string(), str::to_owned);
        // Of two that were written at the same moment, the one that creates comes first.
        let update = event.get("type").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("-update"));
        Ok(LangfuseEventTimes { key: format!("{}.{id}", u8::from(update)), at_us, from_us, to_us, shift_us, impossible })
    }

    /// The event as a piece of its span.
    pub(super) fn piece(&self, kind: &str, body: &Map<String, Value>) -> SpanFragment {
        let mut body: Map<String, Value> =
            body.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect();
        body.values_mut().for_each(|value| trim_value(value, TextLimit::default()));
        let impossible = self.impossible.clone();
        let event = LangfuseEvent { kind: kind.to_owned(), body, shift_us: self.shift_us, sdk: Map::new(), impossible };
        SpanFragment { key: self.key.clone(), at_us: self.at_us, content: SpanFragmentContent::Event(event) }
    }

    /// What the event of an observation says of its trace.
    pub(super) fn extent(&self, trace: &str) -> SpanFragment {
        extent(trace, self.from_us, self.to_us, self.shift_us)
    }
}

fn extent(trace: &str, from_us: i64, to_us: i64, shift_us: i64) -> SpanFragment {
    let fields = [("id", json!(trace)), ("from_us", json!(from_us)), ("to_us", json!(to_us))];
    let body = fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    let event = LangfuseEvent { kind: EXTENT.to_owned(), body, shift_us, sdk: Map::new(), impossible: Vec::new() };
    SpanFragment { key: format!("2.{from_us}.{to_us}"), at_us: from_us, content: SpanFragmentContent::Event(event) }
}

/// Says of a piece which SDK wrote it; the body of a request names it behind the events.
pub(super) fn sent_by(piece: &mut SpanFragment, sdk: &Map<String, Value>) {
    if let SpanFragmentContent::Event(event) = &mut piece.content
        && event.kind != EXTENT
    {
        event.sdk.clone_from(sdk);
    }
}

impl LangfuseEvent {
    /// Bytes that it takes, as a request is charged for them.
    pub(crate) fn bytes(&self) -> usize {
        decode_budget::text(&self.kind) + decode_budget::object(&self.body) + decode_budget::object(&self.sdk)
    }

    /// From when to when a trace lasts at least.
    pub(super) fn extent(&self) -> Option<(i64, i64)> {
        let number = |name: &str| self.body.get(name).and_then(Value::as_i64);
        if self.kind == EXTENT { Some((number("from_us")?, number("to_us")?)) } else { None }
    }
}

/// The pieces with all that tell how long a trace lasts as one, in the place of the first of them.
pub(super) fn one_extent(pieces: Vec<SpanFragment>) -> Vec<SpanFragment> {
    let mut kept: Vec<SpanFragment> = Vec::with_capacity(pieces.len());
    let mut first = None;
    for piece in pieces {
        match first.and_then(|first: usize| Some((first, widen(&kept[first], &piece)?))) {
            Some((first, widened)) => kept[first] = widened,
            None => {
                let is_extent = matches!(&piece.content, SpanFragmentContent::Event(event) if event.extent().is_some());
                first = first.or(is_extent.then_some(kept.len()));
                kept.push(piece);
            }
        }
    }
    kept
}

/// Two that tell how long a trace lasts, as one.
fn widen(known: &SpanFragment, more: &SpanFragment) -> Option<SpanFragment> {
    let (SpanFragmentContent::Event(of_known), SpanFragmentContent::Event(of_more)) = (&known.content, &more.content) else { return None };
    let ((from, to), (more_from, more_to)) = (of_known.extent()?, of_more.extent()?);
    let trace = of_known.body.get("id")?.as_str()?;
    Some(extent(trace, from.min(more_from), to.max(more_to), of_known.shift_us.min(of_more.shift_us)))
}
