//! The shapes of responses according to the OpenAPI document, and the removal of messages from responses with these shapes.
//!
//! Numbers, truth values and enumerated texts are metadata. Any other text is a message unless `metadata_fields` lists its field. A field
//! that the document does not describe is removed as well.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use serde_json::{Map, Value, json};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, OpenApi, RefOr, Schema};

use super::has_messages_of_a_project;
use super::metadata_fields::{ListedFields, listed_fields};

/// Field of an object from which messages were removed.
pub(super) const HIDDEN_MARK: &str = "messages_hidden";

const COMPONENTS: &str = "#/components/schemas/";

/// What is in a place of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AnswerShape {
    /// Nothing that has to be hidden.
    Metadata,
    /// Messages, which become null if that is allowed, otherwise an empty text, list or object.
    Messages { is_nullable: bool },
    /// An object with the fields of these components.
    Components(BTreeSet<String>),
    /// An object with fields of its own.
    Fields(ObjectShape),
    /// A list.
    Items(Box<AnswerShape>),
    /// An object whose fields have names of the client.
    Values(Box<AnswerShape>),
}

/// Fields of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ObjectShape(BTreeMap<String, AnswerShape>);

impl ObjectShape {
    /// Returns whether messages are directly in the object.
    fn has_messages(&self) -> bool {
        self.0.values().any(|shape| matches!(shape, AnswerShape::Messages { .. }))
    }
}

/// Shapes of the responses of all routes of projects.
#[derive(Debug, Default)]
pub(super) struct AnswerShapes {
    components: BTreeMap<String, ObjectShape>,
    answers: BTreeMap<(String, String), AnswerShape>,
    with_messages: BTreeSet<(String, String)>,
}

impl AnswerShapes {
    /// Reads the shapes from the document.
    pub(super) fn new(description: &OpenApi) -> AnswerShapes {
        let document = serde_json::to_value(description).unwrap_or_default();
        let reader = ShapeReader { schemas: document.pointer("/components/schemas").and_then(Value::as_object) };
        let names = reader.schemas.into_iter().flatten().map(|(name, _)| name);
        let components = names.map(|name| (name.clone(), reader.component(name))).collect();
        let mut shapes = AnswerShapes { components, ..AnswerShapes::default() };
        for (path, item) in document["paths"].as_object().into_iter().flatten().filter(|(path, _)| has_messages_of_a_project(path)) {
            for (method, operation) in item.as_object().into_iter().flatten() {
                let answers = operation["responses"].as_object().into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
                let schemas = answers.filter_map(|(_, answer)| answer.pointer("/content/application~1json/schema"));
                let Some(shape) = schemas.map(|schema| reader.shape(schema, false, false)).reduce(merged) else { continue };
                let key = (method.to_ascii_uppercase(), path.clone());
                if shapes.contains_messages(&shape, &mut BTreeSet::new()) {
                    shapes.with_messages.insert(key.clone());
                }
                shapes.answers.insert(key, shape);
            }
        }
        shapes
    }

    /// Returns the shape of the response of a route; `None` if the document does not describe it.
    pub(super) fn of(&self, method: &Method, route: &str) -> Option<&AnswerShape> {
        self.answers.get(&key_of(method, route))
    }

    /// Returns whether the response of a route can contain messages.
    pub(super) fn has_messages(&self, method: &Method, route: &str) -> bool {
        self.with_messages.contains(&key_of(method, route))
    }

    fn contains_messages<'a>(&'a self, shape: &'a AnswerShape, seen: &mut BTreeSet<&'a str>) -> bool {
        match shape {
            AnswerShape::Metadata => false,
            AnswerShape::Messages { .. } => true,
            AnswerShape::Items(inner) | AnswerShape::Values(inner) => self.contains_messages(inner, seen),
            AnswerShape::Fields(object) => object.0.values().any(|field| self.contains_messages(field, seen)),
            AnswerShape::Components(names) => names.iter().any(|name| {
                let is_new = seen.insert(name);
                let fields = self.components.get(name).filter(|_| is_new);
                fields.is_some_and(|object| object.0.values().any(|field| self.contains_messages(field, seen)))
            }),
        }
    }

    /// Removes all messages from a value, and marks the objects in which they were.
    pub(super) fn hide(&self, value: &mut Value, shape: &AnswerShape) {
        match (shape, value) {
            (AnswerShape::Metadata, _) | (_, Value::Null) => {}
            (AnswerShape::Messages { is_nullable }, value) => empty(value, *is_nullable),
            (AnswerShape::Items(inner), Value::Array(items)) => items.iter_mut().for_each(|item| self.hide(item, inner)),
            (AnswerShape::Values(inner), Value::Object(fields)) => fields.values_mut().for_each(|field| self.hide(field, inner)),
            (AnswerShape::Fields(object), Value::Object(fields)) => self.hide_fields(fields, &[object]),
            (AnswerShape::Components(names), Value::Object(fields)) => {
                let objects: Vec<&ObjectShape> = names.iter().filter_map(|name| self.components.get(name)).collect();
                self.hide_fields(fields, &objects);
            }
            (_, value) => empty(value, true),
        }
    }

    fn hide_fields(&self, fields: &mut Map<String, Value>, objects: &[&ObjectShape]) {
        for (name, value) in fields.iter_mut() {
            match objects.iter().find_map(|object| object.0.get(name)) {
                Some(shape) => self.hide(value, shape),
                None => empty(value, true),
            }
        }
        if objects.iter().any(|object| object.has_messages()) {
            fields.insert(HIDDEN_MARK.to_owned(), json!(true));
        }
    }
}

fn key_of(method: &Method, route: &str) -> (String, String) {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    (method.as_str().to_owned(), route.to_owned())
}

/// Empties a value. Of values that may be null, nothing remains, not even a number.
fn empty(value: &mut Value, is_nullable: bool) {
    *value = match value {
        Value::String(_) if !is_nullable => json!(""),
        Value::Array(_) => json!([]),
        Value::Object(_) => json!({}),
        Value::Bool(_) | Value::Number(_) if !is_nullable => return,
        _ => Value::Null,
    };
}

/// Joins the shapes of alternatives.
fn merged(one: AnswerShape, other: AnswerShape) -> AnswerShape {
    match (one, other) {
        (AnswerShape::Components(mut names), AnswerShape::Components(others)) => {
            names.extend(others);
            AnswerShape::Components(names)
        }
        (AnswerShape::Fields(mut object), AnswerShape::Fields(other)) => {
            for (name, shape) in other.0 {
                let joined = match object.0.remove(&name) {
                    Some(before) => merged(before, shape),
                    None => shape,
                };
                object.0.insert(name, joined);
            }
            AnswerShape::Fields(object)
        }
        (AnswerShape::Metadata, AnswerShape::Metadata) => AnswerShape::Metadata,
        (one, other) if one == other => one,
        // Alternatives of different kinds: messages if any of them is.
        (AnswerShape::Metadata, other) | (other, AnswerShape::Metadata) => other,
        _ => AnswerShape::Messages { is_nullable: true },
    }
}

/// Reads shapes from the schemas of the document.
struct ShapeReader<'a> {
    schemas: Option<&'a Map<String, Value>>,
}

impl ShapeReader<'_> {
    /// Returns the fields of a component.
    fn component(&self, name: &str) -> ObjectShape {
        match self.schemas.and_then(|schemas| schemas.get(name)) {
            Some(schema) => self.fields(schema, listed_fields(name)),
            None => ObjectShape::default(),
        }
    }

    /// Returns the fields of an object: its own, and those of its parts and alternatives.
    fn fields(&self, schema: &Value, listed: ListedFields) -> ObjectShape {
        let mut object = ObjectShape::default();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            object.0.insert(name.clone(), self.shape(field, listed.contains(name), false));
        }
        for part in ["allOf", "oneOf", "anyOf"].into_iter().flat_map(|kind| schema[kind].as_array().into_iter().flatten()) {
            let of_part = match component_name(part) {
                Some(name) => self.component(name),
                None => self.fields(part, listed),
            };
            for (name, shape) in of_part.0 {
                let joined = match object.0.remove(&name) {
                    Some(before) => merged(before, shape),
                    None => shape,
                };
                object.0.insert(name, joined);
            }
        }
        object
    }

    /// Returns the shape of a schema. `is_listed` says that its texts are metadata.
    fn shape(&self, schema: &Value, is_listed: bool, is_nullable: bool) -> AnswerShape {
        if let Some(name) = component_name(schema) {
            return self.shape_of_component(name, is_listed, is_nullable);
        }
        let messages = |is_nullable| if is_listed { AnswerShape::Metadata } else { AnswerShape::Messages { is_nullable } };
        for kind in ["oneOf", "anyOf", "allOf"] {
            if let Some(parts) = schema[kind].as_array() {
                let is_null = |part: &&Value| part["type"] == "null";
                let may_be_null = is_nullable || parts.iter().any(|part| is_null(&part));
                let shapes = parts.iter().filter(|part| !is_null(part)).map(|part| self.shape(part, is_listed, may_be_null));
                return shapes.reduce(merged).unwrap_or(AnswerShape::Metadata);
            }
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => return messages(true),
        };
        let may_be_null = is_nullable || types.contains(&"null");
        if types.contains(&"object") {
            return self.shape_of_object(schema, is_listed, may_be_null);
        }
        if types.contains(&"array") {
            return match self.shape(&schema["items"], is_listed, false) {
                AnswerShape::Metadata => AnswerShape::Metadata,
                AnswerShape::Messages { .. } => AnswerShape::Messages { is_nullable: may_be_null },
                inner => AnswerShape::Items(Box::new(inner)),
            };
        }
        if types.contains(&"string") && schema.get("enum").is_none() {
            return messages(may_be_null);
        }
        AnswerShape::Metadata
    }

    fn shape_of_object(&self, schema: &Value, is_listed: bool, is_nullable: bool) -> AnswerShape {
        if schema.get("properties").is_some() {
            let listed = if is_listed { ListedFields::All } else { ListedFields::Only(&[]) };
            return AnswerShape::Fields(self.fields(schema, listed));
        }
        match self.shape(&schema["additionalProperties"], is_listed, false) {
            AnswerShape::Metadata => AnswerShape::Metadata,
            AnswerShape::Messages { .. } => AnswerShape::Messages { is_nullable },
            inner => AnswerShape::Values(Box::new(inner)),
        }
    }

    fn shape_of_component(&self, name: &str, is_listed: bool, is_nullable: bool) -> AnswerShape {
        let schema = self.schemas.and_then(|schemas| schemas.get(name));
        let Some(schema) = schema else { return AnswerShape::Messages { is_nullable } };
        let is_object = self.component_has_fields(schema);
        match (is_object, listed_fields(name) == ListedFields::Unlisted) {
            (true, false) => AnswerShape::Components(BTreeSet::from([name.to_owned()])),
            (true, true) => AnswerShape::Messages { is_nullable },
            (false, _) => self.shape(schema, is_listed, is_nullable),
        }
    }

    fn component_has_fields(&self, schema: &Value) -> bool {
        schema.get("properties").is_some()
            || ["allOf", "oneOf", "anyOf"].into_iter().any(|kind| {
                schema[kind].as_array().into_iter().flatten().any(|part| {
                    let inner = component_name(part).and_then(|name| self.schemas?.get(name)).unwrap_or(part);
                    self.component_has_fields(inner)
                })
            })
    }
}

fn component_name(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix(COMPONENTS)
}

/// Adds the mark of hidden messages to the schemas of the objects that get it.
pub(in crate::api) fn describe_hidden_fields(description: &mut OpenApi) {
    let shapes = AnswerShapes::new(description);
    let schemas = &mut description.components.get_or_insert_default().schemas;
    for (name, schema) in schemas {
        let is_marked = listed_fields(name) != ListedFields::Unlisted && shapes.components.get(name).is_some_and(ObjectShape::has_messages);
        if is_marked && let RefOr::T(schema) = schema {
            add_mark(schema);
        }
    }
}

fn add_mark(schema: &mut Schema) {
    const DESCRIPTION: &str =
        "True if the settings of the project hide messages from the caller: texts are empty or null then. Left out otherwise.";
    let mark = || {
        let object = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(DESCRIPTION)).build();
        RefOr::T(Schema::Object(object))
    };
    match schema {
        Schema::Object(object) => {
            object.properties.insert(HIDDEN_MARK.to_owned(), mark());
        }
        Schema::AllOf(all) => {
            let own = all.items.iter_mut().find_map(|item| match item {
                RefOr::T(Schema::Object(object)) => Some(object),
                _ => None,
            });
            if let Some(object) = own {
                object.properties.insert(HIDDEN_MARK.to_owned(), mark());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::PROJECT_PREFIX;
    use super::super::metadata_fields::MESSAGE_SCHEMAS;
    use super::*;
    use crate::api::{described_routes, set_operation_ids};

    fn description() -> OpenApi {
        let mut description = described_routes().split_for_parts().1;
        set_operation_ids(&mut description);
        description
    }

    /// Adds the names of all components that a schema refers to.
    fn collect_components(document: &Value, schema: &Value, names: &mut BTreeSet<String>) {
        match schema {
            Value::Object(fields) => {
                if let Some(name) = component_name(schema)
                    && names.insert(name.to_owned())
                {
                    collect_components(document, &document["components"]["schemas"][name], names);
                }
                fields.values().for_each(|field| collect_components(document, field, names));
            }
            Value::Array(items) => items.iter().for_each(|item| collect_components(document, item, names)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_of_a_response_is_classified() {
        let document = serde_json::to_value(description()).unwrap();
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| has_messages_of_a_project(path)) {
            for (method, operation) in item.as_object().unwrap() {
                for (status, answer) in operation["responses"].as_object().unwrap().iter().filter(|(status, _)| status.starts_with('2')) {
                    collect_components(&document, answer, &mut names);
                    let is_empty = answer.get("content").is_none();
                    let is_message = super::super::MESSAGE_ROUTES.iter().any(|end| path.ends_with(end));
                    assert!(!is_empty || status == "204" || is_message, "{method} {path}: a response without a schema reaches nobody");
                }
            }
        }
        let has_fields = |name: &&String| document["components"]["schemas"][*name].get("enum").is_none();
        let unclassified: Vec<&String> = names
            .iter()
            .filter(has_fields)
            .filter(|name| listed_fields(name) == ListedFields::Unlisted && !MESSAGE_SCHEMAS.contains(&name.as_str()))
            .collect();
        assert_eq!(
            unclassified,
            Vec::<&String>::new(),
            "list the texts that are metadata in metadata_fields.rs, or add to MESSAGE_SCHEMAS"
        );
    }

    #[test]
    fn messages_are_removed_and_metadata_stays() {
        let shapes = AnswerShapes::new(&description());
        let route = "/api/v1/projects/{project}/traces/{trace}/spans/{span}";
        let mut span = json!({
            "name": "chat gpt-4o", "model": "gpt-4o", "tags": { "plan": "pro" }, "input_preview": "secret", "status_detail": "secret",
            "attributes": { "gen_ai.prompt": "secret", "n": 1 }, "tool_definitions": [{ "name": "secret" }], "finish_reasons": ["stop"],
            "input_messages": [{ "role": "user", "parts": [{ "type": "text", "text": "secret" }] }], "unheard_of": "secret",
            "usage": { "input_tokens": 26 }, "start_time": "2026-11-23T10:00:00Z",
        });
        let shape = shapes.of(&Method::GET, route).unwrap();
        shapes.hide(&mut span, shape);
        assert!(!span.to_string().contains("secret"), "{span}");
        assert_eq!(
            (&span["name"], &span["model"], &span["tags"], &span["finish_reasons"], &span["usage"], &span[HIDDEN_MARK]),
            (
                &json!("chat gpt-4o"),
                &json!("gpt-4o"),
                &json!({ "plan": "pro" }),
                &json!(["stop"]),
                &json!({ "input_tokens": 26 }),
                &json!(true)
            )
        );
        assert_eq!((&span["input_messages"], &span["attributes"], &span["input_preview"]), (&json!([]), &json!({}), &Value::Null));
    }

    #[test]
    fn responses_without_messages_keep_all_their_texts() {
        let shapes = AnswerShapes::new(&description());
        for route in ["series", "summary", "breakdown", "facets", "alerts/rules", "keys", "prices", "forwards", "metrics/series"] {
            assert!(!shapes.has_messages(&Method::GET, &format!("{PROJECT_PREFIX}/{route}")), "{route}");
        }
        for route in ["traces", "spans", "logs", "issues", "traces/{trace}", "traces/{trace}/logs", "issues/{issue}"] {
            assert!(shapes.has_messages(&Method::GET, &format!("{PROJECT_PREFIX}/{route}")), "{route}");
        }
    }
}
