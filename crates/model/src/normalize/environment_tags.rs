//! Tags from the environment that apply to everything a program reports, such as the repository that an agent works in.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::normalize::attribute_names;

/// Attributes that become a tag, and the name of the tag.
const TAG_ATTRIBUTES: &[(&str, &str)] = &[
    ("vcs.repository.name", "repository"),
    ("vcs.repository.url.full", "repository"),
    ("vcs.ref.head.name", "branch"),
    ("organization.id", "organization"),
    ("team.id", "team"),
    ("team.name", "team"),
];

/// Codex's name of the deployment environment.
const ENVIRONMENT_ATTRIBUTE: &str = "env";

/// Returns the tags of a span: the attributes in the table, and all resource attributes whose name has no dot. OpenTelemetry has no such
/// names, so somebody set these attributes on purpose (`OTEL_RESOURCE_ATTRIBUTES=repository=shop`). `attributes` contains the attributes of
/// the span and of the resource.
pub(crate) fn of(attributes: &Map<String, Value>, resource: &Map<String, Value>) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let plain = resource
        .iter()
        .filter(|(name, _)| !name.contains('.') && attribute_names::lookup(name).is_none() && name.as_str() != ENVIRONMENT_ATTRIBUTE);
    for (name, value) in plain {
        tags.extend(text(value).map(|text| (name.clone(), text)));
    }
    for (name, tag) in TAG_ATTRIBUTES {
        if let Some(text) = attributes.get(*name).and_then(text) {
            tags.entry((*tag).to_owned()).or_insert(text);
        }
    }
    tags
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn environment_tag_names_are_mapped() {
        let Value::Object(resource) = json!({
            "repository": "acme/shop", "vcs.repository.name": "other", "vcs.ref.head.name": "main", "team.id": "platform",
            "cost_center": 17, "service.name": "claude-code", "host.arch": "amd64", "list": [1], "blank": " ",
        }) else {
            unreachable!()
        };
        let tags = of(&resource, &resource);
        let expected = [("branch", "main"), ("cost_center", "17"), ("repository", "acme/shop"), ("team", "platform")];
        assert_eq!(tags, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
