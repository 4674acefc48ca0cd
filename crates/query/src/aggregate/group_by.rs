//! What sums can be broken down by.

use std::sync::Arc;

use datafusion::prelude::{Expr, col, lit};
use hinomi_store::rollup;

use super::answering_model::AnsweringModels;
use super::rollup::RunSelector;
use crate::error::QueryError;
use crate::filter::json_text;

/// A property that spans have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// A column: its name in the API, and in storage.
    Column(&'static str, &'static str),
    /// A tag by its name.
    Tag(String),
    /// The model, where a failed call is put under the model that answers such calls. [`ProjectSnapshot::grouping`](hinomi_server::ProjectSnapshot::grouping) makes
    /// it of the column `model`.
    AnsweringModel(Arc<AnsweringModels>),
}

const COLUMNS: &[(&str, &str)] = &[
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
];

impl GroupBy {
    /// Reads `model`, `tag:plan` and the like.
    ///
    /// # Errors
    ///
    /// When there is no such property.
    pub fn parse(text: &str) -> Result<GroupBy, QueryError> {
        let tag = text.strip_prefix("tag:").or_else(|| text.strip_prefix("tag.")).filter(|name| !name.is_empty());
        if let Some(tag) = tag {
            return Ok(GroupBy::Tag(tag.to_owned()));
        }
        let found = COLUMNS.iter().find(|(name, _)| *name == text);
        found.map(|(name, column)| GroupBy::Column(name, column)).ok_or_else(|| QueryError::BadBy(text.to_owned()))
    }

    /// All names.
    pub fn names() -> Vec<&'static str> {
        COLUMNS.iter().map(|(name, _)| *name).collect()
    }

    /// The value of a span.
    pub(crate) fn key(&self) -> Expr {
        match self {
            GroupBy::Column(_, column) => col(*column),
            GroupBy::Tag(name) => json_text::json_text(col("tags"), name),
            GroupBy::AnsweringModel(models) => models.key(),
        }
    }

    /// Whether a row's value is none of the dimensions of roll-ups: it has to be computed from columns.
    pub(crate) fn is_computed(&self) -> bool {
        matches!(self, GroupBy::AnsweringModel(_)) || self.dimension().is_none()
    }

    /// The place among the dimensions of roll-ups; `None` for what these do not tell apart.
    pub(crate) fn dimension(&self) -> Option<usize> {
        match self {
            GroupBy::Column(_, column) => rollup::dimension(column),
            GroupBy::Tag(_) => None,
            GroupBy::AnsweringModel(_) => Some(rollup::MODEL),
        }
    }

    /// The same as [`is_run`](GroupBy::is_run), for cells.
    pub(crate) fn runs(&self) -> RunSelector {
        match self {
            GroupBy::Column(kind @ ("agent" | "tool"), _) => RunSelector::OfKind(kind),
            _ => RunSelector::OfPipelines,
        }
    }

    /// Which spans are one run of the thing: a turn of the agent, a use of the tool, a run of a pipeline.
    pub(crate) fn is_run(&self) -> Expr {
        match self {
            GroupBy::Column("agent", _) => col("kind").eq(lit("agent")),
            GroupBy::Column("tool", _) => col("kind").eq(lit("tool")),
            _ => col("is_run"),
        }
    }

    /// Whether a row without any call is worth showing.
    pub(crate) fn has_runs(&self) -> bool {
        matches!(self, GroupBy::Column("pipeline" | "agent" | "tool" | "op" | "kind" | "name", _))
    }
}
