//! Assembles a span from the events of a trace or observation.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::event::{LangfuseEvent, merge_extents, subject};
use super::ids;
use crate::clock::{TimeSource, TimeSources};
use crate::id::{SpanId, TraceId};
use crate::normalize::{RawSpan, RawStatus};
use crate::partial_spans::{PartialSpanState, SpanFragment, SpanFragmentContent};
use crate::price::PriceBook;
use crate::span::{Attributes, Span};
use crate::{normalize, time};

/// Fields of events, and the attributes under which normalization knows them.
const FIELD_ATTRIBUTES: [(&str, &str); 19] = [
    ("input", "langfuse.observation.input"),
    ("output", "langfuse.observation.output"),
    ("completionStartTime", "langfuse.observation.completion_start_time"),
    ("statusMessage", "langfuse.observation.status_message"),
    ("level", "langfuse.observation.level"),
    ("promptName", "langfuse.observation.prompt.name"),
    ("promptVersion", "langfuse.observation.prompt.version"),
    ("metadata", "langfuse.observation.metadata"),
    ("environment", "langfuse.environment"),
    ("version", "langfuse.version"),
    ("release", "langfuse.release"),
    ("userId", "langfuse.user.id"),
    ("sessionId", "langfuse.session.id"),
    ("tags", "langfuse.trace.tags"),
    ("public", "langfuse.trace.public"),
    ("externalId", "langfuse.trace.external_id"),
    ("traceId", "langfuse.trace.id"),
    ("id", "langfuse.observation.id"),
    ("parentObservationId", "langfuse.observation.parent_id"),
];

/// Prefix of the ops of all spans of this protocol.
pub const OP_PREFIX: &str = "langfuse.";
/// Op of the span that represents a trace.
pub const ROOT_OP: &str = "langfuse.trace";

/// Merged events of a trace or observation; later ones take precedence.
struct MergedObservation<'a> {
    /// Kind of the observation, such as `generation`; `trace` for a trace.
    kind: &'a str,
    /// True if an event has created or updated it.
    is_announced: bool,
    body: Map<String, Value>,
    /// Models that were named, without consecutive repeats.
    models: Vec<&'a str>,
    sdk: Map<String, Value>,
    /// Fields for which only implausible times were sent.
    impossible: BTreeSet<&'a str>,
    extent: Option<(i64, i64)>,
    shift_us: i64,
    first_us: i64,
}

/// Returns the span of a trace or observation.
pub(crate) fn assemble_span(trace_id: TraceId, span_id: SpanId, parts: Vec<SpanFragment>, book: &PriceBook) -> Span {
    let parts = crate::partial_spans::sorted_parts(merge_extents(parts));
    let told = MergedObservation::of(&parts);
    let is_trace = told.kind == "trace";
    let time = |name: &str| time::from_text(told.body.get(name)?.as_str()?);
    let (started, ended) = (time("startTime").or_else(|| time("timestamp")), time("endTime"));
    // The end replaces an implausible start; without an end, the time at which an event was written does.
    let is_impossible = |name: &str| told.impossible.contains(name) && !told.body.contains_key(name);
    let mut sources = TimeSources::default();
    if started.is_none() && (is_impossible("startTime") || is_impossible("timestamp")) {
        sources.start = Some(if ended.is_some() { TimeSource::End } else { TimeSource::Event });
    }
    let started = started.or_else(|| ended.filter(|_| sources.start.is_some()));
    let start_us = match (started, told.extent) {
        (Some(own), Some((from, _))) => own.min(from),
        (own, extent) => own.or(extent.map(|(from, _)| from)).unwrap_or(told.first_us),
    };
    // A span without an end ends at its start.
    let end_us = ended.into_iter().chain(told.extent.map(|(_, to)| to)).max().unwrap_or(start_us).max(start_us);
    let backwards = ended.is_some_and(|ended| ended < start_us);
    if (ended.is_none() && is_impossible("endTime")) || backwards {
        sources.end = Some(TimeSource::Start);
    }
    sources.has_no_duration = start_us == end_us && (ended.is_none() || started.is_none() || backwards);
    let parent = match is_trace {
        true => None,
        false => ids::text(&told.body, "parentObservationId").map(|id| ids::span_id(&id)).or_else(|| {
            let own = ids::text(&told.body, "id");
            ids::text(&told.body, "traceId").or(own).map(|trace| ids::root(&trace))
        }),
    };
    let name = ids::text(&told.body, "name").unwrap_or_else(|| told.kind.to_owned());
    let status = match told.body.get("level").and_then(Value::as_str) {
        Some(level) if normalize::client_conventions::is_failure(level) => RawStatus::Error,
        _ => RawStatus::Unset,
    };
    let raw = RawSpan {
        trace_id,
        span_id,
        parent_span_id: parent,
        op: format!("{OP_PREFIX}{}", told.kind.to_ascii_lowercase()),
        origin: Some("langfuse".into()),
        status,
        status_detail: ids::text(&told.body, "statusMessage"),
        start_us: start_us.saturating_add(told.shift_us),
        end_us: end_us.saturating_add(told.shift_us),
        clock_shift_us: told.shift_us,
        time_sources: sources,
        attributes: attributes(&told, &name),
        name,
        measurements: Vec::new(),
        tags: Default::default(),
    };
    let awaited = !told.is_announced;
    let mut span = normalize::canonical_span(raw, book);
    span.joined = Some(Box::new(PartialSpanState { awaited, pieces: parts, ..PartialSpanState::default() }));
    span
}

impl<'a> MergedObservation<'a> {
    fn of(parts: &'a [SpanFragment]) -> MergedObservation<'a> {
        let first_us = parts.first().map_or(0, |piece| piece.at_us);
        let (body, sdk) = (Map::new(), Map::new());
        let mut told = MergedObservation {
            kind: "",
            is_announced: false,
            body,
            models: Vec::new(),
            sdk,
            impossible: BTreeSet::new(),
            extent: None,
            shift_us: 0,
            first_us,
        };
        for piece in parts {
            if let SpanFragmentContent::Event(event) = &piece.content {
                told.add(event);
            }
        }
        if told.kind.is_empty() {
            // Only the extent of the trace is known, from its observations.
            told.kind = "trace";
        }
        told
    }

    fn add(&mut self, event: &'a LangfuseEvent) {
        self.shift_us = self.shift_us.min(event.shift_us);
        if let Some(extent) = event.extent() {
            self.extent = Some(extent);
            return;
        }
        self.is_announced = true;
        // A generic update does not change the kind.
        let sort = match subject(&event.kind) {
            "observation" => event.body.get("type").and_then(Value::as_str).unwrap_or("span"),
            sort => sort,
        };
        if self.kind.is_empty() || (self.kind.eq_ignore_ascii_case("span") && !sort.eq_ignore_ascii_case("span")) {
            self.kind = sort;
        }
        self.sdk.extend(event.sdk.clone());
        self.impossible.extend(event.impossible.iter().map(String::as_str));
        for (name, value) in event.body.iter().filter(|(name, _)| !event.impossible.contains(name)) {
            match (self.body.get_mut(name), value) {
                (Some(Value::Object(known)), Value::Object(more)) if name == "metadata" => known.extend(more.clone()),
                _ => _ = self.body.insert(name.clone(), value.clone()),
            }
        }
        let model = event.body.get("model").and_then(Value::as_str).filter(|model| !model.is_empty());
        self.models.extend(model.filter(|model| self.models.last() != Some(model)));
    }
}

fn attributes(told: &MergedObservation, name: &str) -> Attributes {
    let mut attributes = told.sdk.clone();
    let is_trace = told.kind == "trace";
    for (field, attribute) in FIELD_ATTRIBUTES {
        if let Some(value) = told.body.get(field) {
            attributes.insert(attribute.to_owned(), value.clone());
        }
    }
    let mut set = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
    if is_trace {
        // A trace is one run of the pipeline that it is named after.
        set("langfuse.observation.type", "chain".into());
        if told.body.contains_key("name") {
            set("gen_ai.pipeline.name", name.into());
        }
        if let Some(id) = told.body.get("id") {
            set("langfuse.trace.id", id.clone());
        }
    } else {
        set("langfuse.observation.type", told.kind.to_ascii_lowercase().into());
    }
    if let Some(first) = told.models.first() {
        set("gen_ai.request.model", (*first).into());
    }
    // The SDKs send the model again with the response.
    if let Some(last) = told.models.get(1..).and_then(|more| more.last()) {
        set("gen_ai.response.model", (*last).into());
    }
    if told.body.contains_key("completionStartTime") {
        set("gen_ai.response.streaming", true.into());
    }
    for (parameter, value) in told.body.get("modelParameters").and_then(Value::as_object).into_iter().flatten() {
        set(&format!("gen_ai.request.{parameter}"), value.clone());
    }
    if let Some(usage) = usage(&told.body) {
        set("langfuse.observation.usage_details", Value::Object(usage));
    }
    if let Some(dollars) = cost(&told.body) {
        set("langfuse.observation.cost_details", json!({ "total": dollars }));
    }
    if is_trace {
        attributes.remove("langfuse.observation.id");
    }
    attributes
}

/// Units of the older usage of Langfuse that are no tokens, and the names of their counts.
const OLDER_UNITS: &[(&str, &str)] = &[("CHARACTERS", "characters"), ("SECONDS", "seconds"), ("IMAGES", "output_images")];

/// Returns the count of an older usage whose unit is not tokens.
fn count_of_unit(usage: &Map<String, Value>) -> Option<Map<String, Value>> {
    let unit = usage.get("unit")?.as_str()?;
    let (_, name) = OLDER_UNITS.iter().find(|(known, _)| *known == unit)?;
    let number = ["input", "total", "output"].iter().find_map(|part| usage.get(*part).filter(|value| value.is_number()))?;
    Some(Map::from_iter([((*name).to_owned(), number.clone())]))
}

/// Returns the token counts: the detailed ones, otherwise the older ones if their unit is tokens.
fn usage(body: &Map<String, Value>) -> Option<Map<String, Value>> {
    let object = |name: &str| body.get(name)?.as_object();
    let in_tokens = |usage: &&Map<String, Value>| usage.get("unit").and_then(Value::as_str).is_none_or(|unit| unit == "TOKENS");
    let counts = |usage: &Map<String, Value>| {
        let counts = usage.iter().filter(|(name, value)| !name.ends_with("Cost") && *name != "unit" && !value.is_null());
        let counts: Map<String, Value> = counts.map(|(name, value)| (name.clone(), value.clone())).collect();
        (!counts.is_empty()).then_some(counts)
    };
    object("usageDetails")
        .and_then(counts)
        .or_else(|| object("usage").filter(in_tokens).and_then(counts))
        .or_else(|| object("usage").and_then(count_of_unit))
}

/// Returns the cost in dollars as the client reports it. SDKs send zero if they do not know it.
fn cost(body: &Map<String, Value>) -> Option<f64> {
    let object = |name: &str| body.get(name)?.as_object();
    let sum = |costs: &Map<String, Value>, total: &str, parts: &[&str]| {
        let of = |name: &str| costs.get(name).and_then(normalize::client_conventions::dollars);
        of(total).or_else(|| parts.iter().filter_map(|part| of(part)).reduce(|sum, part| sum + part))
    };
    let detailed = object("costDetails").and_then(|costs| sum(costs, "total", &["input", "output"]));
    let older = || object("usage").and_then(|usage| sum(usage, "totalCost", &["inputCost", "outputCost"]));
    detailed.filter(|dollars| *dollars != 0.0).or_else(older).filter(|dollars| *dollars != 0.0)
}
