//! Groups as resources of SCIM.

use std::collections::BTreeSet;

use hinomi_model::api_time::rfc3339;
use hinomi_tables::metadata::{ProvisionedGroup, ProvisionedGroupDraft};
use serde_json::{Map, Value, json};

use super::SCIM_PREFIX;
use super::error::ScimError;
use super::filter::attribute;
use super::patch::PatchableAttributes;
use super::user_resource::text_of;

pub(super) const GROUP_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// Attributes of groups.
pub(super) const GROUP_ATTRIBUTES: PatchableAttributes =
    PatchableAttributes { stored: &["displayName", "externalId", "members"], multi_valued: &["members"], schema: GROUP_SCHEMA };

/// Returns a group as a resource.
pub(super) fn group_resource(group: ProvisionedGroup, public_url: &str) -> Map<String, Value> {
    let ProvisionedGroup { id, name, external_id, members, created_us, modified_us } = group;
    let members: Vec<Value> = members
        .into_iter()
        .map(|(id, name)| {
            let id = id.to_string();
            json!({ "value": id, "display": name, "type": "User", "$ref": format!("{public_url}{SCIM_PREFIX}/Users/{id}") })
        })
        .collect();
    let mut resource = Map::new();
    resource.insert("schemas".into(), json!([GROUP_SCHEMA]));
    resource.insert("id".into(), json!(id.to_string()));
    if let Some(external_id) = external_id {
        resource.insert("externalId".into(), json!(external_id));
    }
    resource.insert("displayName".into(), json!(name));
    resource.insert("members".into(), json!(members));
    resource.insert(
        "meta".into(),
        json!({
            "resourceType": "Group", "created": rfc3339(created_us), "lastModified": rfc3339(modified_us),
            "location": format!("{public_url}{SCIM_PREFIX}/Groups/{id}"),
        }),
    );
    resource
}

/// Reads a group from a resource.
pub(super) fn group_draft(resource: &Map<String, Value>) -> Result<ProvisionedGroupDraft, ScimError> {
    let name = text_of(resource, "displayName")?.ok_or_else(|| ScimError::invalid_value("displayName: is missing"))?;
    let mut members = BTreeSet::new();
    if let Some(listed) = attribute(resource, "members") {
        let listed = listed.as_array().ok_or_else(|| ScimError::invalid_value("members: must be a list"))?;
        for member in listed {
            let id = member.as_object().and_then(|member| attribute(member, "value")).and_then(Value::as_str);
            let id = id.and_then(|id| id.parse().ok());
            // Groups within groups are not users.
            members.insert(id.ok_or_else(|| ScimError::invalid_value("members: each needs the ID of a user as value"))?);
        }
    }
    Ok(ProvisionedGroupDraft { name, external_id: text_of(resource, "externalId")?, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read() {
        let read = |resource: Value| group_draft(resource.as_object().unwrap());
        let group = read(json!({ "displayName": "Staff", "externalId": "g1", "members": [{ "value": "2", "display": "x" }] })).unwrap();
        assert_eq!((group.name.as_str(), group.members), ("Staff", BTreeSet::from([2])));
        for wrong in
            [json!({}), json!({ "displayName": "x", "members": "2" }), json!({ "displayName": "x", "members": [{ "value": "abc" }] })]
        {
            assert_eq!(read(wrong.clone()).unwrap_err().scim_type(), Some("invalidValue"), "{wrong}");
        }
    }
}
