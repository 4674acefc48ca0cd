//! The recognized attributes of a span.

use serde_json::{Map, Value};

use crate::normalize::attribute_names::{AttributeDialect, SpanField};
use crate::span::Attributes;
use crate::{python_repr, usage};

/// Recognized attributes of a span, the best for each field.
pub(crate) struct RecognizedAttributes<'a> {
    pub(crate) attributes: &'a Attributes,
    best: [Option<AttributeMatch<'a>>; SpanField::ALL.len()],
}

/// Best attribute for a field: its rank, name and value.
type AttributeMatch<'a> = (usize, &'static str, &'a Value);

impl<'a> RecognizedAttributes<'a> {
    pub(crate) fn new(attributes: &'a Attributes, dialect: &AttributeDialect) -> RecognizedAttributes<'a> {
        let mut best = [None; SpanField::ALL.len()];
        for (name, value) in attributes {
            if let Some((field, rank, name)) = dialect.lookup(name) {
                let known: &mut Option<AttributeMatch> = &mut best[field as usize];
                if known.is_none_or(|(known, ..)| rank < known) && !is_empty(value) && !is_no_name(field, value, attributes) {
                    *known = Some((rank, name, value));
                }
            }
        }
        RecognizedAttributes { attributes, best }
    }

    pub(crate) fn name(&self, field: SpanField) -> Option<&'static str> {
        self.best[field as usize].map(|(_, name, _)| name)
    }

    pub(crate) fn has(&self, field: SpanField) -> bool {
        self.best[field as usize].is_some()
    }

    pub(super) fn value(&self, field: SpanField) -> Option<&'a Value> {
        self.best[field as usize].map(|(.., value)| value)
    }

    pub(super) fn str(&self, field: SpanField) -> Option<&'a str> {
        self.value(field)?.as_str()
    }

    pub(crate) fn text(&self, field: SpanField) -> Option<String> {
        match self.value(field)? {
            Value::String(text) => {
                // MLflow writes each of its attributes as JSON.
                let is_json = self.name(field).is_some_and(|name| name.starts_with("mlflow."));
                let text = text.trim();
                let text = if is_json { text.trim_matches('"') } else { text };
                Some(text).filter(|text| !text.is_empty()).map(str::to_owned)
            }
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    pub(super) fn flag(&self, field: SpanField) -> Option<bool> {
        match self.value(field)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    pub(super) fn number(&self, field: SpanField) -> Option<f64> {
        match self.value(field)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number| number.is_finite())
    }

    pub(super) fn count(&self, field: SpanField) -> Option<u64> {
        usage::count(self.value(field)?)
    }

    /// Returns the attribute as an object; it may also be JSON text or the output of Python's `repr`.
    pub(super) fn object(&self, field: SpanField) -> Option<Map<String, Value>> {
        match self.value(field)? {
            Value::Object(object) => Some(object.clone()),
            Value::String(text) => crate::lenient_json::object(text).ok().or_else(|| match python_repr::read(text)? {
                Value::Object(object) => Some(object),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Returns the names of attributes that are not stored in addition to their field.
    pub(super) fn replaced(&self) -> Vec<&'static str> {
        let replaced = SpanField::ALL.iter().filter(|field| field.replaces_its_attribute());
        replaced.filter_map(|field| self.name(*field)).collect()
    }
}

/// Returns true for a value that does not identify a session or user: Logfire's placeholder for scrubbed values, which would merge all of
/// them, and the ID of the call's own response, which Sentry takes for a conversation of Vercel's AI SDK, and which would make each call
/// a conversation.
fn is_no_name(field: SpanField, value: &Value, attributes: &Attributes) -> bool {
    let is_scrubbed = || value.as_str().is_some_and(|text| text.starts_with("[Scrubbed due to "));
    matches!(field, SpanField::Session | SpanField::User) && (is_scrubbed() || attributes.get("gen_ai.response.id") == Some(value))
}

pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
