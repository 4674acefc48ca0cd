//! Langfuse's older ingestion: traces and observations in events that create and update them, in any order; scores.
//!
//! Each event is a piece of the span that it belongs to ([`crate::joining`]), and the span is assembled from all of its pieces whenever one
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

pub(crate) use assemble::assemble;
pub use assemble::{OPS, ROOT_OP};
pub use event::Event;
pub use ids::{Home, span_id, trace_id};
pub use scores::{read_scores, scores};

use crate::budget;
use crate::clock::{Clock, Context};
use crate::id::{SpanId, TraceId};
use crate::joining::{Content, Piece};
use crate::json::{self, JsonStream, Shape, parse_mended, stream};
use crate::messages::{Limit, trim_text};
use crate::outcome::{Category, Outcome};
use crate::score::Score;
use crate::span::Span;
use event::{Sort, Stamp};

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
pub struct Verdict {
    /// The event's id as sent; empty where it has none.
    pub id: String,
    /// Why it was not taken; `None` for one that was.
    pub refused: Option<&'static str>,
}

/// What a request held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// Spans as far as this request tells of them, each once.
    pub spans: Vec<Span>,
    /// Scores.
    pub scores: Vec<Score>,
    /// One for each event, in their order.
    pub verdicts: Vec<Verdict>,
    /// What was not kept.
    pub outcomes: Vec<Outcome>,
    /// The traces of the observations whose events name one, or that are created without one.
    pub homes: Vec<(SpanId, Home)>,
    /// Observations that are updated here and whose trace nobody knows: they are in `spans` as if they were a trace of their own.
    pub strays: Vec<SpanId>,
}

/// Decodes a request of `POST /api/public/ingestion`. `home_of` tells the trace of an observation as far as it is known from earlier
/// requests.
///
/// # Errors
///
/// When the body cannot be read as a whole. It never repeats the body.
pub fn decode(body: &[u8], context: &Context, home_of: &dyn Fn(SpanId) -> Option<Home>) -> Result<Decoded, LangfuseError> {
    let read = |text: &str| {
        let before = budget::mark();
        let mut reader = Reader::new(context, home_of, HashMap::new());
        stream(text, &mut reader)?;
        if reader.lacks_a_trace {
            // Another event of the request may name it, before or behind.
            drop(reader);
            budget::give_back(before);
            let mut traces = NamedTraces(HashMap::new());
            stream(text, &mut traces)?;
            reader = Reader::new(context, home_of, traces.0);
            stream(text, &mut reader)?;
        }
        Ok::<_, serde_json::Error>(reader)
    };
    let reader = parse_mended(body, read).map_err(|error| LangfuseError::Json { line: error.line(), column: error.column() })?;
    if !reader.has_batch {
        return Err(LangfuseError::NoBatch);
    }
    let Reader { sdk, spans, scores, verdicts, outcomes, homes, strays, .. } = reader;
    let whole = |((trace, span), mut pieces): (_, Vec<Piece>)| {
        pieces.iter_mut().for_each(|piece| event::sent_by(piece, &sdk));
        // What they tell together is a copy, and its attributes are another.
        let bytes: usize = pieces.iter().map(|piece| if let Content::Event(event) = &piece.content { event.bytes() } else { 0 }).sum();
        let assembled = || assemble(trace, span, crate::joining::in_order(pieces), context.price);
        let whole = budget::for_a_moment(|| budget::charge(3 * bytes).then(assembled))?;
        budget::charge_span(&whole).then_some(whole)
    };
    // What is charged in vain ends it: then nothing is kept.
    let spans = spans.into_iter().map_while(whole).collect();
    let (homes, strays) = (homes.into_iter().collect(), strays.into_iter().collect());
    Ok(Decoded { spans, scores, verdicts, outcomes: outcomes.into_values().collect(), homes, strays })
}

/// The traces that events of a request name, by the ids of observations.
struct NamedTraces(HashMap<String, String>);

impl<'de> JsonStream<'de> for NamedTraces {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name == "batch" { map.next_value_seed(json::StreamInto(self)).map(drop) } else { map.next_value::<IgnoredAny>().map(drop) }
    }

    fn element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let bytes =
            |told: &Option<(String, String)>| told.as_ref().map_or(0, |(id, trace)| budget::member(id, false) + budget::text(trace));
        let told = json::element(seq, told_trace, |told| (0, bytes(told)))?;
        let more = told.is_some();
        self.0.extend(told.flatten());
        Ok(more)
    }
}

/// The id of an observation and of its trace, of an event that tells both.
fn told_trace(event: &Value) -> Option<(String, String)> {
    let kind = event.get("type")?.as_str()?;
    let body = event.get("body")?.as_object().filter(|_| Sort::of(kind) == Some(Sort::Observation))?;
    Some((ids::text(body, "id")?, ids::text(body, "traceId")?))
}

/// The name and version of the SDK that wrote a request.
fn sdk(metadata: &Value) -> Map<String, Value> {
    let of = |name: &str| metadata.get(name)?.as_str().filter(|text| !text.is_empty());
    // Each piece takes a copy.
    let short = |text: &str| {
        let mut text = text.to_owned();
        trim_text(&mut text, Limit::NAME);
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
struct Reader<'a> {
    clock: Clock,
    has_batch: bool,
    sdk: Map<String, Value>,
    /// The traces that events of the request name, by the ids of observations.
    traces: HashMap<String, String>,
    home_of: &'a dyn Fn(SpanId) -> Option<Home>,
    spans: BTreeMap<(TraceId, SpanId), Vec<Piece>>,
    scores: Vec<Score>,
    homes: BTreeMap<SpanId, Home>,
    strays: BTreeSet<SpanId>,
    /// True where an observation names no trace.
    lacks_a_trace: bool,
    verdicts: Vec<Verdict>,
    /// By what was refused and why.
    outcomes: BTreeMap<Refused, Outcome>,
}

/// What was refused, and why.
type Refused = (Category, &'static str);

impl<'de> JsonStream<'de> for Reader<'_> {
    fn field<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "batch" => self.has_batch = map.next_value_seed(json::StreamInto(self))? == Shape::List,
            "metadata" => self.sdk = sdk(&budget::for_a_moment(|| map.next_value::<json::ChargedValue>())?.0),
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }

    /// Of the batch: each event is JSON only until its piece is made.
    fn element<A: SeqAccess<'de>>(&mut self, seq: &mut A) -> Result<bool, A::Error> {
        let taken = json::element(seq, |event| self.take(event), |bytes| (1, *bytes))?;
        Ok(taken.is_some())
    }
}

impl<'a> Reader<'a> {
    fn new(context: &Context, home_of: &'a dyn Fn(SpanId) -> Option<Home>, traces: HashMap<String, String>) -> Reader<'a> {
        Reader {
            home_of,
            traces,
            homes: BTreeMap::new(),
            strays: BTreeSet::new(),
            lacks_a_trace: false,
            clock: Clock::new(context, None),
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
        trim_text(&mut id, Limit::NAME);
        self.verdicts.push(Verdict { id, refused: refused.map(|(_, reason)| reason) });
        taken.unwrap_or(0) + 2 * size_of::<Verdict>() + ANSWER
    }

    /// Reads an event, and returns the bytes that its pieces take.
    fn event(&mut self, event: &Value) -> Result<usize, Refused> {
        let broken = |reason| (Category::Span, reason);
        let kind = event.get("type").and_then(Value::as_str).ok_or(broken("event_without_type"))?;
        let body = event.get("body").and_then(Value::as_object).ok_or(broken("event_without_body"))?;
        let stamp = Stamp::of(event, body, &self.clock).map_err(broken)?;
        match Sort::of(kind).ok_or(broken("unknown_event_type"))? {
            Sort::Log => Ok(0),
            Sort::Score => {
                self.scores.push(scores::of_body(body, stamp.at_us, self.clock.received_us()).map_err(|reason| (Category::Score, reason))?);
                Ok(2 * size_of::<Score>() + budget::object(body))
            }
            Sort::Trace => {
                let id = ids::text(body, "id").ok_or(broken("invalid_trace_id"))?;
                let trace = trace_id(&id);
                Ok(self.add(trace, ids::root(&id), stamp.piece(kind, body)))
            }
            Sort::Observation => {
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
    fn home(&mut self, id: &str, span: SpanId, body: &Map<String, Value>, kind: &str) -> (Home, String) {
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
        let home = Home::named(&in_trace);
        if !self.strays.contains(&span) {
            self.homes.insert(span, home);
        }
        (home, in_trace)
    }

    fn add(&mut self, trace: TraceId, span: SpanId, piece: Piece) -> usize {
        let Content::Event(event) = &piece.content else { return 0 };
        let bytes = 2 * size_of::<Piece>() + budget::text(&piece.key) + event.bytes();
        self.spans.entry((trace, span)).or_default().push(piece);
        bytes
    }
}

/// True for a piece that an event of this protocol is.
pub(crate) fn is_event(piece: &Piece) -> bool {
    matches!(piece.content, Content::Event(_))
}

/// Where events of a span may be stored that came before anything told its trace: the trace that is named like the observation.
pub fn stray(span: &Span) -> Option<Home> {
    let is_observation = |event: &Event| Sort::of(&event.kind) == Some(Sort::Observation);
    let id = span.joined.as_ref()?.pieces.iter().find_map(|piece| match &piece.content {
        Content::Event(event) if is_observation(event) => ids::text(&event.body, "id"),
        _ => None,
    })?;
    Some(Home::named(&id)).filter(|stray| stray.trace_id != span.trace_id)
}
