//! Which findings a query selects.

use hinomi_model::finding::{FindingDetector, FindingKind};
use hinomi_tables::findings::FindingListQuery;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::QueryParameterError;
use super::pages::checked_limit;

/// Default number of findings of a page.
const DEFAULT_FINDINGS: usize = 50;
/// Maximum number of findings of a page.
const MAX_FINDINGS: usize = 1_000;

/// Selects findings, in addition to a time range and a filter.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FindingListParameters {
    /// Kind of the findings. Default: all kinds.
    #[param(inline)]
    pub kind: Option<FindingKind>,
    /// Detector of the findings. Default: all detectors.
    #[param(inline)]
    pub detector: Option<FindingDetector>,
    /// Maximum number of findings, from 1 to 1,000. Default: 50.
    pub limit: Option<usize>,
    /// Cursor: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl FindingListParameters {
    /// Returns the query with defaults, without a time range.
    ///
    /// # Errors
    ///
    /// Returns an error if the limit or the cursor is not valid.
    pub fn query(&self) -> Result<FindingListQuery, QueryParameterError> {
        let cursor = |text: &str| {
            let (start_us, row) = text.split_once('.')?;
            Some((start_us.parse().ok()?, row.parse().ok()?))
        };
        let given = self.cursor.as_deref().filter(|text| !text.is_empty());
        Ok(FindingListQuery {
            kind: self.kind,
            detector: self.detector,
            after: given.map(|text| cursor(text).ok_or(QueryParameterError::BadCursor)).transpose()?,
            limit: checked_limit(self.limit.unwrap_or(DEFAULT_FINDINGS), MAX_FINDINGS)?,
            ..FindingListQuery::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_selected_by_kind_and_page() {
        let parameters =
            FindingListParameters { kind: Some(FindingKind::ToolLoop), cursor: Some("5.7".into()), ..FindingListParameters::default() };
        let query = parameters.query().unwrap();
        assert_eq!((query.kind, query.after, query.limit), (Some(FindingKind::ToolLoop), Some((5, 7)), 50));
        let wrong = FindingListParameters { cursor: Some("x".into()), ..FindingListParameters::default() };
        assert_eq!(wrong.query().unwrap_err().code(), "bad_query");
    }
}
