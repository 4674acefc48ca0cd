//! Logout tokens (OpenID Connect Back-Channel Logout): the provider tells that a session, or all sessions of a person, have ended.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::SignInFailure;
use super::signed_token::{TokenClaims, text_claim};

/// Name of the event that a logout token states.
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds for which a token is remembered: longer than providers let it live.
const REMEMBERED_S: i64 = 600;
/// Maximum age of a token in seconds, if it lives longer than it should.
const MAX_AGE_S: i64 = 300;
/// Number of tokens that are remembered. Accepting one more a second time would only end sessions again.
const MAX_REMEMBERED: usize = 10_000;

/// Whose sessions have ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutSubject {
    /// Identifier of the person; `None` if only the session is stated.
    pub subject: Option<String>,
    /// Identifier of the session at the provider; `None` for all sessions of the person.
    pub provider_session: Option<String>,
}

/// Identifiers of the tokens that were used.
#[derive(Debug, Default)]
pub(super) struct UsedLogoutTokens(Mutex<HashMap<String, i64>>);

impl UsedLogoutTokens {
    /// Checks the claims of a token whose signature, issuer, audience and times were checked, and that it was not used before.
    pub(super) fn accept(&self, claims: &TokenClaims, now_s: i64) -> Result<LogoutSubject, SignInFailure> {
        let subject = subject_of(claims, now_s)?;
        let id = text_claim(claims, "jti").ok_or(SignInFailure::Token("it has no identifier"))?;
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until_s| *until_s > now_s);
        if used.contains_key(id) {
            return Err(SignInFailure::Token("it was used before"));
        }
        if used.len() < MAX_REMEMBERED {
            used.insert(id.to_owned(), now_s + REMEMBERED_S);
        }
        Ok(subject)
    }
}

fn subject_of(claims: &TokenClaims, now_s: i64) -> Result<LogoutSubject, SignInFailure> {
    let is_logout = claims.get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some_and(serde_json::Value::is_object);
    if !is_logout {
        return Err(SignInFailure::Token("it is not a logout token"));
    }
    // A token of a sign-in must not be usable here.
    if claims.contains_key("nonce") {
        return Err(SignInFailure::Token("a logout token has no nonce"));
    }
    if claims.get("iat").and_then(serde_json::Value::as_f64).is_none_or(|issued_s| issued_s < (now_s - MAX_AGE_S) as f64) {
        return Err(SignInFailure::Clock);
    }
    let text = |name: &str| text_claim(claims, name).map(str::to_owned);
    let subject = LogoutSubject { subject: text("sub"), provider_session: text("sid") };
    if subject.subject.is_none() && subject.provider_session.is_none() {
        return Err(SignInFailure::Token("it names neither a person nor a session"));
    }
    Ok(subject)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW_S: i64 = 1_900_000_000;

    fn accept(used: &UsedLogoutTokens, change: impl FnOnce(&mut Value)) -> Result<LogoutSubject, SignInFailure> {
        let mut claims = json!({ "jti": "1", "sub": "ann", "sid": "s", "iat": NOW_S, "events": { LOGOUT_EVENT: {} } });
        change(&mut claims);
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        used.accept(claims.as_object().unwrap(), NOW_S)
    }

    #[test]
    fn token_is_accepted_once() {
        let used = UsedLogoutTokens::default();
        let both = LogoutSubject { subject: Some("ann".into()), provider_session: Some("s".into()) };
        assert_eq!(accept(&used, |_| ()), Ok(both));
        assert!(accept(&used, |_| ()).is_err());
        assert!(accept(&used, |claims| claims["jti"] = "2".into()).is_ok());
    }

    #[test]
    fn other_tokens_end_no_session() {
        let used = UsedLogoutTokens::default();
        for (name, value) in [
            ("events", Value::Null),
            ("events", json!({})),
            ("events", json!([LOGOUT_EVENT])),
            ("nonce", json!("n")),
            ("jti", Value::Null),
            ("iat", json!(NOW_S - 3600)),
        ] {
            assert!(accept(&used, |claims| claims[name] = value.clone()).is_err(), "{name}: {value}");
        }
        let nobody = accept(&used, |claims| {
            claims["sub"] = Value::Null;
            claims["sid"] = Value::Null;
        });
        assert!(nobody.is_err());
        assert!(accept(&used, |claims| claims["sid"] = Value::Null).is_ok());
    }
}
