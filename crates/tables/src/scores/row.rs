//! A stored score as the API returns it.

use hinomi_model::api_time::rfc3339;
use hinomi_model::score::{ScoreDataType, ScoreSource};
use rusqlite::Row;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A score: a rating of a span, trace, conversation or item of a dataset by a person, a program or a model.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Score)]
pub struct ScoreRow {
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
    pub evaluator: Option<ScoreEvaluatorRow>,
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

/// Evaluator or judge that made a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ScoreEvaluator)]
pub struct ScoreEvaluatorRow {
    /// Name of the evaluator.
    pub name: String,
    /// Version of the evaluator; null if unknown.
    #[schema(required)]
    pub version: Option<String>,
}

impl ScoreRow {
    /// Returns the approximate size of the texts in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        let texts = [&self.label, &self.comment, &self.explanation, &self.author, &self.session_id];
        let metadata: usize = self.metadata.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
        self.id.len() + self.name.len() + metadata + texts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

/// Columns that [`read_row`] reads, in this order.
pub(super) const COLUMNS: &str = "id, name, data_type, value, label, explanation, comment, metadata, source, author, evaluator, \
     evaluator_version, definition, trace, span, session, dataset_item, experiment, queue, judge_trace, environment, probability, \
     superseded, at_us, row";

/// Reads a score, its time in microseconds since the Unix epoch, and the number of its row.
pub(super) fn read_row(row: &Row) -> rusqlite::Result<(ScoreRow, i64, i64)> {
    let (data_type, source, at_us) = (row.get_ref(2)?.as_str()?, row.get_ref(8)?.as_str()?, row.get(23)?);
    let metadata = row.get_ref(7)?.as_str_or_null()?;
    let version = row.get(11)?;
    let evaluator: Option<String> = row.get(10)?;
    let score = ScoreRow {
        id: row.get(0)?,
        name: row.get(1)?,
        data_type: ScoreDataType::from_name(data_type).unwrap_or(ScoreDataType::Text),
        value: row.get(3)?,
        label: row.get(4)?,
        explanation: row.get(5)?,
        comment: row.get(6)?,
        metadata: metadata.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
        source: ScoreSource::from_name(source).unwrap_or(ScoreSource::Sdk),
        author: row.get(9)?,
        evaluator: evaluator.map(|name| ScoreEvaluatorRow { name, version }),
        definition_id: row.get(12)?,
        trace_id: row.get(13)?,
        span_id: row.get(14)?,
        session_id: row.get(15)?,
        dataset_item_id: row.get(16)?,
        experiment_id: row.get(17)?,
        queue_id: row.get(18)?,
        judge_trace_id: row.get(19)?,
        environment: row.get(20)?,
        probability: row.get(21)?,
        superseded: row.get(22)?,
        timestamp: rfc3339(at_us),
    };
    Ok((score, at_us, row.get(24)?))
}
