//! Errors in parameters.

use hinomi_query::QueryError;
use hinomi_query::filter::FilterError;

/// Reason why a parameter is not valid.
#[derive(Debug, thiserror::Error)]
pub enum QueryParameterError {
    /// Text that is not a time.
    #[error("{parameter}: {text:?} is not a valid time{advice}", advice = advice(*forms))]
    BadTime {
        /// Name of the parameter.
        parameter: &'static str,
        /// Text as requested.
        text: String,
        /// Valid forms, if the message lists them.
        forms: Option<&'static str>,
    },
    /// Filter with a syntax error.
    #[error(transparent)]
    BadFilter(#[from] FilterError),
    /// Unknown name, for example of a measure or of a property to group by.
    #[error(transparent)]
    BadQuery(#[from] QueryError),
    /// Cursor that does not come from this list.
    #[error("cursor does not belong to this list; start again without a cursor")]
    BadCursor,
    /// Number out of range.
    #[error("{parameter}: must be from 1 to {max}")]
    OutOfRange {
        /// Name of the parameter.
        parameter: &'static str,
        /// Maximum value.
        max: usize,
    },
    /// Text that is not a JSON array of strings.
    #[error("{parameter}: not a JSON array of strings: {error}")]
    BadList {
        /// Name of the parameter.
        parameter: &'static str,
        /// Error of the JSON parser.
        error: serde_json::Error,
    },
    /// List with too many items.
    #[error("{parameter}: must have at most {max} items")]
    TooManyItems {
        /// Name of the parameter.
        parameter: &'static str,
        /// Maximum number of items.
        max: usize,
    },
    /// Parameter that another parameter excludes.
    #[error("{parameter}: cannot be combined with {other}")]
    Excluded {
        /// Name of the parameter.
        parameter: &'static str,
        /// What excludes it.
        other: &'static str,
    },
    /// Empty text.
    #[error("{parameter}: must not be empty")]
    Empty {
        /// Name of the parameter.
        parameter: &'static str,
    },
}

impl QueryParameterError {
    /// Returns the machine-readable code in snake case.
    pub fn code(&self) -> &'static str {
        match self {
            QueryParameterError::BadTime { .. } => "bad_time",
            QueryParameterError::BadFilter(_) => "bad_filter",
            QueryParameterError::BadQuery(_) | QueryParameterError::BadCursor => "bad_query",
            QueryParameterError::OutOfRange { .. }
            | QueryParameterError::BadList { .. }
            | QueryParameterError::TooManyItems { .. }
            | QueryParameterError::Excluded { .. }
            | QueryParameterError::Empty { .. } => "bad_parameter",
        }
    }

    /// Returns how to fix the parameter; `None` if the message already says it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            QueryParameterError::BadFilter(error) => Some(error.hint()),
            _ => None,
        }
    }
}

fn advice(forms: Option<&str>) -> String {
    forms.map(|forms| format!("; use {forms}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use hinomi_query::SeriesMeasure;
    use hinomi_query::filter::Filter;

    use super::*;

    #[test]
    fn errors_have_a_code_a_message_and_perhaps_a_hint() {
        let errors: [QueryParameterError; 4] = [
            QueryParameterError::BadTime { parameter: "at", text: "soon".to_owned(), forms: None },
            Filter::parse("model:").unwrap_err().into(),
            SeriesMeasure::parse("x").unwrap_err().into(),
            QueryParameterError::OutOfRange { parameter: "limit", max: 9 },
        ];
        let seen: Vec<_> = errors.iter().map(|error| (error.code(), error.hint().is_some(), error.to_string())).collect();
        assert_eq!(seen[0], ("bad_time", false, r#"at: "soon" is not a valid time"#.to_owned()));
        assert_eq!((seen[1].0, seen[1].1), ("bad_filter", true));
        assert_eq!((seen[2].0, seen[2].1), ("bad_query", false));
        assert_eq!(seen[3], ("bad_parameter", false, "limit: must be from 1 to 9".to_owned()));
    }
}
