//! Order and pages of lists.

use hinomi_query::QueryError;
use hinomi_tables::log_lines::LogCursor;
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::QueryParameterError;

/// Default number of rows of a page.
const DEFAULT_ROWS: usize = 50;
/// Maximum number of rows of a page.
const MAX_ROWS: usize = 1000;
/// Default number of log lines of a page.
const DEFAULT_LOG_LINES: usize = 200;
/// Maximum number of log lines of a page.
const MAX_LOG_LINES: usize = 2_000;

/// Default order of spans and traces.
pub const SPAN_SORT: &str = "-start_time";
/// Default order of issues.
pub const ISSUE_SORT: &str = "-last_seen";

/// Order and page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// Field to sort by, with a leading `-` for descending order. Default: `-start_time` for spans and traces, `-last_seen` for issues.
    pub sort: Option<String>,
    /// Maximum number of rows, from 1 to 1,000. Default: 50.
    pub limit: Option<usize>,
    /// Cursor: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// Order and page of a list, with defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageQuery<'a> {
    /// Field to sort by, with a leading `-` for descending order. The query checks it.
    pub sort: &'a str,
    /// Maximum number of rows.
    pub limit: usize,
    /// Cursor; `None` for the first page. The query checks it.
    pub cursor: Option<&'a str>,
}

impl PageParameters {
    /// Returns the parameters with defaults, of which the order differs by list.
    ///
    /// # Errors
    ///
    /// Returns an error if the limit is out of range.
    pub fn query<'a>(&'a self, default_sort: &'a str) -> Result<PageQuery<'a>, QueryParameterError> {
        let limit = checked_limit(self.limit.unwrap_or(DEFAULT_ROWS), MAX_ROWS)?;
        Ok(PageQuery { sort: self.sort.as_deref().unwrap_or(default_sort), limit, cursor: self.cursor.as_deref() })
    }
}

/// Order and page of the list of log lines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogListParameters {
    /// `-time` (default) for the newest line first, or `time`.
    pub sort: Option<String>,
    /// Maximum number of log lines, from 1 to 2,000. Default: 200.
    pub limit: Option<usize>,
    /// Cursor: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

impl LogListParameters {
    /// Returns whether the oldest line comes first, and the page.
    ///
    /// # Errors
    ///
    /// Returns an error if the order is unknown, the limit is out of range, or the cursor is not one of log lines.
    pub fn page(&self) -> Result<(bool, LogLinePage), QueryParameterError> {
        let is_ascending = match self.sort.as_deref() {
            None | Some("" | "-time") => false,
            Some("time") => true,
            Some(other) => return Err(QueryError::BadSort { sort: other.to_owned(), known: vec!["time"] }.into()),
        };
        Ok((is_ascending, LogLineParameters { limit: self.limit, cursor: self.cursor.clone() }.page()?))
    }
}

/// Selects log lines.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogLineParameters {
    /// Maximum number of log lines, from 1 to 2,000. Default: 200.
    pub limit: Option<usize>,
    /// Cursor: `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// A page of log lines, with defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLinePage {
    /// Maximum number of log lines.
    pub limit: usize,
    /// End of the previous page; `None` for the first page.
    pub after: Option<LogCursor>,
}

impl LogLineParameters {
    /// Returns the parameters with defaults.
    ///
    /// # Errors
    ///
    /// Returns an error if the limit is out of range, or the cursor is not one of log lines.
    pub fn page(&self) -> Result<LogLinePage, QueryParameterError> {
        let limit = checked_limit(self.limit.unwrap_or(DEFAULT_LOG_LINES), MAX_LOG_LINES)?;
        let cursor = self.cursor.as_deref().filter(|text| !text.is_empty());
        let after = cursor.map(str::parse).transpose().map_err(|()| QueryParameterError::BadCursor)?;
        Ok(LogLinePage { limit, after })
    }
}

pub(super) fn checked_limit(limit: usize, max: usize) -> Result<usize, QueryParameterError> {
    if (1..=max).contains(&limit) { Ok(limit) } else { Err(QueryParameterError::OutOfRange { parameter: "limit", max }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_defaults_and_limits() {
        let usual = PageParameters::default();
        assert_eq!(usual.query(ISSUE_SORT).unwrap(), PageQuery { sort: "-last_seen", limit: 50, cursor: None });
        let given = PageParameters { sort: Some("cost".to_owned()), limit: Some(1000), cursor: Some("x".to_owned()) };
        assert_eq!(given.query(SPAN_SORT).unwrap(), PageQuery { sort: "cost", limit: 1000, cursor: Some("x") });
        for limit in [0, 1001] {
            let wrong = PageParameters { limit: Some(limit), ..PageParameters::default() };
            assert_eq!(wrong.query(SPAN_SORT).unwrap_err().to_string(), "limit: must be from 1 to 1000");
        }
    }

    #[test]
    fn a_page_of_log_lines_has_defaults_and_limits() {
        let page = |limit, cursor: &str| LogLineParameters { limit, cursor: Some(cursor.to_owned()) }.page();
        assert_eq!(page(None, "").unwrap(), LogLinePage { limit: 200, after: None });
        assert_eq!(page(Some(2000), "5.6").unwrap(), LogLinePage { limit: 2000, after: "5.6".parse().ok() });
        assert_eq!(page(Some(2001), "").unwrap_err().to_string(), "limit: must be from 1 to 2000");
        assert_eq!(page(None, "x").unwrap_err().code(), "bad_query");
        let sorted = |sort: &str| LogListParameters { sort: Some(sort.to_owned()), ..LogListParameters::default() }.page();
        assert_eq!((sorted("-time").unwrap().0, sorted("time").unwrap().0), (false, true));
        assert!(sorted("level").unwrap_err().to_string().contains("time"));
    }
}
