//! Imports a newer price table: one in Hinomi's own format, or the data of genai-prices.

use serde_json::{Map, Value, json};

use super::bucket::BucketPrices;
use super::provider::dashed;
use super::table::PriceTable;

/// Spellings of providers, and which of them are vendors; the file has details.
const PROVIDERS_JSON: &str = include_str!("../../data/providers.json");

/// Names of prices in the data of genai-prices, and in the price table. Prices for pages cannot price a call, since clients do not report
/// their number.
const PRICE_NAMES: [(&str, &str); 17] = [
    ("input_mtok", "in"),
    ("output_mtok", "out"),
    ("cache_read_mtok", "read"),
    ("cache_write_mtok", "write"),
    ("cache_write_5m_mtok", "write"),
    ("cache_write_1h_mtok", "write_1h"),
    ("input_audio_mtok", "audio_in"),
    ("output_audio_mtok", "audio_out"),
    ("input_image_mtok", "image_in"),
    ("output_image_mtok", "image_out"),
    ("output_reasoning_mtok", "reasoning"),
    ("requests_kcount", "request"),
    ("web_searches_kcount", "search"),
    ("images_kcount", "image"),
    ("input_mchars", "char"),
    ("audio_hours", "audio_hour"),
    ("input_audio_hours", "audio_hour"),
];

/// An imported price table.
#[derive(Debug)]
pub struct ImportedPriceTable {
    /// The price table.
    pub table: PriceTable,
    /// Text of the table in Hinomi's own format, one model per line.
    pub text: String,
    /// Number of models in the table.
    pub models: usize,
    /// Models that were omitted because their provider does not sell them, or because a rule for their names is not supported.
    pub left_out: Vec<String>,
}

/// Reason why a file cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceImportError {
    /// The file is not JSON.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// The JSON is not a price table.
    #[error("neither a Hinomi price table nor genai-prices data (prices/new_data/v2/data.json): {0}")]
    OtherShape(String),
    /// An entry is invalid.
    #[error("{entry}: {reason}")]
    Wrong {
        /// The entry as `provider:model`.
        entry: String,
        /// Description of the error.
        reason: String,
    },
    /// The file contains no models.
    #[error("no model has a price")]
    Empty,
}

/// Imports a price table of either format, and validates each entry. `today` is the date of a table that does not contain one.
///
/// # Errors
///
/// Returns an error if the text is not a price table, or an entry is invalid.
pub fn import(text: &str, today: &str) -> Result<ImportedPriceTable, PriceImportError> {
    let value: Value = serde_json::from_str(text).map_err(|error| PriceImportError::NotJson(error.to_string()))?;
    let own = value.get("date").is_some() && value.get("providers").is_some();
    let (value, left_out) = if own { (value, Vec::new()) } else { converted(&value, today)? };
    let text = dump(&value);
    let table = PriceTable::from_json(&text).map_err(|error| PriceImportError::OtherShape(error.to_string()))?;
    if let Some((entry, reason)) = table.invalid_entries().into_iter().next() {
        return Err(PriceImportError::Wrong { entry, reason });
    }
    let models = table.models();
    if models == 0 {
        return Err(PriceImportError::Empty);
    }
    Ok(ImportedPriceTable { table, text, models, left_out })
}

/// Converts the data of genai-prices to a price table.
fn converted(value: &Value, today: &str) -> Result<(Value, Vec<String>), PriceImportError> {
    let other = |reason: &str| PriceImportError::OtherShape(reason.to_owned());
    let sources = value.as_array().or_else(|| value.get("providers")?.as_array()).ok_or_else(|| other("no list of providers"))?;
    let known: Value = serde_json::from_str(PROVIDERS_JSON).map_err(|error| PriceImportError::NotJson(error.to_string()))?;
    let list = |name: &str| known[name].as_array().into_iter().flatten();
    let mut rows: Vec<Map<String, Value>> = list("providers").filter_map(Value::as_object).cloned().collect();
    // The price list of a special service is not a provider.
    let sources: Vec<&Value> = sources.iter().filter(|source| list("not_providers").all(|id| source["id"] != *id)).collect();
    let mut left_out = Vec::new();
    for source in &sources {
        let id = source["id"].as_str().ok_or_else(|| other("a provider has no id"))?;
        let models = source["models"].as_array().ok_or_else(|| other(&format!("the provider {id} has no list of models")))?;
        let place = place_of(&rows, id).unwrap_or_else(|| {
            rows.push(Map::from_iter([("id".to_owned(), json!(id)), ("names".to_owned(), json!([plain_name(id)]))]));
            rows.len() - 1
        });
        let provider = rows[place]["id"].as_str().unwrap_or(id).to_owned();
        let mut list = Vec::new();
        for model in models {
            match entry(&provider, model)? {
                Some(entry) => list.push(entry),
                None => left_out.push(format!("{provider}:{}", model["id"].as_str().unwrap_or("?"))),
            }
        }
        rows[place].insert("models".into(), Value::Array(list));
    }
    for source in sources {
        let resold = source.get("fallback_model_providers").and_then(Value::as_array);
        let Some(resold) = resold.filter(|resold| !resold.is_empty()) else { continue };
        let names = |id: &Value| rows[place_of(&rows, id.as_str()?)?].get("id").cloned();
        let resells: Vec<Value> = resold.iter().filter_map(names).collect();
        if let Some(place) = source["id"].as_str().and_then(|id| place_of(&rows, id)) {
            rows[place].insert("resells".into(), Value::Array(resells));
        }
    }
    let head =
        json!({ "source": "genai-prices", "licence": "MIT, https://github.com/pydantic/genai-prices", "date": today, "providers": rows });
    Ok((head, left_out))
}

fn plain_name(name: &str) -> String {
    dashed(name).trim_matches('-').to_owned()
}

fn place_of(rows: &[Map<String, Value>], id: &str) -> Option<usize> {
    let name = plain_name(id);
    rows.iter().position(|row| row["names"].as_array().into_iter().flatten().any(|known| known.as_str() == Some(name.as_str())))
}

/// Converts a model with its prices; `None` if a rule for its name is not supported, or if the provider lists the model without selling
/// it.
fn entry(provider: &str, model: &Value) -> Result<Option<Value>, PriceImportError> {
    let id = model["id"].as_str().ok_or_else(|| PriceImportError::OtherShape(format!("a model of {provider} has no id")))?;
    // OpenAI does not sell its open-weight models: clients that report them with `openai` use another server with the same protocol.
    if provider == "openai" && id.starts_with("gpt-oss") {
        return Ok(None);
    }
    let Some((mut names, mut rules)) = clauses(&model["match"]) else { return Ok(None) };
    if provider == "openai" && !id.starts_with("ft:") {
        // A fine-tuned model has a price of its own or none, never that of its base model.
        rules.retain(|rule| !rule["starts"].as_str().is_some_and(|start| start.starts_with("ft:")));
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let mut entry = Map::from_iter([("id".to_owned(), json!(id))]);
    if names != [id.to_lowercase()] || !rules.is_empty() {
        entry.insert("is".into(), json!(names));
    }
    if !rules.is_empty() {
        entry.insert("like".into(), Value::Array(rules));
    }
    entry.insert("prices".into(), Value::Array(price_periods(&model["prices"])));
    let variants: Vec<Value> = model["price_variants"].as_array().into_iter().flatten().filter_map(variant).collect();
    if !variants.is_empty() {
        entry.insert("variants".into(), Value::Array(variants));
    }
    Ok(Some(Value::Object(entry)))
}

/// Returns exact names, and other rules, of which one must match.
fn clauses(rule: &Value) -> Option<(Vec<String>, Vec<Value>)> {
    let (kind, value) = rule.as_object().filter(|rule| rule.len() == 1)?.iter().next()?;
    let lower = || value.as_str().map(str::to_lowercase);
    let one = |rule: Value| Some((Vec::new(), vec![rule]));
    match kind.as_str() {
        "equals" => Some((vec![lower()?], Vec::new())),
        "starts_with" => one(json!({ "starts": lower()? })),
        "ends_with" => one(json!({ "ends": lower()? })),
        "contains" => one(json!({ "has": lower()? })),
        "regex" => {
            let source = value.as_str()?;
            // The regex engine has no look-ahead, whose only use here is to exclude a word.
            let excluded = source.strip_prefix("^(?!.*").and_then(|rest| rest.strip_suffix(')'));
            one(excluded.map_or_else(|| json!({ "regex": source }), |word| json!({ "no_regex": word })))
        }
        "or" => {
            let parts = value.as_array()?.iter().map(clauses).collect::<Option<Vec<_>>>()?;
            let (names, rules): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            Some((names.concat(), rules.concat()))
        }
        "and" => {
            let parts = value.as_array()?.iter().map(clauses).collect::<Option<Vec<_>>>()?;
            let single =
                |(names, mut rules): (Vec<String>, Vec<Value>)| if names.is_empty() && rules.len() == 1 { rules.pop() } else { None };
            let rules = parts.into_iter().map(single).collect::<Option<Vec<_>>>()?;
            one(json!({ "all": rules }))
        }
        _ => None,
    }
}

/// Returns the prices of a model and their changes, without changes that only affect unsupported prices.
fn price_periods(source: &Value) -> Vec<Value> {
    let Some(list) = source.as_array() else { return vec![Value::Object(prices(source))] };
    let mut made: Vec<Map<String, Value>> = Vec::new();
    for conditional in list {
        let Some(mut one) = constraint(&conditional["constraint"]) else { continue };
        one.extend(prices(&conditional["prices"]));
        let undated = |prices: &Map<String, Value>| {
            prices.iter().filter(|(name, _)| *name != "from").map(|(n, v)| (n.clone(), v.clone())).collect::<Map<_, _>>()
        };
        let repeats = made.last().is_some_and(|before| !one.contains_key("hours") && undated(before) == undated(&one));
        if !repeats {
            made.push(one);
        }
    }
    made.into_iter().map(Value::Object).collect()
}

fn variant(source: &Value) -> Option<Value> {
    let (kind, tier) = source["when"].as_object().filter(|when| when.len() == 1)?.iter().next()?;
    if !matches!(kind.as_str(), "processing" | "service_tier" | "speed") {
        return None;
    }
    let prices = prices(&source["prices"]);
    if prices.is_empty() {
        return None;
    }
    let mut variant = constraint(&source["constraint"])?;
    variant.extend(prices);
    variant.insert("tier".into(), tier.clone());
    Some(Value::Object(variant))
}

/// Returns the period of prices; `None` for an unsupported condition.
fn constraint(source: &Value) -> Option<Map<String, Value>> {
    let minute = |name: &str| source[name].as_str().and_then(|time| time.get(..5)).map(str::to_owned);
    match source {
        Value::Null => Some(Map::new()),
        _ if source["start_date"].is_string() => Some(Map::from_iter([("from".to_owned(), source["start_date"].clone())])),
        _ => Some(Map::from_iter([("hours".to_owned(), json!([minute("start_time")?, minute("end_time")?]))])),
    }
}

fn prices(source: &Value) -> Map<String, Value> {
    let rate = |value: &Value| match value {
        Value::Number(_) => Some(value.clone()),
        Value::Object(tiered) => {
            let tiers = tiered.get("tiers")?.as_array()?.iter();
            let tiers = tiers.map(|tier| json!([tier["start"], tier["price"]]));
            Some(Value::Array(std::iter::once(tiered.get("base")?.clone()).chain(tiers).collect()))
        }
        _ => None,
    };
    let known: Map<String, Value> =
        PRICE_NAMES.iter().filter_map(|(theirs, ours)| Some(((*ours).to_owned(), rate(source.get(theirs)?)?))).collect();
    // Prices in other units alone cannot price a call, so the entry is empty.
    let prices_a_call =
        known.keys().any(|name| !matches!(name.as_str(), "search" | "image_in" | "image_out") && BucketPrices::is_table_name(name));
    if prices_a_call { known } else { Map::new() }
}

/// Writes one model per line, so that a diff of two tables is readable.
fn dump(table: &Value) -> String {
    let mut text = String::from("{\n");
    for (name, value) in table.as_object().into_iter().flatten().filter(|(name, _)| *name != "providers") {
        text += &format!("{}:{value},\n", json!(name));
    }
    text += "\"providers\":[";
    for (place, provider) in table["providers"].as_array().into_iter().flatten().enumerate() {
        text += if place == 0 { "\n" } else { ",\n" };
        let mut head = provider.clone();
        let models = head.as_object_mut().and_then(|head| head.remove("models"));
        let Some(models) = models.as_ref().and_then(Value::as_array).filter(|models| !models.is_empty()) else {
            text += &head.to_string();
            continue;
        };
        let lines: Vec<String> = models.iter().map(Value::to_string).collect();
        text += &format!("{},\"models\":[\n{}\n]}}", head.to_string().strip_suffix('}').unwrap_or_default(), lines.join(",\n"));
    }
    text + "\n]}\n"
}

#[cfg(test)]
mod tests {
    use super::super::table::EMBEDDED_JSON;
    use super::*;

    const DATA: &str = r#"[
        {"id": "openai", "models": [
            {"id": "gpt-x", "match": {"or": [{"equals": "GPT-X"}, {"starts_with": "gpt-x-"}, {"regex": "^(?!.*audio)"}]},
             "prices": [{"prices": {"input_mtok": {"base": 1, "tiers": [{"start": 1000, "price": 2}]}, "output_mtok": 4, "web_searches_kcount": 10}},
                {"constraint": {"start_date": "2026-05-01"}, "prices": {"input_mtok": 3, "output_mtok": 4}},
                {"constraint": {"start_date": "2026-06-01"}, "prices": {"input_mtok": 3, "output_mtok": 4, "pages": 1}}],
             "price_variants": [{"when": {"processing": "batch"}, "prices": {"input_mtok": 0.5}}, {"when": {"moon": "full"}, "prices": {"input_mtok": 9}}]},
            {"id": "gpt-oss-20b", "match": {"equals": "gpt-oss-20b"}, "prices": {"input_mtok": 1}},
            {"id": "odd", "match": {"sounds_like": "odd"}, "prices": {"input_mtok": 1}},
            {"id": "hear", "match": {"equals": "hear"}, "prices": {"audio_hours": 1}}]},
        {"id": "newcomer", "fallback_model_providers": ["openai"], "models": [{"id": "n", "match": {"equals": "n"}, "prices": {"requests_kcount": 5}}]}
    ]"#;

    #[test]
    fn the_data_of_genai_prices() {
        let imported = import(DATA, "2026-11-25").unwrap();
        assert_eq!((imported.models, imported.table.date()), (3, "2026-11-25"));
        assert_eq!(imported.left_out, ["openai:gpt-oss-20b", "openai:odd"]);
        let lines: Vec<&str> = imported.text.lines().filter(|line| line.contains("\"id\":\"gpt-x\"")).collect();
        let expected = json!({
            "id": "gpt-x", "is": ["gpt-x"], "like": [{"starts": "gpt-x-"}, {"no_regex": "audio"}],
            "prices": [{"in": [1, [1000, 2]], "out": 4, "search": 10}, {"from": "2026-05-01", "in": 3, "out": 4}],
            "variants": [{"tier": "batch", "in": 0.5}],
        });
        assert_eq!(serde_json::from_str::<Value>(lines[0].trim_end_matches(',')).unwrap(), expected);
        assert_eq!(imported.table.canonical_provider("api.openai.com"), Some("openai"), "spellings are kept");
        assert_eq!(imported.table.canonical_provider("Newcomer"), Some("newcomer"));
        // The own format is kept unchanged, and the result of an import has that format.
        assert_eq!(import(&imported.text, "2000-01-01").unwrap().text, imported.text);
        assert_eq!(import(EMBEDDED_JSON, "2000-01-01").unwrap().models, PriceTable::from_json(EMBEDDED_JSON).unwrap().models());
    }

    #[test]
    fn invalid_price_table_is_described() {
        let said = |text: &str| import(text, "2026-11-25").unwrap_err().to_string();
        assert!(said("[").contains("not JSON"));
        assert!(said("{}").contains("neither"));
        assert!(said("[1]").contains("no id"));
        assert!(said("[]").contains("no model has"));
        let own = |models: &str| format!(r#"{{"date":"2026-01-01","providers":[{{"id":"p","names":["p"],"models":[{models}]}}]}}"#);
        assert!(said(&own(r#"{"id":"m","prices":[{"in":-1}]}"#)).contains("at least 0"));
        assert!(said(&own(r#"{"id":"m","like":[{"regex":"("}],"prices":[{"in":1}]}"#)).starts_with("p:m: "));
    }
}
