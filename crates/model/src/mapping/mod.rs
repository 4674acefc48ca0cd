//! Mapping rules: how a project reads the attributes of its own instrumentation.
//!
//! A rule selects spans by the instrumentation, the name of the span or its attributes, and maps attributes to fields. Rules are applied
//! during decoding, before the tables of known attribute names, so everything that depends on a field (kind, usage, cost, deduplication)
//! uses the mapped value. They apply to spans of OpenTelemetry and Sentry.
//!
//! ```toml
//! [[rule]]
//! name = "Model calls of our gateway"
//! scope = "acme.gateway"
//! attributes = { "acme.step" = "model*" }
//! kind = "llm"
//!
//! [rule.fields]
//! "acme.model" = "request_model"
//! "acme.tokens.in" = "usage.input_tokens"
//! "acme.cost" = { field = "client_cost", unit = "cent" }
//! ```

mod fields;
mod file;
mod pattern;
mod trial;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::normalize::RawSpan;
use crate::normalize::attribute_names::SpanField;
use crate::provenance::{FieldProvenance, FieldSource};
use crate::span::SpanType;
use crate::usage::TokenCountConvention;
pub use fields::{MAPPABLE_FIELDS, MappableField, MappedValueType, MappedValueUnit};
pub use file::{MAX_MAPPING_BYTES, MappingFileError};
use pattern::NamePattern;
pub use trial::{MappedAttribute, MappedValueProblem, MappingFixtureSpan, MappingTrial, MappingTrialChange, MappingTrialFixture};

/// Rules of a project, in the order of the rule file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MappingRuleSet {
    rules: Vec<MappingRule>,
}

static NO_RULES: MappingRuleSet = MappingRuleSet { rules: Vec::new() };

/// A rule: which spans it applies to, and what their attributes mean.
#[derive(Debug, Clone, PartialEq)]
struct MappingRule {
    /// Name, unique in the file. Provenance shows it.
    name: String,
    /// Instrumentation scope, or Sentry's origin.
    scope: Option<NamePattern>,
    /// Name of the span.
    span: Option<NamePattern>,
    /// Attributes that the span must have, with their values.
    attributes: BTreeMap<String, NamePattern>,
    /// Kind of the spans.
    kind: Option<SpanType>,
    /// How the input tokens and output tokens that the rule maps are counted.
    tokens: Option<TokenCountConvention>,
    /// Fields by the name of the attribute.
    fields: BTreeMap<String, FieldMapping>,
}

/// The field that an attribute becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FieldMapping {
    field: &'static MappableField,
    unit: MappedValueUnit,
}

/// What the rules of a project say about one span.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct MappedSpanFields {
    /// Kind, and the rule that sets it.
    pub(crate) kind: Option<(SpanType, String)>,
    /// Whether mapped input counts include cached tokens and mapped output counts include reasoning tokens, if a rule sets it.
    pub(crate) tokens: Option<TokenCountConvention>,
    /// Mapped fields, each once.
    pub(crate) values: Vec<MappedFieldValue>,
}

/// Value of a field according to a rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MappedFieldValue {
    pub(crate) field: SpanField,
    /// Name of the attribute as sent.
    pub(crate) attribute: String,
    /// Value in the unit of the field.
    pub(crate) value: Value,
    /// Name of the rule.
    pub(crate) rule: String,
}

impl MappingRuleSet {
    /// Returns a set without rules.
    pub fn none() -> &'static MappingRuleSet {
        &NO_RULES
    }

    /// Returns the number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns true if there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns what the rules say about a span. If several rules apply, the first one that maps a field sets it.
    pub(crate) fn fields_of(&self, raw: &RawSpan) -> MappedSpanFields {
        let mut mapped = MappedSpanFields::default();
        for rule in self.rules.iter().filter(|rule| rule.applies_to(raw)) {
            if mapped.kind.is_none() {
                mapped.kind = rule.kind.map(|kind| (kind, rule.name.clone()));
            }
            mapped.tokens = mapped.tokens.or(rule.tokens);
            for (attribute, mapping) in &rule.fields {
                let field = mapping.field.span_field;
                if mapped.values.iter().any(|known| known.field == field) {
                    continue;
                }
                let Some(value) = raw.attributes.get(attribute).and_then(|value| mapping.value_of(value).ok()) else { continue };
                mapped.values.push(MappedFieldValue { field, attribute: attribute.clone(), value, rule: rule.name.clone() });
            }
        }
        mapped
    }
}

impl MappedSpanFields {
    /// Records the rules as the sources of the fields that they set, in place of the sources that were recorded for them.
    pub(crate) fn record_provenance(&self, reading: &mut Vec<FieldProvenance>) {
        if let Some((_, rule)) = &self.kind {
            let source = FieldSource::MappingRule { rule: rule.clone(), attribute: None };
            reading.push(FieldProvenance { field: SpanField::SpanKind.as_str().into(), source });
        }
        for value in &self.values {
            let source = FieldSource::MappingRule { rule: value.rule.clone(), attribute: Some(value.attribute.clone()) };
            let field = value.field.as_str();
            reading.retain(|read| read.field != field || read.source.attribute() != Some(&value.attribute));
            reading.push(FieldProvenance { field: field.into(), source });
        }
    }
}

impl MappingRule {
    fn applies_to(&self, raw: &RawSpan) -> bool {
        let is_value = |pattern: &NamePattern, value: &Value| match value {
            Value::String(text) => pattern.matches(text),
            other => pattern.matches(&other.to_string()),
        };
        self.scope.as_ref().is_none_or(|scope| scope.matches(raw.origin.as_deref().unwrap_or_default()))
            && self.span.as_ref().is_none_or(|span| span.matches(&raw.name))
            && self.attributes.iter().all(|(name, pattern)| raw.attributes.get(name).is_some_and(|value| is_value(pattern, value)))
    }
}

impl FieldMapping {
    /// Returns the value in the unit of the field.
    fn value_of(self, value: &Value) -> Result<Value, MappedValueProblem> {
        self.field.value_type.convert(value, self.unit)
    }
}
