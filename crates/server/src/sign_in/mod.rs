//! Signing in with an identity that somebody else confirms: an OpenID Connect provider, or an authenticating proxy.
//!
//! This part decides who a person is and what they may do here. The routes are in `api::openid_connect` and `api::proxy_session`.

mod account_policy;
mod failure;
mod flow_state;
mod group_roles;
mod key_set;
mod logout_token;
mod openid_connect;
mod provider_connection;
mod proxy_header;
mod return_path;
mod signed_token;
mod token_key;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use hinomi_alerting::delivery::TrustedCertificates;

use crate::config::Config;
pub use account_policy::AccountPolicy;
pub use failure::SignInFailure;
pub use flow_state::PendingSignIn;
pub use group_roles::roles_of_groups;
pub use logout_token::LogoutSubject;
pub use openid_connect::{ConfirmedIdentity, OpenIdConnect, SignInStart};
pub use proxy_header::{PROXY_ISSUER, ProxyHeader, ProxyIdentity};
pub use return_path::safe_return_path;

/// Number of failed sign-ins that are recorded within an interval. Somebody who causes many must not fill the disk.
const MAX_RECORDED_FAILURES: u32 = 60;
/// The interval.
const FAILURE_INTERVAL: Duration = Duration::from_secs(60);

/// Ways of signing in that the configuration allows.
#[derive(Debug)]
pub struct SignInService {
    /// Whether people sign in with passwords.
    pub passwords: bool,
    /// Who may sign in with a provider or a proxy, and with which roles.
    pub policy: AccountPolicy,
    /// OpenID Connect provider.
    pub openid_connect: Option<Arc<OpenIdConnect>>,
    /// Authenticating proxy.
    pub proxy_header: Option<Arc<ProxyHeader>>,
    /// Start of the current interval, and the failures that were recorded in it.
    recorded_failures: Mutex<Option<(Instant, u32)>>,
}

impl SignInService {
    /// Creates the ways of signing in of a server that browsers reach at `public_url`. Sends no request.
    ///
    /// # Errors
    ///
    /// When the file with the client secret cannot be read.
    pub fn new(config: &Config, public_url: &str, trust: &TrustedCertificates) -> anyhow::Result<SignInService> {
        let settings = &config.sign_in;
        let openid_connect = match settings.openid_connect.is_enabled() {
            true => Some(Arc::new(
                OpenIdConnect::new(&settings.openid_connect, &config.notify.allow, public_url, trust)
                    .context("cannot set up sign_in.openid_connect")?,
            )),
            false => None,
        };
        let proxy_header = ProxyHeader::new(&settings.proxy_header).map(Arc::new);
        Ok(SignInService {
            passwords: settings.passwords,
            policy: AccountPolicy::new(settings),
            openid_connect,
            proxy_header,
            recorded_failures: Mutex::default(),
        })
    }

    /// Returns whether one more failed sign-in may be recorded in the audit log.
    pub fn may_record_failure(&self) -> bool {
        let mut recorded = self.recorded_failures.lock().unwrap_or_else(PoisonError::into_inner);
        let current = recorded.filter(|(start, _)| start.elapsed() < FAILURE_INTERVAL);
        let (start, count) = current.unwrap_or_else(|| (Instant::now(), 0));
        *recorded = Some((start, count.saturating_add(1)));
        count < MAX_RECORDED_FAILURES
    }
}
