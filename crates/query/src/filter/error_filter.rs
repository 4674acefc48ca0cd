//! Filters of error events: the fields of spans, and fields that only events have.

use super::{Filter, FilterError, FilterFields, FilterTerm};

/// Fields that only error events have: name of the field, name of the event's attribute.
const ERROR_FIELDS: &[(&str, &str)] = &[
    ("type", "error.type"),
    ("message", "message"),
    ("level", "level"),
    ("handled", "error.handled"),
    ("mechanism", "error.mechanism"),
    ("transaction", "transaction"),
    ("logger", "logger"),
    ("platform", "platform"),
    ("error.type", "error.type"),
    ("error.value", "error.value"),
    ("error.handled", "error.handled"),
    ("error.mechanism", "error.mechanism"),
];

/// Names of [`ERROR_FIELDS`].
pub(super) const FIELD_NAMES: &[&str] = &{
    let mut names = [""; ERROR_FIELDS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = ERROR_FIELDS[at].0;
        at += 1;
    }
    names
};

/// A filter for error events, divided by what it is applied to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorFilter {
    /// Terms that an event must match by itself. Their fields are attributes of the event.
    pub of_event: Filter,
    /// Terms that an event, or a span of its trace, must match.
    pub of_event_or_trace: Filter,
}

impl ErrorFilter {
    /// Parses the text of a filter.
    ///
    /// # Errors
    ///
    /// As [`Filter::parse`].
    pub fn parse(text: &str) -> Result<ErrorFilter, FilterError> {
        let mut divided = ErrorFilter::default();
        for mut term in Filter::parse_with_fields(text, FilterFields::OF_ERROR_EVENTS)?.0 {
            let of = if name_attributes(&mut term) { &mut divided.of_event } else { &mut divided.of_event_or_trace };
            of.0.push(term);
        }
        Ok(divided)
    }
}

/// Replaces fields that only events have by the attributes of events. Returns whether there were any.
fn name_attributes(term: &mut FilterTerm) -> bool {
    match term {
        FilterTerm::Field { field, .. } => match ERROR_FIELDS.iter().find(|(name, _)| name == field) {
            Some((_, attribute)) => {
                *field = format!("attr.{attribute}");
                true
            }
            None => false,
        },
        FilterTerm::Group { any, .. } => {
            // Each term is renamed, so this does not stop at the first one.
            any.iter_mut().flat_map(|filter| &mut filter.0).map(name_attributes).filter(|is_of_event| *is_of_event).count() > 0
        }
        FilterTerm::Text { .. } | FilterTerm::InTraces(_) | FilterTerm::InTargets { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_divided_by_what_has_their_field() {
        let divided = ErrorFilter::parse("level:error model:gpt-4o \"rate limit\" -type:Timeout* (handled:false OR user:u1)").unwrap();
        let expected = |text: &str| Filter::parse(text).unwrap();
        let of_event = "attr.level:error -attr.error.type:Timeout* (attr.error.handled:false OR user:u1)";
        assert_eq!(divided.of_event, expected(of_event));
        assert_eq!(divided.of_event_or_trace, expected("model:gpt-4o \"rate limit\""));
        assert_eq!(ErrorFilter::parse("").unwrap(), ErrorFilter::default());
        let error = ErrorFilter::parse("colour:red").unwrap_err().to_string();
        assert!(error.contains("type message level handled") && error.contains("model provider"), "{error}");
        assert!(Filter::parse("level:error").is_err(), "spans have no level");
    }
}
