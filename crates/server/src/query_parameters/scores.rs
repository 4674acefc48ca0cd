//! Which scores a query selects.

use hinomi_model::langfuse;
use hinomi_model::score::ScoreSource;
use hinomi_tables::scores::ScoreListQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::QueryParameterError;
use super::pages::checked_limit;
use super::times::{now_us, range};

/// Default number of scores of a page.
const DEFAULT_SCORES: usize = 100;
/// Maximum number of scores of a page.
const MAX_SCORES: usize = 1_000;

/// Selects scores.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ScoreListParameters {
    /// Start of the time range of the scores, inclusive, in the forms that the list of spans accepts. Default: all stored scores.
    pub from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    pub to: Option<String>,
    /// Name of the scores. Default: all names.
    pub name: Option<String>,
    /// Source of the scores. Default: all sources.
    #[param(inline)]
    pub source: Option<ScoreSource>,
    /// ID of a trace: only scores of the trace and its spans are returned.
    pub trace: Option<String>,
    /// ID of a span: only its scores are returned.
    pub span: Option<String>,
    /// ID of a conversation: only its scores are returned.
    pub session: Option<String>,
    /// ID of an experiment: only its scores are returned.
    pub experiment: Option<String>,
    /// Whether earlier versions of scores are returned. Default: false.
    #[serde(default)]
    pub superseded: bool,
    /// Maximum number of scores, from 1 to 1,000. Default: 100.
    pub limit: Option<usize>,
    /// Cursor: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl ScoreListParameters {
    /// Returns the query with defaults.
    ///
    /// # Errors
    ///
    /// Returns an error if a time, the limit or the cursor is not valid.
    pub fn query(self) -> Result<ScoreListQuery, QueryParameterError> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let cursor = |text: String| {
            let (at_us, row) = text.split_once('.')?;
            Some((at_us.parse().ok()?, row.parse().ok()?))
        };
        let after = given(self.cursor).map(|text| cursor(text).ok_or(QueryParameterError::BadCursor)).transpose()?;
        let times_us = match (&self.from, &self.to) {
            (None, None) => None,
            (from, to) => Some(range(from.as_deref(), to.as_deref(), now_us())?),
        };
        Ok(ScoreListQuery {
            name: given(self.name),
            source: self.source,
            trace: given(self.trace).map(|id| langfuse::trace_id(&id)),
            span: given(self.span).map(|id| langfuse::span_id(&id)),
            session: given(self.session),
            experiment: given(self.experiment),
            times_us,
            with_superseded: self.superseded,
            after,
            limit: checked_limit(self.limit.unwrap_or(DEFAULT_SCORES), MAX_SCORES)?,
        })
    }
}

/// Selects the scores of a summary.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ScoreSummaryParameters {
    /// Start of the time range of the scores, inclusive, in the forms that the list of spans accepts. Default: all stored scores.
    pub from: Option<String>,
    /// End of the time range, exclusive, in the same forms as `from`. Default: no end.
    pub to: Option<String>,
    /// Environment that the scores name. Default: all scores.
    pub environment: Option<String>,
}

impl ScoreSummaryParameters {
    /// Returns start and end in microseconds since the Unix epoch: the minimum and maximum of `i64` if they are omitted.
    ///
    /// # Errors
    ///
    /// Returns an error if the start or the end is not a time.
    pub fn range(&self) -> Result<(i64, i64), QueryParameterError> {
        range(self.from.as_deref(), self.to.as_deref(), now_us())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_selected_by_target_and_page() {
        let given = |text: &str| Some(text.to_owned());
        let query =
            ScoreListParameters { session: given("s"), cursor: given("5.7"), source: Some(ScoreSource::Judge), ..Default::default() };
        let query = query.query().unwrap();
        assert_eq!((query.session.as_deref(), query.after, query.limit, query.times_us), (Some("s"), Some((5, 7)), 100, None));
        let wrong = |parameters: ScoreListParameters| parameters.query().unwrap_err().code();
        assert_eq!(wrong(ScoreListParameters { cursor: given("x"), ..Default::default() }), "bad_query");
        assert_eq!(wrong(ScoreListParameters { limit: Some(0), ..Default::default() }), "bad_parameter");
        assert_eq!(wrong(ScoreListParameters { from: given("soon"), ..Default::default() }), "bad_time");
    }
}
