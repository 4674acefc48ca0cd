//! Detection of IDs that are pasted into the filter: of users, conversations, traces and spans.

use datafusion::functions_aggregate::expr_fn::max;
use datafusion::prelude::{ExprFunctionExt, cast, col, lit};
use hinomi_model::api_time::rfc3339;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::langfuse;

use super::{FieldTest, Filter, FilterTerm};
use crate::error::QueryError;
use crate::response::{IdSuggestion, SuggestedIdField};
use crate::scan::columns::BatchColumn;
use crate::{ProjectSnapshot, QueryScope, ScanMode};

/// Maximum number of words of a filter that are looked up.
const MAX_LOOKED_UP_WORDS: usize = 4;

impl ProjectSnapshot {
    /// Returns the IDs that words of the filter match, at any time.
    ///
    /// # Errors
    ///
    /// Returns an error if the query engine fails.
    pub async fn suggestions(&self, filter: &Filter) -> Result<Vec<IdSuggestion>, QueryError> {
        let words = filter.0.iter().filter_map(|term| match term {
            FilterTerm::Text { not: false, text } => Some(text.as_str()),
            _ => None,
        });
        let mut found = Vec::new();
        for word in words.take(MAX_LOOKED_UP_WORDS) {
            found.extend(self.trace_or_span(word).await?);
            found.extend(self.user_or_session(word).await?);
        }
        Ok(found)
    }

    async fn trace_or_span(&self, word: &str) -> Result<Option<IdSuggestion>, QueryError> {
        let trace = langfuse::trace_id(word);
        let (spans, _reserved) = self.load_trace(trace).await?;
        let suggestion = |field: SuggestedIdField, trace: TraceId, span: Option<SpanId>, start_us: i64| IdSuggestion {
            field,
            value: word.to_owned(),
            q: text(field.as_str(), span.map_or_else(|| trace.to_string(), |span| span.to_string())),
            trace_id: Some(trace.to_string()),
            span_id: span.map(|span| span.to_string()),
            last_seen: rfc3339(start_us),
        };
        if let Some(newest_us) = spans.iter().map(|loaded| loaded.span().start_us).max() {
            return Ok(Some(suggestion(SuggestedIdField::Trace, trace, None, newest_us)));
        }
        // Span IDs have no index: scan only for words that look like one.
        let is_hex = word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_uuid = word.len() == 36 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !is_hex && !is_uuid {
            return Ok(None);
        }
        let span = langfuse::span_id(word);
        let rows = self.table(ScanMode::FewRows, i64::MIN, i64::MAX)?.filter(col("span_id").eq(lit(span.to_string())))?;
        let batches = rows.select_columns(&["trace_id", "start_time"])?.limit(0, Some(1))?.collect().await?;
        let of_batch = |batch: &arrow::array::RecordBatch| {
            let id = BatchColumn::of(batch, "trace_id").text(0)?.parse().ok()?;
            Some((id, BatchColumn::of(batch, "start_time").int(0)?))
        };
        let found = batches.iter().filter(|batch| batch.num_rows() > 0).find_map(of_batch);
        Ok(found.map(|(trace, start_us)| suggestion(SuggestedIdField::Span, trace, Some(span), start_us)))
    }

    async fn user_or_session(&self, word: &str) -> Result<Vec<IdSuggestion>, QueryError> {
        let fields = [(SuggestedIdField::User, "user_id"), (SuggestedIdField::Session, "session_id")];
        let is = |column: &str| col(column).eq(lit(word));
        let newest =
            |column: &str| Ok(max(cast(col("start_time"), arrow::datatypes::DataType::Int64)).filter(is(column)).build()?.alias(column));
        let newest = fields.iter().map(|(_, column)| newest(column)).collect::<Result<Vec<_>, QueryError>>()?;
        let rows = self.spans_in_scope(ScanMode::FewRows, &QueryScope::all()).await?.filter(is("user_id").or(is("session_id")))?;
        let batches = rows.aggregate(Vec::new(), newest)?.collect().await?;
        let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(Vec::new()) };
        let of_field = |(field, column): &(SuggestedIdField, &'static str)| {
            Some(IdSuggestion {
                field: *field,
                value: word.to_owned(),
                q: text(field.as_str(), word.to_owned()),
                trace_id: None,
                span_id: None,
                last_seen: rfc3339(BatchColumn::of(batch, column).int(0)?),
            })
        };
        Ok(fields.iter().filter_map(of_field).collect())
    }
}

/// Returns the text of a filter for one value.
fn text(field: &str, value: String) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_.@/+=".contains(c) || c == '-';
    if value.chars().all(is_plain) && !value.starts_with('-') {
        return format!("{field}:{value}");
    }
    Filter(vec![FilterTerm::Field { not: false, field: field.to_owned(), test: FieldTest::OneOf(vec![value]) }]).to_string()
}
