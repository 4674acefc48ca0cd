//! Reading of configurations: fields with their types, defaults and errors.

use serde_json::{Map, Value};

use super::EVALUATOR_TYPES;

/// Maximum number of texts in a list, and of bytes of a text.
const MAX_TEXTS: usize = 100;
const MAX_TEXT_BYTES: usize = 100_000;

/// Reason why the configuration of an evaluator is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluatorConfigError {
    /// There is no such type.
    #[error("type: {evaluator_type:?} is unknown; use one of {}", EVALUATOR_TYPES.join(", "))]
    UnknownType {
        /// Type as requested.
        evaluator_type: String,
    },
    /// A field is missing, unknown or not valid.
    #[error("config.{field}: {reason}")]
    Invalid {
        /// Name of the field.
        field: String,
        /// What is wrong, and what to use.
        reason: String,
    },
    /// The configuration is no object.
    #[error("config: use an object")]
    NoObject,
}

/// Fields of a configuration, of which each is read once.
pub(super) struct ConfigFields<'a> {
    fields: &'a Map<String, Value>,
    read: Vec<&'static str>,
}

/// Returns an error about a field.
pub(super) fn invalid(field: &str, reason: impl Into<String>) -> EvaluatorConfigError {
    EvaluatorConfigError::Invalid { field: field.to_owned(), reason: reason.into() }
}

impl<'a> ConfigFields<'a> {
    pub(super) fn new(config: &'a Value) -> Result<ConfigFields<'a>, EvaluatorConfigError> {
        let fields = config.as_object().ok_or(EvaluatorConfigError::NoObject)?;
        Ok(ConfigFields { fields, read: Vec::new() })
    }

    /// Returns a field that is there and not null.
    pub(super) fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.read.push(field);
        self.fields.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn boolean(&mut self, field: &'static str, default: bool) -> Result<bool, EvaluatorConfigError> {
        self.value(field).map_or(Ok(default), |value| value.as_bool().ok_or_else(|| invalid(field, "use true or false")))
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<&'a str>, EvaluatorConfigError> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| invalid(field, "use a text"))?;
        if text.len() > MAX_TEXT_BYTES { Err(invalid(field, format!("use at most {MAX_TEXT_BYTES} bytes"))) } else { Ok(Some(text)) }
    }

    pub(super) fn required_text(&mut self, field: &'static str) -> Result<&'a str, EvaluatorConfigError> {
        self.text(field)?.ok_or_else(|| invalid(field, "this field is required"))
    }

    /// Returns a number in a range.
    pub(super) fn number(
        &mut self,
        field: &'static str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<Option<f64>, EvaluatorConfigError> {
        let Some(value) = self.value(field) else { return Ok(None) };
        let number = value.as_f64().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| invalid(field, format!("use a number from {} to {}", range.start(), range.end())))
    }

    /// Returns a list of texts that are not empty.
    pub(super) fn texts(&mut self, field: &'static str) -> Result<Vec<String>, EvaluatorConfigError> {
        let Some(value) = self.value(field) else { return Ok(Vec::new()) };
        let list = || invalid(field, format!("use a list of at most {MAX_TEXTS} texts that are not empty"));
        let items = value.as_array().filter(|items| items.len() <= MAX_TEXTS).ok_or_else(list)?;
        let text = |item: &Value| item.as_str().filter(|text| !text.is_empty() && text.len() <= MAX_TEXT_BYTES).map(str::to_owned);
        items.iter().map(text).collect::<Option<Vec<String>>>().ok_or_else(list)
    }

    /// Checks that each field was read.
    pub(super) fn check_all_used(&self) -> Result<(), EvaluatorConfigError> {
        let unknown = self.fields.keys().find(|field| !self.read.contains(&field.as_str()));
        match unknown {
            Some(field) if self.read.is_empty() => Err(invalid(field, "this type has no fields")),
            Some(field) => Err(invalid(field, format!("unknown field; this type has {}", self.read.join(", ")))),
            None => Ok(()),
        }
    }
}
