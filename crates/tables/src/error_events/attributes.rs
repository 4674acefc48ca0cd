//! Attributes by which an error event can be found: data that the client sent with the error, with names that contain dots.

use std::collections::BTreeMap;

use hinomi_model::sentry::ErrorEvent;
use serde_json::{Map, Value};

/// Maximum number of attributes of an event.
const MAX_ATTRIBUTES: usize = 300;
/// Maximum bytes of all attributes of an event.
const MAX_ATTRIBUTES_BYTES: usize = 16 << 10;
/// Maximum bytes of a name or a value.
const MAX_ATTRIBUTE_BYTES: usize = 200;
/// Maximum depth of objects whose members are attributes.
const MAX_DEPTH: usize = 3;

/// Collects attributes up to the limits.
struct AttributeCollector {
    attributes: BTreeMap<String, String>,
    bytes_left: usize,
}

impl AttributeCollector {
    fn add(&mut self, name: &str, value: &str) {
        let shortened = |text: &str| text[..text.floor_char_boundary(MAX_ATTRIBUTE_BYTES)].to_owned();
        let (name, value) = (shortened(name), shortened(value));
        let bytes = name.len() + value.len();
        if value.is_empty() || bytes > self.bytes_left || self.attributes.len() >= MAX_ATTRIBUTES {
            return;
        }
        self.bytes_left -= bytes;
        self.attributes.insert(name, value);
    }

    fn add_value(&mut self, name: &str, value: &Value, depth: usize) {
        match value {
            Value::String(text) => self.add(name, text),
            Value::Number(number) => self.add(name, &number.to_string()),
            Value::Bool(flag) => self.add(name, if *flag { "true" } else { "false" }),
            Value::Object(members) if depth > 0 => self.add_members(name, members, depth - 1),
            _ => {}
        }
    }

    fn add_members(&mut self, prefix: &str, members: &Map<String, Value>, depth: usize) {
        for (name, value) in members {
            self.add_value(&format!("{prefix}.{name}"), value, depth);
        }
    }
}

/// Returns the attributes of an event.
pub(super) fn attributes_of(event: &ErrorEvent) -> BTreeMap<String, String> {
    let mut found = AttributeCollector { attributes: BTreeMap::new(), bytes_left: MAX_ATTRIBUTES_BYTES };
    let details = &event.details;
    let named = [
        ("logger", &details.logger),
        ("platform", &details.platform),
        ("dist", &details.dist),
        ("release", &event.release),
        ("environment", &event.environment),
        ("server_name", &event.service),
        ("transaction", &event.transaction),
        ("sdk.name", &event.sdk_name),
        ("sdk.version", &event.sdk_version),
        ("message", &event.message),
        ("title", &event.title),
    ];
    for (name, value) in named {
        found.add(name, value.as_deref().unwrap_or_default());
    }
    found.add("level", &event.level);
    found.add("error.type", &event.kind);
    found.add("error.value", &event.value);
    if let Some(handled) = event.handled {
        found.add("error.handled", if handled { "true" } else { "false" });
    }
    let mechanism = event.exceptions.iter().rev().find_map(|exception| exception.mechanism.as_ref()?.kind.as_deref());
    found.add("error.mechanism", mechanism.unwrap_or_default());
    found.add_members("user", &details.user, MAX_DEPTH);
    found.add_members("request", &details.request, MAX_DEPTH);
    // `os.name`, `browser.name`, `device.model`: Sentry's users know contexts without a prefix.
    for (name, context) in &details.contexts {
        found.add_value(name, context, MAX_DEPTH);
    }
    found.add_members("extra", &details.extra, MAX_DEPTH);
    for (name, version) in &details.modules {
        found.add(&format!("modules.{name}"), version);
    }
    for (name, value) in &event.tags {
        // A field of the event has precedence over a tag of the same name.
        if !found.attributes.contains_key(name) {
            found.add(name, value);
        }
    }
    found.attributes
}

#[cfg(test)]
mod tests {
    use hinomi_model::sentry::ErrorDetails;
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_have_names_with_dots_and_are_limited() {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let details = ErrorDetails {
            logger: Some("shop.orders".into()),
            request: object(json!({"url": "https://shop.example/pay", "headers": {"Host": "shop.example"}, "data": [1]})),
            contexts: object(json!({"os": {"name": "Linux"}, "runtime": {"name": "CPython", "version": 3.12}})),
            user: object(json!({"email": "anna@shop.example"})),
            extra: (0..1000).map(|n| (format!("n{n}"), json!(n))).collect(),
            ..ErrorDetails::default()
        };
        let found = attributes_of(&ErrorEvent { level: "error".into(), kind: "E".into(), details, ..ErrorEvent::default() });
        for (name, value) in [
            ("logger", "shop.orders"),
            ("error.type", "E"),
            ("request.url", "https://shop.example/pay"),
            ("request.headers.Host", "shop.example"),
            ("os.name", "Linux"),
            ("runtime.version", "3.12"),
            ("user.email", "anna@shop.example"),
            ("extra.n1", "1"),
        ] {
            assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(found.len(), MAX_ATTRIBUTES);
    }
}
