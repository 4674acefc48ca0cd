//! Users as resources of SCIM.

use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata::{AccountState, ProvisionedUser, ProvisionedUserDraft};
use serde_json::{Map, Value, json};

use super::SCIM_PREFIX;
use super::error::ScimError;
use super::filter::attribute;
use super::patch::PatchableAttributes;

pub(super) const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// Attributes of users. The others of SCIM's schema are accepted and not stored.
pub(super) const USER_ATTRIBUTES: PatchableAttributes = PatchableAttributes {
    stored: &["userName", "externalId", "active", "displayName", "name", "emails"],
    multi_valued: &["emails"],
    schema: USER_SCHEMA,
};

/// Attributes that are stored as they are sent.
const KEPT_ATTRIBUTES: [&str; 3] = ["displayName", "name", "emails"];

/// Maximum size of the attributes that are stored as they are sent, in bytes.
const MAX_ATTRIBUTES_BYTES: usize = 16 << 10;

/// Maximum length of a name of a user and of an ID of a provider in characters.
const MAX_ID_LENGTH: usize = 256;

/// Returns a user as a resource.
pub(super) fn user_resource(user: ProvisionedUser, public_url: &str) -> Map<String, Value> {
    let ProvisionedUser { account, user_name, external_id, attributes, groups, created_us, modified_us } = user;
    let mut resource: Map<String, Value> = serde_json::from_str(&attributes).unwrap_or_default();
    let url = |kind: &str, id: i64| format!("{public_url}{SCIM_PREFIX}/{kind}/{id}");
    resource.insert("schemas".into(), json!([USER_SCHEMA]));
    resource.insert("id".into(), json!(account.id.to_string()));
    if let Some(external_id) = external_id {
        resource.insert("externalId".into(), json!(external_id));
    }
    resource.insert("userName".into(), json!(user_name));
    resource.insert("active".into(), json!(account.state != AccountState::Deactivated));
    resource.entry("displayName").or_insert_with(|| json!(account.name));
    resource.entry("emails").or_insert_with(|| json!([{ "value": account.email, "type": "work", "primary": true }]));
    let groups: Vec<Value> =
        groups.into_iter().map(|(id, name)| json!({ "value": id.to_string(), "display": name, "$ref": url("Groups", id) })).collect();
    resource.insert("groups".into(), json!(groups));
    resource.insert(
        "meta".into(),
        json!({
            "resourceType": "User", "created": rfc3339(created_us), "lastModified": rfc3339(modified_us),
            "location": url("Users", account.id),
        }),
    );
    resource
}

/// Reads a user from a resource.
pub(super) fn user_draft(resource: &Map<String, Value>) -> Result<ProvisionedUserDraft, ScimError> {
    let user_name = text_of(resource, "userName")?.ok_or_else(|| ScimError::invalid_value("userName: is missing"))?;
    let mut kept = Map::new();
    for name in KEPT_ATTRIBUTES {
        if let Some(value) = attribute(resource, name) {
            kept.insert(name.to_owned(), value.clone());
        }
    }
    let email = email_of(resource)?.unwrap_or_else(|| user_name.clone());
    let attributes = Value::Object(kept).to_string();
    if attributes.len() > MAX_ATTRIBUTES_BYTES {
        return Err(ScimError::too_many(format!("displayName, name and emails must have at most {MAX_ATTRIBUTES_BYTES} bytes")));
    }
    Ok(ProvisionedUserDraft {
        email,
        name: display_name(resource).unwrap_or_default(),
        external_id: text_of(resource, "externalId")?,
        attributes,
        is_active: attribute(resource, "active").map_or(Ok(true), |value| boolean("active", value))?,
        user_name,
    })
}

/// Returns a text, which must have a limited length.
pub(super) fn text_of(resource: &Map<String, Value>, name: &str) -> Result<Option<String>, ScimError> {
    match attribute(resource, name) {
        None => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= MAX_ID_LENGTH && !text.chars().any(char::is_control) => {
            Ok(Some(text.trim().to_owned()))
        }
        Some(_) => Err(ScimError::invalid_value(format!("{name}: must be a text of at most {MAX_ID_LENGTH} printable characters"))),
    }
}

/// Reads a boolean, which Entra sends as the text `True` or `False`.
fn boolean(name: &str, value: &Value) -> Result<bool, ScimError> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(ScimError::invalid_value(format!("{name}: must be true or false"))),
    }
}

/// Returns the primary e-mail address, otherwise the one of work, otherwise the first.
fn email_of(resource: &Map<String, Value>) -> Result<Option<String>, ScimError> {
    let Some(emails) = attribute(resource, "emails") else { return Ok(None) };
    let emails = emails.as_array().ok_or_else(|| ScimError::invalid_value("emails: must be a list"))?;
    let mut found: Option<(u8, &str)> = None;
    for email in emails {
        let fields = email.as_object().ok_or_else(|| ScimError::invalid_value("emails: must be a list of objects"))?;
        let Some(address) = attribute(fields, "value").and_then(Value::as_str).filter(|address| !address.trim().is_empty()) else {
            continue;
        };
        let is_primary = attribute(fields, "primary").is_some_and(|value| boolean("primary", value).unwrap_or(false));
        let is_work = attribute(fields, "type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("work"));
        let rank = if is_primary { 2 } else { u8::from(is_work) };
        if found.is_none_or(|(best, _)| rank > best) {
            found = Some((rank, address));
        }
    }
    Ok(found.map(|(_, address)| address.to_owned()))
}

/// Returns the name by which the person is shown.
fn display_name(resource: &Map<String, Value>) -> Option<String> {
    let text = |object: &Map<String, Value>, name: &str| {
        attribute(object, name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    text(resource, "displayName").or_else(|| {
        let name = attribute(resource, "name")?.as_object()?;
        text(name, "formatted").or_else(|| {
            let parts: Vec<String> = ["givenName", "familyName"].iter().filter_map(|part| text(name, part)).collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(resource: Value) -> Result<ProvisionedUserDraft, ScimError> {
        user_draft(resource.as_object().unwrap())
    }

    #[test]
    fn users_are_read_as_providers_send_them() {
        let user = draft(json!({
            "schemas": [USER_SCHEMA], "userName": "ann", "name": { "givenName": "Ann", "familyName": "Lee" }, "active": "True",
            "emails": [{ "value": "a@home.example", "type": "home" }, { "value": "ann@example.com", "type": "work", "primary": true }],
            "title": "not stored",
        }))
        .unwrap();
        assert_eq!((user.email.as_str(), user.name.as_str(), user.is_active), ("ann@example.com", "Ann Lee", true));
        assert!(!user.attributes.contains("not stored"));
        let user = draft(json!({ "username": "ann@example.com", "externalid": "00u", "Active": false })).unwrap();
        assert_eq!((user.email.as_str(), user.external_id.as_deref(), user.is_active), ("ann@example.com", Some("00u"), false));
    }

    #[test]
    fn wrong_values_are_errors() {
        for resource in [
            json!({}),
            json!({ "userName": "" }),
            json!({ "userName": 5 }),
            json!({ "userName": "a@b.c", "active": "yes" }),
            json!({ "userName": "a@b.c", "emails": "a@b.c" }),
            json!({ "userName": "a@b.c", "emails": ["a@b.c"] }),
            json!({ "userName": "x".repeat(300) }),
        ] {
            assert_eq!(draft(resource.clone()).unwrap_err().scim_type(), Some("invalidValue"), "{resource}");
        }
        let many = json!({ "userName": "a@b.c", "displayName": "x".repeat(20_000) });
        assert_eq!(draft(many).unwrap_err().scim_type(), Some("tooMany"));
    }
}
