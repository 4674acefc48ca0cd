//! Provenance of a span: conventions, the source of each field, ignored attributes, how tokens and cost were determined, and why totals
//! include or exclude the span.
//!
//! It is derived from the stored span on request, which keeps ingestion free of its cost.

mod conventions;
mod cost;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::dedup::SpanDecision;
use crate::normalize::attribute_names::{AttributeDialect, SpanField};
use crate::normalize::attributes::{RecognizedAttributes, is_empty};
use crate::normalize::{attribute_names, parameters, sampling};
use crate::price::PriceBook;
use crate::provenance::FieldSource;
use crate::span::Span;
use crate::usage::{self, TokenCountInterpretation};
use crate::{normalize, otlp, span_links};
pub use cost::{CostBasis, CostExplanation, CostLine};

/// Provenance of a span: how it was decoded, priced and counted.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SpanExplanation {
    /// Conventions that the attribute names belong to, in descending order of their number of names.
    pub conventions: Vec<DetectedConvention>,
    /// Version of the instrumentation that created the span; null if it was not sent.
    #[schema(required)]
    pub instrumentation_version: Option<String>,
    /// Source of each field.
    pub fields: Vec<ExplainedField>,
    /// Attributes that did not become a field. These attributes are stored unchanged.
    pub ignored: Vec<IgnoredAttribute>,
    /// Interpretation of the input token count; null if there is only one possible interpretation.
    #[schema(required)]
    pub input: Option<TokenCountInterpretation>,
    /// Interpretation of the output token count; null if there is only one possible interpretation.
    #[schema(required)]
    pub output: Option<TokenCountInterpretation>,
    /// How the cost was determined; null for spans that are neither LLM calls nor have a cost that totals include.
    #[schema(required)]
    pub cost: Option<CostExplanation>,
    /// True if tokens and cost of the span are included in totals.
    pub counted: bool,
    /// Fields whose value was changed because of other spans of the trace.
    pub corrections: Vec<TraceFieldCorrection>,
    /// Microseconds that were added to the client's timestamps.
    pub clock_shift_us: i64,
    /// Number of partial spans that were joined; 0 for a span that arrived complete.
    pub pieces: usize,
}

/// A convention, and the attributes that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DetectedConvention {
    /// Readable name of the convention.
    pub name: &'static str,
    /// Number of attributes with names of the convention.
    pub attributes: usize,
    /// Names of some of these attributes.
    pub examples: Vec<String>,
}

/// A field of a span and its source.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExplainedField {
    /// Field of the span, such as `usage.input_tokens`.
    pub field: String,
    /// Source of the field.
    pub source: FieldSource,
    /// True if the field was inferred and not sent.
    pub inferred: bool,
    /// Value of the field; null for messages.
    #[schema(required, value_type = Option<ExplainedValue>)]
    pub value: Option<Value>,
}

/// Form of the value of a field.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes the serialized form")]
enum ExplainedValue {
    /// Text, or a time (RFC 3339).
    Text(String),
    /// Number.
    Number(f64),
    /// Truth value.
    Flag(bool),
}

/// An attribute that did not become a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IgnoredAttribute {
    /// Name of the attribute as the client sent it.
    pub name: String,
    /// Why the attribute was ignored.
    pub why: AttributeIgnoreReason,
    /// Name of the attribute that was used instead, for the reason `better`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub better: Option<String>,
}

/// Why an attribute did not become a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttributeIgnoreReason {
    /// Another attribute with the same meaning takes precedence.
    Better,
    /// The name is known, but the value is not valid for the field.
    Unreadable,
    /// The name has another meaning for this client.
    OtherMeaning,
    /// The name is known, but the value is empty.
    Empty,
    /// The name is unknown.
    NoMeaning,
}

/// A field whose value was changed because of other spans of the trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TraceFieldCorrection {
    /// `counted`, `pipeline`, `session_id` or `user_id`.
    pub field: &'static str,
    /// Value according to the span alone.
    #[schema(required)]
    pub alone: Option<String>,
    /// Effective value within the trace.
    #[schema(required)]
    pub in_trace: Option<String>,
}

/// Explains a span as it is stored. `local` is the decision from the span alone.
pub fn explain(span: &Span, local: &SpanDecision, book: &PriceBook) -> SpanExplanation {
    let dialect = otlp::dialect_of(span);
    let found = RecognizedAttributes::new(&span.attributes, dialect);
    let fields = fields(span, &found);
    let (input, output) = if span.is_call() { normalize::interpretations_of(span, dialect) } else { (None, None) };
    SpanExplanation {
        conventions: detected(span, &fields),
        instrumentation_version: span.attributes.get("otel.scope.version").and_then(Value::as_str).map(str::to_owned),
        ignored: ignored_attributes(span, &found, dialect),
        fields,
        input,
        output,
        cost: (span.is_call() || span.is_billed()).then(|| cost::reading(span, book)),
        counted: span.is_billed(),
        corrections: trace_corrections(local, &SpanDecision::of(span)),
        clock_shift_us: span.clock_shift_us,
        pieces: span.joined.as_ref().map_or(0, |joined| joined.pieces.len()),
    }
}

/// Returns the fields with their sources: those recorded during normalization, since messages do not stay attributes, and all that the
/// attributes contain.
fn fields(span: &Span, found: &RecognizedAttributes) -> Vec<ExplainedField> {
    let mut fields: Vec<ExplainedField> = Vec::new();
    for noted in &span.reading {
        fields.push(field_read(&noted.field, noted.source.clone(), value(span, &noted.field)));
    }
    for (field, prefix) in numbered_messages(span) {
        fields.push(field_read(field, FieldSource::AttributePrefix(prefix), None));
    }
    for field in SpanField::ALL.iter().filter(|field| mapped_attribute(span, **field).is_none()) {
        let Some(from) = found.name(*field).filter(|name| is_readable(*field, found, name, span)) else { continue };
        if !fields.iter().any(|known| known.source.attribute() == Some(from)) {
            fields.push(field_read(field.as_str(), FieldSource::Attribute(from.into()), value(span, field.as_str())));
        }
    }
    fields
}

/// Returns the attribute from which a rule of the project sets the field, if one does.
fn mapped_attribute(span: &Span, field: SpanField) -> Option<&str> {
    let noted = span.reading.iter().find(|noted| noted.field == field.as_str() && noted.source.rule().is_some())?;
    noted.source.attribute()
}

fn field_read(field: &str, source: FieldSource, value: Option<Value>) -> ExplainedField {
    ExplainedField { field: field.to_owned(), inferred: source.is_inferred(), source, value }
}

/// Returns the messages that are spread over numbered attributes, unless a better source was recorded.
fn numbered_messages(span: &Span) -> Vec<(&'static str, &'static str)> {
    let noted = |field: &str| span.reading.iter().find(|noted| noted.field == field).and_then(|noted| noted.source.attribute());
    let better = |field: &str| noted(field).is_some_and(|from| !normalize::message_fields::REPEATING_ATTRIBUTES.contains(&from));
    let sides = [
        ("input_messages", normalize::message_fields::INPUT_PREFIXES, &span.input_messages),
        ("output_messages", normalize::message_fields::OUTPUT_PREFIXES, &span.output_messages),
    ];
    let sides = sides.into_iter().filter(|(field, _, messages)| span.is_call() && !messages.is_empty() && !better(field));
    let present = |prefix: &&&str| span.attributes.keys().any(|name| is_part(name, prefix));
    sides.filter_map(|(field, prefixes, _)| Some((field, *prefixes.iter().find(present)?))).collect()
}

/// Returns whether an attribute is an element of a list that is spread under a prefix.
fn is_part(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Returns whether the value is valid for the field.
fn is_readable(field: SpanField, found: &RecognizedAttributes, name: &str, span: &Span) -> bool {
    use SpanField::*;
    match field {
        InputTokens | OutputTokens | TotalTokens | CacheRead | CacheWrite | Reasoning | InputAudio | OutputAudio => {
            // Zeros of a stream without known usage are not counts.
            let told = |count: u64| count > 0 || !span.is_call() || !span.usage.is_unknown();
            found.attributes.get(name).is_none_or(|value| usage::count(value).is_some_and(told))
        }
        _ => true,
    }
}

/// Returns the value of a field; `None` for messages, and for fields that are not shown on their own.
fn value(span: &Span, field: &str) -> Option<Value> {
    let text = |text: &Option<String>| text.as_deref().map(|text| Value::from(text.chars().take(200).collect::<String>()));
    let count = |count: Option<u64>| count.map(Value::from);
    let usage = &span.usage;
    let time = |us: i64| Some(jiff::Timestamp::from_microsecond(us).ok()?.to_string().into());
    match field {
        "op" => Some(span.op.as_str().into()),
        "kind" => Some(span.kind.as_str().into()),
        "origin" => text(&span.origin),
        "operation" => text(&span.operation),
        "provider" => text(&span.provider),
        "request_model" => text(&span.request_model),
        "response_model" => text(&span.response_model),
        "response_id" => text(&span.response_id),
        "usage.input_tokens" => count(usage.input_tokens()),
        "usage.output_tokens" => count(usage.output_tokens()),
        "usage.total_tokens" => count(usage.total),
        "usage.cache_read_tokens" => count(usage.cache_read),
        "usage.cache_write_tokens" => count(usage.cache_write_tokens()),
        "usage.reasoning_tokens" => count(usage.reasoning),
        "usage.input_audio_tokens" => count(usage.input_audio),
        "usage.output_audio_tokens" => count(usage.output_audio),
        "usage.web_searches" => count(usage.web_searches),
        "usage.characters" => count(usage.characters),
        "usage.audio_seconds" => usage.audio_ms.map(|ms| json!(ms as f64 / 1e3)),
        "usage.rerank_units" => count(usage.rerank_units),
        "client_cost" => span.client_cost.map(|cost| json!(cost.dollars())),
        "session_id" => text(&span.session_id),
        "user_id" => text(&span.user_id),
        "environment" => text(&span.environment),
        "release" => text(&span.release),
        "service" => text(&span.service),
        "sdk_name" => text(&span.sdk_name),
        "sdk_version" => text(&span.sdk_version),
        "thread" => text(&span.thread),
        "pipeline" => text(&span.pipeline),
        "agent" => text(&span.agent),
        "tool" => text(&span.tool),
        "tool_call_id" => text(&span.tool_call_id),
        "prompt" => text(&span.prompt),
        "prompt_version" => text(&span.prompt_version),
        "finish_reasons" => Some(span.finish_reasons.join(", ").into()),
        "streaming" => span.streaming.map(Value::from),
        "sample_rate" => span.sample_rate.map(Value::from),
        "time_to_first_token" => span.time_to_first_token_us.map(|us| json!(us as f64 / 1000.0)),
        "start_time" => time(span.start_us),
        "end_time" => time(span.end_us),
        "status" => Some(span.status.as_str().into()),
        _ => None,
    }
}

fn detected(span: &Span, fields: &[ExplainedField]) -> Vec<DetectedConvention> {
    let sources = fields.iter().filter_map(|field| field.source.attribute());
    let mut names: Vec<&str> = sources.chain(span.attributes.keys().map(String::as_str)).collect();
    // Names of fields first: they are the best examples.
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(*name));
    let mut found: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    if let Some(family) = otlp::agent_of(span) {
        found.entry(family).or_default().push(&span.name);
    }
    for name in names {
        if let Some(convention) = conventions::of_name(name) {
            found.entry(convention).or_default().push(name);
        }
    }
    let mut found: Vec<DetectedConvention> = found
        .into_iter()
        .map(|(name, names)| DetectedConvention {
            name,
            attributes: names.len(),
            examples: names.iter().take(3).map(|name| (*name).to_owned()).collect(),
        })
        .collect();
    found.sort_by_key(|detected| std::cmp::Reverse(detected.attributes));
    found
}

/// Attributes that are shown or used without being a field.
const USED_ATTRIBUTES: &[&str] = &[
    "otel.kind",
    "logfire.msg",
    "logfire.msg_template",
    "otel.scope.version",
    span_links::LINKS_ATTRIBUTE,
    "server.address",
    "server.port",
];

fn ignored_attributes(span: &Span, found: &RecognizedAttributes, dialect: &AttributeDialect) -> Vec<IgnoredAttribute> {
    let spread: Vec<&str> = numbered_messages(span).into_iter().map(|(_, prefix)| prefix).collect();
    let is_mapped = |name: &str| span.reading.iter().any(|noted| noted.source.rule().is_some() && noted.source.attribute() == Some(name));
    let why = |name: &str, value: &Value| -> Option<(AttributeIgnoreReason, Option<String>)> {
        if is_mapped(name) {
            return None;
        }
        let Some((field, ..)) = dialect.lookup(name) else {
            if attribute_names::lookup(name).is_some() {
                return Some((AttributeIgnoreReason::OtherMeaning, None));
            }
            let used = USED_ATTRIBUTES.contains(&name)
                || sampling::is_rate_attribute(name)
                || parameters::is_parameter(name)
                || spread.iter().any(|prefix| is_part(name, prefix));
            return (!used).then_some((AttributeIgnoreReason::NoMeaning, None));
        };
        if is_empty(value) {
            return Some((AttributeIgnoreReason::Empty, None));
        }
        if !is_readable(field, found, name, span) {
            return Some((AttributeIgnoreReason::Unreadable, None));
        }
        if let Some(mapped) = mapped_attribute(span, field) {
            return Some((AttributeIgnoreReason::Better, Some(mapped.to_owned())));
        }
        // The best attribute may have become a message and not be stored.
        let noted = span
            .reading
            .iter()
            .filter_map(|noted| noted.source.attribute())
            .find(|from| dialect.lookup(from).is_some_and(|(known, ..)| known == field));
        let best = noted.or_else(|| found.name(field))?;
        (best != name).then(|| (AttributeIgnoreReason::Better, Some(best.to_owned())))
    };
    let ignored = span.attributes.iter().filter_map(|(name, value)| {
        let (why, better) = why(name, value)?;
        Some(IgnoredAttribute { name: name.clone(), why, better })
    });
    let mut ignored: Vec<IgnoredAttribute> = ignored.collect();
    ignored.sort_by(|a, b| (a.why, &a.name).cmp(&(b.why, &b.name)));
    ignored
}

fn trace_corrections(local: &SpanDecision, holds: &SpanDecision) -> Vec<TraceFieldCorrection> {
    let flag = |flag: bool| Some(flag.to_string());
    let all = [
        ("counted", flag(local.counted), flag(holds.counted)),
        ("pipeline", local.pipeline.clone(), holds.pipeline.clone()),
        ("session_id", local.session_id.clone(), holds.session_id.clone()),
        ("user_id", local.user_id.clone(), holds.user_id.clone()),
    ];
    all.into_iter()
        .filter(|(_, alone, in_trace)| alone != in_trace)
        .map(|(field, alone, in_trace)| TraceFieldCorrection { field, alone, in_trace })
        .collect()
}
