//! Langfuse's older ingestion: traces and observations in events that create and update them, in any order; scores.
//!
//! Each event is a piece of the span that it belongs to ([`crate::partial_spans`]), and the span is assembled from all of its pieces whenever one
//! comes. A trace is a span too, at the root of its observations.
//!
//! Some clients name the trace of an observation only when they create it, and update it by its own id. Where the request does not say
//! which trace that is, the caller may know ([`decode`]); what nobody knows stands in a trace of its own, as a *stray*, until an event
//! tells more ([`stray`]).
//!
//! Facts: a request is `{"batch": [{"id", "type", "timestamp", "body"}], "metadata": {…}}`. Ids are UUIDs or any text. Fields that
//! are absent or null change nothing.

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
use crate::lenient_json::{JsonShape, JsonStream, parse_mended, stream};
use crate::messages::{TextLimit, trim_text};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::partial_spans::{SpanFragment, SpanFragmentContent};
use crate::score::Score;
use crate::span::Span;
use crate::{decode_budget, lenient_json};
pub(crate) use assemble::assemble;
pub use assemble::{OPS, ROOT_OP};
pub use event::LangfuseEvent;
use event::{LangfuseEntityKind, LangfuseEventTimes};
pub use ids::{ObservationTrace, span_id, trace_id};
pub use scores::{read_scores, scores};

/// Why nothing of a request can be read.
#[derive(Debug, thiserror::Error)]
pub enum LangfuseError {
    /// It is not JSON.
    #[error("the body is not JSON: line {line}, column {column}")]
    Json {
        /// Where it ends to make sense.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// It has no events.
    #[error("the body has no list `batch`")]
    NoBatch,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LangfuseEventResult {
    /// The event's id as sent; empty where it has none.
    pub id: String,
    /// Why it was not taken; `None` for one that was.
    pub refused: Option<&'static str>,
}

/// What a request held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DecodedLangfuseBatch {
    /// Spans as far as this request tells of them, each once.
    pub spans: Vec<Span>,
    /// Scores.
    pub scores: Vec<Score>,
    /// One for each event, in their order.
    pub verdicts: Vec<LangfuseEventResult>,
    /// What was not kept.
    pub outcomes: Vec<Outcome>,
    /// The traces of the observations whose events name one, or that are created without one.
    pub homes: Vec<(SpanId, ObservationTrace)>,
    /// Observations that are updated here and whose trace nobody knows: they are in `spans` as if they were a trace of their own.
    pub strays: Vec<SpanId>,
}

/// Decodes a request of `POST /api/public/ingestion`. `home_of` tells the trace of an observation as far as it is known from earlier
/// requests.
///
/// # Errors
///
/// When the body cannot be read as a whole. It never repeats the body.
pub fn decode(
    body: &[u8],
    context: &DecodeContext,
    home_of: &dyn Fn(SpanId) -> Option<ObservationTrace>,
) -> Result<DecodedLangfuseBatch, LangfuseError> {
    let read = |text: &str| {
        let before = decode_budget::mark();
        let mut reader = LangfuseBatchReader::new(context, home_of, HashMap::new());
        stream(text, &mut reader)?;
        if reader.lacks_a_trace {
            // Another event of the request may name it, before or behind.
            drop(reader);
            decode_budget::give_back(before);
            let mut traces = ObservationTraceIds(HashMap::new());
            stream(text, &mut traces)?;
            reader = LangfuseBatchReader::new(context, home_of, traces.0);
            stream(text, &mut reader)?;
        }
        Ok::<_, serde_json::Error>(reader)
    };
    let reader = parse_mended(body, read).map_err(|error| LangfuseError::Json { line: error.line(), column: error.column() })?;
    if !reader.has_batch {
        return Err(LangfuseError::NoBatch);
    }
    let LangfuseBatchReader { sdk, spans, scores, verdicts, outcomes, homes, strays, .. } = reader;
    let whole = |((trace, span), mut pieces): (_, Vec<SpanFragment>)| {
        pieces.iter_mut().for_each(|piece| event::sent_by(piece, &sdk));
        // What they tell together is a copy, and its attributes are another.
        let bytes: usize =
            pieces.iter().map(|piece| if let SpanFragmentContent::Event(event) = &piece.content { event.bytes() } else { 0 }).sum();
        let assembled = || assemble(trace, span, crate::partial_spans::in_order(pieces), context.price);
        let whole = decode_budget::for_a_moment(|| decode_budget::charge(3 * bytes).then(assembled))?;
        decode_budget::charge_span(&whole).then_some(whole)
    };
    // What is charged in vain ends it: then nothing is kept.
    let spans = spans.into_iter().map_while(whole).collect();
    let (homes, strays) = (homes.into_iter().collect(), strays.into_iter().collect());
    Ok(DecodedLangfuseBatch { spans, scores, verdicts, outcomes: outcomes.into_values().collect(), homes, strays })
}

/// The traces that events of a request name, by the ids of observations.
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
            told.as_ref().map_or(0, |(id, trace)| decode_budget::member(id, false) + decode_budget::text(trace))
        };
        let told = lenient_json::element(seq, told_trace, |told| (0, bytes(told)))?;
        let more = told.is_some();
        self.0.extend(told.flatten());
        Ok(more)
    }
}

/// The id of an observation and of its trace, of an event that tells both.
fn told_trace(event: &Value) -> Option<(String, String)> {
    let kind = event.get("type")?.as_str()?;
    let body = event.get("body")?.as_object().filter(|_| LangfuseEntityKind::of(kind) == Some(LangfuseEntityKind::Observation))?;
    Some((ids::text(body, "id")?, ids::text(body, "traceId")?))
}

/// The name and version of the SDK that wrote a request.
fn sdk(metadata: &Value) -> Map<String, Value> {
    let of = |name: &str| metadata.get(name)?.as_str().filter(|text| !text.is_empty());
    // Each piece takes a copy.
    let short = |text: &str| {
        let mut text = text.to_owned();
        trim_text(&mut text, TextLimit::NAME);
        text
    };
    let known = of("sdk_name").or_else(|| of("sdk_variant")).map(|name| short(name).to_ascii_lowercase());
    let name = known.map(|name| if name.starts_with("langfuse") { name } else { format!("langfuse.{name}") });
    let version = of("sdk_version").map(short);
    let pairs = [("telemetry.sdk.name", name), ("telemetry.sdk.version", version)];
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))).collect()
}

/// Bytes that the answer's line about an event takes.
const ANSWER: usize = 256;

/// Gathers what the events of a request tell.
struct LangfuseBatchReader<'a> {
    clock: ClockDriftCorrector,
    has_batch: bool,
    sdk: Map<String, Value>,
    /// The traces that events of the request name, by the ids of observations.
    traces: HashMap<String, String>,
    home_of: &'a dyn Fn(SpanId) -> Option<ObservationTrace>,
    spans: BTreeMap<(TraceId, SpanId), Vec<SpanFragment>>,
    scores: Vec<Score>,
    homes: BTreeMap<SpanId, ObservationTrace>,
    strays: BTreeSet<SpanId>,
    /// True where an observation names no trace.
    lacks_a_trace: bool,
    verdicts: Vec<LangfuseEventResult>,
    /// By what was refused and why.
    outcomes: BTreeMap<RejectionKey, Outcome>,
}

/// What was refused, and why.
type RejectionKey = (OutcomeCategory, &'static str);

impl<'de> JsonStream<'de> for LangfuseBatchReader<'_> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "batch" => self.has_batch = map.next_value_seed(lenient_json::JsonStreamSeed(self))? == JsonShape::List,
            "metadata" => self.sdk = sdk(&decode_budget::for_a_moment(|| map.next_value::<lenient_json::ChargedValue>())?.0),
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }

    /// Of the batch: each event is JSON only until its piece is made.
    fn element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let taken = lenient_json::element(seq, |event| self.take(event), |bytes| (1, *bytes))?;
        Ok(taken.is_some())
    }
}

impl<'a> LangfuseBatchReader<'a> {
    fn new(
        context: &DecodeContext,
        home_of: &'a dyn Fn(SpanId) -> Option<ObservationTrace>,
        traces: HashMap<String, String>,
    ) -> LangfuseBatchReader<'a> {
        LangfuseBatchReader {
            home_of,
            traces,
            homes: BTreeMap::new(),
            strays: BTreeSet::new(),
            lacks_a_trace: false,
            clock: ClockDriftCorrector::new(context, None),
            has_batch: false,
            sdk: Map::new(),
            spans: BTreeMap::new(),
            scores: Vec::new(),
            verdicts: Vec::new(),
            outcomes: BTreeMap::new(),
        }
    }

    /// Takes an event, and returns the bytes that are held of it.
    fn take(&mut self, event: &Value) -> usize {
        let taken = self.event(event);
        let refused = taken.as_ref().err().copied();
        if let Some((category, reason)) = refused {
            let outcome = self.outcomes.entry((category, reason));
            outcome.and_modify(|outcome| outcome.quantity += 1).or_insert_with(|| Outcome::dropped(category, reason, None));
        }
        let mut id = event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        trim_text(&mut id, TextLimit::NAME);
        self.verdicts.push(LangfuseEventResult { id, refused: refused.map(|(_, reason)| reason) });
        taken.unwrap_or(0) + 2 * size_of::<LangfuseEventResult>() + ANSWER
    }

    /// Reads an event, and returns the bytes that its pieces take.
    fn event(&mut self, event: &Value) -> Result<usize, RejectionKey> {
        let broken = |reason| (OutcomeCategory::Span, reason);
        let kind = event.get("type").and_then(Value::as_str).ok_or(broken("event_without_type"))?;
        let body = event.get("body").and_then(Value::as_object).ok_or(broken("event_without_body"))?;
        let stamp = LangfuseEventTimes::of(event, body, &self.clock).map_err(broken)?;
        match LangfuseEntityKind::of(kind).ok_or(broken("unknown_event_type"))? {
            LangfuseEntityKind::Log => Ok(0),
            LangfuseEntityKind::Score => {
                self.scores
                    .push(scores::of_body(body, stamp.at_us, self.clock.received_us()).map_err(|reason| (OutcomeCategory::Score, reason))?);
                Ok(2 * size_of::<Score>() + decode_budget::object(body))
            }
            LangfuseEntityKind::Trace => {
                let id = ids::text(body, "id").ok_or(broken("invalid_trace_id"))?;
                let trace = trace_id(&id);
                Ok(self.add(trace, ids::root(&id), stamp.piece(kind, body)))
            }
            LangfuseEntityKind::Observation => {
                let id = ids::text(body, "id").ok_or(broken("invalid_span_id"))?;
                let span = span_id(&id);
                let (home, in_trace) = self.home(&id, span, body, kind);
                let told = self.add(home.trace_id, span, stamp.piece(kind, body));
                // The trace lasts as long as what is in it, and is there although nobody created it.
                Ok(told + self.add(home.trace_id, home.root, stamp.extent(&in_trace)))
            }
        }
    }

    /// The trace of an observation, and its id as far as it is known.
    fn home(&mut self, id: &str, span: SpanId, body: &Map<String, Value>, kind: &str) -> (ObservationTrace, String) {
        let named = ids::text(body, "traceId").or_else(|| self.traces.get(id).cloned());
        self.lacks_a_trace |= named.is_none();
        let known = if named.is_none() { (self.home_of)(span) } else { None };
        if let Some(home) = known {
            return (home, home.trace_id.to_string());
        }
        if named.is_none() && kind.ends_with("-update") {
            self.strays.insert(span);
        }
        // One that names no trace is one of its own.
        let in_trace = named.unwrap_or_else(|| id.to_owned());
        let home = ObservationTrace::named(&in_trace);
        if !self.strays.contains(&span) {
            self.homes.insert(span, home);
        }
        (home, in_trace)
    }

    fn add(&mut self, trace: TraceId, span: SpanId, piece: SpanFragment) -> usize {
        let SpanFragmentContent::Event(event) = &piece.content else { return 0 };
        let bytes = 2 * size_of::<SpanFragment>() + decode_budget::text(&piece.key) + event.bytes();
        self.spans.entry((trace, span)).or_default().push(piece);
        bytes
    }
}

/// True for a piece that an event of this protocol is.
pub(crate) fn is_event(piece: &SpanFragment) -> bool {
    matches!(piece.content, SpanFragmentContent::Event(_))
}

/// Where events of a span may be stored that came before anything told its trace: the trace that is named like the observation.
pub fn stray(span: &Span) -> Option<ObservationTrace> {
    let is_observation = |event: &LangfuseEvent| LangfuseEntityKind::of(&event.kind) == Some(LangfuseEntityKind::Observation);
    let id = span.joined.as_ref()?.pieces.iter().find_map(|piece| match &piece.content {
        SpanFragmentContent::Event(event) if is_observation(event) => ids::text(&event.body, "id"),
        _ => None,
    })?;
    Some(ObservationTrace::named(&id)).filter(|stray| stray.trace_id != span.trace_id)
}
