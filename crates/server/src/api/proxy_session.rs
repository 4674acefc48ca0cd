//! Sessions of people whom an authenticating proxy has identified. There is no cookie: each request states who the person is.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hinomi_tables::metadata::{ProviderSessionDraft, SessionAccess};

use super::auth::RequestOrigin;
use super::sign_in::{record_failure, rejected, renewal_us, sign_in_with_identity};
use super::{ApiError, ApiState};
use crate::sign_in::{PROXY_ISSUER, ProxyHeader, ProxyIdentity};

/// Time after which the roles of a person are determined again.
const SESSION_LIFETIME: Duration = Duration::from_secs(3600);
/// Name of this way of signing in in the audit log.
const METHOD: &str = "proxy_header";

/// Takes the proxy's headers out of a request, and leaves who the person is if the request comes from the proxy.
pub(super) async fn separate_identity(State(api): State<Arc<ApiState>>, request: Request, next: Next) -> Response {
    let Some(proxy) = &api.sign_in.proxy_header else { return next.run(request).await };
    let (mut parts, body) = request.into_parts();
    if let Some(identity) = proxy.take_identity(&mut parts) {
        parts.extensions.insert(identity);
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Returns the session of a person, and begins one if there is none.
pub(super) async fn session_of(
    api: &Arc<ApiState>,
    proxy: &ProxyHeader,
    identity: &ProxyIdentity,
    origin: &RequestOrigin,
) -> Result<SessionAccess, ApiError> {
    let find = || api.meta.session_of_identity(PROXY_ISSUER, &identity.email, origin.as_session());
    if let Some(found) = find()? {
        return Ok(found);
    }
    let _starting = proxy.starting.lock().await;
    if let Some(found) = find()? {
        return Ok(found);
    }
    let session = ProviderSessionDraft { renew_us: renewal_us(SESSION_LIFETIME), ..ProviderSessionDraft::default() };
    let signed_in = sign_in_with_identity(api, identity.as_provider_identity(), &identity.groups, session, origin, METHOD).await;
    if let Err(failure) = signed_in {
        if proxy.is_new_failure(&identity.email, failure.code()) {
            record_failure(api, origin, &failure, Some(&identity.email), METHOD).await;
        }
        return Err(rejected(&failure));
    }
    find()?.ok_or_else(ApiError::unauthorized)
}
