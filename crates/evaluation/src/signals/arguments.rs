//! Checks the arguments of a tool call against JSON and the offered schema.
//!
//! The check covers `type`, `required`, `enum`, `const`, `properties`, `items` and `additionalProperties: false`. A schema with references
//! or alternatives is accepted where these stand.

use serde_json::{Map, Value};

use super::finding::ArgumentFault;
use super::text::is_cut;

/// Longest arguments that are parsed, in bytes.
const MAX_ARGUMENT_BYTES: usize = 256 * 1024;
/// Maximum depth of a schema that is followed.
const MAX_DEPTH: u8 = 8;
/// Keywords whose meaning the check does not know.
const UNCHECKED: &[&str] = &["$ref", "anyOf", "oneOf", "allOf", "not", "if", "patternProperties"];

/// Returns the fault of arguments that are not JSON. Arguments that a client cut or wrote in another notation are not judged. Plain text
/// is a fault only for tools that are known to take an object.
pub(super) fn fault_of_json(arguments: &str, is_offered: bool) -> Option<ArgumentFault> {
    let text = arguments.trim();
    let looks_like_json = text.starts_with('{') || (is_offered && text.starts_with(['[', '"']) && text.len() > 2);
    if !looks_like_json || !are_as_the_model_wrote(text) {
        return None;
    }
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_err().then_some(ArgumentFault::InvalidJson)
}

/// Returns false for arguments that a client cut, redacted or wrote in the notation of Python, and for too long ones.
pub(crate) fn are_as_the_model_wrote(text: &str) -> bool {
    let is_python =
        text.starts_with("{'") || text.starts_with("['") || text.contains(": None") || text.contains(": True") || text.contains(": False");
    !is_python && text.len() <= MAX_ARGUMENT_BYTES && !is_cut(text) && !text.contains("[Filtered]")
}

/// Returns the first fault of arguments against the schema of the tool.
pub(crate) fn fault_of_schema(arguments: &str, schema: &Value) -> Option<ArgumentFault> {
    let text = arguments.trim();
    if text.len() > MAX_ARGUMENT_BYTES || is_cut(text) {
        return None;
    }
    let value: Value = if text.is_empty() { Value::Object(Map::new()) } else { serde_json::from_str(text).ok()? };
    value.is_object().then(|| fault_at(&value, schema, "", MAX_DEPTH)).flatten()
}

fn fault_at(value: &Value, schema: &Value, path: &str, depth: u8) -> Option<ArgumentFault> {
    let (depth, schema) = (depth.checked_sub(1)?, schema.as_object()?);
    if UNCHECKED.iter().any(|keyword| schema.contains_key(*keyword)) {
        return None;
    }
    if let Some(expected) = schema.get("type").and_then(|types| wrong_type(value, types, schema)) {
        return Some(ArgumentFault::WrongType { argument: path.to_owned(), expected });
    }
    let allowed = schema.get("enum").and_then(Value::as_array);
    let is_listed = allowed.is_none_or(|allowed| allowed.is_empty() || allowed.contains(value));
    if !is_listed || schema.get("const").is_some_and(|only| only != value) {
        return Some(ArgumentFault::NotAllowed { argument: path.to_owned() });
    }
    match value {
        Value::Object(members) => fault_of_object(members, schema, path, depth),
        Value::Array(items) => {
            let item_schema = schema.get("items")?;
            items.iter().take(100).enumerate().find_map(|(at, item)| fault_at(item, item_schema, &format!("{path}[{at}]"), depth))
        }
        _ => None,
    }
}

fn fault_of_object(members: &Map<String, Value>, schema: &Map<String, Value>, path: &str, depth: u8) -> Option<ArgumentFault> {
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let required: Vec<&str> = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let is_required = |name: &str| required.contains(&name);
    for name in required.iter().copied() {
        if !members.contains_key(name) {
            return Some(ArgumentFault::Missing { argument: at(name) });
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (name, value) in members {
        match properties.and_then(|properties| properties.get(name)) {
            Some(property) => {
                // Clients and models send null for an argument that is left out.
                if value.is_null() && !is_required(name) {
                    continue;
                }
                if let Some(fault) = fault_at(value, property, &at(name), depth) {
                    return Some(fault);
                }
            }
            None if is_closed => return Some(ArgumentFault::Unexpected { argument: at(name) }),
            None => {}
        }
    }
    None
}

/// Returns the expected type if the value has another one. Google writes types in capital letters.
fn wrong_type(value: &Value, types: &Value, schema: &Map<String, Value>) -> Option<String> {
    let is_nullable = schema.get("nullable") == Some(&Value::Bool(true));
    let matches = |name: &str| match name.to_ascii_lowercase().as_str() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    };
    let names: Vec<&str> = match types {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let is_right = names.is_empty() || names.iter().any(|name| matches(name)) || (is_nullable && value.is_null());
    (!is_right).then(|| names.join(" or ").to_lowercase())
}
