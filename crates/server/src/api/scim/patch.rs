//! `PATCH` of SCIM (RFC 7644, section 3.5.2), applied to resources as JSON.
//!
//! Providers differ in details: Entra writes `Add`, sends paths as names of fields, and removes members by value. Attributes that Hinomi
//! does not store are accepted and ignored, because a provider gives up a whole user otherwise.

use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, PatchPath, PatchValuePath, ValFilter};
use serde_json::{Map, Value, json};

use super::error::ScimError;
use super::filter::{attribute, is_element_match};

/// Maximum number of operations in one request.
const MAX_OPERATIONS: usize = 1000;

/// Attributes of a kind of resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct PatchableAttributes {
    /// Attributes that are stored; others are ignored.
    pub(super) stored: &'static [&'static str],
    /// Attributes with several values.
    pub(super) multi_valued: &'static [&'static str],
    /// Prefix of the names of the attributes in full.
    pub(super) schema: &'static str,
}

/// Attributes that only the server sets.
const READ_ONLY: [&str; 4] = ["id", "meta", "schemas", "groups"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatchOperation {
    Add,
    Replace,
    Remove,
}

impl PatchableAttributes {
    /// Applies the operations of a request to a resource.
    pub(super) fn apply(&self, body: &Value, resource: &mut Map<String, Value>) -> Result<(), ScimError> {
        let operations = body.as_object().and_then(|body| attribute(body, "Operations")).and_then(Value::as_array);
        let operations = operations.ok_or_else(|| ScimError::invalid_syntax("Operations: must be a list"))?;
        if operations.len() > MAX_OPERATIONS {
            return Err(ScimError::too_many(format!("Operations: must be at most {MAX_OPERATIONS}")));
        }
        for operation in operations {
            let fields = operation.as_object().ok_or_else(|| ScimError::invalid_syntax("Operations: must be objects"))?;
            let name = attribute(fields, "op").and_then(Value::as_str).unwrap_or_default();
            let kind = match name.to_ascii_lowercase().as_str() {
                "add" => PatchOperation::Add,
                "replace" => PatchOperation::Replace,
                "remove" => PatchOperation::Remove,
                _ => return Err(ScimError::invalid_syntax(format!("op: {name:?} is not add, replace or remove"))),
            };
            let path = attribute(fields, "path").map(|path| path.as_str().unwrap_or_default());
            self.apply_operation(resource, kind, path.filter(|path| !path.is_empty()), attribute(fields, "value"))?;
        }
        Ok(())
    }

    fn apply_operation(
        &self,
        resource: &mut Map<String, Value>,
        kind: PatchOperation,
        path: Option<&str>,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        if kind != PatchOperation::Remove && value.is_none() && path.is_none() {
            return Err(ScimError::invalid_value("value: is missing"));
        }
        match path {
            Some(path) => self.apply_at(resource, kind, path, value),
            None if kind == PatchOperation::Remove => Err(ScimError::no_target("path: is missing; remove needs one")),
            None => {
                let fields = value.and_then(Value::as_object);
                let fields = fields.ok_or_else(|| ScimError::invalid_value("value: must be an object if there is no path"))?;
                for (name, value) in fields {
                    // Providers repeat the ID, or send resources as they read them.
                    if READ_ONLY.iter().any(|read_only| name.eq_ignore_ascii_case(read_only)) {
                        continue;
                    }
                    // The name of an extension, whose attributes are not stored.
                    if name.starts_with("urn:") && name.parse::<PatchPath>().is_err() {
                        continue;
                    }
                    self.apply_at(resource, kind, name, Some(value))?;
                }
                Ok(())
            }
        }
    }

    fn apply_at(
        &self,
        resource: &mut Map<String, Value>,
        kind: PatchOperation,
        path: &str,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let parsed: PatchPath =
            path.parse().map_err(|_| ScimError::invalid_path(format!("path: {path:?} is not the path of an attribute")))?;
        let attr = match &parsed {
            PatchPath::Attr(attr) => attr,
            PatchPath::Value(PatchValuePath { attr, .. }) => attr,
        };
        if READ_ONLY.iter().any(|read_only| attr.name.eq_ignore_ascii_case(read_only)) {
            return Err(ScimError::mutability(format!("{}: cannot be changed", attr.name)));
        }
        let is_core = attr.uri.as_deref().is_none_or(|uri| uri.eq_ignore_ascii_case(self.schema));
        let Some(name) = self.stored.iter().find(|stored| is_core && stored.eq_ignore_ascii_case(&attr.name)) else {
            return Ok(());
        };
        match &parsed {
            PatchPath::Attr(attr) => self.apply_to_attribute(resource, kind, name, attr, value),
            PatchPath::Value(path) => apply_to_elements(resource, kind, name, path, value),
        }
    }

    fn apply_to_attribute(
        &self,
        resource: &mut Map<String, Value>,
        kind: PatchOperation,
        name: &str,
        path: &AttrPath,
        value: Option<&Value>,
    ) -> Result<(), ScimError> {
        let value = value.filter(|value| !value.is_null());
        if let Some(sub_name) = &path.sub_attr {
            let parent = resource.entry(name).or_insert_with(|| json!({}));
            let objects: Vec<&mut Map<String, Value>> = match parent {
                Value::Object(object) => vec![object],
                Value::Array(elements) => elements.iter_mut().filter_map(Value::as_object_mut).collect(),
                _ => Vec::new(),
            };
            for object in objects {
                set_field(object, sub_name, if kind == PatchOperation::Remove { None } else { value });
            }
            return Ok(());
        }
        let is_multi_valued = self.multi_valued.contains(&name);
        match (kind, value) {
            (PatchOperation::Remove, Some(listed)) if is_multi_valued => remove_elements(resource, name, listed),
            (PatchOperation::Remove, _) | (PatchOperation::Replace, None) => _ = resource.remove(name),
            (PatchOperation::Add, None) => return Err(ScimError::invalid_value(format!("{name}: value is missing"))),
            (PatchOperation::Add, Some(value)) if is_multi_valued => add_elements(resource, name, value),
            (PatchOperation::Replace, Some(value)) if is_multi_valued => {
                resource.remove(name);
                add_elements(resource, name, value);
            }
            (_, Some(Value::Object(fields))) if resource.get(name).is_some_and(Value::is_object) => {
                // The sub-attributes that are not named stay.
                if let Some(object) = resource.get_mut(name).and_then(Value::as_object_mut) {
                    fields.iter().for_each(|(name, value)| set_field(object, name, Some(value).filter(|value| !value.is_null())));
                }
            }
            (_, Some(value)) => _ = resource.insert(name.to_owned(), value.clone()),
        }
        Ok(())
    }
}

/// Sets or removes a field, whose name may differ in case.
fn set_field(object: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    let known = object.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned();
    let name = known.unwrap_or_else(|| name.to_owned());
    match value {
        Some(value) => _ = object.insert(name, value.clone()),
        None => _ = object.remove(&name),
    }
}

/// Returns values of a multi-valued attribute as elements: a text is the `value` of one.
fn as_elements(value: &Value) -> Vec<Value> {
    let element = |value: &Value| match value {
        Value::Object(_) => value.clone(),
        other => json!({ "value": other }),
    };
    match value {
        Value::Array(values) => values.iter().map(element).collect(),
        other => vec![element(other)],
    }
}

fn value_of(element: &Value) -> Option<&Value> {
    attribute(element.as_object()?, "value")
}

fn is_same_element(a: &Value, b: &Value) -> bool {
    let kind = |element: &Value| element.as_object().and_then(|element| attribute(element, "type")).cloned();
    value_of(a) == value_of(b) && (kind(a) == kind(b) || kind(a).is_none() || kind(b).is_none())
}

fn add_elements(resource: &mut Map<String, Value>, name: &str, value: &Value) {
    let list = resource.entry(name).or_insert_with(|| json!([]));
    if let Value::Array(elements) = list {
        for element in as_elements(value) {
            if is_primary(&element) {
                // At most one element is the primary one.
                elements.iter_mut().filter_map(Value::as_object_mut).for_each(|other| set_field(other, "primary", None));
            }
            match elements.iter_mut().find(|known| is_same_element(known, &element)) {
                Some(known) => *known = element,
                None => elements.push(element),
            }
        }
    }
}

fn is_primary(element: &Value) -> bool {
    element.as_object().and_then(|element| attribute(element, "primary")) == Some(&Value::Bool(true))
}

fn remove_elements(resource: &mut Map<String, Value>, name: &str, listed: &Value) {
    let listed = as_elements(listed);
    if let Some(Value::Array(elements)) = resource.get_mut(name) {
        elements.retain(|element| !listed.iter().any(|gone| is_same_element(element, gone)));
    }
}

fn apply_to_elements(
    resource: &mut Map<String, Value>,
    kind: PatchOperation,
    name: &str,
    path: &PatchValuePath,
    value: Option<&Value>,
) -> Result<(), ScimError> {
    let list = resource.entry(name).or_insert_with(|| json!([]));
    let Value::Array(elements) = list else { return Err(ScimError::invalid_path(format!("{name}: has a single value"))) };
    let is_wanted = |element: &Value| element.as_object().is_some_and(|element| is_element_match(&path.filter, element));
    if kind == PatchOperation::Remove {
        match &path.sub_attr {
            None => elements.retain(|element| !is_wanted(element)),
            Some(sub_name) => {
                let wanted = elements.iter_mut().filter(|element| is_wanted(element)).filter_map(Value::as_object_mut);
                wanted.for_each(|element| set_field(element, sub_name, None));
            }
        }
        return Ok(());
    }
    if !elements.iter().any(is_wanted) {
        if kind == PatchOperation::Replace {
            return Err(ScimError::no_target(format!("{name}: no value matches {}", path.filter)));
        }
        elements.push(Value::Object(element_of_filter(&path.filter)));
    }
    let value = value.ok_or_else(|| ScimError::invalid_value(format!("{name}: value is missing")))?;
    let last = elements.len().saturating_sub(1);
    let has_match = elements.iter().any(is_wanted);
    for (index, element) in elements.iter_mut().enumerate() {
        // A new element need not match, as with `not`.
        if !(is_wanted(element) || !has_match && index == last) {
            continue;
        }
        let Some(object) = element.as_object_mut() else { continue };
        match (&path.sub_attr, value) {
            (Some(sub_name), value) => set_field(object, sub_name, Some(value)),
            (None, Value::Object(fields)) => fields.iter().for_each(|(name, value)| set_field(object, name, Some(value))),
            (None, value) => set_field(object, "value", Some(value)),
        }
    }
    Ok(())
}

/// Returns the element that a filter describes, such as `{"type":"work"}` for `type eq "work"`.
fn element_of_filter(filter: &ValFilter) -> Map<String, Value> {
    match filter {
        ValFilter::Attr(AttrExp::Comparison(path, CompareOp::Eq, value)) => {
            let value = match value {
                CompValue::Str(text) => json!(text),
                CompValue::True => json!(true),
                CompValue::False => json!(false),
                CompValue::Number(number) => Value::Number(number.clone()),
                CompValue::Null => Value::Null,
            };
            Map::from_iter([(path.name.clone(), value)])
        }
        ValFilter::And(operands) => operands.iter().flat_map(element_of_filter).collect(),
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USER: PatchableAttributes = PatchableAttributes {
        stored: &["userName", "active", "displayName", "name", "emails"],
        multi_valued: &["emails"],
        schema: "urn:ietf:params:scim:schemas:core:2.0:User",
    };
    const GROUP: PatchableAttributes = PatchableAttributes {
        stored: &["displayName", "members"],
        multi_valued: &["members"],
        schema: "urn:ietf:params:scim:schemas:core:2.0:Group",
    };

    fn patched(attributes: PatchableAttributes, resource: Value, operations: Value) -> Result<Value, ScimError> {
        let mut resource = resource.as_object().unwrap().clone();
        attributes.apply(&json!({ "Operations": operations }), &mut resource)?;
        Ok(Value::Object(resource))
    }

    fn user() -> Value {
        json!({ "id": "1", "userName": "a@b.c", "active": true, "name": { "givenName": "A", "familyName": "B" }, "emails": [{ "type": "work", "value": "a@b.c", "primary": true }] })
    }

    #[test]
    fn operations_with_and_without_a_path() {
        let cases = [
            (json!([{ "op": "Replace", "path": "active", "value": "False" }]), "/active", json!("False")),
            (json!([{ "op": "replace", "value": { "active": false } }]), "/active", json!(false)),
            (json!([{ "op": "Add", "path": "name.givenName", "value": "C" }]), "/name", json!({ "givenName": "C", "familyName": "B" })),
            (json!([{ "op": "Replace", "value": { "name.familyName": "D", "id": "1" } }]), "/name/familyName", json!("D")),
            (
                json!([{ "op": "replace", "path": "name", "value": { "familyName": "E" } }]),
                "/name",
                json!({ "givenName": "A", "familyName": "E" }),
            ),
            (json!([{ "op": "remove", "path": "name.givenName" }]), "/name", json!({ "familyName": "B" })),
            (json!([{ "op": "replace", "path": "emails[type eq \"work\"].value", "value": "x@y.z" }]), "/emails/0/value", json!("x@y.z")),
            (
                json!([{ "op": "add", "path": "emails[type eq \"home\"].value", "value": "h@y.z" }]),
                "/emails/1",
                json!({ "type": "home", "value": "h@y.z" }),
            ),
            (
                json!([{ "op": "add", "path": "emails", "value": [{ "value": "n@y.z", "primary": true }] }]),
                "/emails/0/primary",
                Value::Null,
            ),
            (json!([{ "op": "remove", "path": "emails[type eq \"work\"]" }]), "/emails", json!([])),
            (
                json!([{ "op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:displayName", "value": "Z" }]),
                "/displayName",
                json!("Z"),
            ),
        ];
        for (operations, pointer, expected) in cases {
            let after = patched(USER, user(), operations.clone()).unwrap_or_else(|error| panic!("{operations}: {error:?}"));
            assert_eq!(after.pointer(pointer).cloned().unwrap_or_default(), expected, "{operations}");
        }
    }

    #[test]
    fn members_are_added_and_removed() {
        let group = json!({ "displayName": "g", "members": [{ "value": "1" }, { "value": "2" }] });
        let members = |operations: Value| {
            let after = patched(GROUP, group.clone(), operations).unwrap();
            let members = after["members"].as_array().cloned().unwrap_or_default();
            members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(members(json!([{ "op": "add", "path": "members", "value": [{ "value": "3" }, { "value": "1" }] }])), ["1", "2", "3"]);
        assert_eq!(members(json!([{ "op": "Add", "value": { "members": [{ "value": "3" }] } }])), ["1", "2", "3"]);
        assert_eq!(members(json!([{ "op": "remove", "path": "members[value eq \"1\"]" }])), ["2"]);
        assert_eq!(members(json!([{ "op": "Remove", "path": "members", "value": [{ "value": "2" }] }])), ["1"]);
        assert_eq!(members(json!([{ "op": "remove", "path": "members" }])), [""; 0]);
        assert_eq!(members(json!([{ "op": "replace", "path": "members", "value": [{ "value": "9" }] }])), ["9"]);
    }

    #[test]
    fn attributes_that_are_not_stored_are_ignored() {
        for operations in [
            json!([{ "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "IT" }]),
            json!([{ "op": "Replace", "path": "addresses[type eq \"work\"].locality", "value": "Tokyo" }]),
            json!([{ "op": "add", "value": { "title": "x", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": "IT" } } }]),
        ] {
            assert_eq!(patched(USER, user(), operations.clone()).unwrap(), user(), "{operations}");
        }
    }

    #[test]
    fn mistakes_have_their_type() {
        let cases = [
            (json!([{ "op": "move", "path": "active", "value": true }]), "invalidSyntax"),
            (json!([{ "op": "replace", "path": "id", "value": "2" }]), "mutability"),
            (json!([{ "op": "replace", "path": "active..", "value": true }]), "invalidPath"),
            (json!([{ "op": "remove" }]), "noTarget"),
            (json!([{ "op": "replace", "path": "emails[type eq \"home\"].value", "value": "x" }]), "noTarget"),
            (json!([{ "op": "add", "value": "x" }]), "invalidValue"),
            (json!([{ "op": "add" }]), "invalidValue"),
            (json!({}), "invalidSyntax"),
        ];
        for (operations, scim_type) in cases {
            let error = patched(USER, user(), operations.clone()).unwrap_err();
            assert_eq!(error.scim_type(), Some(scim_type), "{operations}");
        }
    }

    proptest! {
        #[test]
        fn any_operation_is_applied_or_an_error(
            op in prop::sample::select(vec!["add", "replace", "remove"]),
            path in prop::option::of("[a-zA-Z.\\[\\]\" ]{0,20}|emails|name|active|emails\\[type eq \"work\"\\]"),
            value in prop::sample::select(vec![json!(null), json!("x"), json!(1), json!([1, {}]), json!({ "value": [] }), json!({ "emails": "a" })]),
        ) {
            let operation = json!([{ "op": op, "path": path, "value": value }]);
            let _ = patched(USER, user(), operation);
        }

        #[test]
        fn adding_twice_is_adding_once(value in "[a-z]{1,4}") {
            let operation = json!([{ "op": "add", "path": "members", "value": [{ "value": value }] }]);
            let once = patched(GROUP, json!({ "members": [] }), operation.clone()).unwrap();
            prop_assert_eq!(patched(GROUP, once.clone(), operation).unwrap(), once);
        }
    }
}
