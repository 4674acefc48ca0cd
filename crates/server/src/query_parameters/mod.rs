//! Parameters of queries as text, from any source: the URL of a request, the options of a command, or the arguments of a tool.
//!
//! Each structure holds the texts of one group of parameters. The methods of a structure parse the texts, and apply defaults and limits.
//! They do not depend on HTTP: `api` extracts the structures from requests and converts a [`QueryParameterError`] to a response.

mod charts;
mod error;
mod filter;
mod findings;
mod groups;
mod lifetimes;
mod pages;
mod scores;
mod times;

pub use charts::{OtelMetricSeriesParameters, SCORE_MEASURE, TimeSeriesParameters, TimeSeriesQuery};
pub use error::QueryParameterError;
pub use filter::{
    ErrorEventScope, ErrorFilterParameters, FilterParameters, FilterSelection, FilterTarget, LogFilterParameters, LogLineScope,
    TraceSearchParameters,
};
pub use findings::FindingListParameters;
pub use groups::{BreakdownParameters, BreakdownProperty, BreakdownQuery, FacetParameters};
pub use lifetimes::parse_lifetime;
pub use pages::{ISSUE_SORT, LogLinePage, LogLineParameters, LogListParameters, PageParameters, PageQuery, SPAN_SORT};
pub use scores::{ScoreListParameters, ScoreSummaryParameters};
pub use times::{TIME_FORMS, TimeHintParameters, TimeRangeParameters, parse_time};
