//! Responses of the cost and usage APIs: OpenAI's `/v1/organization/costs` and `/v1/organization/usage/…`, Anthropic's
//! `/v1/organizations/cost_report` and `/v1/organizations/usage_report/messages`. A file may contain a list of pages.

use serde_json::{Map, Value};

use super::columns::{self, BillColumn};
use super::{BillError, BillExport, BillLine, UnreadBillRow};

pub(super) fn read(text: &str) -> Result<BillExport, BillError> {
    let pages: Vec<Value> = serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .collect::<Result<_, _>>()
        .map_err(|error| BillError::BrokenJson(error.line(), error.column()))?;
    let pages: Vec<Value> = pages.into_iter().flat_map(|page| if let Value::Array(pages) = page { pages } else { vec![page] }).collect();
    let buckets: Vec<&Value> = pages.iter().filter_map(|page| page.get("data")?.as_array()).flatten().collect();
    let is_bucket = |bucket: &&Value| bucket.get("results").is_some_and(Value::is_array);
    if buckets.is_empty() || !buckets.iter().all(is_bucket) {
        return Err(BillError::Json);
    }
    // Anthropic sends timestamps, OpenAI sends seconds.
    let of_anthropic = buckets.iter().any(|bucket| bucket.get("starting_at").is_some());
    let (format, provider) =
        if of_anthropic { ("report of Anthropic's interface", "anthropic") } else { ("page of OpenAI's interface", "openai") };
    let mut export = BillExport { format, ..BillExport::default() };
    for bucket in buckets {
        let start = bucket.get("starting_at").or_else(|| bucket.get("start_time")).map(written).unwrap_or_default();
        for result in bucket.get("results").and_then(Value::as_array).into_iter().flatten() {
            export.rows += 1;
            let line = export.rows as u64;
            match line_of(result, &start, provider, &mut export.unknown_columns) {
                Ok(read) => export.lines.push(read),
                Err(why) => export.unread.push(UnreadBillRow { line, why }),
            }
        }
    }
    Ok(export)
}

fn line_of(result: &Value, start: &str, provider: &str, unknown: &mut Vec<String>) -> Result<BillLine, String> {
    let result = result.as_object().ok_or("the result is not an object")?;
    let mut line = BillLine { provider: provider.to_owned(), ..BillLine::default() };
    columns::set_field(&mut line, BillColumn::Day, start)?;
    if start.is_empty() {
        return Err("the bucket has no start".to_owned());
    }
    let of_anthropic = provider == "anthropic";
    fields(result, of_anthropic, &mut line, unknown)?;
    // OpenAI's amount is an object.
    if let Some(amount) = result.get("amount").and_then(Value::as_object) {
        columns::set_field(&mut line, BillColumn::Currency, &amount.get("currency").map(written).unwrap_or_default())?;
        columns::set_field(&mut line, BillColumn::Dollars, &amount.get("value").map(written).unwrap_or_default())?;
    }
    for nested in ["cache_creation"] {
        if let Some(nested) = result.get(nested).and_then(Value::as_object) {
            fields(nested, of_anthropic, &mut line, unknown)?;
        }
    }
    if line.amount.is_none() && line.input_tokens.is_none() && line.output_tokens.is_none() && line.requests.is_none() {
        return Err("no amount".to_owned());
    }
    Ok(line)
}

fn fields(object: &Map<String, Value>, of_anthropic: bool, line: &mut BillLine, unknown: &mut Vec<String>) -> Result<(), String> {
    // The model takes precedence over the line item, which replaces it if it is missing.
    let mut known: Vec<(usize, BillColumn, &Value)> = Vec::new();
    for (name, value) in object {
        match columns::column_of_name(name) {
            Some((at, column)) => known.push((at, column, value)),
            None if unknown.iter().any(|known| known == name) => {}
            None => unknown.push(name.chars().take(60).collect()),
        }
    }
    known.sort_by_key(|(at, ..)| *at);
    for (_, column, value) in known {
        // Anthropic's API uses cents, its tables use dollars.
        let column = if column == BillColumn::Dollars && of_anthropic { BillColumn::Cents } else { column };
        if !value.is_object() && !value.is_array() && column != BillColumn::Day {
            columns::set_field(line, column, &written(value))?;
        }
    }
    Ok(())
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}
