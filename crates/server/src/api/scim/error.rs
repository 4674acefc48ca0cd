//! Errors in the form of SCIM (RFC 7644, section 3.12).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hinomi_tables::metadata::MetadataError;
use serde::Serialize;
use utoipa::ToSchema;

use super::SCIM_CONTENT_TYPE;
use crate::api::ApiError;

const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// An error response of SCIM.
#[derive(Debug)]
pub(in crate::api) struct ScimError {
    status: StatusCode,
    scim_type: Option<&'static str>,
    detail: String,
}

/// Body of an error response of SCIM.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScimError)]
pub(super) struct ScimErrorResponse {
    /// Schema of the message.
    schemas: [&'static str; 1],
    /// HTTP status as text.
    status: String,
    /// Kind of the error, such as `uniqueness` or `invalidFilter`; left out if SCIM defines none.
    #[serde(rename = "scimType", skip_serializing_if = "Option::is_none")]
    scim_type: Option<&'static str>,
    /// What happened, and to what.
    detail: String,
}

impl ScimError {
    fn new(status: StatusCode, scim_type: Option<&'static str>, detail: impl Into<String>) -> ScimError {
        ScimError { status, scim_type, detail: detail.into() }
    }

    fn bad_request(scim_type: &'static str, detail: impl Into<String>) -> ScimError {
        ScimError::new(StatusCode::BAD_REQUEST, Some(scim_type), detail)
    }

    pub(super) fn invalid_syntax(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request("invalidSyntax", detail)
    }

    pub(super) fn invalid_value(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request("invalidValue", detail)
    }

    pub(super) fn invalid_filter(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request("invalidFilter", detail)
    }

    pub(super) fn invalid_path(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request("invalidPath", detail)
    }

    pub(super) fn no_target(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request("noTarget", detail)
    }

    pub(super) fn mutability(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request("mutability", detail)
    }

    pub(super) fn too_many(detail: impl Into<String>) -> ScimError {
        ScimError::bad_request("tooMany", detail)
    }

    pub(super) fn not_found(what: &str) -> ScimError {
        ScimError::new(StatusCode::NOT_FOUND, None, format!("{what} not found"))
    }

    pub(super) fn unauthorized() -> ScimError {
        ScimError::new(StatusCode::UNAUTHORIZED, None, "no valid SCIM token was sent; create one with `hinomi token create --scim`")
    }

    pub(super) fn forbidden() -> ScimError {
        let detail = "this needs a SCIM token, which is of its own kind; create one with `hinomi token create --scim`";
        ScimError::new(StatusCode::FORBIDDEN, None, detail)
    }

    /// Returns the kind of the error.
    #[cfg(test)]
    pub(super) fn scim_type(&self) -> Option<&'static str> {
        self.scim_type
    }
}

impl From<MetadataError> for ScimError {
    fn from(error: MetadataError) -> ScimError {
        match error {
            MetadataError::NoAccount(id) => ScimError::not_found(&format!("user {id}")),
            MetadataError::NoGroup(id) => ScimError::not_found(&format!("group {id}")),
            MetadataError::Taken(reason) => ScimError::new(StatusCode::CONFLICT, Some("uniqueness"), reason),
            MetadataError::LastOwner(_) => ScimError::mutability(error.to_string()),
            MetadataError::Invalid(reason) => ScimError::invalid_value(reason),
            other => {
                tracing::error!(error = %other, "api.request.failed");
                ScimError::new(StatusCode::INTERNAL_SERVER_ERROR, None, "internal error; see the server log")
            }
        }
    }
}

impl From<tokio::task::JoinError> for ScimError {
    fn from(error: tokio::task::JoinError) -> ScimError {
        tracing::error!(%error, "api.request.failed");
        ScimError::new(StatusCode::SERVICE_UNAVAILABLE, None, "the server is shutting down; send again later")
    }
}

impl From<ApiError> for ScimError {
    fn from(error: ApiError) -> ScimError {
        let (status, message) = error.status_and_message();
        ScimError::new(status, None, message)
    }
}

impl IntoResponse for ScimError {
    fn into_response(self) -> Response {
        let ScimError { status, scim_type, detail } = self;
        let body = ScimErrorResponse { schemas: [ERROR_SCHEMA], status: status.as_u16().to_string(), scim_type, detail };
        let mut response = (status, [(header::CONTENT_TYPE, SCIM_CONTENT_TYPE)], Json(body)).into_response();
        // `Json` has its own content type.
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(SCIM_CONTENT_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
