//! Properties by which totals are grouped.

use std::sync::Arc;

use datafusion::prelude::{Expr, col, lit};
use hinomi_store::rollup;

use super::answering_model::AnsweringModels;
use super::rollup::RunSelector;
use crate::error::QueryError;
use crate::filter::json_text;

/// A property by which spans are grouped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// A column: its name in the API and in storage.
    Column(&'static str, &'static str),
    /// A tag, by name.
    Tag(String),
    /// The model; a failed call is listed under the model that answers such calls. `ProjectSnapshot::grouping` creates it from the column
    /// `model`.
    AnsweringModel(Arc<AnsweringModels>),
    /// All spans as one group with this value.
    Whole(String),
}

const GROUP_COLUMNS: &[(&str, &str)] = &[
    ("model", "model"),
    ("provider", "provider"),
    ("op", "op"),
    ("kind", "kind"),
    ("status", "status"),
    ("name", "name"),
    ("pipeline", "pipeline"),
    ("agent", "agent"),
    ("tool", "tool"),
    ("prompt", "prompt"),
    ("user", "user_id"),
    ("session", "session_id"),
    ("release", "release"),
    ("environment", "environment"),
    ("service", "service"),
    ("key", "ingest_key"),
    ("failure", "failure"),
    ("prompt_version", "prompt_version"),
];

impl GroupBy {
    /// Parses a property such as `model` or `tag:plan`.
    ///
    /// # Errors
    ///
    /// Returns an error if the property is unknown.
    pub fn parse(text: &str) -> Result<GroupBy, QueryError> {
        let tag = text.strip_prefix("tag:").or_else(|| text.strip_prefix("tag.")).filter(|name| !name.is_empty());
        if let Some(tag) = tag {
            return Ok(GroupBy::Tag(tag.to_owned()));
        }
        let found = GROUP_COLUMNS.iter().find(|(name, _)| *name == text);
        found.map(|(name, column)| GroupBy::Column(name, column)).ok_or_else(|| QueryError::BadBy(text.to_owned()))
    }

    /// Returns the names of all columns that a query can group by.
    pub fn names() -> Vec<&'static str> {
        GROUP_COLUMNS.iter().map(|(name, _)| *name).collect()
    }

    /// Returns the expression of a span's value.
    pub(crate) fn key_expression(&self) -> Expr {
        match self {
            GroupBy::Column(_, column) => col(*column),
            GroupBy::Tag(name) => json_text::json_text(col("tags"), name),
            GroupBy::AnsweringModel(models) => models.key(),
            GroupBy::Whole(value) => lit(value.as_str()),
        }
    }

    /// Returns whether the value is computed from several columns or from JSON, since it is not a dimension of roll-ups.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self, GroupBy::AnsweringModel(_)) || self.dimension().is_none()
    }

    /// Returns the index among the dimensions of roll-ups; `None` if roll-ups do not have the property as a dimension.
    pub(crate) fn dimension(&self) -> Option<usize> {
        match self {
            GroupBy::Column(_, column) => rollup::dimension_index(column),
            GroupBy::Tag(_) | GroupBy::Whole(_) => None,
            GroupBy::AnsweringModel(_) => Some(rollup::MODEL_DIMENSION),
        }
    }

    /// Returns which cells are runs. For rows, [`is_run_expression`](GroupBy::is_run_expression) does the same.
    pub(crate) fn run_selector(&self) -> RunSelector {
        match self {
            GroupBy::Column(kind @ ("agent" | "tool"), _) => RunSelector::Kind(kind),
            _ => RunSelector::Pipelines,
        }
    }

    /// Returns which spans are runs: turns of the agent, tool calls, or runs of the pipeline.
    pub(crate) fn is_run_expression(&self) -> Expr {
        match self {
            GroupBy::Column("agent", _) => col("kind").eq(lit("agent")),
            GroupBy::Column("tool", _) => col("kind").eq(lit("tool")),
            _ => col("is_run"),
        }
    }

    /// Returns whether a row without calls may belong in a breakdown.
    pub(crate) fn has_rows_without_calls(&self) -> bool {
        matches!(self, GroupBy::Column("pipeline" | "agent" | "tool" | "op" | "kind" | "name", _))
    }
}
