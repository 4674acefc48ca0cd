//! Lists of resources: filter, page, and the selection of attributes.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::error::ScimError;
use super::filter::is_match;

/// Default and maximum number of resources of a page.
const DEFAULT_COUNT: usize = 100;
pub(super) const MAX_COUNT: usize = 500;

/// Attributes that every response has.
const ALWAYS_RETURNED: [&str; 3] = ["schemas", "id", "meta"];

/// Selects resources.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ScimListParameters {
    /// Filter such as `userName eq "ann@example.com"`.
    filter: Option<String>,
    /// Position of the first resource, from 1. Default: 1.
    #[param(rename = "startIndex")]
    start_index: Option<String>,
    /// Maximum number of resources, at most 500. Default: 100.
    count: Option<String>,
    /// Attributes to return, separated by commas. Default: all.
    attributes: Option<String>,
    /// Attributes to leave out, separated by commas.
    #[param(rename = "excludedAttributes")]
    excluded_attributes: Option<String>,
}

/// Selects attributes of a resource.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ScimAttributeParameters {
    /// Attributes to return, separated by commas. Default: all.
    attributes: Option<String>,
    /// Attributes to leave out, separated by commas.
    #[param(rename = "excludedAttributes")]
    excluded_attributes: Option<String>,
}

impl ScimAttributeParameters {
    /// Returns a resource with the selected attributes.
    pub(super) fn select(&self, resource: Map<String, Value>) -> Value {
        select_attributes(resource, self.attributes.as_deref(), self.excluded_attributes.as_deref())
    }
}

impl ScimListParameters {
    /// Returns the response with the matching resources.
    pub(super) fn page(&self, resources: impl Iterator<Item = Map<String, Value>>) -> Result<Value, ScimError> {
        let filter = self.filter.as_deref().map(str::trim).filter(|filter| !filter.is_empty());
        let filter = filter
            .map(|text| text.parse().map_err(|error| ScimError::invalid_filter(format!("filter: {text:?} cannot be read: {error}"))))
            .transpose()?;
        let number = |name: &str, text: &Option<String>, default: i64| match text {
            None => Ok(default),
            Some(text) => text.trim().parse::<i64>().map_err(|_| ScimError::invalid_value(format!("{name}: {text:?} is not a number"))),
        };
        // Numbers that are too small have a meaning of their own (RFC 7644, section 3.4.2.4).
        let start = usize::try_from(number("startIndex", &self.start_index, 1)?.max(1)).unwrap_or(usize::MAX);
        let count = usize::try_from(number("count", &self.count, DEFAULT_COUNT as i64)?.max(0)).unwrap_or(MAX_COUNT).min(MAX_COUNT);
        let mut total = 0;
        let mut page = Vec::new();
        for resource in resources {
            if filter.as_ref().is_some_and(|filter| !is_match(filter, &resource)) {
                continue;
            }
            total += 1;
            if total >= start && page.len() < count {
                page.push(select_attributes(resource, self.attributes.as_deref(), self.excluded_attributes.as_deref()));
            }
        }
        Ok(json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total, "startIndex": start, "itemsPerPage": page.len(), "Resources": page,
        }))
    }
}

/// Keeps the attributes that are wanted. A sub-attribute stands for its whole attribute.
fn select_attributes(mut resource: Map<String, Value>, wanted: Option<&str>, excluded: Option<&str>) -> Value {
    let names = |list: &str| -> Vec<String> {
        let name = |text: &str| {
            // `urn:…:User:userName.x` and `userName.x` are the attribute `userName`.
            let bare = text.trim().rsplit(':').next().unwrap_or_default();
            bare.split('.').next().unwrap_or_default().to_ascii_lowercase()
        };
        list.split(',').map(name).filter(|name| !name.is_empty()).collect()
    };
    let is_fixed = |name: &str| ALWAYS_RETURNED.contains(&name);
    if let Some(wanted) = wanted.map(names).filter(|names| !names.is_empty()) {
        resource.retain(|name, _| is_fixed(name) || wanted.contains(&name.to_ascii_lowercase()));
    }
    if let Some(excluded) = excluded.map(names) {
        resource.retain(|name, _| is_fixed(name) || !excluded.contains(&name.to_ascii_lowercase()));
    }
    Value::Object(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources() -> Vec<Map<String, Value>> {
        (1..=7)
            .map(|number| json!({ "id": number.to_string(), "userName": format!("u{number}"), "active": number % 2 == 1 }))
            .map(|value| value.as_object().unwrap().clone())
            .collect()
    }

    fn page(filter: Option<&str>, start: Option<&str>, count: Option<&str>) -> Result<Value, ScimError> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let parameters = ScimListParameters { filter: text(filter), start_index: text(start), count: text(count), ..Default::default() };
        parameters.page(resources().into_iter())
    }

    fn ids(page: &Value) -> Vec<&str> {
        page["Resources"].as_array().unwrap().iter().map(|resource| resource["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn pages_are_counted_from_one() {
        let second = page(None, Some("3"), Some("2")).unwrap();
        assert_eq!((ids(&second), &second["totalResults"], &second["itemsPerPage"]), (vec!["3", "4"], &json!(7), &json!(2)));
        assert_eq!(ids(&page(None, Some("0"), Some("1")).unwrap()), ["1"]);
        let counted = page(Some("active eq true"), None, Some("0")).unwrap();
        assert_eq!((ids(&counted).len(), &counted["totalResults"]), (0, &json!(4)));
        assert_eq!(ids(&page(None, Some("100"), Some("-3")).unwrap()).len(), 0);
        assert_eq!(page(Some("userName eq"), None, None).unwrap_err().scim_type(), Some("invalidFilter"));
        assert_eq!(page(None, Some("x"), None).unwrap_err().scim_type(), Some("invalidValue"));
    }

    #[test]
    fn attributes_are_selected() {
        let of = |wanted, excluded| select_attributes(resources().remove(0), wanted, excluded);
        assert_eq!(of(Some("username"), None), json!({ "id": "1", "userName": "u1" }));
        assert_eq!(of(Some("urn:ietf:params:scim:schemas:core:2.0:User:userName.x"), None), json!({ "id": "1", "userName": "u1" }));
        assert_eq!(of(None, Some("active,id")), json!({ "id": "1", "userName": "u1" }));
    }
}
