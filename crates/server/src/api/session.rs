//! Signs in with a one-time link or with a password, and returns the account of the caller.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use hinomi_tables::audit_log::AuditEvent;
use hinomi_tables::metadata::{AccountRole, PasswordSignIn, ProviderSession};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::AccountReference;
use super::audit;
use super::auth::{AuthorizedCaller, PublicAccess, RequestOrigin, cookie};
use super::params::QueryParameters;
use super::permission::Viewer;
use super::projects::{ProjectView, run_change, visible_projects};
use super::{ApiError, ApiState};
use crate::sign_in::PROXY_ISSUER;

/// A browser keeps the cookie this long, in seconds; the server's own record decides.
const COOKIE_MAX_AGE_S: u32 = 30 * 86_400;

/// Parts of the names of programs that look at links in chats and mails.
const LINK_PREVIEW_AGENTS: &[&str] = &[
    "slackbot",
    "slack-imgproxy",
    "discordbot",
    "twitterbot",
    "telegrambot",
    "linkedinbot",
    "googlebot",
    "bingbot",
    "applebot",
    "whatsapp/",
    "facebookexternalhit",
    "skypeuripreview",
    "bingpreview",
    "linkpreview",
    "unfurl",
    "crawler",
    "spider",
];

/// Returns the routes that the API description does not list: the sign-in link.
pub(super) fn routes() -> Router<Arc<ApiState>> {
    Router::new().route("/login", get(login))
}

/// A request to sign in: with a one-time token, or with an e-mail address and a password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInRequest {
    /// One-time token, as printed by `hinomi login`.
    token: Option<String>,
    /// E-mail address of the account.
    email: Option<String>,
    /// Password of the account.
    password: Option<String>,
}

/// Parameters of a sign-in link. Unknown parameters, which link checkers and trackers add, are ignored.
#[derive(Debug, Deserialize)]
struct SignInLink {
    /// One-time token. Empty in a truncated link, which leads to the sign-in page.
    #[serde(default)]
    token: String,
}

/// Opening the link signs in and leads to the page.
///
/// A mail client or chat program may request the link before a person opens it. Such a request must not use up the link: a `HEAD`
/// request, or one whose headers say that it is a preview.
async fn login(
    State(api): State<Arc<ApiState>>,
    method: Method,
    headers: HeaderMap,
    origin: RequestOrigin,
    QueryParameters(link): QueryParameters<SignInLink>,
) -> Result<Response, ApiError> {
    let no_store = [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
    if method == Method::HEAD || is_preview(&headers) {
        return Ok((no_store, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "Open this link to sign in.\n").into_response());
    }
    Ok(match api.meta.sign_in(&link.token, origin.as_session())? {
        Some(session) => {
            audit::record_sign_in(&api, &origin, &session, "link").await;
            (no_store, [(header::SET_COOKIE, api.cookie_line(&session, COOKIE_MAX_AGE_S))], Redirect::to("/")).into_response()
        }
        None => (no_store, Redirect::to("/sign-in?error=expired")).into_response(),
    })
}

/// Whether a browser fetches ahead, or a program makes a preview of a link for a chat.
fn is_preview(headers: &HeaderMap) -> bool {
    let says = |name: &str, words: &[&str]| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        words.iter().any(|word| value.contains(word))
    };
    let fetches_ahead =
        ["purpose", "sec-purpose", "x-purpose", "x-moz"].iter().any(|name| says(name, &["prefetch", "preview", "prerender"]));
    fetches_ahead || says("user-agent", LINK_PREVIEW_AGENTS)
}

/// Signs in with a one-time token, or with an e-mail address and a password.
///
/// The response sets the session cookie. Each token works once. After 10 wrong passwords for an account, or 100 from one address, within 15
/// minutes, further attempts get status 429.
#[utoipa::path(post, path = "/session", tag = "session", request_body = SignInRequest, security(()),
    responses((status = 204, description = "Signed in; the session cookie is set."), (status = 401, body = super::error::ErrorResponse), (status = 429, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    origin: RequestOrigin,
    body: Result<Json<SignInRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(sign_in) = body?;
    let session = match (sign_in.token, sign_in.email, sign_in.password) {
        (Some(token), None, None) => {
            let from = origin.clone();
            let signed_in = run_change(&api, move |meta| meta.sign_in(token.trim(), from.as_session())).await?;
            let session = signed_in.ok_or_else(ApiError::unauthorized)?;
            audit::record_sign_in(&api, &origin, &session, "link").await;
            session
        }
        (None, Some(_), Some(_)) if !api.sign_in.passwords => return Err(passwords_off()),
        (None, Some(email), Some(password)) => {
            let (from, address) = (origin.clone(), email.clone());
            let signed_in = run_change(&api, move |meta| meta.sign_in_with_password(&address, &password, from.as_session())).await?;
            if signed_in == PasswordSignIn::Rejected {
                audit::record_failed_sign_in(&api, &origin, &email).await;
            }
            let session = session_of(signed_in)?;
            check_password_session(&api, &session)?;
            audit::record_sign_in(&api, &origin, &session, "password").await;
            session
        }
        _ => return Err(ApiError::bad_request("invalid_body", "send either `token`, or `email` and `password`")),
    };
    Ok(api.signed_in(&session))
}

fn passwords_off() -> ApiError {
    ApiError::password_not_used("passwords are turned off on this server")
}

/// Ends the new session of an account that signs in at the identity provider: with a password it would not notice that the person was
/// removed there.
fn check_password_session(api: &ApiState, session: &str) -> Result<(), ApiError> {
    let Some(found) = api.meta.session(session)? else { return Ok(()) };
    let checked = check_own_password(api, found.account.id);
    if checked.is_err() {
        api.meta.sign_out(session)?;
    }
    checked
}

/// Checks that an account may have a password.
fn check_own_password(api: &ApiState, account: i64) -> Result<(), ApiError> {
    if !api.sign_in.passwords {
        return Err(passwords_off());
    }
    let Some(provider) = &api.sign_in.openid_connect else { return Ok(()) };
    match api.meta.last_provider_sign_in_us(account, provider.issuer())? {
        Some(_) => Err(ApiError::password_not_used("this account signs in with the identity provider")),
        None => Ok(()),
    }
}

fn session_of(signed_in: PasswordSignIn) -> Result<String, ApiError> {
    match signed_in {
        PasswordSignIn::SignedIn(session) => Ok(session),
        PasswordSignIn::Rejected => Err(ApiError::wrong_password()),
        PasswordSignIn::RetryAfter(wait) => Err(ApiError::too_many_attempts(wait)),
    }
}

/// A new password, set with a link.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkPasswordRequest {
    /// Token of an invitation or of a link that sets a new password.
    token: String,
    /// Password of 10 to 256 characters.
    password: String,
}

/// Sets a password with the token of an invitation or of a reset link, and signs in.
///
/// The response sets the session cookie. Each token works once. All other sessions of the account end.
#[utoipa::path(post, path = "/password", tag = "session", request_body = LinkPasswordRequest, security(()),
    responses((status = 204, description = "The password is set; the session cookie is set."), (status = 400, body = super::error::ErrorResponse), (status = 401, body = super::error::ErrorResponse)))]
pub(super) async fn set_password(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    origin: RequestOrigin,
    body: Result<Json<LinkPasswordRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(LinkPasswordRequest { token, password }) = body?;
    if !api.sign_in.passwords {
        return Err(passwords_off());
    }
    let from = origin.clone();
    let set = run_change(&api, move |meta| meta.set_password_with_link(token.trim(), &password, from.as_session())).await?;
    let (_, session) = set.ok_or_else(ApiError::expired_link)?;
    check_password_session(&api, &session)?;
    audit::record_sign_in(&api, &origin, &session, "new password").await;
    Ok(api.signed_in(&session))
}

/// A new password of the caller.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChangeRequest {
    /// Current password; empty if the account has none yet.
    current_password: String,
    /// New password of 10 to 256 characters.
    password: String,
}

/// Changes the password of the caller.
///
/// All other sessions of the account end. Requires a session.
#[utoipa::path(put, path = "/me/password", tag = "session", request_body = PasswordChangeRequest,
    responses((status = 204, description = "The password was changed."), (status = 400, body = super::error::ErrorResponse), (status = 401, body = super::error::ErrorResponse), (status = 429, body = super::error::ErrorResponse)))]
pub(super) async fn change_password(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    origin: RequestOrigin,
    body: Result<Json<PasswordChangeRequest>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let Json(PasswordChangeRequest { current_password, password }) = body?;
    let session = caller.session().ok_or_else(|| ApiError::bad_request("needs_session", "an API token cannot change a password"))?;
    let account = caller.account.id;
    check_own_password(&api, account)?;
    let from = origin.clone();
    let changed =
        run_change(&api, move |meta| meta.change_password(account, &current_password, &password, session, from.as_session())).await?;
    if changed == PasswordSignIn::Rejected {
        audit::record_denial(&api, AuditEvent::new(caller.audit_actor(&origin), "password.update.failed")).await;
    }
    session_of(changed)?;
    audit::record(&api, AuditEvent::new(caller.audit_actor(&origin), "password.update")).await;
    Ok(StatusCode::NO_CONTENT)
}

/// A session that has ended here, but not at the identity provider or the proxy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndedSession {
    /// URL at which the person also signs out of the identity provider or the proxy. The page opens it.
    provider_sign_out_url: String,
}

/// Signs out and ends the session of the caller.
#[utoipa::path(delete, path = "/session", tag = "session",
    responses((status = 200, body = EndedSession, description = "Signed out here, and the provider or proxy has a URL for signing out there."), (status = 204, description = "Signed out.")))]
pub(super) async fn end(
    State(api): State<Arc<ApiState>>,
    AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>,
    headers: HeaderMap,
    origin: RequestOrigin,
) -> Result<Response, ApiError> {
    let behind = caller.session().map(|session| api.meta.provider_session(session)).transpose()?.flatten();
    let own = cookie(&headers, &api.cookie);
    if let Some(session) = own {
        api.meta.sign_out(session)?;
    }
    if let (Some(session), Some(_)) = (caller.session(), &behind) {
        api.meta.end_session(session)?;
    }
    if own.is_some() || behind.is_some() {
        audit::record(&api, AuditEvent::new(caller.audit_actor(&origin), "session.delete")).await;
    }
    let ended = [(header::SET_COOKIE, api.cookie_line("", 0))];
    let elsewhere = match (caller.session(), &behind) {
        (Some(session), Some(behind)) => sign_out_url(&api, session, behind).await,
        _ => None,
    };
    Ok(match elsewhere {
        Some(provider_sign_out_url) => (ended, Json(EndedSession { provider_sign_out_url })).into_response(),
        None => (StatusCode::NO_CONTENT, ended).into_response(),
    })
}

/// Returns the URL at which a person signs out of the provider or proxy with which a session began.
async fn sign_out_url(api: &ApiState, session: i64, behind: &ProviderSession) -> Option<String> {
    match (&api.sign_in.proxy_header, &api.sign_in.openid_connect) {
        (Some(proxy), _) if behind.issuer == PROXY_ISSUER => proxy.sign_out_url.clone(),
        (_, Some(provider)) => provider.sign_out_url(session, behind).await,
        _ => None,
    }
}

/// The server, the caller, and the projects that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CallerProfile {
    /// Version of the server.
    version: &'static str,
    /// Base URL of links and DSNs, without a trailing slash.
    public_url: String,
    /// The account that is signed in, or that the token belongs to.
    account: AccountReference,
    /// Role of the caller on the server and in every project; null for roles in single projects only.
    #[schema(required)]
    role: Option<AccountRole>,
    /// Roles of the caller in single projects, by ID of the project.
    project_roles: BTreeMap<u64, AccountRole>,
    /// Projects that the caller may see.
    projects: Vec<ProjectView>,
}

/// Returns the server's version, the account and roles of the caller, and the projects that the caller may see.
#[utoipa::path(get, path = "/me", tag = "session", responses((status = 200, body = CallerProfile), (status = 401, body = super::error::ErrorResponse)))]
pub(super) async fn me(State(api): State<Arc<ApiState>>, AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>) -> Json<CallerProfile> {
    Json(CallerProfile {
        version: crate::VERSION,
        public_url: api.public_url.clone(),
        projects: visible_projects(&api, &caller),
        account: AccountReference::of(caller.account),
        role: caller.access.server,
        project_roles: caller.access.projects,
    })
}

impl ApiState {
    /// Returns the response that sets the cookie of a new session.
    fn signed_in(&self, session: &str) -> Response {
        (StatusCode::NO_CONTENT, [(header::SET_COOKIE, self.cookie_line(session, COOKIE_MAX_AGE_S))]).into_response()
    }

    fn cookie_line(&self, session: &str, age: u32) -> String {
        self.named_cookie_line(&self.cookie, session, i64::from(age))
    }

    /// Returns the header that sets the cookie of a new session.
    pub(super) fn session_cookie_line(&self, session: &str) -> String {
        self.cookie_line(session, COOKIE_MAX_AGE_S)
    }

    /// Returns the header that sets a cookie of a browser.
    pub(super) fn named_cookie_line(&self, name: &str, value: &str, age_s: i64) -> String {
        // Lax, not Strict: a link to a trace in a chat must open signed in.
        let secure = if self.public_url.starts_with("https://") { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age_s}{secure}")
    }
}
