//! What this server supports of SCIM (RFC 7644, section 4).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::error::{ScimError, ScimErrorResponse};
use super::group_resource::GROUP_SCHEMA;
use super::list::MAX_COUNT;
use super::user_resource::USER_SCHEMA;
use super::{SCIM_PREFIX, ScimCaller, scim_response};
use crate::api::ApiState;

/// Returns what the server supports of SCIM.
#[utoipa::path(get, path = "/ServiceProviderConfig", tag = "scim", responses((status = 200, description = "The configuration of the service provider.")))]
pub(in crate::api) async fn service_provider_config(State(api): State<Arc<ApiState>>, _: ScimCaller) -> Response {
    let config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": MAX_COUNT },
        "changePassword": { "supported": false },
        "sort": { "supported": false },
        "etag": { "supported": false },
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Bearer token", "primary": true,
            "description": "A SCIM token, created by an owner with `hinomi token create --scim` or on the page Settings",
        }],
        "meta": { "resourceType": "ServiceProviderConfig", "location": url(&api, "ServiceProviderConfig") },
    });
    scim_response(StatusCode::OK, config)
}

/// Lists the kinds of resources.
#[utoipa::path(get, path = "/ResourceTypes", tag = "scim", responses((status = 200, description = "A list response of SCIM.")))]
pub(in crate::api) async fn resource_types(State(api): State<Arc<ApiState>>, _: ScimCaller) -> Response {
    scim_response(StatusCode::OK, list_of(all_resource_types(&api)))
}

/// Returns a kind of resources.
#[utoipa::path(get, path = "/ResourceTypes/{name}", tag = "scim", params(("name" = String, Path, description = "`User` or `Group`.")),
    responses((status = 200, description = "The kind of resources."), (status = 404, body = ScimErrorResponse)))]
pub(in crate::api) async fn resource_type(
    State(api): State<Arc<ApiState>>,
    _: ScimCaller,
    Path(name): Path<String>,
) -> Result<Response, ScimError> {
    let found = all_resource_types(&api).into_iter().find(|known| known["id"] == name);
    Ok(scim_response(StatusCode::OK, found.ok_or_else(|| ScimError::not_found("resource type"))?))
}

/// Lists the schemas of resources.
#[utoipa::path(get, path = "/Schemas", tag = "scim", responses((status = 200, description = "A list response of SCIM.")))]
pub(in crate::api) async fn schemas(State(api): State<Arc<ApiState>>, _: ScimCaller) -> Response {
    scim_response(StatusCode::OK, list_of(all_schemas(&api)))
}

/// Returns a schema.
#[utoipa::path(get, path = "/Schemas/{schema}", tag = "scim", params(("schema" = String, Path, description = "URN of the schema.")),
    responses((status = 200, description = "The schema."), (status = 404, body = ScimErrorResponse)))]
pub(in crate::api) async fn schema(
    State(api): State<Arc<ApiState>>,
    _: ScimCaller,
    Path(schema): Path<String>,
) -> Result<Response, ScimError> {
    let found = all_schemas(&api).into_iter().find(|known| known["id"] == schema);
    Ok(scim_response(StatusCode::OK, found.ok_or_else(|| ScimError::not_found("schema"))?))
}

fn url(api: &ApiState, path: &str) -> String {
    format!("{}{SCIM_PREFIX}/{path}", api.public_url)
}

fn list_of(resources: Vec<Value>) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": resources.len(), "startIndex": 1, "itemsPerPage": resources.len(), "Resources": resources,
    })
}

fn all_resource_types(api: &ApiState) -> Vec<Value> {
    let of = |name: &str, endpoint: &str, schema: &str, description: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": name, "name": name, "endpoint": endpoint, "schema": schema, "description": description, "schemaExtensions": [],
            "meta": { "resourceType": "ResourceType", "location": url(api, &format!("ResourceTypes/{name}")) },
        })
    };
    vec![of("User", "/Users", USER_SCHEMA, "Account of a person"), of("Group", "/Groups", GROUP_SCHEMA, "Group of accounts")]
}

/// An attribute of a schema.
struct SchemaAttribute {
    name: &'static str,
    kind: &'static str,
    description: &'static str,
    is_required: bool,
    is_case_exact: bool,
    mutability: &'static str,
    uniqueness: &'static str,
    /// Sub-attributes: name and type. A multi-valued attribute has some.
    sub_attributes: &'static [(&'static str, &'static str)],
    is_multi_valued: bool,
}

/// An optional attribute that can be changed, with upper and lower case alike.
const fn text(name: &'static str, description: &'static str) -> SchemaAttribute {
    SchemaAttribute {
        name,
        kind: "string",
        description,
        is_required: false,
        is_case_exact: false,
        mutability: "readWrite",
        uniqueness: "none",
        sub_attributes: &[],
        is_multi_valued: false,
    }
}

impl SchemaAttribute {
    fn to_json(&self) -> Value {
        let mut attribute = json!({
            "name": self.name, "type": self.kind, "multiValued": self.is_multi_valued, "description": self.description,
            "required": self.is_required, "caseExact": self.is_case_exact, "mutability": self.mutability, "returned": "default",
            "uniqueness": self.uniqueness,
        });
        if !self.sub_attributes.is_empty() {
            let sub = |(name, kind): &(&str, &str)| {
                json!({
                    "name": name, "type": kind, "multiValued": false, "required": false, "caseExact": false,
                    "mutability": self.mutability, "returned": "default", "uniqueness": "none",
                })
            };
            attribute["subAttributes"] = self.sub_attributes.iter().map(sub).collect();
        }
        attribute
    }
}

fn all_schemas(api: &ApiState) -> Vec<Value> {
    let of = |id: &str, name: &str, description: &str, attributes: &[SchemaAttribute]| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": id, "name": name, "description": description,
            "attributes": attributes.iter().map(SchemaAttribute::to_json).collect::<Vec<_>>(),
            "meta": { "resourceType": "Schema", "location": url(api, &format!("Schemas/{id}")) },
        })
    };
    vec![of(USER_SCHEMA, "User", "Account of a person", &USER), of(GROUP_SCHEMA, "Group", "Group of accounts", &GROUP)]
}

const EXTERNAL_ID: SchemaAttribute = SchemaAttribute { is_case_exact: true, ..text("externalId", "ID that the provider gives") };

const USER: [SchemaAttribute; 7] = [
    SchemaAttribute { is_required: true, uniqueness: "server", ..text("userName", "Name by which the provider knows the person") },
    EXTERNAL_ID,
    SchemaAttribute {
        kind: "complex",
        sub_attributes: &[("formatted", "string"), ("givenName", "string"), ("familyName", "string")],
        ..text("name", "Parts of the name")
    },
    text("displayName", "Name by which the person is shown"),
    SchemaAttribute {
        kind: "complex",
        is_multi_valued: true,
        sub_attributes: &[("value", "string"), ("type", "string"), ("primary", "boolean")],
        ..text("emails", "E-mail addresses; the person signs in with the primary one")
    },
    SchemaAttribute { kind: "boolean", ..text("active", "False deactivates the account at once") },
    SchemaAttribute {
        kind: "complex",
        is_multi_valued: true,
        mutability: "readOnly",
        sub_attributes: &[("value", "string"), ("display", "string"), ("$ref", "reference")],
        ..text("groups", "Groups of the person")
    },
];

const GROUP: [SchemaAttribute; 3] = [
    SchemaAttribute { is_required: true, uniqueness: "server", ..text("displayName", "Name of the group") },
    EXTERNAL_ID,
    SchemaAttribute {
        kind: "complex",
        is_multi_valued: true,
        sub_attributes: &[("value", "string"), ("display", "string"), ("type", "string"), ("$ref", "reference")],
        ..text("members", "Users in the group")
    },
];
