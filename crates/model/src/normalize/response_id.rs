//! Finds the provider's response ID in the response itself if no attribute contains it.

use serde_json::Value;

use super::attributes::RecognizedAttributes;

/// Attributes that contain a provider's whole response, or a framework's object around it, as JSON text.
const RESPONSE_ATTRIBUTES: &[&str] = &["output.value", "traceloop.entity.output"];

/// Paths of the ID in them: in the provider's own response, and in LangChain's object.
const ID_PATHS: &[&[&str]] = &[
    &["id"],
    &["generations", "0", "0", "message", "kwargs", "response_metadata", "id"],
    &["generations", "0", "0", "message", "kwargs", "id"],
    &["outputs", "generations", "0", "0", "message", "kwargs", "response_metadata", "id"],
    &["outputs", "generations", "0", "0", "message", "kwargs", "id"],
    &["llm_output", "id"],
];

/// Prefixes of IDs that providers give to responses. Other IDs may be a framework's own, or part of the response's content.
const PROVIDER_ID_PREFIXES: &[&str] = &["chatcmpl-", "chatcmpl_", "cmpl-", "resp_", "msg_", "msg-", "gen-"];

/// Returns the attribute that contains the response, and the ID of the response.
pub(super) fn id_in_answer(found: &RecognizedAttributes) -> Option<(&'static str, String)> {
    RESPONSE_ATTRIBUTES.iter().find_map(|name| {
        let text = found.attributes.get(*name)?.as_str().filter(|text| text.starts_with('{') && names_an_id(text))?;
        let answer: Value = crate::lenient_json::value(text).ok()?;
        let at = |path: &&[&str]| {
            let step = |value: &Value, key: &&str| match value {
                Value::Array(items) => items.get(key.parse::<usize>().ok()?).cloned(),
                value => value.get(key).cloned(),
            };
            path.iter().try_fold(answer.clone(), |value, key| step(&value, key))
        };
        let is_of_provider = |id: &Value| id.as_str().is_some_and(|id| PROVIDER_ID_PREFIXES.iter().any(|start| id.starts_with(start)));
        let id = ID_PATHS.iter().filter_map(at).find(is_of_provider)?;
        Some((*name, id.as_str()?.to_owned()))
    })
}

/// Checks whether parsing is worthwhile.
fn names_an_id(text: &str) -> bool {
    PROVIDER_ID_PREFIXES.iter().any(|start| text.contains(start))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::normalize::attribute_names::AttributeDialect;
    use crate::span::Attributes;

    #[test]
    fn only_provider_response_ids_are_read() {
        let found = |answer: Value| {
            let attributes = Attributes::from_iter([("output.value".to_owned(), answer.to_string().into())]);
            id_in_answer(&RecognizedAttributes::new(&attributes, &AttributeDialect::GENERAL_DIALECT)).map(|(_, id)| id)
        };
        let langchain = |id: &str, inner: &str| {
            let kwargs = json!({"content": "Hi", "id": id, "response_metadata": {"id": inner}});
            json!({"generations": [[{"message": {"lc": 1, "kwargs": kwargs}}]], "llm_output": null})
        };
        assert_eq!(found(json!({"id": "chatcmpl-1", "choices": []})).as_deref(), Some("chatcmpl-1"));
        assert_eq!(found(langchain("lc_run--1", "msg_2")).as_deref(), Some("msg_2"));
        assert_eq!(found(langchain("msg_3", "")).as_deref(), Some("msg_3"));
        assert_eq!(found(langchain("run-1", "")), None);
        assert_eq!(found(json!({"id": "order-17", "text": "msg_1"})), None, "what the model was asked to write");
    }
}
