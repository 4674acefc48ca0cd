//! Removes from a shared trace what refers to anything else: other traces, issues, users, conversations and the project.

use serde_json::Value;

/// Fields with IDs of something else.
const REFERENCES: [&str; 5] = ["project_id", "issue_id", "user_id", "session_id", "last_trace_id"];
/// Fields that refer to other traces as a whole.
const OTHER_REPORTS: [&str; 3] = ["also_reported", "texts_from", "compared"];
/// Fields with names that clients chose, in which nothing is a reference of Hinomi.
const CLIENT_DATA: [&str; 6] = ["attributes", "input_messages", "output_messages", "request", "tool_definitions", "tags"];

/// Removes references from a response about one trace. Numbers and texts become null, lists become empty.
pub(super) fn remove_references(value: &mut Value) {
    let own = ["/trace/trace_id", "/trace_id", "/logs/0/trace_id"].iter().find_map(|path| value.pointer(path).and_then(Value::as_str));
    let own = own.unwrap_or_default().to_owned();
    remove_within(value, &own);
}

fn remove_within(value: &mut Value, own: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| remove_within(item, own)),
        Value::Object(fields) => {
            let is_elsewhere = fields.get("trace_id").and_then(Value::as_str).is_some_and(|trace| trace != own);
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    name if REFERENCES.contains(&name) || OTHER_REPORTS.contains(&name) => *field = Value::Null,
                    "links" => *field = Value::Array(Vec::new()),
                    "trace_id" | "span_id" if is_elsewhere => *field = Value::Null,
                    name if CLIENT_DATA.contains(&name) => {}
                    _ => remove_within(field, own),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_trace_itself_is_named() {
        let mut shared = json!({
            "trace": { "trace_id": "a", "user_id": "anna", "session_id": "s", "name": "ask" },
            "spans": [{ "project_id": 1, "trace_id": "a", "span_id": "1", "exclusion": { "kind": "same_response", "trace_id": "b", "span_id": "9" },
                "also_reported": { "trace_id": "b" }, "links": [{ "trace_id": "b" }], "attributes": { "user_id": "as sent" } }],
            "errors": [{ "issue_id": 7, "trace_id": "a", "type": "Error" }],
        });
        remove_references(&mut shared);
        assert_eq!(
            shared,
            json!({
                "trace": { "trace_id": "a", "user_id": null, "session_id": null, "name": "ask" },
                "spans": [{ "project_id": null, "trace_id": "a", "span_id": "1", "exclusion": { "kind": "same_response", "trace_id": null, "span_id": null },
                    "also_reported": null, "links": [], "attributes": { "user_id": "as sent" } }],
                "errors": [{ "issue_id": null, "trace_id": "a", "type": "Error" }],
            })
        );
    }
}
