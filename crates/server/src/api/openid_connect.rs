//! Signing in with an OpenID Connect provider: the start, the provider's response, and sign-outs that the provider reports.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use hinomi_tables::audit_log::{AuditActor, AuditEvent};
use hinomi_tables::metadata::ProviderSessionDraft;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::auth::{PublicAccess, RequestOrigin, cookie};
use super::params::QueryParameters;
use super::sign_in::{record_failure, renewal_us, sign_in_with_identity};
use super::{ApiError, ApiState, audit};
use crate::sign_in::{ConfirmedIdentity, OpenIdConnect, PendingSignIn, SignInFailure, safe_return_path};

/// Name of this way of signing in in the audit log.
const METHOD: &str = "openid_connect";

/// Headers of all responses: they contain codes and secrets of a sign-in.
const NO_STORE: [(header::HeaderName, &str); 2] = [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];

/// Parameters of the start of a sign-in.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SignInStartParameters {
    /// Path of the page to which the sign-in leads; `/` if it is left out or not a path of this server.
    #[serde(rename = "return")]
    #[param(rename = "return")]
    return_path: Option<String>,
    /// `none`: the provider does not show anything, and confirms a person who is signed in there.
    prompt: Option<String>,
}

/// Parameters of the provider's response. Providers add others, which are ignored.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SignInResponseParameters {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// A sign-out at the provider.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct BackChannelLogoutRequest {
    /// Logout token, signed by the provider.
    logout_token: String,
}

fn provider(api: &ApiState) -> Result<Arc<OpenIdConnect>, ApiError> {
    let provider = api.sign_in.openid_connect.clone();
    provider.ok_or_else(|| ApiError::not_found("OpenID Connect provider").hint("Set sign_in.openid_connect.issuer; see docs/sign-in.md."))
}

/// Starts a sign-in with the OpenID Connect provider.
///
/// Redirects the browser to the provider, which sends it back. If that is impossible, redirects to the sign-in page.
#[utoipa::path(get, path = "/auth/oidc/start", tag = "session", security(()), params(SignInStartParameters),
    responses((status = 303, description = "To the provider."), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn start(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    QueryParameters(parameters): QueryParameters<SignInStartParameters>,
) -> Result<Response, ApiError> {
    let provider = provider(&api)?;
    let is_silent = match parameters.prompt.as_deref() {
        None | Some("") => false,
        Some("none") => true,
        Some(_) => return Err(ApiError::bad_request("bad_parameter", "prompt: must be `none` or left out")),
    };
    let return_path = safe_return_path(parameters.return_path.as_deref());
    Ok(match provider.start(return_path.clone(), is_silent).await {
        Ok(start) => {
            let name = flow_cookie_name(&api, &start.cookie_suffix);
            let line = api.named_cookie_line(&name, &start.cookie, start.cookie_age_s);
            (NO_STORE, [(header::SET_COOKIE, line)], Redirect::to(&start.url)).into_response()
        }
        Err(failure) => failed(&failure, &return_path),
    })
}

/// Completes a sign-in with the response of the OpenID Connect provider.
///
/// The provider sends the browser here with the parameters `state` and `code` or `error`. Redirects to the page, and sets the session
/// cookie; if the sign-in fails, redirects to the sign-in page.
#[utoipa::path(get, path = "/auth/oidc/callback", tag = "session", security(()),
    responses((status = 303, description = "To the page, or to the sign-in page."), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn callback(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    headers: HeaderMap,
    origin: RequestOrigin,
    QueryParameters(response): QueryParameters<SignInResponseParameters>,
) -> Result<Response, ApiError> {
    let provider = provider(&api)?;
    let state = response.state.clone().unwrap_or_default();
    let name = OpenIdConnect::cookie_suffix(&state).map(|suffix| flow_cookie_name(&api, suffix));
    let sealed = name.as_deref().and_then(|name| cookie(&headers, name));
    let pending = match provider.pending(sealed, &state, response.iss.as_deref()).await {
        Ok(pending) => pending,
        // Anybody can send such a request, so it is logged and not recorded.
        Err(failure) => return Ok(failed(&failure, "/")),
    };
    let mut email = None;
    let replaced = cookie(&headers, &api.cookie).map(str::to_owned);
    let ended = match confirm(&api, &provider, &pending, response).await {
        Ok(confirmed) => {
            email = Some(confirmed.identity.email.clone());
            sign_in(&api, &provider, confirmed, replaced, &origin).await
        }
        Err(failure) => Err(failure),
    };
    let mut response = match ended {
        Ok(session) => {
            let line = api.session_cookie_line(&session);
            (NO_STORE, [(header::SET_COOKIE, line)], Redirect::to(&pending.return_path)).into_response()
        }
        Err(failure) => {
            // Somebody who has to sign in at the provider again did nothing wrong.
            if failure != SignInFailure::LoginRequired {
                record_failure(&api, &origin, &failure, email.as_deref(), METHOD).await;
            }
            failed(&failure, &pending.return_path)
        }
    };
    if let Some(line) = name.and_then(|name| api.named_cookie_line(&name, "", 0).parse().ok()) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(response)
}

/// Returns the identity that the provider confirms in its response.
async fn confirm(
    api: &ApiState,
    provider: &OpenIdConnect,
    pending: &PendingSignIn,
    response: SignInResponseParameters,
) -> Result<ConfirmedIdentity, SignInFailure> {
    match (response.code, response.error.as_deref()) {
        (_, Some("login_required" | "interaction_required" | "consent_required" | "account_selection_required")) => {
            Err(SignInFailure::LoginRequired)
        }
        (_, Some("unauthorized_client" | "invalid_client")) => Err(SignInFailure::Client("see the log of the provider".to_owned())),
        (_, Some(error)) => Err(SignInFailure::Declined(error.chars().filter(|c| !c.is_control()).take(60).collect())),
        (None, None) => Err(SignInFailure::State),
        (Some(code), None) => provider.identity(pending, &code, api.sign_in.policy.uses_groups()).await,
    }
}

/// Starts a session with an identity. Returns its secret.
async fn sign_in(
    api: &Arc<ApiState>,
    provider: &OpenIdConnect,
    confirmed: ConfirmedIdentity,
    replaced: Option<String>,
    origin: &RequestOrigin,
) -> Result<String, SignInFailure> {
    let ConfirmedIdentity { identity, groups, provider_session, id_token } = confirmed;
    let session = ProviderSessionDraft { provider_session, renew_us: renewal_us(provider.session_lifetime), replaced };
    let signed_in = sign_in_with_identity(api, identity, &groups, session, origin, METHOD).await?;
    if let Ok(Some(found)) = api.meta.session(&signed_in.secret) {
        provider.keep_id_token(found.session, id_token);
    }
    Ok(signed_in.secret)
}

/// Logs a failed sign-in, and leads to the sign-in page, which shows the reason.
fn failed(failure: &SignInFailure, return_path: &str) -> Response {
    if *failure != SignInFailure::LoginRequired {
        tracing::warn!(code = failure.code(), reason = %failure, "sign_in.openid_connect.failed");
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("error", failure.code());
    if return_path != "/" {
        query.append_pair("then", return_path);
    }
    (NO_STORE, Redirect::to(&format!("/sign-in?{}", query.finish()))).into_response()
}

/// Ends sessions because the OpenID Connect provider reports a sign-out (OpenID Connect Back-Channel Logout).
///
/// The provider authenticates itself by its signature on the logout token, which names a session at the provider, or a person.
#[utoipa::path(post, path = "/auth/oidc/back-channel-logout", tag = "session", security(()),
    request_body(content = BackChannelLogoutRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The sessions were ended."), (status = 400, body = super::error::ErrorResponse), (status = 404, body = super::error::ErrorResponse)))]
pub(super) async fn back_channel_logout(
    State(api): State<Arc<ApiState>>,
    _: PublicAccess,
    origin: RequestOrigin,
    body: Result<Form<BackChannelLogoutRequest>, FormRejection>,
) -> Result<StatusCode, ApiError> {
    let Form(BackChannelLogoutRequest { logout_token }) =
        body.map_err(|rejection| ApiError::bad_request("invalid_request", rejection.body_text()))?;
    let provider = provider(&api)?;
    let subject = provider.logout_subject(&logout_token).await.map_err(|failure| {
        tracing::warn!(code = failure.code(), reason = %failure, "sign_in.back_channel_logout.rejected");
        ApiError::bad_request("invalid_request", failure.to_string())
    })?;
    let issuer = provider.issuer().to_owned();
    let ended = super::projects::run_change(&api, move |meta| {
        meta.end_provider_sessions(&issuer, subject.subject.as_deref(), subject.provider_session.as_deref())
    });
    for account in ended.await? {
        let actor = AuditActor {
            account_id: None,
            name: "OpenID Connect provider".to_owned(),
            credential: String::new(),
            address: origin.address(),
        };
        let event = AuditEvent { object: format!("account {account}"), ..AuditEvent::new(actor, "session.delete") };
        audit::record(&api, event.detail("method", "back_channel_logout")).await;
    }
    Ok(StatusCode::OK)
}

/// Returns the name of the cookie that holds a sign-in until the provider responds.
fn flow_cookie_name(api: &ApiState, suffix: &str) -> String {
    format!("{}_oidc_{suffix}", api.cookie)
}
