//! Who asks, and what they may see and change.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use hinomi_tables::metadata::ApiTokenScope;

use super::{ApiError, ApiState};
use crate::ingest::auth;

/// Set by the page on every change: another site's form cannot.
const PAGE_HEADER: &str = "x-hinomi-page";

/// Somebody who is signed in or has a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApiCaller {
    /// What they may do. A session may do what an admin's token may, until there are people with roles of their own.
    token: ApiTokenScope,
    /// The session, where it is not a token that asks.
    pub(super) session: Option<i64>,
}

impl ApiCaller {
    pub(super) fn may_see(self, project: u64) -> bool {
        self.token.project.is_none_or(|own| own == project)
    }

    /// What they may see and change; two callers with the same rights are given the same answers.
    pub(super) fn rights(self) -> ApiTokenScope {
        self.token
    }

    /// Reading is for all callers, changing for those who may.
    pub(super) fn check_admin(self) -> Result<(), ApiError> {
        if self.token.admin {
            return Ok(());
        }
        Err(ApiError::forbidden("this token may only read", "`hinomi token create --admin` makes one that may change things."))
    }
}

impl FromRequestParts<Arc<ApiState>> for ApiCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<ApiCaller, ApiError> {
        if let Some(secret) = bearer(&parts.headers) {
            let token = api.meta.token(secret)?.ok_or_else(ApiError::unauthorized)?;
            return Ok(ApiCaller { token, session: None });
        }
        let session = cookie(&parts.headers, &api.cookie).ok_or_else(ApiError::unauthorized)?;
        let session = api.meta.session(session)?.ok_or_else(ApiError::unauthorized)?;
        let changes = !matches!(parts.method, Method::GET | Method::HEAD);
        if changes && !parts.headers.contains_key(PAGE_HEADER) {
            let hint = format!("Send the header `{PAGE_HEADER}: 1`, or use an API token.");
            return Err(ApiError::forbidden("a change by session must come from the page", &hint));
        }
        Ok(ApiCaller { token: ApiTokenScope { project: None, admin: true }, session: Some(session) })
    }
}

/// The project in the path, which the caller may see.
#[derive(Debug, Clone, Copy)]
pub(super) struct AuthorizedProject {
    pub(super) project: u64,
    pub(super) caller: ApiCaller,
}

impl FromRequestParts<Arc<ApiState>> for AuthorizedProject {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<AuthorizedProject, ApiError> {
        let caller = ApiCaller::from_request_parts(parts, api).await?;
        let Path(path) = Path::<Vec<(String, String)>>::from_request_parts(parts, api).await.map_err(|_| ApiError::not_found("page"))?;
        let id = path.iter().find(|(name, _)| name == "project").and_then(|(_, id)| id.parse::<u64>().ok());
        let known = id.filter(|id| caller.may_see(*id) && api.meta.directory().projects.contains_key(id));
        match known {
            Some(project) => Ok(AuthorizedProject { project, caller }),
            // One that another process has just made is not in memory yet.
            None => match id.filter(|id| caller.may_see(*id)) {
                Some(id) => api.meta.project(id).map(|found| AuthorizedProject { project: found.id, caller }).map_err(ApiError::from),
                None => Err(ApiError::not_found("project")),
            },
        }
    }
}

/// The project in the path, in which the caller may change things. Judged before the body is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdminAuthorizedProject {
    pub(super) project: u64,
}

impl FromRequestParts<Arc<ApiState>> for AdminAuthorizedProject {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<AdminAuthorizedProject, ApiError> {
        let of = AuthorizedProject::from_request_parts(parts, api).await?;
        of.caller.check_admin()?;
        Ok(AdminAuthorizedProject { project: of.project })
    }
}

/// The project in the path, whose telemetry the caller may add to: an admin, or a program with an ingest key of the project.
#[derive(Debug, Clone, Copy)]
pub(super) struct TelemetryWriter {
    pub(super) project: u64,
}

impl FromRequestParts<Arc<ApiState>> for TelemetryWriter {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<TelemetryWriter, ApiError> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        // An API token has another length than a key, and is none.
        let key = auth::of_otlp(header("x-hinomi-key"), header("authorization"), header("x-sentry-auth"));
        let Ok(Some(key)) = key else {
            let of = AdminAuthorizedProject::from_request_parts(parts, api).await?;
            return Ok(TelemetryWriter { project: of.project });
        };
        let key = api.meta.key(&key).ok_or_else(ApiError::unauthorized)?;
        let Path(path) = Path::<Vec<(String, String)>>::from_request_parts(parts, api).await.map_err(|_| ApiError::not_found("page"))?;
        let id = path.iter().find(|(name, _)| name == "project").and_then(|(_, id)| id.parse::<u64>().ok());
        let project = api.meta.project(id.filter(|id| *id == key.project).ok_or_else(|| ApiError::not_found("project"))?)?;
        if project.disabled {
            return Err(ApiError::forbidden("the project is disabled", "Enable it in its settings."));
        }
        Ok(TelemetryWriter { project: project.id })
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}
