//! Custom prices in a file, TOML or JSON: a list `price` of entries as in the API, each optionally with a project.
//!
//! ```toml
//! [[price]]
//! model = "llama-3.3-70b*"
//! from = "2026-11-01"
//! prices = { input = 0.2, output = 0.6 }
//! ```

use std::path::Path;

use hinomi_model::price::CustomPrice;
use serde_json::{Map, Value};

use super::PriceSourceError;

/// Prices, each with its project; `None` for all projects.
type PriceFileEntries = Vec<(Option<u64>, CustomPrice)>;

/// Reads the file. Returns the text of the file, and the prices in it.
pub(super) fn read_file(path: &Path) -> Result<(String, PriceFileEntries), PriceSourceError> {
    let text = std::fs::read_to_string(path).map_err(|source| PriceSourceError::Unreadable { path: path.to_owned(), source })?;
    let listed = parse_file(&text).map_err(|reason| PriceSourceError::Unusable { path: path.to_owned(), reason })?;
    Ok((text, listed))
}

pub(super) fn parse_file(text: &str) -> Result<PriceFileEntries, String> {
    let mut table: Map<String, Value> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string().trim_end().to_owned())?;
        table.into_iter().map(|(name, value)| (name, toml_to_json(value))).collect()
    };
    let list = table.remove("price").unwrap_or_else(|| Value::Array(Vec::new()));
    if let Some(name) = table.keys().next() {
        return Err(format!("unknown entry {name:?}; the file must be a list of [[price]]"));
    }
    let Value::Array(list) = list else { return Err("\"price\" must be a list: [[price]] in TOML".to_owned()) };
    let price = |(place, value): (usize, Value)| parse_price(value).map_err(|reason| format!("price {}: {reason}", place + 1));
    list.into_iter().enumerate().map(price).collect()
}

fn parse_price(mut value: Value) -> Result<(Option<u64>, CustomPrice), String> {
    let project = match value.as_object_mut().and_then(|price| price.remove("project")) {
        None | Some(Value::Null) => None,
        Some(project) => Some(project.as_u64().ok_or("project: must be a project number")?),
    };
    let price: CustomPrice = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok((project, price.checked().map_err(|bad| bad.to_string())?))
}

/// Converts TOML to JSON. A day may be a TOML date, without quotes.
fn toml_to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::from(number),
        toml::Value::Boolean(flag) => Value::Bool(flag),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(toml_to_json).collect()),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(name, value)| (name, toml_to_json(value))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_and_json_are_equivalent() {
        let toml = parse_file(
            "[[price]]\nmodel = \"llama*\"\nprovider = \"vllm\"\nfrom = 2026-11-01\nuntil = \"2026-12-01\"\nproject = 3\nprices = { input = 0.2, hour = 2 }\n",
        );
        let json = parse_file(
            r#"{"price":[{"model":"llama*","provider":"vllm","from":"2026-11-01","until":"2026-12-01","project":3,"prices":{"input":0.2,"hour":2}}]}"#,
        );
        assert_eq!(toml, json);
        let (project, price) = toml.unwrap().remove(0);
        assert_eq!((project, price.id().as_str()), (Some(3), "own:llama*@2026-11-01"));
        assert_eq!(parse_file("# nothing yet\n").unwrap(), []);
    }

    #[test]
    fn mistakes_are_named() {
        let said = |text: &str| parse_file(text).unwrap_err();
        assert!(said("[[price]]\nmodel = \"x\"\nprices = { inptu = 1 }").contains("inptu"));
        assert!(said("[[price]]\nmodel = \"x\"\nprices = { input = -1 }").contains("at least 0"));
        assert!(said("[[price]]\nmodel = \"\"\nprices = { input = 1 }").contains("price 1: model"));
        assert!(said("[[price]]\nmodel = \"x\"\nprices = { output = 1 }").contains("at least one"));
        assert!(said("[[price]]\nmodel = \"x\"\nfrom = \"May\"\nprices = { input = 1 }").contains("YYYY-MM-DD"));
        assert!(said("[[price]]\nmodle = \"x\"\nprices = { input = 1 }").contains("modle"));
        assert!(said("[[prices]]\nmodel = \"x\"").contains("[[price]]"));
        assert!(said("{").contains("EOF"));
    }
}
