//! The keys of a provider, read when they are first needed, when they are an hour old, and when a token has an unknown key.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Mutex;

use super::SignInFailure;
use super::signed_token::{TokenClaims, TokenExpectation, TokenRejection, verify};
use super::token_key::{ProviderKey, TokenAlgorithm};

/// Time after which keys are read again, so that a key that the provider has removed is not accepted any longer.
const KEYS_LIFETIME: Duration = Duration::from_secs(3600);
/// Minimum interval between two reads because of unknown keys: anybody can send a token with an unknown key.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(30);

/// Keys of a provider.
#[derive(Debug, Default)]
pub(super) struct KeySet(Mutex<CachedKeys>);

#[derive(Debug, Default)]
struct CachedKeys {
    keys: Vec<ProviderKey>,
    read_at: Option<Instant>,
    /// Time of the last read because of an unknown key.
    refreshed_at: Option<Instant>,
}

impl KeySet {
    /// Checks a token. `read` reads the keys from the provider.
    pub(super) async fn verify<F: Future<Output = Result<Vec<Value>, SignInFailure>>>(
        &self,
        token: &str,
        issuer: &str,
        audience: &str,
        algorithms: &[TokenAlgorithm],
        read: impl Fn() -> F,
    ) -> Result<TokenClaims, SignInFailure> {
        let now_s = jiff::Timestamp::now().as_second();
        let expected = TokenExpectation { issuer, audience, algorithms, now_s };
        let mut cached = self.0.lock().await;
        if cached.read_at.is_none_or(|at| at.elapsed() >= KEYS_LIFETIME) {
            cached.replace(read().await?);
        }
        let mut checked = verify(token, &cached.keys, expected);
        let may_refresh = cached.refreshed_at.is_none_or(|at| at.elapsed() >= MIN_REFRESH_INTERVAL);
        if checked == Err(TokenRejection::UnknownKey) && may_refresh {
            cached.refreshed_at = Some(Instant::now());
            cached.replace(read().await?);
            checked = verify(token, &cached.keys, expected);
        }
        checked.map_err(|rejection| match rejection {
            TokenRejection::UnknownKey => SignInFailure::Token("none of the provider's keys has signed it"),
            TokenRejection::Invalid(failure) => failure,
        })
    }
}

impl CachedKeys {
    /// Takes the keys that can be used; a provider may also have others.
    fn replace(&mut self, keys: Vec<Value>) {
        self.keys = keys.iter().filter_map(ProviderKey::read).collect();
        self.read_at = Some(Instant::now());
    }
}
