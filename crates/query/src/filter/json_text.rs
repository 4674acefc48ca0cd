//! Functions on JSON columns: search in prompts and answers, values of tags and attributes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::{Expr, cast, lit};
use datafusion::scalar::ScalarValue;
use hinomi_model::id::TraceId;

use super::FilterTargets;
use hinomi_store::rows::each_text;
use serde_json::value::RawValue;

/// Returns whether the messages in a column contain a text, case-insensitive.
pub(crate) fn messages_hold(column: Expr, text: &str) -> Expr {
    static FUNCTION: LazyLock<ScalarUDF> = LazyLock::new(|| function("messages_hold", DataType::Boolean, evaluate_messages_hold));
    FUNCTION.call(vec![column, lit(text.to_lowercase())])
}

/// Returns the value of a field of a JSON object. A string is returned unchanged, and any other value as JSON text. Null if the field is
/// absent.
pub(crate) fn json_text(column: Expr, field: &str) -> Expr {
    static FUNCTION: LazyLock<ScalarUDF> = LazyLock::new(|| function("json_text", DataType::Utf8View, field_of));
    FUNCTION.call(vec![column, lit(field)])
}

/// Returns the names of the fields of a JSON object, each followed by a line feed. Null if there are none.
pub(crate) fn json_names(column: Expr) -> Expr {
    static FUNCTION: LazyLock<ScalarUDF> = LazyLock::new(|| function("json_names", DataType::Utf8View, names_of));
    FUNCTION.call(vec![column, lit("")])
}

/// Returns whether a text begins with a prefix, case-insensitive.
pub(crate) fn text_begins(column: Expr, prefix: &str) -> Expr {
    static FUNCTION: LazyLock<ScalarUDF> = LazyLock::new(|| function("text_begins", DataType::Boolean, evaluate_begins));
    FUNCTION.call(vec![cast(column, DataType::Utf8View), lit(prefix.to_lowercase())])
}

/// Returns whether the ID in a column belongs to one of these traces.
pub(crate) fn is_of_traces(column: Expr, traces: &Arc<HashSet<TraceId>>) -> Expr {
    let among = traces.clone();
    let run = move |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let ids = ColumnarValue::values_to_arrays(arguments)?;
        let mut last = ("", false);
        let is_among = |id: &str| id.parse().is_ok_and(|id: TraceId| among.contains(&id));
        let mut found = Vec::with_capacity(ids[0].len());
        for id in ids[0].as_string_view() {
            // Adjacent rows often belong to the same trace.
            let id = id.unwrap_or_default();
            if id != last.0 || found.is_empty() {
                last = (id, is_among(id));
            }
            found.push(last.1);
        }
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from(found))))
    };
    // The engine treats functions with the same name as the same function.
    let name = format!("is_of_traces_{:p}", Arc::as_ptr(traces));
    create_udf(&name, vec![DataType::Utf8View], DataType::Boolean, Volatility::Immutable, Arc::new(run)).call(vec![column])
}

/// Returns whether a span, its trace or its conversation is one of these targets. The columns are trace ID, span ID and conversation ID.
pub(crate) fn is_of_targets(columns: [Expr; 3], targets: &Arc<FilterTargets>) -> Expr {
    let among = targets.clone();
    let run = move |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(arguments)?;
        let texts = |column: usize| columns[column].as_string_view();
        let rows = texts(0).iter().zip(texts(1)).zip(texts(2));
        let found = rows.map(|((trace, span), session)| {
            let ids = trace.and_then(|id| id.parse().ok()).zip(span.and_then(|id| id.parse().ok()));
            Some(ids.is_some_and(|(trace, span)| among.contains(trace, span, session)))
        });
        Ok(ColumnarValue::Array(Arc::new(found.collect::<BooleanArray>())))
    };
    let name = format!("is_of_targets_{:p}", Arc::as_ptr(targets));
    let columns = columns.map(|column| cast(column, DataType::Utf8View)).to_vec();
    create_udf(&name, vec![DataType::Utf8View; 3], DataType::Boolean, Volatility::Immutable, Arc::new(run)).call(columns)
}

/// Returns whether a column contains a text, case-insensitive.
pub(crate) fn text_contains(column: Expr, text: &str) -> Expr {
    static FUNCTION: LazyLock<ScalarUDF> = LazyLock::new(|| function("text_contains", DataType::Boolean, evaluate_contains));
    FUNCTION.call(vec![cast(column, DataType::Utf8View), lit(text.to_lowercase())])
}

type JsonColumnFn = fn(&ArrayRef, &str) -> ArrayRef;

/// Creates a function of a JSON column and a constant.
fn function(name: &str, answer: DataType, work: JsonColumnFn) -> ScalarUDF {
    let run = move |arguments: &[ColumnarValue]| -> Result<ColumnarValue> {
        let [column, constant] = arguments else {
            return Err(DataFusionError::Internal("a column and a constant".to_owned()));
        };
        let constant = match constant {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text))) => text.clone(),
            _ => return Err(DataFusionError::Internal("the second argument is a constant text".to_owned())),
        };
        let array = column.to_array(1)?;
        let answer = work(&array, &constant);
        match column {
            ColumnarValue::Array(_) => Ok(ColumnarValue::Array(answer)),
            ColumnarValue::Scalar(_) => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&answer, 0)?)),
        }
    };
    create_udf(name, vec![DataType::Utf8View, DataType::Utf8], answer, Volatility::Immutable, Arc::new(run))
}

fn evaluate_begins(column: &ArrayRef, prefix: &str) -> ArrayRef {
    let begins = |text: Option<&str>| Some(text.is_some_and(|text| text.to_lowercase().starts_with(prefix)));
    Arc::new(column.as_string_view().iter().map(begins).collect::<BooleanArray>())
}

fn evaluate_contains(column: &ArrayRef, text: &str) -> ArrayRef {
    let contains = |value: Option<&str>| Some(value.is_some_and(|value| value.to_lowercase().contains(text)));
    Arc::new(column.as_string_view().iter().map(contains).collect::<BooleanArray>())
}

fn evaluate_messages_hold(column: &ArrayRef, text: &str) -> ArrayRef {
    let column = column.as_string_view();
    let found = column.iter().map(|json| Some(json.is_some_and(|json| message_contains(json, text))));
    Arc::new(found.collect::<BooleanArray>())
}

fn message_contains(json: &str, text: &str) -> bool {
    // Without escape sequences, a text that is not in the JSON is not in its strings. Most rows end here.
    if !json.contains('\\') && !json.to_lowercase().contains(text) {
        return false;
    }
    let mut found = false;
    each_text(json, |part| found = found || part.to_lowercase().contains(text));
    found
}

type RawJsonObject<'a> = std::collections::BTreeMap<Cow<'a, str>, &'a RawValue>;

fn field_of(column: &ArrayRef, field: &str) -> ArrayRef {
    let column = column.as_string_view();
    // A name without characters to escape appears in the JSON verbatim.
    let plain = !field.contains(['"', '\\']) && !field.chars().any(char::is_control);
    let mut values = StringViewBuilder::with_capacity(column.len());
    for json in column {
        let candidate = json.filter(|json| !plain || json.contains(field));
        let object: Option<RawJsonObject> = candidate.and_then(|json| serde_json::from_str(json).ok());
        let value = object.as_ref().and_then(|object| object.get(field)).map(|raw| raw.get()).filter(|raw| *raw != "null");
        match value.map(|raw| serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned())) {
            Some(value) => values.append_value(value),
            None => values.append_null(),
        }
    }
    Arc::new(values.finish())
}

fn names_of(column: &ArrayRef, _: &str) -> ArrayRef {
    let mut names = StringViewBuilder::with_capacity(column.len());
    for json in column.as_string_view() {
        let object: Option<RawJsonObject> = json.and_then(|json| serde_json::from_str(json).ok());
        match object {
            Some(object) => names.append_value(object.keys().map(|name| format!("{name}\n")).collect::<String>()),
            None => names.append_null(),
        }
    }
    Arc::new(names.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_texts_only() {
        let json = r#"[{"role":"user","parts":[{"type":"text","text":"He said \"Hi\"\nto 東京\\x"}]}]"#;
        for found in ["said \"hi\"", "hi\"\nto", "東京", "\\x"] {
            assert!(message_contains(json, found), "{found}");
        }
        for not in ["role", "type", "parts", "\\n", "user"] {
            assert!(!message_contains(json, not), "{not}");
        }
        let call = r#"[{"role":"assistant","parts":[{"type":"tool_call","name":"get_weather","arguments":"{\"city\":\"Oslo\"}"}]}]"#;
        assert!(message_contains(call, "get_weather") && message_contains(call, "\"city\":\"oslo\""));
        assert!(!message_contains("no json", "no"));
    }

    #[test]
    fn fields_as_text() {
        let column: ArrayRef =
            Arc::new(arrow::array::StringViewArray::from(vec![Some(r#"{"plan":"pro","n":3,"x":null,"a\"b":[1]}"#), Some("{}"), None]));
        let text = |field: &str| {
            let values = field_of(&column, field);
            values.as_string_view().iter().map(|value| value.map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(text("plan"), [Some("pro".to_owned()), None, None]);
        assert_eq!(text("n")[0].as_deref(), Some("3"));
        assert_eq!(text("x")[0], None);
        assert_eq!(text("a\"b")[0].as_deref(), Some("[1]"));
    }
}
