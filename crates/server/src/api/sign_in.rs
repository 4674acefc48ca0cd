//! Ways of signing in, and what follows once a provider or a proxy has confirmed who somebody is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_tables::audit_log::{AuditActor, AuditEvent};
use hinomi_tables::metadata::{IdentityRejection, MetadataError, ProviderIdentity, ProviderSessionDraft, ProviderSignIn};
use serde::Serialize;
use utoipa::ToSchema;

use super::audit;
use super::auth::{PublicAccess, RequestOrigin};
use super::{ApiError, ApiState};
use crate::sign_in::SignInFailure;

/// Ways of signing in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignInOptions {
    /// True if people sign in with passwords. One-time links work in any case.
    passwords: bool,
    /// The OpenID Connect provider; null if there is none.
    #[schema(required)]
    openid_connect: Option<OpenIdConnectOption>,
}

/// An OpenID Connect provider.
#[derive(Debug, Serialize, ToSchema)]
struct OpenIdConnectOption {
    /// Text of the button on the sign-in page; empty for a general text.
    label: String,
}

/// Returns the ways of signing in.
#[utoipa::path(get, path = "/sign-in", tag = "session", security(()), responses((status = 200, body = SignInOptions)))]
pub(super) async fn options(State(api): State<Arc<ApiState>>, _: PublicAccess) -> Json<SignInOptions> {
    let provider = api.sign_in.openid_connect.as_ref();
    Json(SignInOptions {
        passwords: api.sign_in.passwords,
        openid_connect: provider.map(|provider| OpenIdConnectOption { label: provider.label.clone() }),
    })
}

/// Time in microseconds since the Unix epoch until which a session that begins now is valid.
pub(super) fn renewal_us(lifetime: std::time::Duration) -> i64 {
    jiff::Timestamp::now().as_microsecond().saturating_add(i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX))
}

/// Signs in with an identity that a provider or a proxy has confirmed, as the policy of the server permits, and records it.
pub(super) async fn sign_in_with_identity(
    api: &Arc<ApiState>,
    identity: ProviderIdentity,
    groups: &[String],
    session: ProviderSessionDraft,
    origin: &RequestOrigin,
    method: &'static str,
) -> Result<ProviderSignIn, SignInFailure> {
    api.sign_in.policy.check_domain(&identity.email)?;
    let (meta, from, service) = (api.meta.clone(), origin.clone(), api.sign_in.clone());
    let mut groups = groups.to_vec();
    let signing_in = tokio::task::spawn_blocking(move || {
        // A provider may state groups when somebody signs in, or manage them with SCIM, or both.
        groups.extend(meta.group_names_by_email(&identity.email)?);
        let roles = service.policy.roles(&groups);
        meta.sign_in_with_identity(&identity, service.policy.creates_accounts, &roles, &session, from.as_session())
    });
    let signed_in = signing_in.await.map_err(|_| SignInFailure::Internal)?.map_err(|error| match error {
        MetadataError::Invalid(_) => SignInFailure::EmailMissing,
        error => {
            tracing::error!(%error, "sign_in.account.failed");
            SignInFailure::Internal
        }
    })?;
    let signed_in = signed_in.map_err(|rejection| match rejection {
        IdentityRejection::NotInvited => SignInFailure::NotInvited,
        IdentityRejection::Deactivated(account) => SignInFailure::Deactivated(account),
        IdentityRejection::LinkedToAnother(account) => SignInFailure::LinkedToAnother(account),
        IdentityRejection::NoRole => SignInFailure::NoRole,
    })?;
    record(api, origin, &signed_in, method).await;
    Ok(signed_in)
}

async fn record(api: &Arc<ApiState>, origin: &RequestOrigin, signed_in: &ProviderSignIn, method: &'static str) {
    let action = if signed_in.is_renewal { "session.renew" } else { "session.create" };
    let session = api.meta.session(&signed_in.secret).ok().flatten();
    let actor = AuditActor {
        account_id: Some(signed_in.account.id),
        name: signed_in.account.name.clone(),
        credential: session.map_or_else(String::new, |found| format!("session {}", found.session)),
        address: origin.address(),
    };
    let mut event = AuditEvent::new(actor, action).detail("method", method);
    if signed_in.is_new {
        event = event.detail("account_created", true);
    }
    if signed_in.has_new_roles {
        event = event.detail("role", signed_in.account.server_role.map(|role| role.name())).detail("roles_changed", true);
    }
    audit::record(api, event).await;
}

/// Records a failed sign-in with a provider or a proxy. The e-mail address is one that these have confirmed.
pub(super) async fn record_failure(
    api: &Arc<ApiState>,
    origin: &RequestOrigin,
    failure: &SignInFailure,
    email: Option<&str>,
    method: &'static str,
) {
    if !api.sign_in.may_record_failure() {
        return;
    }
    let actor = AuditActor { account_id: None, name: "not signed in".to_owned(), credential: String::new(), address: origin.address() };
    let mut event = AuditEvent::new(actor, "session.create.failed").detail("method", method).detail("reason", failure.code());
    if let Some(email) = email {
        event = event.detail("email", email);
    }
    event.object = failure.account().map_or_else(String::new, |account| format!("account {account}"));
    audit::record(api, event).await;
}

/// Returns the error of a caller whom a proxy has authenticated and who has no access.
pub(super) fn rejected(failure: &SignInFailure) -> ApiError {
    let hint = match failure {
        SignInFailure::NotInvited => "Ask an admin of this server for an invitation.",
        SignInFailure::EmailMissing => "The proxy must send an e-mail address in the header that sign_in.proxy_header.name names.",
        _ => "Ask an admin of this server.",
    };
    ApiError::sign_in_rejected(failure.code(), failure.to_string()).hint(hint)
}
