//! Rows of scores.

use hinomi_model::api_time::rfc3339;
use hinomi_model::score::{ScoreDataType, ScoreEvaluator, ScoreRecord, ScoreSource};
use rusqlite::Row;

/// Columns that [`read_row`] reads, in this order.
pub(super) const COLUMNS: &str = "id, name, data_type, value, label, explanation, comment, metadata, source, author, evaluator, \
     evaluator_version, definition, trace, span, session, dataset_item, experiment, queue, judge_trace, environment, probability, \
     superseded, at_us, row";

/// Reads a score, its time in microseconds since the Unix epoch, and the number of its row.
pub(super) fn read_row(row: &Row) -> rusqlite::Result<(ScoreRecord, i64, i64)> {
    let (data_type, source, at_us) = (row.get_ref(2)?.as_str()?, row.get_ref(8)?.as_str()?, row.get(23)?);
    let metadata = row.get_ref(7)?.as_str_or_null()?;
    let version = row.get(11)?;
    let evaluator: Option<String> = row.get(10)?;
    let score = ScoreRecord {
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
        evaluator: evaluator.map(|name| ScoreEvaluator { name, version }),
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
