//! Fields that accept any type. A field of the wrong type counts as missing and never invalidates the span.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::lenient_json::{ChargedValue, limit_error};
use crate::span::Attributes;
use crate::{decode_budget, lenient_json, time};

/// A text, or a number or flag as text.
#[derive(Debug, Clone, Default)]
pub(super) struct LenientText<'a>(pub(super) Option<Cow<'a, str>>);

impl<'a> LenientText<'a> {
    pub(super) fn as_str(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    pub(super) fn into_string(self) -> Option<String> {
        self.0.filter(|text| !text.is_empty()).map(Cow::into_owned)
    }
}

/// A point in time in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LenientTime(pub(super) Option<i64>);

/// Attributes without types: Sentry's `data`. Nulls are omitted.
#[derive(Debug, Default)]
pub(super) struct UntypedAttributes(pub(super) Attributes);

/// Attributes with types. A value that does not match its type is omitted.
#[derive(Debug, Default)]
pub(super) struct TypedAttributes(pub(super) Attributes);

/// Tags: an object or a list of pairs.
#[derive(Debug, Default)]
pub(super) struct LenientTags(pub(super) BTreeMap<String, String>);

/// Measurements: names with `{value, unit}` or a number.
#[derive(Debug, Default)]
pub(super) struct LenientMeasurements(pub(super) Vec<(String, f64)>);

/// Charges a member of a map.
fn charge<E: serde::de::Error>(name: &str, first: bool) -> Result<(), E> {
    if decode_budget::charge(decode_budget::member_bytes(name, first)) { Ok(()) } else { Err(limit_error()) }
}

/// Methods of a visitor that ignore unsupported values.
macro_rules! ignores {
    (seq, $lt:lifetime) => {
        fn visit_seq<A: SeqAccess<$lt>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (map, $lt:lifetime) => {
        fn visit_map<A: MapAccess<$lt>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
    (scalars) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        ignores!(unit);
    };
    (unit) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("anything")
        }
    };
}

impl<'de: 'a, 'a> Deserialize<'de> for LenientText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LenientTextVisitor;
        impl<'de> Visitor<'de> for LenientTextVisitor {
            type Value = LenientText<'de>;
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<LenientText<'de>, E> {
                Ok(LenientText(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<LenientText<'de>, E> {
                Ok(LenientText(Some(Cow::Owned(text.to_owned()))))
            }
            fn visit_bool<E>(self, flag: bool) -> Result<LenientText<'de>, E> {
                Ok(LenientText(Some(Cow::Owned(flag.to_string()))))
            }
            fn visit_i64<E>(self, number: i64) -> Result<LenientText<'de>, E> {
                Ok(LenientText(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_u64<E>(self, number: u64) -> Result<LenientText<'de>, E> {
                Ok(LenientText(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_f64<E>(self, number: f64) -> Result<LenientText<'de>, E> {
                Ok(LenientText(Some(Cow::Owned(number.to_string()))))
            }
            ignores!(unit);
            ignores!(seq, 'de);
            ignores!(map, 'de);
        }
        deserializer.deserialize_any(LenientTextVisitor)
    }
}

impl<'de> Deserialize<'de> for LenientTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// A time out of range was sent, so it is implausible and not missing.
        fn number(seconds: f64) -> LenientTime {
            LenientTime(time::from_seconds(seconds).or_else(|| seconds.is_finite().then_some(i64::MAX)))
        }
        struct LenientTimeVisitor;
        impl<'de> Visitor<'de> for LenientTimeVisitor {
            type Value = LenientTime;
            fn visit_str<E>(self, text: &str) -> Result<LenientTime, E> {
                Ok(LenientTime(time::from_text(text)))
            }
            fn visit_bool<E>(self, _: bool) -> Result<LenientTime, E> {
                Ok(LenientTime(None))
            }
            fn visit_i64<E>(self, seconds: i64) -> Result<LenientTime, E> {
                Ok(number(seconds as f64))
            }
            fn visit_u64<E>(self, seconds: u64) -> Result<LenientTime, E> {
                Ok(number(seconds as f64))
            }
            fn visit_f64<E>(self, seconds: f64) -> Result<LenientTime, E> {
                Ok(number(seconds))
            }
            ignores!(unit);
            ignores!(seq, 'de);
            ignores!(map, 'de);
        }
        deserializer.deserialize_any(LenientTimeVisitor)
    }
}

impl<'de> Deserialize<'de> for UntypedAttributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UntypedAttributesVisitor;
        impl<'de> Visitor<'de> for UntypedAttributesVisitor {
            type Value = UntypedAttributes;
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UntypedAttributes, A::Error> {
                let mut attributes = lenient_json::read_members(&mut map)?;
                attributes.retain(|_, value| !value.is_null());
                Ok(UntypedAttributes(attributes))
            }
            ignores!(scalars);
            ignores!(seq, 'de);
        }
        deserializer.deserialize_any(UntypedAttributesVisitor)
    }
}

/// An attribute's value; `None` if it does not match its type.
#[derive(Default)]
struct TypedValue(Option<Value>);

impl<'de> Deserialize<'de> for TypedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TypedValueVisitor;
        impl<'de> Visitor<'de> for TypedValueVisitor {
            type Value = TypedValue;
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TypedValue, A::Error> {
                let mut kind = LenientText::default();
                let mut value = None;
                while let Some(key) = map.next_key::<LenientText>()? {
                    match key.as_str() {
                        Some("type") => kind = map.next_value()?,
                        Some("value") => value = Some(map.next_value::<ChargedValue>()?.0),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(TypedValue(value.filter(|value| kind.as_str().is_some_and(|kind| matches_type(kind, value)))))
            }
            ignores!(scalars);
            ignores!(seq, 'de);
        }
        deserializer.deserialize_any(TypedValueVisitor)
    }
}

/// Returns whether a value matches the type that was sent with it.
fn matches_type(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.as_i64().is_some(),
        "double" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => is_homogeneous(value, None),
        // Names of list types before there was one for all lists.
        "string[]" | "integer[]" | "double[]" | "boolean[]" => is_homogeneous(value, kind.strip_suffix("[]")),
        _ => false,
    }
}

fn is_homogeneous(value: &Value, element: Option<&str>) -> bool {
    let Value::Array(items) = value else { return false };
    let all = |kind: &str| items.iter().all(|item| matches_type(kind, item));
    match element {
        Some(kind) => all(kind),
        None => ["string", "integer", "double", "boolean"].into_iter().any(all),
    }
}

impl<'de> Deserialize<'de> for TypedAttributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TypedAttributesVisitor;
        impl<'de> Visitor<'de> for TypedAttributesVisitor {
            type Value = TypedAttributes;
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TypedAttributes, A::Error> {
                let mut attributes = Map::new();
                while let Some((name, TypedValue(value))) = map.next_entry::<String, TypedValue>()? {
                    if let Some(value) = value {
                        charge(&name, attributes.is_empty())?;
                        attributes.insert(name, value);
                    }
                }
                Ok(TypedAttributes(attributes))
            }
            ignores!(scalars);
            ignores!(seq, 'de);
        }
        deserializer.deserialize_any(TypedAttributesVisitor)
    }
}

impl<'de> Deserialize<'de> for LenientTags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LenientTagsVisitor;
        impl<'de> Visitor<'de> for LenientTagsVisitor {
            type Value = LenientTags;
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LenientTags, A::Error> {
                let mut tags = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, LenientText>()? {
                    if let Some(value) = value.into_string() {
                        charge(&name, tags.is_empty())?;
                        tags.insert(name, value);
                    }
                }
                Ok(LenientTags(tags))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<LenientTags, A::Error> {
                let mut tags = BTreeMap::new();
                while let Some(pair) = seq.next_element::<ChargedValue>()?.map(|pair| pair.0) {
                    let text = |at: usize| match pair.get(at) {
                        Some(Value::String(text)) => Some(text.clone()),
                        Some(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
                        _ => None,
                    };
                    if let (Some(name), Some(value)) = (text(0), text(1)) {
                        charge(&name, tags.is_empty())?;
                        tags.insert(name, value);
                    }
                }
                Ok(LenientTags(tags))
            }
            ignores!(scalars);
        }
        deserializer.deserialize_any(LenientTagsVisitor)
    }
}

impl<'de> Deserialize<'de> for LenientMeasurements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let UntypedAttributes(object) = UntypedAttributes::deserialize(deserializer)?;
        let number = |value: &Value| value.get("value").unwrap_or(value).as_f64();
        Ok(LenientMeasurements(object.into_iter().filter_map(|(name, value)| Some((name, number(&value)?))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_mistyped_attributes_are_dropped() {
        let TypedAttributes(attributes) = serde_json::from_value(json!({
            "s": {"type": "string", "value": "x"}, "i": {"value": 5, "type": "integer", "unit": "token"},
            "d": {"type": "double", "value": 5}, "b": {"type": "boolean", "value": true},
            "a": {"type": "array", "value": ["x", "y"]}, "e": {"type": "array", "value": []},
            "wrong": {"type": "integer", "value": "5"}, "large": {"type": "integer", "value": 9_223_372_036_854_775_808_u64},
            "mixed": {"type": "array", "value": ["x", 1]}, "unknown": {"type": "blob", "value": "x"}, "bare": "x",
            "untyped": {"value": "x"}, "null": {"type": "string", "value": null}, "list": [1],
        }))
        .unwrap();
        assert_eq!(Value::Object(attributes), json!({"s": "x", "i": 5, "d": 5, "b": true, "a": ["x", "y"], "e": []}));
    }

    #[test]
    fn tags_as_object_and_as_pairs() {
        for value in [json!({"a": "x", "n": 5, "none": null}), json!([["a", "x"], ["n", 5], ["none", null], "odd"])] {
            let LenientTags(tags) = serde_json::from_value(value).unwrap();
            assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("a".into(), "x".into()), ("n".into(), "5".into())]);
        }
    }

    #[test]
    fn mistyped_values_count_as_missing() {
        let LenientTime(time) = serde_json::from_str("[1]").unwrap();
        assert_eq!(time, None);
        let text: LenientText = serde_json::from_str("{\"a\":1}").unwrap();
        assert_eq!(text.as_str(), None);
        let UntypedAttributes(data) = serde_json::from_str("\"x\"").unwrap();
        assert!(data.is_empty());
        let LenientMeasurements(numbers) = serde_json::from_value(json!({"a": {"value": 26, "unit": ""}, "b": 2.5, "c": "x"})).unwrap();
        assert_eq!(numbers, [("a".into(), 26.0), ("b".into(), 2.5)]);
    }
}
