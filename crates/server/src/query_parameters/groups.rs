//! Totals by a property, and the values of a field.

use hinomi_query::{FacetQuery, GroupBy};
use serde::Deserialize;
use utoipa::IntoParams;

use super::error::QueryParameterError;
use super::filter::FilterSelection;

/// Default number of rows of a breakdown.
const DEFAULT_BREAKDOWN_ROWS: usize = 50;
/// Default number of most frequent values of a facet.
const DEFAULT_FACET_ROWS: usize = 20;
/// Maximum number of rows of a breakdown, and of most frequent values of a facet.
const MAX_ROWS: usize = 1000;
/// Maximum number of values of a facet that can be named.
const MAX_FACET_VALUES: usize = 100;

/// Grouping, order and length of a breakdown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BreakdownParameters {
    /// Property to group by: `model`, `provider`, `op`, `kind`, `status`, `name`, `pipeline`, `agent`, `tool`, `prompt`, `user`,
    /// `session`, `release`, `environment`, `service`, `tag:NAME`, or `finding` for the traces with findings of each kind. Default: `model`.
    pub by: Option<String>,
    /// Field of the rows to sort by, with a leading `-` for descending order. Default: `-cost`.
    pub sort: Option<String>,
    /// Maximum number of rows, from 1 to 1,000. Default: 50.
    pub limit: Option<usize>,
}

/// What a breakdown groups by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakdownProperty {
    /// A property of spans.
    Spans(GroupBy),
    /// Kinds of the findings of traces.
    Findings,
}

/// Grouping, order and length of a breakdown, with defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakdownQuery<'a> {
    /// Property to group by.
    pub by: BreakdownProperty,
    /// Field of the rows to sort by, with a leading `-` for descending order. The query checks it.
    pub sort: &'a str,
    /// Maximum number of rows.
    pub limit: usize,
}

impl BreakdownParameters {
    /// Returns the parameters with defaults. A limit out of range becomes the nearest valid one.
    ///
    /// # Errors
    ///
    /// Returns an error if the property is unknown.
    pub fn query(&self) -> Result<BreakdownQuery<'_>, QueryParameterError> {
        Ok(BreakdownQuery {
            by: match self.by.as_deref() {
                Some("finding") => BreakdownProperty::Findings,
                by => BreakdownProperty::Spans(GroupBy::parse(by.unwrap_or("model"))?),
            },
            sort: self.sort.as_deref().unwrap_or("-cost"),
            limit: self.limit.unwrap_or(DEFAULT_BREAKDOWN_ROWS).clamp(1, MAX_ROWS),
        })
    }
}

/// Selects the values of a field.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FacetParameters {
    /// Field of the filter language, `tag.NAME`, or `tag` for the names of tags.
    pub field: String,
    /// Prefix of the values to return. Case is ignored. Default: all values.
    pub prefix: Option<String>,
    /// Values that are counted even if they are not among the most frequent values, as a JSON array of at most 100 strings.
    pub values: Option<String>,
    /// Maximum number of most frequent values, from 1 to 1,000. Default: 20.
    pub limit: Option<usize>,
}

impl FacetParameters {
    /// Returns the parameters with defaults. A limit out of range becomes the nearest valid one. The query checks the field.
    ///
    /// # Errors
    ///
    /// Returns an error if the values are not a list, or too many.
    pub fn query(&self, selection: &FilterSelection) -> Result<FacetQuery<'_>, QueryParameterError> {
        let bad = |error| QueryParameterError::BadList { parameter: "values", error };
        let values: Vec<String> = self.values.as_deref().map(serde_json::from_str).transpose().map_err(bad)?.unwrap_or_default();
        if values.len() > MAX_FACET_VALUES {
            return Err(QueryParameterError::TooManyItems { parameter: "values", max: MAX_FACET_VALUES });
        }
        Ok(FacetQuery {
            field: &self.field,
            prefix: self.prefix.as_deref().unwrap_or_default(),
            values,
            limit: self.limit.unwrap_or(DEFAULT_FACET_ROWS).clamp(1, MAX_ROWS),
            counts_traces: selection.selects_traces(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::filter::FilterTarget;
    use super::*;

    #[test]
    fn a_breakdown_has_defaults_and_limits() {
        let usual = BreakdownParameters::default();
        let expected = BreakdownQuery { by: BreakdownProperty::Spans(GroupBy::Column("model", "model")), sort: "-cost", limit: 50 };
        assert_eq!(usual.query().unwrap(), expected);
        let given = BreakdownParameters { by: Some("tag:plan".to_owned()), sort: Some("calls".to_owned()), limit: Some(0) };
        let expected = BreakdownQuery { by: BreakdownProperty::Spans(GroupBy::Tag("plan".to_owned())), sort: "calls", limit: 1 };
        assert_eq!(given.query().unwrap(), expected);
        let wrong = BreakdownParameters { by: Some("color".to_owned()), ..usual };
        assert_eq!(wrong.query().unwrap_err().code(), "bad_query");
    }

    #[test]
    fn a_facet_has_defaults_and_limits() {
        let of = |values: Option<String>| FacetParameters { field: "model".to_owned(), values, limit: Some(5000), ..Default::default() };
        let (usual, traces) = (of(None), FilterSelection { select: FilterTarget::Traces });
        let asked = usual.query(&traces).unwrap();
        assert_eq!((asked.prefix, asked.values.len(), asked.limit, asked.counts_traces), ("", 0, 1000, true));
        let named = of(Some(r#"["a","b"]"#.to_owned()));
        let asked = named.query(&FilterSelection::default()).unwrap();
        assert_eq!((asked.values, asked.counts_traces), (vec!["a".to_owned(), "b".to_owned()], false));
        let wrong = of(Some("a".to_owned())).query(&traces).unwrap_err();
        assert!(wrong.to_string().starts_with("values: not a JSON array of strings: "), "{wrong}");
        let many = of(Some(serde_json::to_string(&vec!["x"; 101]).unwrap()));
        assert_eq!(many.query(&traces).unwrap_err().to_string(), "values: must have at most 100 items");
    }
}
