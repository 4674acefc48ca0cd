//! Messages spread over numbered attributes, such as `gen_ai.prompt.0.role`.

use serde_json::{Map, Value};

use crate::decode_budget;
use crate::span::Attributes;

/// Maximum number of words in a name, which limits the depth of the tree. The longest names of clients have about ten.
const MAX_NAME_WORDS: usize = 16;

/// Collects the attributes under a prefix (`gen_ai.prompt`, `llm.input_messages`) into one nested value: numbers in a name become list
/// indexes, other words become keys of objects. Returns `None` if there is no list under the prefix.
pub fn unflatten(attributes: &Attributes, prefix: &str) -> Option<Value> {
    let mut root = Value::Object(Map::new());
    for (name, value) in attributes {
        let Some(path) = name.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.')) else { continue };
        if path.starts_with(|c: char| c.is_ascii_digit()) && path.split('.').count() <= MAX_NAME_WORDS {
            // Each word may create a map, and the map a list.
            if !decode_budget::charge(2 * (path.split('.').count() * decode_budget::member_bytes(path, true) + decode_budget::value(value)))
            {
                return None;
            }
            insert(&mut root, path, value);
        }
    }
    let object = root.as_object()?;
    (!object.is_empty()).then(|| lists(root))
}

fn insert(node: &mut Value, path: &str, value: &Value) {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let Value::Object(object) = node else { return };
    match rest {
        Some(rest) => insert(object.entry(head).or_insert_with(|| Value::Object(Map::new())), rest, value),
        None => {
            object.entry(head).or_insert_with(|| value.clone());
        }
    }
}

/// Converts objects whose keys are all numbers to lists in the order of those numbers.
fn lists(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    let numbered = !object.is_empty() && object.keys().all(|key| key.parse::<u32>().is_ok());
    let mut items: Vec<(String, Value)> = object.into_iter().map(|(key, value)| (key, lists(value))).collect();
    if !numbered {
        return Value::Object(items.into_iter().collect());
    }
    items.sort_by_key(|(key, _)| key.parse::<u32>().unwrap_or(u32::MAX));
    Value::Array(items.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn gathers_lists_within_lists() {
        let attributes = json!({
            "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Hi",
            "gen_ai.prompt.10.role": "tool", "gen_ai.prompt.2.tool_calls.0.name": "f", "gen_ai.prompt.2.role": "assistant",
            "gen_ai.prompt.name": "greeting",
        });
        let found = unflatten(attributes.as_object().unwrap(), "gen_ai.prompt").unwrap();
        let expected = json!([
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "tool_calls": [{"name": "f"}]},
            {"role": "tool"},
        ]);
        assert_eq!(found, expected);
        assert_eq!(unflatten(attributes.as_object().unwrap(), "llm.input_messages"), None);
        let deep = json!({format!("gen_ai.prompt.0{}", ".a".repeat(100_000)): "x"});
        assert_eq!(unflatten(deep.as_object().unwrap(), "gen_ai.prompt"), None);
    }
}
