//! Langfuse's older ingestion API: traces and observations in events that create and update them, in any order, and scores.
//!
//! Each event is a part of its span ([`crate::partial_spans`]), and the span is assembled again from all of its parts whenever one arrives.
//! A trace also becomes a span: the root of its observations.
//!
//! Some clients name the trace of an observation only when they create the observation. Their updates contain only the ID of the
//! observation. If the request does not name the trace, the caller of [`decode`] may know it. An observation of an unknown trace becomes a
//! trace of its own, a *stray*, until an event names the trace ([`observation_as_trace`]).
//!
//! A request is `{"batch": [{"id", "type", "timestamp", "body"}], "metadata": {…}}`. IDs are UUIDs or any text. Fields that are absent or
//! null change nothing.

mod assemble;
mod event;
mod ids;
mod scores;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde_json::{Map, Value};

use crate::clock::{ClockDriftCorrector, DecodeContext};
use crate::id::{SpanId, TraceId};
use crate::lenient_json::{JsonShape, JsonStream, parse_mended, stream_json};
use crate::messages::{TextLimit, trim_text};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;
use crate::partial_spans::{SpanFragment, SpanFragmentContent};
use crate::score::Score;
use crate::span::Span;
use crate::{decode_budget, lenient_json};
pub(crate) use assemble::assemble_span;
pub use assemble::{OP_PREFIX, ROOT_OP};
pub use event::LangfuseEvent;
use event::{LangfuseEntityKind, LangfuseEventTimes};
pub use ids::{ObservationTrace, span_id, trace_id};
pub use scores::{DecodedScores, read_scores, score_results, scores};

/// Reason why a request is rejected as a whole.
#[derive(Debug, thiserror::Error)]
pub enum LangfuseError {
    /// The body is not JSON.
    #[error("the body is not JSON: line {line}, column {column}")]
    Json {
        /// Line of the syntax error.
        line: usize,
        /// Column of the syntax error.
        column: usize,
    },
    /// The body has no list of events.
    #[error("the body must contain a list `batch`")]
    NoBatch,
}

/// Result of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LangfuseEventResult {
    /// ID of the event as sent; empty if it has none.
    pub id: String,
    /// Reason why the event was rejected; `None` if it was accepted.
    pub refused: Option<OutcomeReason>,
}

/// Contents of a request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DecodedLangfuseBatch {
    /// Spans, each once, assembled from the events of this request.
    pub spans: Vec<Span>,
    /// Scores.
    pub scores: Vec<Score>,
    /// Result of each event, in the order of the request.
    pub event_results: Vec<LangfuseEventResult>,
    /// Outcomes of dropped events.
    pub outcomes: Vec<Outcome>,
    /// Traces of observations: those that the events name, and the separate traces of observations that are created without a trace.
    pub observation_traces: Vec<(SpanId, ObservationTrace)>,
    /// Observations that are updated in this request and whose trace is unknown. `spans` contains these observations as separate traces.
    pub observations_without_trace: Vec<SpanId>,
}

/// Decodes a request to `POST /api/public/ingestion`. `known_trace` returns the trace of an observation, if earlier requests named it.
///
/// # Errors
///
/// Returns an error if the body cannot be read as a whole. The error never repeats the body.
pub fn decode(
    body: &[u8],
    context: &DecodeContext,
    home_of: &dyn Fn(SpanId) -> Option<ObservationTrace>,
) -> Result<DecodedLangfuseBatch, LangfuseError> {
    let read = |text: &str| {
        let before = decode_budget::savepoint();
        let mut reader = LangfuseBatchReader::new(context, home_of, HashMap::new());
        stream_json(text, &mut reader)?;
        if reader.has_unknown_trace {
            // Another event of the request may name it, earlier or later.
            drop(reader);
            decode_budget::refund_since(before);
            let mut traces = ObservationTraceIds(HashMap::new());
            stream_json(text, &mut traces)?;
            reader = LangfuseBatchReader::new(context, home_of, traces.0);
            stream_json(text, &mut reader)?;
        }
        Ok::<_, serde_json::Error>(reader)
    };
    let reader = parse_mended(body, read).map_err(|error| LangfuseError::Json { line: error.line(), column: error.column() })?;
    if !reader.has_batch {
        return Err(LangfuseError::NoBatch);
    }
    let LangfuseBatchReader { sdk, spans, scores, event_results, outcomes, observation_traces, observations_without_trace, .. } = reader;
    let whole = |((trace, span), mut pieces): (_, Vec<SpanFragment>)| {
        pieces.iter_mut().for_each(|piece| event::set_sdk(piece, &sdk));
        // Merging copies the events, and the attributes are another copy.
        let bytes: usize =
            pieces.iter().map(|piece| if let SpanFragmentContent::Event(event) = &piece.content { event.bytes() } else { 0 }).sum();
        let assembled = || assemble_span(trace, span, crate::partial_spans::sorted_parts(pieces), context.price);
        let whole = decode_budget::with_refund(|| decode_budget::charge(3 * bytes).then(assembled))?;
        decode_budget::charge_span(&whole).then_some(whole)
    };
    // A failed charge exceeds the budget: the whole result is discarded then.
    let spans = spans.into_iter().map_while(whole).collect();
    let (observation_traces, observations_without_trace) =
        (observation_traces.into_iter().collect(), observations_without_trace.into_iter().collect());
    Ok(DecodedLangfuseBatch {
        spans,
        scores,
        event_results,
        outcomes: outcomes.into_values().collect(),
        observation_traces,
        observations_without_trace,
    })
}

/// Traces that events of a request name, by the IDs of observations.
struct ObservationTraceIds(HashMap<String, String>);

impl<'de> JsonStream<'de> for ObservationTraceIds {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name == "batch" {
            map.next_value_seed(lenient_json::JsonStreamSeed(self)).map(drop)
        } else {
            map.next_value::<IgnoredAny>().map(drop)
        }
    }

    fn element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let bytes = |told: &Option<(String, String)>| {
            told.as_ref().map_or(0, |(id, trace)| decode_budget::member_bytes(id, false) + decode_budget::text_bytes(trace))
        };
        let told = lenient_json::element(seq, trace_named_by, |told| (0, bytes(told)))?;
        let more = told.is_some();
        self.0.extend(told.flatten());
        Ok(more)
    }
}

/// Returns the IDs of an observation and its trace, for an event that contains both.
fn trace_named_by(event: &Value) -> Option<(String, String)> {
    let kind = event.get("type")?.as_str()?;
    let body = event.get("body")?.as_object().filter(|_| LangfuseEntityKind::of(kind) == Some(LangfuseEntityKind::Observation))?;
    Some((ids::text(body, "id")?, ids::text(body, "traceId")?))
}

/// Returns the name and version of the SDK that wrote a request.
fn sdk(metadata: &Value) -> Map<String, Value> {
    let of = |name: &str| metadata.get(name)?.as_str().filter(|text| !text.is_empty());
    // Each part gets a copy.
    let short = |text: &str| {
        let mut text = text.to_owned();
        trim_text(&mut text, TextLimit::NAME_LIMIT);
        text
    };
    let known = of("sdk_name").or_else(|| of("sdk_variant")).map(|name| short(name).to_ascii_lowercase());
    let name = known.map(|name| if name.starts_with("langfuse") { name } else { format!("langfuse.{name}") });
    let version = of("sdk_version").map(short);
    let pairs = [("telemetry.sdk.name", name), ("telemetry.sdk.version", version)];
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))).collect()
}

/// Bytes of the line about an event in the response.
const VERDICT_BYTES: usize = 256;

/// Collects the events of a request.
struct LangfuseBatchReader<'a> {
    clock: ClockDriftCorrector,
    has_batch: bool,
    sdk: Map<String, Value>,
    /// Traces that events of the request name, by the IDs of observations.
    traces: HashMap<String, String>,
    known_trace: &'a dyn Fn(SpanId) -> Option<ObservationTrace>,
    spans: BTreeMap<(TraceId, SpanId), Vec<SpanFragment>>,
    scores: Vec<Score>,
    observation_traces: BTreeMap<SpanId, ObservationTrace>,
    observations_without_trace: BTreeSet<SpanId>,
    /// True if an observation names no trace.
    has_unknown_trace: bool,
    event_results: Vec<LangfuseEventResult>,
    /// Outcomes by category and reason.
    outcomes: BTreeMap<RejectionKey, Outcome>,
}

/// Category and reason of a rejected event.
type RejectionKey = (OutcomeCategory, OutcomeReason);

impl<'de> JsonStream<'de> for LangfuseBatchReader<'_> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "batch" => self.has_batch = map.next_value_seed(lenient_json::JsonStreamSeed(self))? == JsonShape::List,
            "metadata" => self.sdk = sdk(&decode_budget::with_refund(|| map.next_value::<lenient_json::ChargedValue>())?.0),
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }

    /// Reads an element of the batch. Each event is held as JSON only until it becomes a part.
    fn element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let taken = lenient_json::element(seq, |event| self.read_event(event), |bytes| (1, *bytes))?;
        Ok(taken.is_some())
    }
}

impl<'a> LangfuseBatchReader<'a> {
    fn new(
        context: &DecodeContext,
        known_trace: &'a dyn Fn(SpanId) -> Option<ObservationTrace>,
        traces: HashMap<String, String>,
    ) -> LangfuseBatchReader<'a> {
        LangfuseBatchReader {
            known_trace,
            traces,
            observation_traces: BTreeMap::new(),
            observations_without_trace: BTreeSet::new(),
            has_unknown_trace: false,
            clock: ClockDriftCorrector::new(context, None),
            has_batch: false,
            sdk: Map::new(),
            spans: BTreeMap::new(),
            scores: Vec::new(),
            event_results: Vec::new(),
            outcomes: BTreeMap::new(),
        }
    }

    /// Takes an event and returns the bytes that are kept of it.
    fn read_event(&mut self, event: &Value) -> usize {
        let taken = self.event(event);
        let refused = taken.as_ref().err().copied();
        if let Some((category, reason)) = refused {
            let outcome = self.outcomes.entry((category, reason));
            outcome.and_modify(|outcome| outcome.quantity += 1).or_insert_with(|| Outcome::dropped(category, reason, None));
        }
        let mut id = event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        trim_text(&mut id, TextLimit::NAME_LIMIT);
        self.event_results.push(LangfuseEventResult { id, refused: refused.map(|(_, reason)| reason) });
        taken.unwrap_or(0) + 2 * size_of::<LangfuseEventResult>() + VERDICT_BYTES
    }

    /// Reads an event and returns the bytes of its parts.
    fn event(&mut self, event: &Value) -> Result<usize, RejectionKey> {
        let broken = |reason| (OutcomeCategory::Span, reason);
        let kind = event.get("type").and_then(Value::as_str).ok_or(broken(OutcomeReason::EventWithoutType))?;
        let body = event.get("body").and_then(Value::as_object).ok_or(broken(OutcomeReason::EventWithoutBody))?;
        let stamp = LangfuseEventTimes::of(event, body, &self.clock).map_err(broken)?;
        match LangfuseEntityKind::of(kind).ok_or(broken(OutcomeReason::UnknownEventType))? {
            LangfuseEntityKind::Log => Ok(0),
            LangfuseEntityKind::Score => {
                let score = scores::of_body(body, stamp.at_us, self.clock.received_us());
                let mut score = score.map_err(|reason| (OutcomeCategory::Score, reason))?;
                // Clients send a batch again with the same IDs of its events.
                score.id = score.id.or_else(|| ids::text(event.as_object()?, "id").map(|id| format!("event-{id}")));
                self.scores.push(score);
                Ok(2 * size_of::<Score>() + decode_budget::object(body))
            }
            LangfuseEntityKind::Trace => {
                let id = ids::text(body, "id").ok_or(broken(OutcomeReason::InvalidTraceId))?;
                let trace = trace_id(&id);
                Ok(self.add(trace, ids::root(&id), stamp.to_part(kind, body)))
            }
            LangfuseEntityKind::Observation => {
                let id = ids::text(body, "id").ok_or(broken(OutcomeReason::InvalidSpanId))?;
                let span = span_id(&id);
                let (home, in_trace) = self.observation_trace(&id, span, body, kind);
                let told = self.add(home.trace_id, span, stamp.to_part(kind, body));
                // The trace lasts as long as its observations, and exists even if no event created it.
                Ok(told + self.add(home.trace_id, home.root, stamp.extent(&in_trace)))
            }
        }
    }

    /// Returns the trace of an observation, and the ID of the trace if it is known.
    fn observation_trace(&mut self, id: &str, span: SpanId, body: &Map<String, Value>, kind: &str) -> (ObservationTrace, String) {
        let named = ids::text(body, "traceId").or_else(|| self.traces.get(id).cloned());
        self.has_unknown_trace |= named.is_none();
        let known = if named.is_none() { (self.known_trace)(span) } else { None };
        if let Some(home) = known {
            return (home, home.trace_id.to_string());
        }
        if named.is_none() && kind.ends_with("-update") {
            self.observations_without_trace.insert(span);
        }
        // An observation that names no trace is a trace of its own.
        let in_trace = named.unwrap_or_else(|| id.to_owned());
        let home = ObservationTrace::named(&in_trace);
        if !self.observations_without_trace.contains(&span) {
            self.observation_traces.insert(span, home);
        }
        (home, in_trace)
    }

    fn add(&mut self, trace: TraceId, span: SpanId, piece: SpanFragment) -> usize {
        let SpanFragmentContent::Event(event) = &piece.content else { return 0 };
        let bytes = 2 * size_of::<SpanFragment>() + decode_budget::text_bytes(&piece.key) + event.bytes();
        self.spans.entry((trace, span)).or_default().push(piece);
        bytes
    }
}

/// Returns true for a part that is an event of this protocol.
pub(crate) fn is_event(piece: &SpanFragment) -> bool {
    matches!(piece.content, SpanFragmentContent::Event(_))
}

/// Returns the trace under which earlier events of a span may be stored because the trace of the span was unknown. This trace has the ID of
/// the observation.
pub fn observation_as_trace(span: &Span) -> Option<ObservationTrace> {
    let is_observation = |event: &LangfuseEvent| LangfuseEntityKind::of(&event.kind) == Some(LangfuseEntityKind::Observation);
    let id = span.joined.as_ref()?.pieces.iter().find_map(|piece| match &piece.content {
        SpanFragmentContent::Event(event) if is_observation(event) => ids::text(&event.body, "id"),
        _ => None,
    })?;
    Some(ObservationTrace::named(&id)).filter(|stray| stray.trace_id != span.trace_id)
}
