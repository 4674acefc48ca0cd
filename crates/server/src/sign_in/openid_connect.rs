//! Signing in with an OpenID Connect provider: the authorization code flow with PKCE, state and nonce.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use hinomi_alerting::delivery::outbound_http::OutboundHttpClient;
use hinomi_alerting::delivery::{AllowedNetworks, TrustedCertificates};
use hinomi_tables::metadata::{ProviderIdentity, ProviderSession};
use serde_json::Value;
use url::Url;

use super::SignInFailure;
use super::flow_state::{FlowStateKeeper, PendingSignIn, SIGN_IN_TIMEOUT_S, cookie_suffix};
use super::logout_token::{LogoutSubject, UsedLogoutTokens};
use super::provider_connection::{ProviderConnection, ProviderTokens, REQUEST_TIMEOUT};
use super::signed_token::{TokenClaims, text_claim};
use crate::config::{ConfigSecret, OpenIdConnectConfig};

/// Path to which the provider sends the browser back.
const CALLBACK_PATH: &str = "/auth/oidc/callback";
/// Path to which the provider sends the browser after signing out.
const SIGNED_OUT_PATH: &str = "/sign-in";
/// Maximum length of a subject, as the standard limits it.
const MAX_SUBJECT_LENGTH: usize = 255;
/// Number of sessions whose ID token is kept in memory for signing out.
const MAX_ID_TOKENS: usize = 10_000;

/// An OpenID Connect provider, and the sign-ins with it.
#[derive(Debug)]
pub struct OpenIdConnect {
    connection: ProviderConnection,
    scopes: String,
    groups_claim: String,
    require_verified_email: bool,
    public_url: String,
    /// Text of the button on the sign-in page; empty for a general one.
    pub label: String,
    /// Time after which a session needs another sign-in at the provider.
    pub session_lifetime: Duration,
    /// Time after the last sign-in at the provider during which API tokens of the person work; `None` for no limit.
    pub token_lifetime: Option<Duration>,
    flows: FlowStateKeeper,
    used_logout_tokens: UsedLogoutTokens,
    /// ID tokens by ID of the session, which some providers need for signing out. They are not stored on disk.
    id_tokens: Mutex<HashMap<i64, String>>,
}

/// The start of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInStart {
    /// URL of the provider to which the browser is sent.
    pub url: String,
    /// End of the name of the cookie.
    pub cookie_suffix: String,
    /// Value of the cookie.
    pub cookie: String,
    /// Lifetime of the cookie in seconds.
    pub cookie_age_s: i64,
}

/// An identity that the provider has confirmed.
#[derive(Debug, Clone)]
pub struct ConfirmedIdentity {
    /// The identity.
    pub identity: ProviderIdentity,
    /// Groups of the person.
    pub groups: Vec<String>,
    /// Identifier of the session at the provider; `None` if it states none.
    pub provider_session: Option<String>,
    /// The ID token, for signing out.
    pub id_token: String,
}

impl OpenIdConnect {
    pub(super) fn new(
        config: &OpenIdConnectConfig,
        allowed: &str,
        public_url: &str,
        trust: &TrustedCertificates,
    ) -> anyhow::Result<OpenIdConnect> {
        let allowed = AllowedNetworks::parse(&format!("{allowed},{}", config.allow)).map_err(anyhow::Error::msg)?;
        let http = OutboundHttpClient::new(&allowed, trust, REQUEST_TIMEOUT);
        let client_secret = client_secret(config)?;
        Ok(OpenIdConnect {
            connection: ProviderConnection::new(config.issuer.clone(), config.client_id.clone(), client_secret, http),
            scopes: config.scopes.split_whitespace().collect::<Vec<_>>().join(" "),
            groups_claim: config.groups_claim.clone(),
            require_verified_email: config.require_verified_email,
            public_url: public_url.to_owned(),
            label: config.label.clone(),
            session_lifetime: Duration::from_secs(config.session_s),
            token_lifetime: (config.token_days > 0).then(|| Duration::from_secs(u64::from(config.token_days) * 86_400)),
            flows: FlowStateKeeper::new(),
            used_logout_tokens: UsedLogoutTokens::default(),
            id_tokens: Mutex::default(),
        })
    }

    /// Returns the issuer.
    pub fn issuer(&self) -> &str {
        &self.connection.issuer
    }

    /// Starts a sign-in that leads to a path of the page, which must be a [safe one](super::safe_return_path). With `is_silent`, the provider must not show anything: it confirms a person who is
    /// signed in there, or answers that nobody is.
    ///
    /// # Errors
    ///
    /// When the provider cannot be reached or its description is not valid.
    pub async fn start(&self, return_path: String, is_silent: bool) -> Result<SignInStart, SignInFailure> {
        let metadata = self.connection.metadata().await?;
        let pending = PendingSignIn::start(return_path, now_s());
        let not_a_url = |_| SignInFailure::Provider("its authorization endpoint is not a URL".to_owned());
        let mut url = Url::parse(&metadata.authorization_endpoint).map_err(not_a_url)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.connection.client_id)
            .append_pair("redirect_uri", &self.redirect_url())
            .append_pair("scope", &self.scopes)
            .append_pair("state", &pending.state)
            .append_pair("nonce", &pending.nonce)
            .append_pair("code_challenge", &pending.challenge())
            .append_pair("code_challenge_method", "S256");
        if is_silent {
            url.query_pairs_mut().append_pair("prompt", "none");
        }
        let suffix = cookie_suffix(&pending.state).unwrap_or_default().to_owned();
        let cookie = self.flows.seal(&pending);
        Ok(SignInStart { url: url.into(), cookie_suffix: suffix, cookie, cookie_age_s: SIGN_IN_TIMEOUT_S })
    }

    /// Returns the end of the name of the cookie of a sign-in with this state.
    pub fn cookie_suffix(state: &str) -> Option<&str> {
        cookie_suffix(state)
    }

    /// Returns the sign-in to which a response of the provider belongs. It is accepted once.
    ///
    /// # Errors
    ///
    /// When this browser has not started a sign-in with this state, it has expired, or the response is from another issuer.
    pub async fn pending(&self, cookie: Option<&str>, state: &str, issuer: Option<&str>) -> Result<PendingSignIn, SignInFailure> {
        let pending = self.flows.complete(cookie.ok_or(SignInFailure::State)?, state, now_s())?;
        let metadata = self.connection.metadata().await?;
        // Mix-up attacks: a response of another provider (RFC 9207).
        match issuer {
            Some(issuer) if issuer != self.issuer() => Err(SignInFailure::State),
            None if metadata.authorization_response_iss_parameter_supported => Err(SignInFailure::State),
            _ => Ok(pending),
        }
    }

    /// Exchanges the code of a response for the identity of the person.
    ///
    /// # Errors
    ///
    /// When the provider rejects the code or the client, its token is not valid, or there is no e-mail address that may be used.
    pub async fn identity(&self, pending: &PendingSignIn, code: &str, needs_groups: bool) -> Result<ConfirmedIdentity, SignInFailure> {
        let tokens = self.connection.exchange_code(code, &pending.verifier, &self.redirect_url()).await?;
        let mut claims = self.connection.verify(&tokens.id_token).await?;
        if text_claim(&claims, "nonce") != Some(pending.nonce.as_str()) {
            return Err(SignInFailure::Token("its nonce is not that of this sign-in"));
        }
        let subject = text_claim(&claims, "sub").filter(|subject| subject.len() <= MAX_SUBJECT_LENGTH);
        let subject = subject.ok_or(SignInFailure::Token("it has no subject"))?.to_owned();
        let provider_session = text_claim(&claims, "sid").map(str::to_owned);
        self.complete_claims(&mut claims, &tokens, &subject, needs_groups).await?;
        let email = text_claim(&claims, "email").ok_or(SignInFailure::EmailMissing)?.to_owned();
        if self.require_verified_email && !is_true(claims.get("email_verified")) {
            return Err(SignInFailure::EmailUnverified);
        }
        let name = text_claim(&claims, "name").unwrap_or_default().to_owned();
        let groups = groups(&claims, &self.groups_claim);
        let identity = ProviderIdentity { issuer: self.issuer().to_owned(), subject, email, name };
        Ok(ConfirmedIdentity { identity, groups, provider_session, id_token: tokens.id_token })
    }

    /// Adds claims that only the user info endpoint of the provider states.
    async fn complete_claims(
        &self,
        claims: &mut TokenClaims,
        tokens: &ProviderTokens,
        subject: &str,
        needs_groups: bool,
    ) -> Result<(), SignInFailure> {
        let lacks_verification = self.require_verified_email && !claims.contains_key("email_verified");
        let lacks_email = lacks_verification || text_claim(claims, "email").is_none();
        let lacks_groups = needs_groups && nested_claim(claims, &self.groups_claim).is_none();
        let Some(access_token) = tokens.access_token.as_ref().filter(|_| lacks_email || lacks_groups) else { return Ok(()) };
        let Some(info) = self.connection.user_info(access_token).await? else { return Ok(()) };
        if text_claim(&info, "sub") != Some(subject) {
            return Err(SignInFailure::Provider("its information is about another person than its token".to_owned()));
        }
        if lacks_email && text_claim(&info, "email").is_some() {
            // An address and the statement about it come from the same place.
            claims.remove("email");
            claims.remove("email_verified");
        }
        for (name, value) in info {
            claims.entry(name).or_insert(value);
        }
        Ok(())
    }

    /// Checks a logout token. It is accepted once.
    ///
    /// # Errors
    ///
    /// When the token is not a valid logout token for this server.
    pub async fn logout_subject(&self, token: &str) -> Result<LogoutSubject, SignInFailure> {
        let claims = self.connection.verify(token).await?;
        self.used_logout_tokens.accept(&claims, now_s())
    }

    /// Keeps the ID token of a session in memory, for signing out.
    pub fn keep_id_token(&self, session: i64, id_token: String) {
        let mut kept = self.id_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_ID_TOKENS
            && let Some(oldest) = kept.keys().min().copied()
        {
            kept.remove(&oldest);
        }
        kept.insert(session, id_token);
    }

    /// Returns the URL at which a person signs out of the provider; `None` if it has none.
    pub async fn sign_out_url(&self, session: i64, behind: &ProviderSession) -> Option<String> {
        let id_token = self.id_tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        if behind.issuer != self.issuer() {
            return None;
        }
        let metadata = self.connection.metadata().await.inspect_err(|failure| {
            tracing::warn!(reason = %failure, "sign_in.provider.unavailable");
        });
        let mut url = Url::parse(metadata.ok()?.end_session_endpoint.as_deref()?).ok()?;
        let mut parameters = url.query_pairs_mut();
        parameters.append_pair("client_id", &self.connection.client_id);
        parameters.append_pair("post_logout_redirect_uri", &format!("{}{SIGNED_OUT_PATH}", self.public_url));
        match (id_token, &behind.email) {
            (Some(id_token), _) => drop(parameters.append_pair("id_token_hint", &id_token)),
            (None, Some(email)) => drop(parameters.append_pair("logout_hint", email)),
            (None, None) => {}
        }
        drop(parameters);
        Some(url.into())
    }

    fn redirect_url(&self) -> String {
        format!("{}{CALLBACK_PATH}", self.public_url)
    }
}

fn now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn client_secret(config: &OpenIdConnectConfig) -> anyhow::Result<ConfigSecret> {
    let path = &config.client_secret_file;
    if path.as_os_str().is_empty() {
        return Ok(config.client_secret.clone());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the client secret from {}", path.display()))?;
    let secret = text.trim();
    anyhow::ensure!(!secret.is_empty(), "the file {} contains no client secret", path.display());
    Ok(ConfigSecret::new(secret))
}

/// Some providers send a text in place of a truth value.
fn is_true(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || value.and_then(Value::as_str) == Some("true")
}

/// Returns a claim by its name, which may contain dots, or else by the path of names that it is.
fn nested_claim<'a>(claims: &'a TokenClaims, name: &str) -> Option<&'a Value> {
    let by_path = || {
        let (first, rest) = name.split_once('.')?;
        rest.split('.').fold(claims.get(first), |found, part| found?.get(part))
    };
    claims.get(name).or_else(by_path)
}

fn groups(claims: &TokenClaims, name: &str) -> Vec<String> {
    match nested_claim(claims, name) {
        Some(Value::String(group)) => vec![group.clone()],
        Some(Value::Array(groups)) => groups.iter().filter_map(|group| group.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_found_by_name_or_path() {
        let claims = json!({
            "groups": ["a", 1, "b"],
            "https://x.example/groups": ["url"],
            "realm_access": { "roles": ["nested"] },
            "department": "single",
        });
        let of = |name: &str| groups(claims.as_object().unwrap(), name);
        assert_eq!(of("groups"), ["a", "b"]);
        assert_eq!(of("https://x.example/groups"), ["url"]);
        assert_eq!(of("realm_access.roles"), ["nested"]);
        assert_eq!(of("department"), ["single"]);
        assert!(of("other").is_empty() && of("realm_access.other").is_empty() && of("groups.a").is_empty());
    }

    #[test]
    fn secret_is_read_from_the_file_without_its_line_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let read = || client_secret(&OpenIdConnectConfig { client_secret_file: path.clone(), ..OpenIdConnectConfig::default() });
        assert!(read().unwrap_err().to_string().contains("secret"));
        std::fs::write(&path, "\n").unwrap();
        assert!(read().is_err());
        std::fs::write(&path, "hush\n").unwrap();
        assert_eq!(read().unwrap().reveal(), "hush");
    }
}
