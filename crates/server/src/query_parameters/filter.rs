//! What a query covers: time range, filter, and what the filter selects.

use hinomi_query::filter::{ErrorFilter, Filter, FilterFields};
use hinomi_query::{LogLineMatcher, ProjectSnapshot, QueryError, QueryScope};
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::QueryParameterError;
use super::times::{now_us, range};

/// Time range and filter of a query.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterParameters {
    /// Start of the time range, inclusive: an RFC 3339 time, a day such as `2026-01-31` (UTC), Unix seconds, `now`, or an offset from now
    /// such as `-24h` with the unit `s`, `m`, `h`, `d` or `w`. Default: all stored data.
    pub from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    pub to: Option<String>,
    /// Filter in the filter language, such as `model:gpt-4o status:error`: at most 64 terms and 1,000 values. Default: no filter.
    pub q: Option<String>,
}

impl FilterParameters {
    /// Returns the scope, which is all stored spans if nothing is given.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter or a time is not valid.
    pub fn scope(&self) -> Result<QueryScope, QueryParameterError> {
        let filter = Filter::parse(self.q.as_deref().unwrap_or_default())?;
        let (from_us, to_us) = range(self.from.as_deref(), self.to.as_deref(), now_us())?;
        Ok(QueryScope { from_us, to_us, filter })
    }
}

/// Time range and filter of a query for error events.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ErrorFilterParameters {
    /// Start of the time range, inclusive, in the forms that the list of spans accepts. Default: all stored events.
    pub from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    pub to: Option<String>,
    /// Filter with the fields of error events, of spans, or words of the error, such as `type:RateLimitError level:error "try again"`.
    /// Default: no filter.
    pub q: Option<String>,
}

impl ErrorFilterParameters {
    /// Returns the scope, which is all stored events if nothing is given.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter or a time is not valid.
    pub fn scope(&self) -> Result<ErrorEventScope, QueryParameterError> {
        let ErrorFilter { of_event, of_event_or_trace } = ErrorFilter::parse(self.q.as_deref().unwrap_or_default())?;
        let (from_us, to_us) = range(self.from.as_deref(), self.to.as_deref(), now_us())?;
        Ok(ErrorEventScope { of_event, of_event_or_trace: QueryScope { from_us, to_us, filter: of_event_or_trace } })
    }
}

/// What a query for error events covers.
#[derive(Debug, Clone)]
pub struct ErrorEventScope {
    /// Filter that an event must match by itself.
    pub of_event: Filter,
    /// Time range of the events, and filter that an event or a span of its trace must match.
    pub of_event_or_trace: QueryScope,
}

/// Time range and filter of a query for log lines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogFilterParameters {
    /// Start of the time range, inclusive, in the forms that the list of spans accepts. Default: all stored lines.
    pub from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    pub to: Option<String>,
    /// Filter with the fields of log lines, such as `level:error,fatal attr.tenant:acme`. Default: no filter.
    pub q: Option<String>,
}

impl LogFilterParameters {
    /// Returns the scope, which is all stored lines if nothing is given.
    ///
    /// # Errors
    ///
    /// Returns an error if the filter or a time is not valid.
    pub fn scope(&self) -> Result<LogLineScope, QueryParameterError> {
        let filter = Filter::parse_with_fields(self.q.as_deref().unwrap_or_default(), FilterFields::OF_LOG_LINES)?;
        let (from_us, to_us) = range(self.from.as_deref(), self.to.as_deref(), now_us())?;
        Ok(LogLineScope { from_us, to_us, matcher: LogLineMatcher::new(&filter)? })
    }
}

/// What a query for log lines covers.
#[derive(Debug, Clone)]
pub struct LogLineScope {
    /// Start in microseconds since the Unix epoch, inclusive.
    pub from_us: i64,
    /// End in microseconds since the Unix epoch, exclusive.
    pub to_us: i64,
    /// Filter.
    pub matcher: LogLineMatcher,
}

/// What a filter selects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilterTarget {
    /// The spans that match the filter.
    #[default]
    Spans,
    /// All spans within the time range of the traces that the trace list returns for the filter.
    Traces,
}

/// What the filter selects.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilterSelection {
    /// What the filter selects. Default: `spans`, the matching spans. `traces` selects the traces that the trace list returns for the
    /// filter, with all their spans in the time range.
    #[serde(default)]
    #[param(inline)]
    pub select: FilterTarget,
}

impl FilterSelection {
    /// Returns whether the filter selects whole traces.
    pub fn selects_traces(&self) -> bool {
        self.select == FilterTarget::Traces
    }

    /// Returns the scope of the selected spans.
    ///
    /// # Errors
    ///
    /// Returns an error if the matching traces cannot be determined.
    pub async fn select_spans(&self, project: &ProjectSnapshot, scope: QueryScope) -> Result<QueryScope, QueryError> {
        if self.selects_traces() { project.scope_of_traces(&scope).await } else { Ok(scope) }
    }
}

/// Text to search for in a trace.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TraceSearchParameters {
    /// Text to search for. Case is ignored. The text must not be empty.
    pub text: String,
}

impl TraceSearchParameters {
    /// Returns the text without spaces around it.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is empty.
    pub fn text(&self) -> Result<&str, QueryParameterError> {
        let text = self.text.trim();
        if text.is_empty() { Err(QueryParameterError::Empty { parameter: "text" }) } else { Ok(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_everything_unless_it_is_narrowed() {
        let open = FilterParameters::default().scope().unwrap();
        assert_eq!((open.from_us, open.to_us, open.filter.0.len()), (i64::MIN, i64::MAX, 0));
        let given = |text: &str| Some(text.to_owned());
        let narrow = FilterParameters { from: given("1970-01-02"), to: given("90000"), q: given("model:x status:error") }.scope().unwrap();
        assert_eq!((narrow.from_us, narrow.to_us, narrow.filter.0.len()), (86_400_000_000, 90_000_000_000, 2));
        // The filter is checked first.
        let wrong = FilterParameters { from: given("soon"), to: None, q: given("model:") }.scope().unwrap_err();
        assert_eq!((wrong.code(), wrong.hint().is_some()), ("bad_filter", true));
    }

    #[test]
    fn a_search_needs_a_text() {
        let text = |text: &str| TraceSearchParameters { text: text.to_owned() };
        assert_eq!(text(" a b ").text().unwrap(), "a b");
        assert_eq!(text("  ").text().unwrap_err().to_string(), "text: must not be empty");
    }
}
