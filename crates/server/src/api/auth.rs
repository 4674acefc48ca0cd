//! Authentication and authorization of callers. The permission that a route requires is part of the type of its extractor: see
//! [`permission`](super::permission).

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use hinomi_tables::metadata::{AccessGrant, AccountIdentity, AccountRole, IngestKey, OPERATOR_ACCOUNT, SessionAccess, SessionOrigin};

use super::permission::{Member, RequiredPermission, RoutePermission};
use super::visibility::MessageVisibility;
use super::{ApiError, ApiState, proxy_session};
use crate::ingest::auth;
use crate::sign_in::ProxyIdentity;

/// Header that the page sends with every change. A form of another site cannot send it.
const PAGE_HEADER: &str = "x-hinomi-page";

/// The credential of a caller, by its ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallerCredential {
    Session(i64),
    Token(i64),
}

/// An authenticated caller.
#[derive(Debug, Clone)]
pub(super) struct ApiCaller {
    /// The account that is signed in, or that the token belongs to.
    pub(super) account: AccountIdentity,
    /// What the caller may see and change. Callers with equal access get equal responses.
    pub(super) access: AccessGrant,
    pub(super) credential: CallerCredential,
}

impl ApiCaller {
    pub(super) fn can_see(&self, project: u64) -> bool {
        self.access.role_in(project).is_some()
    }

    /// Returns the IDs of the projects that the caller may see; `None` for all projects.
    pub(super) fn visible_projects(&self) -> Option<Vec<u64>> {
        self.access.server.is_none().then(|| self.access.projects.keys().copied().collect())
    }

    /// Returns the ID of the session of the caller; `None` for a token.
    pub(super) fn session(&self) -> Option<i64> {
        match self.credential {
            CallerCredential::Session(id) => Some(id),
            CallerCredential::Token(_) => None,
        }
    }

    /// Returns whether the caller is an admin of the whole server.
    pub(super) fn is_server_admin(&self) -> bool {
        self.access.server >= Some(AccountRole::Admin)
    }

    fn check_role(&self, role: Option<AccountRole>, permission: RoutePermission) -> Result<(), ApiError> {
        let needed = permission.lowest_role();
        if role >= Some(needed) {
            return Ok(());
        }
        let needed = needed.name();
        Err(match self.credential {
            CallerCredential::Token(_) => ApiError::forbidden(
                &format!("this needs the role {needed}, which this token does not have"),
                &format!("Create a token with `hinomi token create --role {needed}`."),
            ),
            CallerCredential::Session(_) => {
                ApiError::forbidden(&format!("this needs the role {needed}, which you do not have"), "Ask an owner of this server.")
            }
        })
    }
}

impl FromRequestParts<Arc<ApiState>> for ApiCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<ApiCaller, ApiError> {
        if let Some(secret) = bearer(&parts.headers) {
            let found = api.meta.token(secret)?.ok_or_else(ApiError::unauthorized)?;
            check_token_owner(api, found.account.id)?;
            return Ok(ApiCaller { account: found.account, access: found.access, credential: CallerCredential::Token(found.token) });
        }
        let found = match (&api.sign_in.proxy_header, parts.extensions.get::<ProxyIdentity>()) {
            (Some(proxy), Some(identity)) => proxy_session::session_of(api, proxy, identity, &RequestOrigin::of(parts)).await?,
            _ => session_of_cookie(api, cookie(&parts.headers, &api.cookie))?,
        };
        let changes = !matches!(parts.method, Method::GET | Method::HEAD);
        if changes && !parts.headers.contains_key(PAGE_HEADER) {
            let hint = format!("Send the header `{PAGE_HEADER}: 1`, or use an API token.");
            return Err(ApiError::forbidden("changes with a session cookie must come from the page", &hint));
        }
        Ok(ApiCaller { account: found.account, access: found.access, credential: CallerCredential::Session(found.session) })
    }
}

fn session_of_cookie(api: &ApiState, secret: Option<&str>) -> Result<SessionAccess, ApiError> {
    let secret = secret.ok_or_else(ApiError::unauthorized)?;
    match api.meta.session(secret)? {
        Some(found) => Ok(found),
        None if api.sign_in.openid_connect.is_some() && api.meta.is_renewal_due(secret)? => Err(ApiError::renewal_required()),
        None => Err(ApiError::unauthorized()),
    }
}

/// Checks that the identity provider has confirmed the owner of a token recently: tokens of somebody who was removed there must end too.
/// Accounts that do not belong to the provider are not concerned.
fn check_token_owner(api: &ApiState, account: i64) -> Result<(), ApiError> {
    let Some(provider) = &api.sign_in.openid_connect else { return Ok(()) };
    let Some(lifetime) = provider.token_lifetime else { return Ok(()) };
    let Some(confirmed_us) = api.meta.last_provider_sign_in_us(account, provider.issuer())? else { return Ok(()) };
    let age_us = jiff::Timestamp::now().as_microsecond().saturating_sub(confirmed_us);
    let is_recent = u128::try_from(age_us).unwrap_or(0) <= lifetime.as_micros();
    if is_recent || account == OPERATOR_ACCOUNT { Ok(()) } else { Err(ApiError::unconfirmed_token()) }
}

/// Where a request comes from.
#[derive(Debug, Clone)]
pub(super) struct RequestOrigin {
    /// What the client calls itself; empty if unknown.
    client: String,
    /// Address of the client, or of the last proxy.
    address: Option<IpAddr>,
}

impl RequestOrigin {
    pub(super) fn of(parts: &Parts) -> RequestOrigin {
        let client = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
        RequestOrigin { client, address }
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        self.address
    }

    pub(super) fn as_session(&self) -> SessionOrigin<'_> {
        SessionOrigin { client: &self.client, address: self.address }
    }
}

impl<S: Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<RequestOrigin, Infallible> {
        Ok(RequestOrigin::of(parts))
    }
}

/// A caller with the permission `P` for the whole server. [`Viewer`](super::permission::Viewer) admits every authenticated caller; what it
/// sees depends on its roles.
#[derive(Debug, Clone)]
pub(super) struct AuthorizedCaller<P> {
    pub(super) caller: ApiCaller,
    permission: PhantomData<P>,
}

impl<P: RequiredPermission> FromRequestParts<Arc<ApiState>> for AuthorizedCaller<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<AuthorizedCaller<P>, ApiError> {
        let caller = ApiCaller::from_request_parts(parts, api).await?;
        if P::PERMISSION != RoutePermission::Viewer {
            caller.check_role(caller.access.server, P::PERMISSION)?;
        }
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
    /// Role of the caller in the project.
    pub(super) role: AccountRole,
    /// Whether the caller sees the messages of the project.
    pub(super) messages: MessageVisibility,
    permission: PhantomData<P>,
}

impl<P: RequiredPermission> FromRequestParts<Arc<ApiState>> for AuthorizedProject<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<AuthorizedProject<P>, ApiError> {
        let caller = ApiCaller::from_request_parts(parts, api).await?;
        let Path(path) = Path::<Vec<(String, String)>>::from_request_parts(parts, api).await.map_err(|_| ApiError::not_found("page"))?;
        let id = path.iter().find(|(name, _)| name == "project").and_then(|(_, id)| id.parse::<u64>().ok());
        let granted = id.and_then(|id| Some((id, caller.access.role_in(id)?)));
        let (id, role) = granted.ok_or_else(|| ApiError::not_found("project"))?;
        let known = api.meta.directory().projects.get(&id).map(|project| project.message_hiding);
        let hiding = match known {
            Some(hiding) => hiding,
            // One that another process has just made is not in memory yet.
            None => api.meta.project(id)?.message_hiding,
        };
        caller.check_role(Some(role), P::PERMISSION)?;
        let decided = parts.extensions.get::<MessageVisibility>().copied();
        let messages = decided.unwrap_or_else(|| MessageVisibility::of(hiding, role));
        Ok(AuthorizedProject { project: id, role, messages, permission: PhantomData })
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

/// The project in the path, to which the caller may add telemetry: with the role of a member, or with an ingest key of the project.
#[derive(Debug, Clone)]
pub(super) struct TelemetryWriter {
    pub(super) project: u64,
    credential: WriterCredential,
}

/// What permits a caller to add telemetry.
#[derive(Debug, Clone)]
enum WriterCredential {
    /// ID of the account of the caller.
    Account(i64),
    Key(Box<IngestKey>),
}

impl TelemetryWriter {
    /// Returns the ID of the account of the caller; `None` for an ingest key.
    pub(super) fn account(&self) -> Option<i64> {
        match self.credential {
            WriterCredential::Account(account) => Some(account),
            WriterCredential::Key(_) => None,
        }
    }

    /// Counts a request for the limits of the ingest key.
    pub(super) fn count_request(&self, api: &ApiState, items: usize, bytes: usize) {
        if let WriterCredential::Key(key) = &self.credential {
            let now_us = jiff::Timestamp::now().as_microsecond();
            api.key_usage.count_items(key, items, now_us);
            api.key_usage.count_bytes(key, bytes, now_us);
        }
    }
}

impl FromRequestParts<Arc<ApiState>> for TelemetryWriter {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<ApiState>) -> Result<TelemetryWriter, ApiError> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        // An API token has another length than a key, and is none.
        let key = auth::otlp_key(header("x-hinomi-key"), header("authorization"), header("x-sentry-auth"));
        let Ok(Some(key)) = key else {
            let authorized = AuthorizedProject::<Member>::from_request_parts(parts, api).await?;
            let caller = ApiCaller::from_request_parts(parts, api).await?;
            return Ok(TelemetryWriter { project: authorized.project, credential: WriterCredential::Account(caller.account.id) });
        };
        let now_us = jiff::Timestamp::now().as_microsecond();
        let key = api.meta.key(&key).filter(|key| !key.is_expired(now_us)).ok_or_else(ApiError::unauthorized)?;
        let Path(path) = Path::<Vec<(String, String)>>::from_request_parts(parts, api).await.map_err(|_| ApiError::not_found("page"))?;
        let id = path.iter().find(|(name, _)| name == "project").and_then(|(_, id)| id.parse::<u64>().ok());
        let project = api.meta.project(id.filter(|id| *id == key.project).ok_or_else(|| ApiError::not_found("project"))?)?;
        if project.disabled {
            return Err(ApiError::forbidden("the project is disabled", "Enable it in its settings."));
        }
        api.key_usage.admit(&key, &parts.headers, now_us).map_err(ApiError::from_rejection)?;
        Ok(TelemetryWriter { project: project.id, credential: WriterCredential::Key(Box::new(key)) })
    }
}

impl RequiredPermission for TelemetryWriter {
    const PERMISSION: RoutePermission = RoutePermission::Member;
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
