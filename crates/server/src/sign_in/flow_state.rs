//! The state of a sign-in between the redirect to the provider and its response. The browser keeps it in a cookie, so nobody can use up
//! memory of the server by starting sign-ins; the server authenticates it, and accepts each once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac_sha256::HMAC;
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SignInFailure;

/// Seconds within which a person completes a sign-in at the provider.
pub(super) const SIGN_IN_TIMEOUT_S: i64 = 600;
/// Number of completed sign-ins that are remembered. Further ones are protected by the provider, which accepts a code once.
const MAX_COMPLETED: usize = 10_000;
/// Length of the part of the state in the name of the cookie.
const NAME_LENGTH: usize = 16;

/// A sign-in that has been started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingSignIn {
    /// Value that the provider returns.
    pub state: String,
    /// Value that the provider includes in its token.
    pub(super) nonce: String,
    /// Secret that proves to the provider that the same client asks for the token (PKCE).
    pub(super) verifier: String,
    /// Path of the page to which the sign-in leads.
    pub return_path: String,
    /// Time in seconds since the Unix epoch after which it is not accepted any more.
    expires_s: i64,
}

impl PendingSignIn {
    pub(super) fn start(return_path: String, now_s: i64) -> PendingSignIn {
        PendingSignIn {
            state: random_hex(),
            nonce: random_hex(),
            verifier: random_hex(),
            return_path,
            expires_s: now_s + SIGN_IN_TIMEOUT_S,
        }
    }

    /// Returns the challenge of PKCE's method `S256`.
    pub(super) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }
}

/// Returns 256 random bits as hex digits.
fn random_hex() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// Returns the end of the name of the cookie for a state. Each sign-in has its own, because several tabs may sign in at the same time.
pub(super) fn cookie_suffix(state: &str) -> Option<&str> {
    state.get(..NAME_LENGTH).filter(|name| name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Authenticates the cookies of sign-ins, with a key of this process.
#[derive(Debug)]
pub(super) struct FlowStateKeeper {
    key: [u8; 32],
    /// States of completed sign-ins, with the times until which they would be accepted.
    completed: Mutex<HashMap<String, i64>>,
}

impl FlowStateKeeper {
    pub(super) fn new() -> FlowStateKeeper {
        let mut key = [0; 32];
        rand::rng().fill_bytes(&mut key);
        FlowStateKeeper { key, completed: Mutex::default() }
    }

    /// Returns the value of the cookie.
    pub(super) fn seal(&self, pending: &PendingSignIn) -> String {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(pending).unwrap_or_default());
        let tag = hex::encode(HMAC::mac(payload.as_bytes(), self.key));
        format!("{payload}.{tag}")
    }

    /// Returns the sign-in of a cookie that has the state in the provider's response, once.
    pub(super) fn complete(&self, cookie: &str, state: &str, now_s: i64) -> Result<PendingSignIn, SignInFailure> {
        let (payload, tag) = cookie.split_once('.').ok_or(SignInFailure::State)?;
        let tag: [u8; 32] = hex::decode(tag).ok().and_then(|tag| tag.try_into().ok()).ok_or(SignInFailure::State)?;
        if !HMAC::verify(payload.as_bytes(), self.key, &tag) {
            return Err(SignInFailure::State);
        }
        let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| SignInFailure::State)?;
        let pending: PendingSignIn = serde_json::from_slice(&json).map_err(|_| SignInFailure::State)?;
        if pending.state != state || pending.expires_s < now_s {
            return Err(SignInFailure::State);
        }
        let mut completed = self.completed.lock().unwrap_or_else(PoisonError::into_inner);
        completed.retain(|_, expires_s| *expires_s >= now_s);
        if completed.contains_key(state) {
            return Err(SignInFailure::State);
        }
        if completed.len() < MAX_COMPLETED {
            completed.insert(state.to_owned(), pending.expires_s);
        }
        Ok(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_is_completed_once_in_time_and_with_its_state() {
        let keeper = FlowStateKeeper::new();
        let pending = PendingSignIn::start("/p/1".into(), 1000);
        let cookie = keeper.seal(&pending);
        let complete = |cookie: &str, state: &str, now_s| keeper.complete(cookie, state, now_s);
        assert_eq!(complete(&cookie, &random_hex(), 1000), Err(SignInFailure::State));
        assert_eq!(complete(&cookie, &pending.state, 1000 + SIGN_IN_TIMEOUT_S + 1), Err(SignInFailure::State));
        assert_eq!(FlowStateKeeper::new().complete(&cookie, &pending.state, 1000), Err(SignInFailure::State));
        for damaged in ["", ".", "x.y", &cookie[1..], &format!("{cookie}0"), cookie.split('.').next().unwrap()] {
            assert_eq!(complete(damaged, &pending.state, 1000), Err(SignInFailure::State), "{damaged}");
        }
        assert_eq!(complete(&cookie, &pending.state, 1000 + SIGN_IN_TIMEOUT_S), Ok(pending.clone()));
        assert_eq!(complete(&cookie, &pending.state, 1001), Err(SignInFailure::State), "it was used");
    }

    #[test]
    fn challenge_is_that_of_the_standard() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let pending = PendingSignIn { verifier, ..PendingSignIn::start("/".into(), 0) };
        assert_eq!(pending.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn name_of_the_cookie_comes_from_a_state_only() {
        assert_eq!(cookie_suffix(&"a1".repeat(32)), Some("a1a1a1a1a1a1a1a1"));
        for other in ["", "a1", "a1a1a1a1a1a1a1;1", "日本日本日本日本日本"] {
            assert_eq!(cookie_suffix(other), None, "{other}");
        }
    }
}
