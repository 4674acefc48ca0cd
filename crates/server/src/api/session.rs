//! Signing in with a one-time link, as notebook servers do.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::{AuthorizedCaller, PublicAccess, cookie};
use super::params::QueryParameters;
use super::permission::Viewer;
use super::projects::{ProjectView, visible_projects};
use super::{ApiError, ApiState};

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

/// A request to sign in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInRequest {
    /// One-time token, as printed by `hinomi login`.
    token: String,
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
    QueryParameters(link): QueryParameters<SignInLink>,
) -> Result<Response, ApiError> {
    let no_store = [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];
    if method == Method::HEAD || is_preview(&headers) {
        return Ok((no_store, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], "Open this link to sign in.\n").into_response());
    }
    Ok(match api.meta.sign_in(&link.token, user_agent(&headers))? {
        Some(session) => (no_store, [(header::SET_COOKIE, api.cookie_line(&session, COOKIE_MAX_AGE_S))], Redirect::to("/")).into_response(),
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

/// What the browser calls itself.
fn user_agent(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Signs in with a one-time token.
///
/// The response sets the session cookie. Each token works once.
#[utoipa::path(post, path = "/session", tag = "session", request_body = SignInRequest, security(()),
    responses((status = 204, description = "Signed in; the session cookie is set."), (status = 401, body = super::error::ErrorResponse)))]
pub(super) async fn create(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    headers: HeaderMap,
    body: Result<Json<SignInRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(sign_in) = body?;
    let session = api.meta.sign_in(sign_in.token.trim(), user_agent(&headers))?.ok_or_else(ApiError::unauthorized)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, api.cookie_line(&session, COOKIE_MAX_AGE_S))]).into_response())
}

/// Signs out and ends the session of the caller.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204, description = "Signed out.")))]
pub(super) async fn end(State(api): State<Arc<ApiState>>, _: AuthorizedCaller<Viewer>, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(session) = cookie(&headers, &api.cookie) {
        api.meta.sign_out(session)?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, api.cookie_line("", 0))]).into_response())
}

/// The server and the projects that the caller may see.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CallerProfile {
    /// Version of the server.
    version: &'static str,
    /// Base URL of links and DSNs, without a trailing slash.
    public_url: String,
    /// Projects that the caller may see.
    projects: Vec<ProjectView>,
}

/// Returns the server's version and the projects that the caller may see.
#[utoipa::path(get, path = "/me", tag = "session", responses((status = 200, body = CallerProfile), (status = 401, body = super::error::ErrorResponse)))]
pub(super) async fn me(State(api): State<Arc<ApiState>>, AuthorizedCaller { caller, .. }: AuthorizedCaller<Viewer>) -> Json<CallerProfile> {
    Json(CallerProfile { version: crate::VERSION, public_url: api.public_url.clone(), projects: visible_projects(&api, caller) })
}

impl ApiState {
    fn cookie_line(&self, session: &str, age: u32) -> String {
        // Lax, not Strict: a link to a trace in a chat must open signed in.
        let secure = if self.public_url.starts_with("https://") { "; Secure" } else { "" };
        format!("{}={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}", self.cookie)
    }
}
