//! Filters of SCIM (RFC 7644, section 3.4.2.2), evaluated on resources as JSON.

use std::cmp::Ordering;

use scim_v2::filter::{AttrExp, AttrPath, CompValue, CompareOp, Filter, ValFilter};
use serde_json::{Map, Value};

/// Attributes whose texts distinguish upper from lower case.
const CASE_EXACT: [&str; 3] = ["id", "externalid", "$ref"];

/// Returns the value of an attribute, whose name may be in upper or lower case.
pub(super) fn attribute<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).filter(|value| !value.is_null())
}

/// Returns whether a resource matches a filter.
pub(super) fn is_match(filter: &Filter, resource: &Map<String, Value>) -> bool {
    match filter {
        Filter::Attr(expression) => is_expression_match(expression, resource),
        Filter::ValuePath(path) => {
            let elements = attribute(resource, &path.attr.name).map(elements_of).unwrap_or_default();
            elements.into_iter().filter_map(Value::as_object).any(|element| is_element_match(&path.filter, element))
        }
        Filter::Not(inner) => !is_match(inner, resource),
        Filter::And(operands) => operands.iter().all(|operand| is_match(operand, resource)),
        Filter::Or(operands) => operands.iter().any(|operand| is_match(operand, resource)),
    }
}

/// Returns whether an element of a multi-valued attribute matches the filter in brackets.
pub(super) fn is_element_match(filter: &ValFilter, element: &Map<String, Value>) -> bool {
    match filter {
        ValFilter::Attr(expression) => is_expression_match(expression, element),
        ValFilter::Not(inner) => !is_element_match(inner, element),
        ValFilter::And(operands) => operands.iter().all(|operand| is_element_match(operand, element)),
        ValFilter::Or(operands) => operands.iter().any(|operand| is_element_match(operand, element)),
    }
}

fn is_expression_match(expression: &AttrExp, object: &Map<String, Value>) -> bool {
    match expression {
        AttrExp::Present(path) => values_of(path, object).iter().any(|value| is_present(value)),
        AttrExp::Comparison(path, CompareOp::Ne, wanted) => {
            !values_of(path, object).iter().any(|value| is_comparison_match(value, &CompareOp::Eq, wanted, is_case_exact(path)))
        }
        AttrExp::Comparison(path, CompareOp::Eq, CompValue::Null) => values_of(path, object).is_empty(),
        AttrExp::Comparison(path, operator, wanted) => {
            values_of(path, object).iter().any(|value| is_comparison_match(value, operator, wanted, is_case_exact(path)))
        }
    }
}

fn is_case_exact(path: &AttrPath) -> bool {
    let name = path.sub_attr.as_deref().unwrap_or(&path.name).to_ascii_lowercase();
    CASE_EXACT.contains(&name.as_str())
}

/// Returns the values that a path addresses. A multi-valued attribute stands for the values of its elements.
fn values_of<'a>(path: &AttrPath, object: &'a Map<String, Value>) -> Vec<&'a Value> {
    let Some(value) = attribute(object, &path.name) else { return Vec::new() };
    let elements = elements_of(value).into_iter();
    match &path.sub_attr {
        Some(name) => elements.filter_map(|element| attribute(element.as_object()?, name)).collect(),
        None => elements.map(|element| element.as_object().and_then(|object| attribute(object, "value")).unwrap_or(element)).collect(),
    }
}

fn elements_of(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().collect(),
        other => vec![other],
    }
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn is_comparison_match(value: &Value, operator: &CompareOp, wanted: &CompValue, is_case_exact: bool) -> bool {
    match (value, wanted) {
        (Value::String(value), CompValue::Str(wanted)) if is_case_exact => is_text_match(value, operator, wanted),
        (Value::String(value), CompValue::Str(wanted)) => is_text_match(&value.to_lowercase(), operator, &wanted.to_lowercase()),
        (Value::Bool(value), CompValue::True) => *operator == CompareOp::Eq && *value,
        (Value::Bool(value), CompValue::False) => *operator == CompareOp::Eq && !*value,
        // Some providers quote booleans.
        (Value::Bool(value), CompValue::Str(wanted)) => *operator == CompareOp::Eq && wanted.eq_ignore_ascii_case(&value.to_string()),
        (Value::Number(value), CompValue::Number(wanted)) => {
            let order = value.as_f64().zip(wanted.as_f64()).and_then(|(value, wanted)| value.partial_cmp(&wanted));
            order.is_some_and(|order| is_order_match(order, operator))
        }
        _ => false,
    }
}

fn is_text_match(value: &str, operator: &CompareOp, wanted: &str) -> bool {
    match operator {
        CompareOp::Co => value.contains(wanted),
        CompareOp::Sw => value.starts_with(wanted),
        CompareOp::Ew => value.ends_with(wanted),
        other => is_order_match(value.cmp(wanted), other),
    }
}

fn is_order_match(order: Ordering, operator: &CompareOp) -> bool {
    match operator {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn user() -> Map<String, Value> {
        let user = json!({
            "id": "7", "externalId": "Abc", "userName": "Ann@Example.com", "displayName": "Ann", "active": true,
            "name": { "familyName": "Lee" }, "emails": [{ "value": "ann@example.com", "type": "work", "primary": true }, { "value": "a@home.example", "type": "home" }],
            "meta": { "lastModified": "2026-11-30T10:00:00Z" },
        });
        user.as_object().unwrap().clone()
    }

    fn matches(filter: &str) -> bool {
        is_match(&filter.parse().unwrap_or_else(|error| panic!("{filter}: {error}")), &user())
    }

    #[test]
    fn filters_of_providers_match() {
        for filter in [
            r#"userName eq "ann@example.com""#,
            r#"USERNAME Eq "ANN@EXAMPLE.COM""#,
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ann@example.com""#,
            r#"externalId eq "Abc""#,
            r#"displayName eq "ann" and active eq true"#,
            r#"userName eq "nobody" or name.familyName sw "le""#,
            r#"emails.value eq "a@home.example""#,
            r#"emails[type eq "work" and value co "@example.com"]"#,
            r#"emails co "home""#,
            r#"not (userName eq "bob@example.com")"#,
            r#"meta.lastModified gt "2026-01-01T00:00:00Z""#,
            r#"active eq "True""#,
            "name pr",
            r#"title ne "x""#,
        ] {
            assert!(matches(filter), "{filter}");
        }
        for filter in [
            r#"externalId eq "abc""#,
            r#"userName eq "ann""#,
            r#"emails[type eq "home" and primary eq true]"#,
            "title pr",
            r#"active eq false"#,
            r#"displayName eq "Ann" and userName eq "bob""#,
        ] {
            assert!(!matches(filter), "{filter}");
        }
    }

    #[test]
    fn filters_that_cannot_be_parsed_are_errors() {
        for filter in ["", "userName", "userName eq", r#"userName like "x""#, r#"(userName eq "x""#, r#"userName eq "x" and"#] {
            assert!(filter.parse::<Filter>().is_err(), "{filter}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_filter_or_an_error(text in "[a-zA-Z \\[\\]().\"=é]{0,60}") {
            if let Ok(filter) = text.parse::<Filter>() {
                let _ = is_match(&filter, &user());
            }
        }

        #[test]
        fn eq_finds_exactly_the_text(name in "\\PC{1,30}", other in "\\PC{1,30}") {
            let filter: Filter = format!("displayName eq {}", json!(name)).parse().unwrap();
            let of = |name: &str| json!({ "displayName": name }).as_object().unwrap().clone();
            prop_assert!(is_match(&filter, &of(&name)));
            prop_assert_eq!(is_match(&filter, &of(&other)), name.to_lowercase() == other.to_lowercase());
        }

        #[test]
        fn not_inverts_and_de_morgan_holds(a in 0..3_u8, b in 0..3_u8) {
            let term = |number: u8| [r#"active eq true"#, "title pr", r#"displayName co "n""#][number as usize];
            let (a, b) = (term(a), term(b));
            prop_assert_eq!(matches(a), !matches(&format!("not ({a})")));
            prop_assert_eq!(matches(&format!("not ({a} and {b})")), matches(&format!("not ({a}) or not ({b})")));
        }
    }
}
