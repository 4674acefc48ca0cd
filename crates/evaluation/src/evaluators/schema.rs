//! JSON Schemas with a bounded time of validation.
//!
//! A small schema can take exponential time: alternatives that refer to alternatives double the work at each level, and a recursive one
//! doubles it at each level of the value. Before a validation, the steps that it can take at most are counted up to a limit.

use hinomi_model::span::Attributes;
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Largest schema in bytes of its JSON text, and largest compiled pattern of a schema in bytes.
const MAX_SCHEMA_BYTES: usize = 256 * 1024;
const MAX_PATTERN_BYTES: usize = 64 * 1024;
/// Maximum number of steps of a validation. One step applies one schema to one value, or a pattern to one byte.
const MAX_STEPS: usize = 500_000;
/// Maximum number of steps of a validation whose errors are collected. A collected error takes a thousand times the time of a step.
const MAX_STEPS_WITH_ERRORS: usize = 20_000;
/// Maximum depth of nested applications of schemas.
const MAX_DEPTH: usize = 400;
/// Maximum number of returned errors.
const MAX_ERRORS: usize = 5;

/// Keywords whose steps cannot be counted.
const UNSUPPORTED: &[&str] = &["$dynamicRef", "$recursiveRef"];

/// The validation can take more steps than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManySteps;

/// A compiled schema.
#[derive(Debug)]
pub(super) struct BoundedSchema {
    schema: Value,
    validator: Validator,
}

impl BoundedSchema {
    /// Compiles a schema. Returns what is wrong with it, and what to do, if it is not valid.
    pub(super) fn compile(schema: &Value) -> Result<BoundedSchema, String> {
        if schema.to_string().len() > MAX_SCHEMA_BYTES {
            return Err(format!("use at most {MAX_SCHEMA_BYTES} bytes"));
        }
        check_references(schema, true)?;
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN_BYTES);
        let built = jsonschema::options().with_pattern_options(patterns).build(schema);
        let validator = built.map_err(|error| format!("the schema is not valid: {error}"))?;
        Ok(BoundedSchema { schema: schema.clone(), validator })
    }

    /// Returns the first errors of a value, each with its path; none if the value is valid.
    pub(super) fn errors(&self, value: &Value) -> Result<Vec<String>, TooManySteps> {
        let mut counter = StepCounter { root: &self.schema, rest: MAX_STEPS };
        counter.apply(&self.schema, value, 0)?;
        if self.validator.is_valid(value) {
            return Ok(Vec::new());
        }
        if MAX_STEPS - counter.rest > MAX_STEPS_WITH_ERRORS {
            return Ok(vec!["/: the value is too large to list its errors".to_owned()]);
        }
        let error = |error: jsonschema::ValidationError| {
            let path = error.instance_path().to_string();
            format!("{}: {error}", if path.is_empty() { "/" } else { &path })
        };
        Ok(self.validator.iter_errors(value).take(MAX_ERRORS).map(error).collect())
    }
}

/// Checks that references stay within the schema and are JSON Pointers, which the counter can follow.
fn check_references(schema: &Value, is_root: bool) -> Result<(), String> {
    let members = match schema {
        Value::Object(members) => members,
        Value::Array(items) => return items.iter().try_for_each(|item| check_references(item, false)),
        _ => return Ok(()),
    };
    if let Some(name) = UNSUPPORTED.iter().find(|name| members.get(**name).is_some_and(Value::is_string)) {
        return Err(format!("{name} is not supported; use $ref"));
    }
    if !is_root && ["$id", "id"].iter().any(|name| members.get(*name).is_some_and(Value::is_string)) {
        return Err("only the schema as a whole can have an $id; remove the others".to_owned());
    }
    let reference = members.get("$ref").and_then(Value::as_str);
    if reference.is_some_and(|reference| reference != "#" && !reference.starts_with("#/")) {
        return Err("use references within the schema, such as #/$defs/NAME".to_owned());
    }
    for (name, value) in members {
        match (name.as_str(), value) {
            ("const" | "enum" | "default" | "example" | "examples", _) => {}
            ("properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas", Value::Object(schemas)) => {
                schemas.values().try_for_each(|schema| check_references(schema, false))?;
            }
            (_, value) => check_references(value, false)?,
        }
    }
    Ok(())
}

/// Counts the steps of a validation.
struct StepCounter<'a> {
    root: &'a Value,
    rest: usize,
}

impl StepCounter<'_> {
    fn spend(&mut self, steps: usize) -> Result<(), TooManySteps> {
        self.rest = self.rest.checked_sub(steps).ok_or(TooManySteps)?;
        Ok(())
    }

    /// Counts the steps of a schema that is applied to a value.
    fn apply(&mut self, schema: &Value, value: &Value, depth: usize) -> Result<(), TooManySteps> {
        self.spend(1)?;
        let Value::Object(keywords) = schema else { return Ok(()) };
        if depth > MAX_DEPTH {
            return Err(TooManySteps);
        }
        let is_root = std::ptr::eq(schema, self.root);
        // Keywords for what is left over apply the schemas of the same value once more.
        let times = if ["unevaluatedProperties", "unevaluatedItems"].iter().any(|name| keywords.contains_key(*name)) { 2 } else { 1 };
        for (keyword, argument) in keywords {
            match (keyword.as_str(), argument) {
                ("$id" | "id", Value::String(_)) if !is_root => return Err(TooManySteps),
                (name, _) if UNSUPPORTED.contains(&name) => return Err(TooManySteps),
                ("$ref", Value::String(reference)) => {
                    let root = self.root;
                    let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer)).ok_or(TooManySteps)?;
                    (0..times).try_for_each(|_| self.apply(target, value, depth + 1))?;
                }
                ("not" | "if" | "then" | "else", schema) => (0..times).try_for_each(|_| self.apply(schema, value, depth + 1))?,
                ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
                    (0..times).try_for_each(|_| schemas.iter().try_for_each(|schema| self.apply(schema, value, depth + 1)))?;
                }
                ("dependentSchemas" | "dependencies", Value::Object(schemas)) => {
                    (0..times).try_for_each(|_| schemas.values().try_for_each(|schema| self.apply(schema, value, depth + 1)))?;
                }
                ("enum", Value::Array(values)) => self.spend(values.len())?,
                (keyword, argument) => match value {
                    Value::Object(members) => self.apply_to_members(keyword, argument, members, depth + 1)?,
                    Value::Array(items) => self.apply_to_items(keyword, argument, items, depth + 1)?,
                    Value::String(text) if keyword == "pattern" => self.spend(text.len())?,
                    _ => {}
                },
            }
        }
        Ok(())
    }

    fn apply_to_members(&mut self, keyword: &str, argument: &Value, members: &Attributes, depth: usize) -> Result<(), TooManySteps> {
        match (keyword, argument) {
            ("properties", Value::Object(schemas)) => {
                // Looks up the members of the smaller map in the other one.
                if schemas.len() < members.len() {
                    let mut named = schemas.iter().filter_map(|(name, schema)| Some((schema, members.get(name)?)));
                    return named.try_for_each(|(schema, member)| self.apply(schema, member, depth));
                }
                let mut named = members.iter().filter_map(|(name, member)| Some((schemas.get(name)?, member)));
                named.try_for_each(|(schema, member)| self.apply(schema, member, depth))
            }
            ("patternProperties", Value::Object(schemas)) => schemas.values().try_for_each(|schema| {
                members.iter().try_for_each(|(name, member)| {
                    self.spend(name.len())?;
                    self.apply(schema, member, depth)
                })
            }),
            ("additionalProperties" | "unevaluatedProperties", schema) => {
                members.values().try_for_each(|member| self.apply(schema, member, depth))
            }
            ("propertyNames", schema) => members.keys().try_for_each(|name| self.apply(schema, &Value::String(name.clone()), depth)),
            _ => Ok(()),
        }
    }

    fn apply_to_items(&mut self, keyword: &str, argument: &Value, items: &[Value], depth: usize) -> Result<(), TooManySteps> {
        match (keyword, argument) {
            ("items" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter().zip(items).try_for_each(|(schema, item)| self.apply(schema, item, depth))
            }
            ("items" | "additionalItems" | "unevaluatedItems" | "contains", schema) => {
                items.iter().try_for_each(|item| self.apply(schema, item, depth))
            }
            ("uniqueItems", Value::Bool(true)) => self.spend(items.len().saturating_mul(items.len()) / 64),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns a schema whose alternatives refer to alternatives, `levels` deep.
    fn doubling(levels: usize) -> Value {
        let mut definitions = Attributes::new();
        for level in 0..levels {
            let next = json!({ "$ref": format!("#/$defs/level{}", level + 1) });
            definitions.insert(format!("level{level}"), json!({ "anyOf": [next, next] }));
        }
        definitions.insert(format!("level{levels}"), json!({ "type": "string" }));
        json!({ "$ref": "#/$defs/level0", "$defs": definitions })
    }

    #[test]
    fn schemas_of_exponential_time_are_not_applied() {
        let errors = |levels: usize| BoundedSchema::compile(&doubling(levels)).unwrap().errors(&json!(1));
        assert_eq!(errors(6).unwrap().len(), 1);
        assert!(errors(16).unwrap()[0].contains("too large"), "many alternatives are checked, but their errors are not listed");
        assert_eq!(errors(40), Err(TooManySteps));
    }

    #[test]
    fn recursive_schemas_of_exponential_time_are_not_applied_to_deep_values() {
        let one = |minimum: u64| json!({ "type": "array", "minItems": minimum, "items": { "$ref": "#" } });
        let schema = BoundedSchema::compile(&json!({ "anyOf": [one(0), one(1), { "type": "string" }] })).unwrap();
        let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert!(!schema.errors(&nested(3)).unwrap().is_empty());
        assert_eq!(schema.errors(&nested(100)), Err(TooManySteps));
    }

    #[test]
    fn references_of_a_schema_to_itself_end() {
        for schema in [json!({ "$ref": "#" }), json!({ "allOf": [{ "$ref": "#" }] }), json!({ "not": { "not": { "$ref": "#" } } })] {
            assert_eq!(BoundedSchema::compile(&schema).unwrap().errors(&json!({})), Err(TooManySteps), "{schema}");
        }
    }

    #[test]
    fn recursive_schemas_are_applied_to_large_values() {
        let schema = json!({ "type": "object", "properties": { "child": { "$ref": "#" }, "names": { "items": { "type": "string" } } } });
        let schema = BoundedSchema::compile(&schema).unwrap();
        let names: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
        assert_eq!(schema.errors(&json!({ "child": { "child": { "names": names } } })), Ok(Vec::new()));
        assert_eq!(schema.errors(&json!({ "child": { "child": 1 } })).unwrap()[0].split(": ").next(), Some("/child/child"));
    }

    #[test]
    fn references_that_cannot_be_followed_are_errors_of_the_schema() {
        for (schema, word) in [
            (json!({ "$dynamicRef": "#node" }), "$dynamicRef"),
            (json!({ "properties": { "a": { "$ref": "#anchor" } } }), "#/$defs/NAME"),
            (json!({ "$ref": "http://json-schema.org/draft-07/schema#" }), "#/$defs/NAME"),
            (json!({ "$defs": { "a": { "$id": "http://example.com/a" } } }), "$id"),
        ] {
            let error = BoundedSchema::compile(&schema).unwrap_err();
            assert!(error.contains(word), "{schema}: {error}");
        }
        let named_like_keywords = json!({ "properties": { "$ref": { "type": "string" }, "$id": {} }, "default": { "$ref": "x" } });
        assert!(BoundedSchema::compile(&named_like_keywords).is_ok());
    }
}
