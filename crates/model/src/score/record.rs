//! A stored score as the API returns it.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ScoreDataType, ScoreEvaluator, ScoreSource};

/// A score: a rating of a span, trace, conversation or item of a dataset by a person, a program or a model.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Score)]
pub struct ScoreRecord {
    /// ID of the score, as sent by the client or made by the server. All versions of a score have the same ID if the client sent it.
    pub id: String,
    /// Name of the score, such as `helpfulness`.
    pub name: String,
    /// Type of the value.
    pub data_type: ScoreDataType,
    /// Numeric value; 1 or 0 for a boolean; null for a text, and for a category without a number.
    #[schema(required)]
    pub value: Option<f64>,
    /// Category, or the label that was reported beside a number; null if there is none.
    #[schema(required)]
    pub label: Option<String>,
    /// Reason given by the evaluator or judge; null if there is none.
    #[schema(required)]
    pub explanation: Option<String>,
    /// Comment on the score, or the text of a text score; null if there is none.
    #[schema(required)]
    pub comment: Option<String>,
    /// Further data of the client.
    pub metadata: Map<String, Value>,
    /// Who made the score.
    pub source: ScoreSource,
    /// Account, user or program that made the score; null if unknown.
    #[schema(required)]
    pub author: Option<String>,
    /// Evaluator or judge that made the score; null if none did.
    #[schema(required)]
    pub evaluator: Option<ScoreEvaluator>,
    /// ID of the score definition; null if there is none.
    #[schema(required)]
    pub definition_id: Option<String>,
    /// ID of the rated trace, or of the trace of the rated span; null if neither is rated.
    #[schema(required)]
    pub trace_id: Option<String>,
    /// ID of the rated span; null if no span is rated.
    #[schema(required)]
    pub span_id: Option<String>,
    /// ID of the rated conversation; null if no conversation is rated.
    #[schema(required)]
    pub session_id: Option<String>,
    /// ID of the rated item of a dataset; null if none is rated.
    #[schema(required)]
    pub dataset_item_id: Option<String>,
    /// ID of the experiment; null if there is none.
    #[schema(required)]
    pub experiment_id: Option<String>,
    /// ID of the annotation queue in which the score was made; null if there is none.
    #[schema(required)]
    pub queue_id: Option<String>,
    /// ID of the trace in which the judge worked; null if there is none.
    #[schema(required)]
    pub judge_trace_id: Option<String>,
    /// Environment of the program, such as `production`; null if unknown.
    #[schema(required)]
    pub environment: Option<String>,
    /// Probability with which the target was selected for scoring: above 0, at most 1.
    pub probability: f64,
    /// True for an earlier version of a score.
    pub superseded: bool,
    /// Time of the score (RFC 3339).
    pub timestamp: String,
}

impl ScoreRecord {
    /// Returns the approximate size of the texts in bytes.
    pub fn text_bytes(&self) -> usize {
        let texts = [&self.label, &self.comment, &self.explanation, &self.author, &self.session_id];
        let metadata: usize = self.metadata.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
        self.id.len() + self.name.len() + metadata + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}
