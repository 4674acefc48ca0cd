//! Evaluation of a filter on log lines.

use std::borrow::Cow;

use hinomi_model::id::TraceId;
use hinomi_model::log_line::{LogLevel, LogLine};
use serde_json::Value;

use super::fields::FilterColumnType;
use super::matcher::{ValueTest, prepare_test};
use super::{FieldTest, Filter, FilterTerm};
use crate::error::QueryError;

/// Names of the fields that a filter for log lines may use, in addition to `attr.NAME`.
pub(super) const FIELD_NAMES: &[&str] = &["level", "trace", "span", "body", "service", "environment", "release", "user"];

/// Attributes in which SDKs send a field, the preferred one first.
const FIELD_ATTRIBUTES: &[(&str, &[&str])] = &[
    ("service", &["service.name", "server.address", "sentry.server.address"]),
    ("environment", &["sentry.environment", "deployment.environment.name", "deployment.environment"]),
    ("release", &["sentry.release", "service.version"]),
    ("user", &["user.id", "enduser.id", "user.email", "user.name"]),
];

/// A filter that is prepared for log lines.
#[derive(Debug, Clone)]
pub struct LogLineMatcher {
    terms: Vec<(bool, LogLineTerm)>,
    trace: Option<TraceId>,
    levels: Option<Vec<LogLevel>>,
}

#[derive(Debug, Clone)]
enum LogLineTerm {
    Words(String),
    Field(LogLineField, ValueTest),
    Any(Vec<LogLineMatcher>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LogLineField {
    Level,
    Trace,
    Span,
    Body,
    Attributes(Vec<String>),
}

impl LogLineMatcher {
    /// Prepares a filter that was parsed with [`FilterFields::OF_LOG_LINES`](super::FilterFields::OF_LOG_LINES).
    ///
    /// # Errors
    ///
    /// Returns an error if the filter compares values that cannot be compared.
    pub fn new(filter: &Filter) -> Result<LogLineMatcher, QueryError> {
        let mut matcher = LogLineMatcher { terms: Vec::new(), trace: None, levels: None };
        for term in &filter.0 {
            let prepared = match term {
                FilterTerm::Text { not, text } => (*not, LogLineTerm::Words(text.to_lowercase())),
                FilterTerm::Field { not, field, test } => {
                    if !not {
                        matcher.note_required_values(field, test);
                    }
                    let place = LogLineField::resolve(field)?;
                    let test = prepare_test(field, place.column_type(), test)?;
                    (*not, LogLineTerm::Field(place, test))
                }
                FilterTerm::Group { not, any } => (*not, LogLineTerm::Any(any.iter().map(LogLineMatcher::new).collect::<Result<_, _>>()?)),
                FilterTerm::InTraces(_) | FilterTerm::InTargets { .. } => return Err(QueryError::BadField("trace".to_owned())),
            };
            matcher.terms.push(prepared);
        }
        Ok(matcher)
    }

    fn note_required_values(&mut self, field: &str, test: &FieldTest) {
        let FieldTest::OneOf(values) = test else { return };
        match (field, values.as_slice()) {
            ("trace", [trace]) => self.trace = trace.to_ascii_lowercase().parse().ok(),
            ("level", values) => {
                self.levels = values.iter().map(|value| LogLevel::from_name(&value.to_ascii_lowercase())).collect();
            }
            _ => {}
        }
    }

    /// Returns the trace to which every matching line belongs, if the filter names one.
    pub fn required_trace(&self) -> Option<TraceId> {
        self.trace
    }

    /// Returns the levels that matching lines can have, if the filter names levels.
    pub fn required_levels(&self) -> Option<&[LogLevel]> {
        self.levels.as_deref()
    }

    /// Returns whether a line passes the filter. A missing value never passes a term, and always passes a negated term (`-field:value`).
    pub fn holds(&self, line: &LogLine) -> bool {
        self.terms.iter().all(|(not, term)| term.holds(line) != *not)
    }
}

impl LogLineTerm {
    fn holds(&self, line: &LogLine) -> bool {
        match self {
            LogLineTerm::Words(text) => line.body.to_lowercase().contains(text),
            LogLineTerm::Any(any) => any.iter().any(|matcher| matcher.holds(line)),
            LogLineTerm::Field(field, test) => {
                let text = field.text(line);
                match test {
                    ValueTest::Present => text.is_some(),
                    ValueTest::Texts(patterns) => text.is_some_and(|text| patterns.iter().any(|pattern| pattern.holds(&text))),
                    numeric => numeric.passes_number(text.and_then(|text| text.parse().ok())),
                }
            }
        }
    }
}

impl LogLineField {
    fn resolve(field: &str) -> Result<LogLineField, QueryError> {
        if let Some(name) = field.strip_prefix("attr.") {
            return Ok(LogLineField::Attributes(vec![name.to_owned()]));
        }
        if let Some((_, names)) = FIELD_ATTRIBUTES.iter().find(|(name, _)| *name == field) {
            return Ok(LogLineField::Attributes(names.iter().map(|name| (*name).to_owned()).collect()));
        }
        match field {
            "level" => Ok(LogLineField::Level),
            "trace" => Ok(LogLineField::Trace),
            "span" => Ok(LogLineField::Span),
            "body" => Ok(LogLineField::Body),
            _ => Err(QueryError::BadField(field.to_owned())),
        }
    }

    fn column_type(&self) -> FilterColumnType {
        match self {
            // Both are compared in lower case, and not by order.
            LogLineField::Level | LogLineField::Trace | LogLineField::Span => FilterColumnType::Id,
            _ => FilterColumnType::Text,
        }
    }

    fn text<'a>(&self, line: &'a LogLine) -> Option<Cow<'a, str>> {
        match self {
            LogLineField::Level => line.level.map(|level| Cow::Borrowed(level.as_str())),
            LogLineField::Trace => line.trace_id.map(|trace| Cow::Owned(trace.to_string())),
            LogLineField::Span => line.span_id.map(|span| Cow::Owned(span.to_string())),
            LogLineField::Body => Some(Cow::Borrowed(&line.body)),
            LogLineField::Attributes(names) => names.iter().find_map(|name| match line.attributes.get(name)? {
                Value::Null => None,
                Value::String(text) => Some(Cow::Borrowed(text.as_str())),
                other => Some(Cow::Owned(other.to_string())),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use hinomi_model::id::SpanId;
    use serde_json::json;

    use super::super::FilterFields;
    use super::*;

    fn matcher(text: &str) -> LogLineMatcher {
        LogLineMatcher::new(&Filter::parse_with_fields(text, FilterFields::OF_LOG_LINES).unwrap()).unwrap()
    }

    #[test]
    fn lines_match_by_text_level_ids_and_attributes() {
        let attributes = json!({ "service.name": "shop", "n": 3, "logger.name": "shop.orders" }).as_object().cloned().unwrap();
        let (trace_id, span_id) = (Some(TraceId(0xab)), Some(SpanId(7)));
        let body = "Order 17 FAILED: no stock".to_owned();
        let line = LogLine { key: [0; 16], trace_id, span_id, at_us: 0, level: Some(LogLevel::Warn), body, attributes };
        let trace = "0".repeat(30) + "AB";
        for (text, holds) in [
            ("", true),
            ("failed", true),
            ("\"order 18\"", false),
            ("-stock", false),
            ("level:warn", true),
            ("level:error,WARN failed", true),
            ("-level:warn", false),
            ("body:Order*", true),
            ("service:shop", true),
            ("environment:*", false),
            ("-environment:prod", true),
            ("attr.n:>2", true),
            ("attr.n:3", true),
            ("attr.logger.name:shop.*", true),
            ("attr.missing:*", false),
            ("(level:error OR attr.n:3) stock", true),
            (&format!("trace:{trace}"), true),
            ("span:0000000000000007", true),
            ("span:0000000000000008", false),
        ] {
            assert_eq!(matcher(text).holds(&line), holds, "{text}");
        }
        let (none, bare) = (None, LogLine { trace_id: None, span_id: None, level: None, ..line });
        assert_eq!((matcher("level:*").holds(&bare), matcher("trace:*").holds(&bare)), (false, false));
        assert_eq!(matcher(&format!("trace:{trace} level:warn,error")).required_trace(), Some(TraceId(0xab)));
        assert_eq!(matcher("level:warn,error").required_levels(), Some(&[LogLevel::Warn, LogLevel::Error][..]));
        assert_eq!(matcher("level:Fatal").required_levels(), Some(&[LogLevel::Fatal][..]));
        assert_eq!(matcher("-level:warn").required_levels(), none);
        assert_eq!(matcher("level:w*").required_levels(), none);
        assert_eq!(matcher("(level:warn OR body:x)").required_levels(), none);
    }

    #[test]
    fn unknown_fields_are_named_with_the_known_ones() {
        let error = Filter::parse_with_fields("model:x", FilterFields::OF_LOG_LINES).unwrap_err();
        assert!(error.to_string().contains("level trace span body"), "{error}");
        assert!(error.hint().contains("level:"), "{}", error.hint());
    }
}
