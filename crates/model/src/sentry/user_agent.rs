//! Reads browser and operating system of the user from the headers of the request.

use serde_json::{Map, Value, json};
use woothee::parser::Parser;

/// What the parser writes if it does not know a name or version.
const UNKNOWN: &str = "UNKNOWN";

/// Adds the contexts `browser` and `client_os` from the header `User-Agent` of the request, unless the client sent them. SDKs for browsers
/// send the header alone.
pub(super) fn add_client_contexts(contexts: &mut Map<String, Value>, request: &Map<String, Value>) {
    let Some(found) = request.get("headers").and_then(user_agent).and_then(|text| Parser::new().parse(text)) else { return };
    let parts = [("browser", found.name, found.version), ("client_os", found.os, found.os_version.as_ref())];
    for (context, name, version) in parts {
        if name == UNKNOWN || name.is_empty() || contexts.contains_key(context) {
            continue;
        }
        let mut fields = json!({ "name": name });
        if version != UNKNOWN && !version.is_empty() {
            fields["version"] = version.into();
        }
        contexts.insert(context.to_owned(), fields);
    }
}

/// Returns the header `User-Agent` from an object or a list of pairs.
fn user_agent(headers: &Value) -> Option<&str> {
    let is_agent = |name: &str| name.eq_ignore_ascii_case("user-agent");
    let value = match headers {
        Value::Object(fields) => fields.iter().find(|(name, _)| is_agent(name))?.1,
        Value::Array(pairs) => pairs.iter().find(|pair| pair[0].as_str().is_some_and(is_agent))?.get(1)?,
        _ => return None,
    };
    // Some SDKs send a list of values for each header.
    value.as_str().or_else(|| value[0].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:151.0) Gecko/20100101 Firefox/151.0";

    fn contexts_of(request: Value) -> Value {
        let mut contexts = Map::new();
        add_client_contexts(&mut contexts, request.as_object().unwrap());
        contexts.into()
    }

    #[test]
    fn the_header_is_found_in_any_form() {
        for headers in
            [json!({ "user-agent": FIREFOX }), json!([["Accept", "*/*"], ["User-Agent", FIREFOX]]), json!({ "User-Agent": [FIREFOX] })]
        {
            let contexts = contexts_of(json!({ "headers": headers }));
            assert_eq!(contexts["browser"], json!({ "name": "Firefox", "version": "151.0" }));
            assert!(contexts["client_os"]["name"].as_str().unwrap().starts_with("Windows"), "{contexts}");
        }
    }

    #[test]
    fn what_is_unknown_or_sent_is_left_as_it_is() {
        for request in [
            json!({}),
            json!({ "headers": {} }),
            json!({ "headers": { "User-Agent": "" } }),
            json!({ "headers": { "User-Agent": "shop/1.0" } }),
        ] {
            assert_eq!(contexts_of(request), json!({}));
        }
        let mut contexts = Map::from_iter([("browser".to_owned(), json!({ "name": "Shop" }))]);
        add_client_contexts(&mut contexts, json!({ "headers": { "User-Agent": FIREFOX } }).as_object().unwrap());
        assert_eq!(contexts["browser"], json!({ "name": "Shop" }));
        assert!(contexts.contains_key("client_os"));
    }
}
