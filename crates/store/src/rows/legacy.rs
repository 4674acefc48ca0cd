//! Converts rows of segments that were written before format 4 of the data directory. Such segments contain facts as sentences. New files
//! always have the current columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray, StringViewBuilder, new_null_array};
use arrow::datatypes::DataType;
use hinomi_model::dedup::SpanDecision;
use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::legacy_sentences;
use hinomi_model::provenance::FieldProvenance;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Former column with the exclusion reason.
pub(super) const SENTENCE_COLUMN: &str = "not_counted_because";

/// Columns of an exclusion reason.
pub(super) const EXCLUSION_COLUMNS: [&str; 3] = ["exclusion_kind", "exclusion_span_id", "exclusion_trace_id"];

/// Converts sentences in a batch of the whole schema to data. Batches that this version wrote are returned unchanged.
pub fn convert_sentences(batch: RecordBatch) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    let place = |name: &str| batch.schema_ref().index_of(name).ok();
    let texts = |place: usize| batch.column(place).as_string_view_opt();
    if let Some(sentences) = place(SENTENCE_COLUMN).filter(|place| batch.column(*place).null_count() < batch.num_rows())
        && let [Some(kind), Some(span_id), Some(trace_id)] = EXCLUSION_COLUMNS.map(place)
        && let (Some(from), Some(known)) = (texts(sentences), texts(kind))
    {
        let read = |row: usize| from.is_valid(row).then(|| legacy_sentences::exclusion(from.value(row))).flatten();
        let exclusions: Vec<Option<Exclusion>> = (0..batch.num_rows()).map(|row| read(row).filter(|_| known.is_null(row))).collect();
        let filled = |place: usize, get: &dyn Fn(&Exclusion) -> Option<String>| -> ArrayRef {
            let mut column = StringViewBuilder::with_capacity(batch.num_rows());
            for (row, exclusion) in exclusions.iter().enumerate() {
                let stored = texts(place).filter(|column| column.is_valid(row)).map(|column| column.value(row).to_owned());
                column.append_option(stored.or_else(|| get(exclusion.as_ref()?)));
            }
            Arc::new(column.finish())
        };
        columns[kind] = filled(kind, &|exclusion| Some(exclusion.kind().to_owned()));
        columns[span_id] = filled(span_id, &|exclusion| Some(exclusion.span_id()?.to_string()));
        columns[trace_id] = filled(trace_id, &|exclusion| Some(exclusion.trace_id()?.to_string()));
        columns[sentences] = new_null_array(&DataType::Utf8View, batch.num_rows());
    }
    for (name, old_key, convert) in [
        ("reading", "\"from\":", rewrite_json::<Vec<FieldProvenance>> as fn(&str) -> Option<String>),
        ("local_decision", "\"not_counted_because\":", rewrite_json::<SpanDecision>),
    ] {
        if let Some(place) = place(name)
            && let Some(column) = texts(place).and_then(|column| convert_column(column, |json| json.contains(old_key), convert))
        {
            columns[place] = column;
        }
    }
    RecordBatch::try_new(batch.schema(), columns).expect("each column has the type and the length of the column that it replaces")
}

/// Returns JSON of earlier versions in the current form.
fn rewrite_json<T: DeserializeOwned + Serialize>(json: &str) -> Option<String> {
    serde_json::to_string(&serde_json::from_str::<T>(json).ok()?).ok()
}

/// Returns a column with some of its texts converted; `None` if there are none to convert.
fn convert_column(column: &StringViewArray, is_old: impl Fn(&str) -> bool, convert: fn(&str) -> Option<String>) -> Option<ArrayRef> {
    if !column.iter().flatten().any(&is_old) {
        return None;
    }
    let mut new = StringViewBuilder::with_capacity(column.len());
    for text in column {
        match text.filter(|text| is_old(text)).and_then(convert) {
            Some(text) => new.append_value(text),
            None => new.append_option(text),
        }
    }
    Some(Arc::new(new.finish()))
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use hinomi_model::id::{SpanId, TraceId};
    use hinomi_model::provenance::FieldSource;
    use hinomi_model::span::{Span, SpanType};

    use super::*;
    use crate::rows::{SpanRow, from_batch, to_batch};

    fn with_column(batch: &RecordBatch, name: &str, texts: Vec<Option<&str>>) -> RecordBatch {
        let mut columns = batch.columns().to_vec();
        columns[batch.schema_ref().index_of(name).unwrap()] = Arc::new(StringViewArray::from(texts));
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    }

    fn column_texts<'a>(batch: &'a RecordBatch, name: &str) -> Vec<Option<&'a str>> {
        batch.column_by_name(name).unwrap().as_string_view().iter().collect()
    }

    #[test]
    fn old_and_new_rows_of_one_batch_have_the_columns_of_today() {
        let row = |exclusion| {
            let span = Span { kind: SpanType::Llm, counted: false, exclusion, trace_id: TraceId(1), span_id: SpanId(2), ..Span::default() };
            SpanRow { span, local: Some(Box::new(SpanDecision { counted: true, ..SpanDecision::default() })), ..SpanRow::default() }
        };
        let elsewhere = Exclusion::ReportedElsewhere { trace_id: TraceId(0xb), span_id: SpanId(0xa) };
        let new = [row(Some(elsewhere)), row(None), row(None)];
        let batch = to_batch(&new);
        assert_eq!(convert_sentences(batch.clone()), batch, "what this version wrote");

        let sentences = vec![None, Some("the same response as span 000000000000000c"), None];
        let local = r#"{"counted":false,"not_counted_because":"a span of kind agent repeats the usage of the calls below it"}"#;
        let old = with_column(&batch, SENTENCE_COLUMN, sentences);
        let old = with_column(&old, "reading", vec![None, Some(r#"[{"field":"provider","from":"the instrumentation"}]"#), None]);
        let old = with_column(&old, "local_decision", vec![None, Some(local), None]);
        let today = convert_sentences(old.clone());
        assert_eq!(column_texts(&today, SENTENCE_COLUMN), [None; 3]);
        assert_eq!(column_texts(&today, "exclusion_kind"), [Some("reported_elsewhere"), Some("same_response"), None]);
        assert_eq!(column_texts(&today, "exclusion_span_id"), [Some("000000000000000a"), Some("000000000000000c"), None]);
        assert_eq!(column_texts(&today, "exclusion_trace_id")[..2], [Some("0000000000000000000000000000000b"), None]);
        assert_eq!(column_texts(&today, "reading")[1], Some(r#"[{"field":"provider","kind":"instrumentation"}]"#));
        let rows = from_batch(&today);
        assert_eq!(from_batch(&old), rows, "a row is the same, however it is read");
        assert_eq!(rows[1].span.exclusion, Some(Exclusion::SameResponse { span_id: SpanId(0xc) }));
        assert_eq!(rows[1].span.reading[0].source, FieldSource::Instrumentation);
        assert_eq!(rows[1].local.as_ref().unwrap().exclusion, Some(Exclusion::SumOfCalls));
        // Files of other tools, read by an import.
        let plain = StringArray::from(vec!["the same call as span 000000000000000c below it"]);
        let imported = RecordBatch::try_from_iter([(SENTENCE_COLUMN, Arc::new(plain) as ArrayRef)]).unwrap();
        assert_eq!(from_batch(&imported)[0].span.exclusion, Some(Exclusion::WrapsCall { span_id: SpanId(0xc) }));
    }
}
