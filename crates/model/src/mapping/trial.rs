//! Tries rules on a stored span, and describes the span and the result as a fixture for a test.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::MappingRuleSet;
use crate::clock::TimeSources;
use crate::id::{SpanId, TraceId};
use crate::normalize::attribute_names::AttributeDialect;
use crate::normalize::{RawSpan, RawStatus, canonical_span, mapped_span};
use crate::price::PriceBook;
use crate::span::{Attributes, Span, SpanStatus};

/// Effect of rules on a span.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MappingTrial {
    /// Names of the rules that apply to the span, in the order of the file.
    pub rules: Vec<String>,
    /// Attributes that these rules map.
    pub attributes: Vec<MappedAttribute>,
    /// Fields whose values the rules change.
    pub changes: Vec<MappingTrialChange>,
    /// The rules, the span and the result, for a test.
    pub fixture: MappingTrialFixture,
}

/// A span attribute that a rule maps.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MappedAttribute {
    /// Name of the rule.
    pub rule: String,
    /// Name of the attribute.
    pub attribute: String,
    /// Name of the field.
    pub field: &'static str,
    /// Why the attribute does not become the field; null if it does.
    #[schema(required)]
    pub problem: Option<MappedValueProblem>,
}

/// Why an attribute does not become a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MappedValueProblem {
    /// The span has no such attribute.
    Missing,
    /// The value is not text.
    NotText,
    /// The value is neither true nor false.
    NotFlag,
    /// The value is not a number of at least 0.
    NotNumber,
    /// The value is not a whole number of at least 0.
    NotCount,
    /// An earlier rule, or another attribute of the same rule, sets the field.
    SetBefore,
}

/// A field whose value the rules change.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MappingTrialChange {
    /// Name of the field, such as `usage.input_tokens`.
    pub field: &'static str,
    /// Value without the rules as JSON text; null if there is none.
    #[schema(required)]
    pub before: Option<String>,
    /// Value with the rules as JSON text; null if there is none.
    #[schema(required)]
    pub after: Option<String>,
}

/// A span, rules and the expected result, as the tests of the project read them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MappingTrialFixture {
    /// Text of the rule file.
    pub rules: String,
    /// The span as the client sends it.
    pub span: MappingFixtureSpan,
    /// Expected values of fields by name.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub expected: Map<String, Value>,
}

/// A span as a client sends it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MappingFixtureSpan {
    /// Name of the span.
    pub name: String,
    /// Sentry's op; empty if there is none.
    #[serde(default)]
    #[schema(required)]
    pub op: String,
    /// Instrumentation scope, or Sentry's origin; null if there is none.
    #[serde(default)]
    #[schema(required)]
    pub origin: Option<String>,
    /// True if the span failed.
    #[serde(default)]
    #[schema(required)]
    pub failed: bool,
    /// Start in microseconds since the Unix epoch, which determines the price.
    #[serde(default)]
    #[schema(required)]
    pub start_us: i64,
    /// Duration in microseconds.
    #[serde(default)]
    #[schema(required)]
    pub duration_us: i64,
    /// Attributes.
    #[schema(value_type = std::collections::BTreeMap<String, Value>)]
    pub attributes: Attributes,
}

/// Name of a field, and the function that reads its value.
type TrialField = (&'static str, fn(&Span) -> Value);

/// Fields that a trial compares.
const TRIAL_FIELDS: &[TrialField] = &[
    ("kind", |span| json!(span.kind)),
    ("operation", |span| json!(span.operation)),
    ("provider", |span| json!(span.provider)),
    ("request_model", |span| json!(span.request_model)),
    ("response_model", |span| json!(span.response_model)),
    ("response_id", |span| json!(span.response_id)),
    ("status", |span| json!(span.status)),
    ("failure", |span| json!(span.failure)),
    ("input_messages", |span| list(json!(span.input_messages))),
    ("output_messages", |span| list(json!(span.output_messages))),
    ("tool_definitions", |span| json!(span.tool_definitions)),
    ("usage.input_tokens", |span| json!(span.usage.input_tokens())),
    ("usage.output_tokens", |span| json!(span.usage.output_tokens())),
    ("usage.total_tokens", |span| json!(span.usage.total)),
    ("usage.cache_read_tokens", |span| json!(span.usage.cache_read)),
    ("usage.cache_write_tokens", |span| json!(span.usage.cache_write_tokens())),
    ("usage.reasoning_tokens", |span| json!(span.usage.reasoning)),
    ("usage.input_audio_tokens", |span| json!(span.usage.input_audio)),
    ("usage.output_audio_tokens", |span| json!(span.usage.output_audio)),
    ("usage.input_image_tokens", |span| json!(span.usage.input_image)),
    ("usage.output_image_tokens", |span| json!(span.usage.output_image)),
    ("usage.web_searches", |span| json!(span.usage.web_searches)),
    ("usage.characters", |span| json!(span.usage.characters)),
    ("usage.audio_seconds", |span| json!(span.usage.audio_ms.map(|ms| ms as f64 / 1e3))),
    ("usage.rerank_units", |span| json!(span.usage.rerank_units)),
    ("cost", |span| json!(span.cost.as_ref().map(|cost| cost.total.dollars()))),
    ("client_cost", |span| json!(span.client_cost.map(|cost| cost.dollars()))),
    ("session_id", |span| json!(span.session_id)),
    ("user_id", |span| json!(span.user_id)),
    ("environment", |span| json!(span.environment)),
    ("release", |span| json!(span.release)),
    ("service", |span| json!(span.service)),
    ("pipeline", |span| json!(span.pipeline)),
    ("agent", |span| json!(span.agent)),
    ("tool", |span| json!(span.tool)),
    ("tool_call_id", |span| json!(span.tool_call_id)),
    ("prompt", |span| json!(span.prompt)),
    ("prompt_version", |span| json!(span.prompt_version)),
    ("finish_reasons", |span| list(json!(span.finish_reasons))),
    ("streaming", |span| json!(span.streaming)),
    ("time_to_first_token", |span| json!(span.time_to_first_token_us.map(|us| us as f64 / 1e6))),
];

/// Returns null for an empty list.
fn list(value: Value) -> Value {
    if value.as_array().is_some_and(Vec::is_empty) { Value::Null } else { value }
}

fn shown(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| value.to_string())
}

impl MappingTrial {
    /// Tries the rules of a text on a stored span. `rules` must be the rules that were read from the text.
    pub fn of_stored_span(text: &str, rules: &MappingRuleSet, span: &Span, book: &PriceBook) -> MappingTrial {
        let raw = raw_of_stored(span);
        let fixture_span = MappingFixtureSpan {
            name: raw.name.clone(),
            op: raw.op.clone(),
            origin: raw.origin.clone(),
            failed: raw.status == RawStatus::Error,
            start_us: raw.start_us,
            duration_us: raw.end_us.saturating_sub(raw.start_us),
            attributes: raw.attributes.clone(),
        };
        let (names, attributes) = rules.attributes_of(&raw);
        let before = canonical_span(raw.clone(), book);
        let after = mapped_span(raw, &AttributeDialect::GENERAL_DIALECT, rules, book);
        let values = TRIAL_FIELDS.iter().map(|(field, value_of)| (*field, value_of(&before), value_of(&after)));
        let changed: Vec<(&'static str, Value, Value)> = values.filter(|(_, before, after)| before != after).collect();
        let expected = changed.iter().map(|(field, _, after)| ((*field).to_owned(), after.clone())).collect();
        MappingTrial {
            rules: names,
            attributes,
            changes: changed
                .into_iter()
                .map(|(field, before, after)| MappingTrialChange { field, before: shown(&before), after: shown(&after) })
                .collect(),
            fixture: MappingTrialFixture { rules: text.to_owned(), span: fixture_span, expected },
        }
    }
}

impl MappingRuleSet {
    /// Returns the names of the rules that apply to a span, and the attributes that they map.
    fn attributes_of(&self, raw: &RawSpan) -> (Vec<String>, Vec<MappedAttribute>) {
        let (mut names, mut attributes, mut set) = (Vec::new(), Vec::new(), Vec::new());
        for rule in self.rules.iter().filter(|rule| rule.applies_to(raw)) {
            names.push(rule.name.clone());
            for (attribute, mapping) in &rule.fields {
                let value = raw.attributes.get(attribute).ok_or(MappedValueProblem::Missing);
                let problem = value.and_then(|value| mapping.value_of(value)).err();
                let problem = problem.or_else(|| set.contains(&mapping.field.name).then_some(MappedValueProblem::SetBefore));
                if problem.is_none() {
                    set.push(mapping.field.name);
                }
                attributes.push(MappedAttribute {
                    rule: rule.name.clone(),
                    attribute: attribute.clone(),
                    field: mapping.field.name,
                    problem,
                });
            }
        }
        (names, attributes)
    }
}

impl MappingTrialFixture {
    /// Returns the fields whose values differ from the expected values, each with its value and the expected value.
    pub fn differences(&self) -> Vec<String> {
        let rules = match MappingRuleSet::from_text(&self.rules) {
            Ok(rules) => rules,
            Err(error) => return vec![error.to_string()],
        };
        let raw = RawSpan {
            trace_id: TraceId(1),
            span_id: SpanId(1),
            parent_span_id: None,
            name: self.span.name.clone(),
            op: self.span.op.clone(),
            origin: self.span.origin.clone(),
            status: if self.span.failed { RawStatus::Error } else { RawStatus::Unset },
            status_detail: None,
            start_us: self.span.start_us,
            end_us: self.span.start_us.saturating_add(self.span.duration_us),
            clock_shift_us: 0,
            time_sources: TimeSources::default(),
            attributes: self.span.attributes.clone(),
            measurements: Vec::new(),
            tags: Default::default(),
        };
        let span = mapped_span(raw, &AttributeDialect::GENERAL_DIALECT, &rules, PriceBook::embedded());
        let compare = |(field, expected): (&String, &Value)| {
            let Some((_, value_of)) = TRIAL_FIELDS.iter().find(|(name, _)| name == field) else {
                return Some(format!("there is no field {field}"));
            };
            let value = value_of(&span);
            (value != *expected).then(|| format!("{field} is {value}, should be {expected}"))
        };
        self.expected.iter().filter_map(compare).collect()
    }
}

/// Name of an attribute, and the function that reads the field that it became.
type ReplacedAttribute = (&'static str, fn(&Span) -> Option<&String>);

/// Attributes under which fields are sent that replace their attribute.
const REPLACED_ATTRIBUTES: &[ReplacedAttribute] = &[
    ("deployment.environment.name", |span| span.environment.as_ref()),
    ("service.version", |span| span.release.as_ref()),
    ("telemetry.sdk.name", |span| span.sdk_name.as_ref()),
    ("telemetry.sdk.version", |span| span.sdk_version.as_ref()),
];

/// Returns a stored span in the form in which it was sent, as far as that is stored: known attributes that became messages are missing.
fn raw_of_stored(span: &Span) -> RawSpan {
    let mut attributes = span.attributes.clone();
    for (name, value_of) in REPLACED_ATTRIBUTES {
        if let Some(value) = value_of(span) {
            attributes.entry(*name).or_insert_with(|| Value::from(value.as_str()));
        }
    }
    let is_sentrys = span.sdk_name.as_deref().is_some_and(|sdk| sdk.starts_with("sentry."));
    RawSpan {
        trace_id: span.trace_id,
        span_id: span.span_id,
        parent_span_id: span.parent_span_id,
        name: span.name.clone(),
        op: if is_sentrys { span.op.clone() } else { String::new() },
        origin: span.origin.clone(),
        status: match span.status {
            SpanStatus::Ok => RawStatus::Unset,
            SpanStatus::Cancelled => RawStatus::Cancelled,
            SpanStatus::Error => RawStatus::Error,
        },
        status_detail: span.status_detail.clone(),
        start_us: span.start_us,
        end_us: span.end_us,
        clock_shift_us: span.clock_shift_us,
        time_sources: TimeSources::default(),
        attributes,
        measurements: Vec::new(),
        tags: span.tags.clone(),
    }
}
