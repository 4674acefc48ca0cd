//! Authentication and authorization of callers. The permission that a route requires is part of the type of its extractor: see
//! [`permission`](super::permission).

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use hinomi_tables::metadata::ApiTokenScope;

use super::permission::{Admin, CallerRole, RequiredPermission, RoutePermission};
use super::{ApiError, ApiState};
use crate::ingest::auth;

/// Header that the page sends with every change. A form of another site cannot send it.
const PAGE_HEADER: &str = "x-hinomi-page";

/// What a caller may see and change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CallerAccess {
    role: CallerRole,
    only_project: Option<u64>,
}

/// An authenticated caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApiCaller {
    /// Permissions of the caller. A session has those of an admin token until there are user roles.
    token: ApiTokenScope,
    /// ID of the session; `None` for a token.
    pub(super) session: Option<i64>,
}

impl ApiCaller {
    pub(super) fn can_see(self, project: u64) -> bool {
        self.token.project.is_none_or(|own| own == project)
    }

    /// Returns the only project that the caller may see; `None` for all projects.
    pub(super) fn only_project(self) -> Option<u64> {
        self.token.project
    }

    /// Returns what determines the responses to the caller: callers with equal access get equal responses.
    pub(super) fn access(self) -> CallerAccess {
        CallerAccess { role: self.role(), only_project: self.only_project() }
    }

    /// Returns the role of the caller. Until users have roles, a token is read-only or an admin's, and a session is the owner's.
    fn role(self) -> CallerRole {
        match (self.session, self.token.admin) {
            (Some(_), _) => CallerRole::Owner,
            (None, true) => CallerRole::Admin,
            (None, false) => CallerRole::Viewer,
        }
    }

    fn check_permission(self, permission: RoutePermission) -> Result<(), ApiError> {
        let needed = match permission {
            RoutePermission::Public | RoutePermission::Ingest | RoutePermission::Viewer => CallerRole::Viewer,
            RoutePermission::Member => CallerRole::Member,
            RoutePermission::Admin => CallerRole::Admin,
        };
        if self.role() >= needed {
            return Ok(());
        }
        Err(match self.session {
            None => ApiError::forbidden("this token is read-only", "Create a token with write access: `hinomi token create --admin`."),
            Some(_) => ApiError::forbidden("your role does not permit this", "Ask an owner of this server."),
        })
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
            return Err(ApiError::forbidden("changes with a session cookie must come from the page", &hint));
        }
        Ok(ApiCaller { token: ApiTokenScope { project: None, admin: true }, session: Some(session) })
    }
}

/// A caller with the permission `P` for the whole server.
#[derive(Debug, Clone, Copy)]
pub(super) struct AuthorizedCaller<P> {
    pub(super) caller: ApiCaller,
    permission: PhantomData<P>,
}

impl<P: RequiredPermission> FromRequestParts<Arc<ApiState>> for AuthorizedCaller<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<AuthorizedCaller<P>, ApiError> {
        let caller = ApiCaller::from_request_parts(parts, api).await?;
        caller.check_permission(P::PERMISSION)?;
        Ok(AuthorizedCaller { caller, permission: PhantomData })
    }
}

impl<P: RequiredPermission> RequiredPermission for AuthorizedCaller<P> {
    const PERMISSION: RoutePermission = P::PERMISSION;
}

/// The project in the path, for which the caller has the permission `P`. Checked before the body is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct AuthorizedProject<P> {
    pub(super) project: u64,
    permission: PhantomData<P>,
}

impl<P: RequiredPermission> FromRequestParts<Arc<ApiState>> for AuthorizedProject<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<AuthorizedProject<P>, ApiError> {
        let caller = ApiCaller::from_request_parts(parts, api).await?;
        let Path(path) = Path::<Vec<(String, String)>>::from_request_parts(parts, api).await.map_err(|_| ApiError::not_found("page"))?;
        let id = path.iter().find(|(name, _)| name == "project").and_then(|(_, id)| id.parse::<u64>().ok());
        let id = id.filter(|id| caller.can_see(*id)).ok_or_else(|| ApiError::not_found("project"))?;
        let project = match api.meta.directory().projects.contains_key(&id) {
            true => id,
            // One that another process has just made is not in memory yet.
            false => api.meta.project(id)?.id,
        };
        caller.check_permission(P::PERMISSION)?;
        Ok(AuthorizedProject { project, permission: PhantomData })
    }
}

impl<P: RequiredPermission> RequiredPermission for AuthorizedProject<P> {
    const PERMISSION: RoutePermission = P::PERMISSION;
}

/// Any caller, authenticated or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicAccess;

impl FromRequestParts<Arc<ApiState>> for PublicAccess {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &Arc<ApiState>) -> Result<PublicAccess, Infallible> {
        Ok(PublicAccess)
    }
}

impl RequiredPermission for PublicAccess {
    const PERMISSION: RoutePermission = RoutePermission::Public;
}

/// The project in the path, to which the caller may add telemetry: with admin permission, or with an ingest key of the project.
#[derive(Debug, Clone, Copy)]
pub(super) struct TelemetryWriter {
    pub(super) project: u64,
}

impl FromRequestParts<Arc<ApiState>> for TelemetryWriter {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<TelemetryWriter, ApiError> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        // An API token has another length than a key, and is none.
        let key = auth::otlp_key(header("x-hinomi-key"), header("authorization"), header("x-sentry-auth"));
        let Ok(Some(key)) = key else {
            let authorized = AuthorizedProject::<Admin>::from_request_parts(parts, api).await?;
            return Ok(TelemetryWriter { project: authorized.project });
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

impl RequiredPermission for TelemetryWriter {
    const PERMISSION: RoutePermission = RoutePermission::Ingest;
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
