//! Attributes that contain attributes: JSON objects whose members are separate attributes in the spans of other clients.

use serde_json::Value;

use crate::lenient_json;
use crate::span::Attributes;

/// Names of attributes that contain an object: Braintrust's. Each member becomes an attribute with the name of the object before its own.
const FOLDED: &[&str] = &["braintrust.span_attributes", "braintrust.metadata", "braintrust.metrics"];

/// Start of a text in JSON that contains a text in JSON.
const TWICE_QUOTED: &str = r#""\""#;

/// Replaces texts that are JSON twice by JSON, and each object by its members. An attribute that was sent under the name of a member stays.
pub(super) fn unfold(attributes: &mut Attributes) {
    for text in attributes.values_mut().filter_map(|value| if let Value::String(text) = value { Some(text) } else { None }) {
        // MLflow writes attributes as JSON, also those that are JSON already.
        if text.starts_with(TWICE_QUOTED)
            && let Ok(Value::String(inner)) = lenient_json::value(text)
        {
            *text = inner;
        }
    }
    for name in FOLDED {
        let object = attributes.get(*name).and_then(|value| lenient_json::object(value.as_str()?).ok());
        let Some(object) = object else { continue };
        attributes.remove(*name);
        for (member, value) in object.into_iter().filter(|(_, value)| !value.is_null()) {
            attributes.entry(format!("{name}.{member}")).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_become_attributes() {
        let mut attributes = json!({
            "braintrust.metadata": "{\"model\": \"m\", \"provider\": \"p\", \"seed\": null}", "braintrust.metadata.model": "sent",
            "braintrust.metrics": "no object", "other": "{\"a\": 1}",
        });
        let attributes = attributes.as_object_mut().unwrap();
        unfold(attributes);
        let expected = json!({
            "braintrust.metadata.model": "sent", "braintrust.metadata.provider": "p", "braintrust.metrics": "no object", "other": "{\"a\": 1}",
        });
        assert_eq!(json!(attributes), expected);
    }
}
