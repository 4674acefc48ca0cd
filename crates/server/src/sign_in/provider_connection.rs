//! Requests to a provider: its description, its keys, the exchange of a code for tokens, and what it knows about a person.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hinomi_alerting::delivery::outbound_http::{HttpDocument, HttpPostRequest, OutboundHttpClient, OutboundHttpError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};
use url::form_urlencoded;

use super::SignInFailure;
use super::key_set::KeySet;
use super::signed_token::TokenClaims;
use super::token_key::TokenAlgorithm;
use crate::config::{ConfigSecret, is_secure_url};

/// Maximum duration of a request to the provider.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time after which the description is read again.
const METADATA_LIFETIME: Duration = Duration::from_secs(3600);
/// Time for which a failure to read the description is remembered: nobody can cause a request to the provider with each of theirs.
const FAILURE_LIFETIME: Duration = Duration::from_secs(3);
/// Requests to the provider at the same time.
const MAX_CONCURRENT_REQUESTS: usize = 8;

/// Description of a provider (OpenID Connect Discovery).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ProviderMetadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    pub(super) end_session_endpoint: Option<String>,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    /// Whether each response states the issuer (RFC 9207).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl ProviderMetadata {
    /// Returns the algorithms of tokens that the provider announces and that are accepted.
    pub(super) fn algorithms(&self) -> Vec<TokenAlgorithm> {
        let announced = &self.id_token_signing_alg_values_supported;
        let is_announced = |name: &str| announced.is_empty() || announced.iter().any(|known| known == name);
        TokenAlgorithm::ALL.iter().filter(|(name, _)| is_announced(name)).map(|(_, algorithm)| *algorithm).collect()
    }

    fn check(&self, issuer: &str) -> Result<(), SignInFailure> {
        if self.issuer != issuer {
            let reason = format!("it states the issuer {:?}; set sign_in.openid_connect.issuer to exactly this", self.issuer);
            return Err(SignInFailure::Provider(reason));
        }
        let optional = [&self.userinfo_endpoint, &self.end_session_endpoint].into_iter().flatten();
        let endpoints = [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri].into_iter().chain(optional);
        // Plain HTTP to this machine is for an issuer on this machine only.
        let is_local = issuer.starts_with("http://");
        for endpoint in endpoints {
            if !is_secure_url(endpoint) || !is_local && !endpoint.starts_with("https://") {
                return Err(SignInFailure::Provider(format!("its endpoint {endpoint:?} is not an https:// URL")));
            }
        }
        if self.algorithms().is_empty() {
            return Err(SignInFailure::Provider("it signs tokens with no asymmetric algorithm that is supported".to_owned()));
        }
        Ok(())
    }
}

/// Tokens of a person.
#[derive(Debug, Deserialize)]
pub(super) struct ProviderTokens {
    pub(super) id_token: String,
    pub(super) access_token: Option<String>,
}

/// Error of the token endpoint (RFC 6749).
#[derive(Debug, Default, Deserialize)]
struct TokenErrorResponse {
    #[serde(default)]
    error: String,
}

/// The description of a provider, or the failure to read it.
#[derive(Debug)]
struct CachedMetadata {
    read_at: Instant,
    metadata: Result<Arc<ProviderMetadata>, SignInFailure>,
}

/// Connection to a provider.
#[derive(Debug)]
pub(super) struct ProviderConnection {
    pub(super) issuer: String,
    pub(super) client_id: String,
    client_secret: ConfigSecret,
    http: OutboundHttpClient,
    requests: Arc<Semaphore>,
    metadata: Mutex<Option<CachedMetadata>>,
    keys: KeySet,
}

impl ProviderConnection {
    pub(super) fn new(issuer: String, client_id: String, client_secret: ConfigSecret, http: OutboundHttpClient) -> ProviderConnection {
        ProviderConnection {
            issuer,
            client_id,
            client_secret,
            http,
            requests: Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS)),
            metadata: Mutex::default(),
            keys: KeySet::default(),
        }
    }

    /// Returns the description of the provider, at most an hour old.
    pub(super) async fn metadata(&self) -> Result<Arc<ProviderMetadata>, SignInFailure> {
        let mut cached = self.metadata.lock().await;
        if let Some(CachedMetadata { read_at, metadata }) = &*cached {
            let lifetime = if metadata.is_ok() { METADATA_LIFETIME } else { FAILURE_LIFETIME };
            if read_at.elapsed() < lifetime {
                return metadata.clone();
            }
        }
        let metadata = self.read_metadata().await.map(Arc::new);
        *cached = Some(CachedMetadata { read_at: Instant::now(), metadata: metadata.clone() });
        metadata
    }

    async fn read_metadata(&self) -> Result<ProviderMetadata, SignInFailure> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata: ProviderMetadata = self.get_json(url, Vec::new(), "its description").await?;
        metadata.check(&self.issuer)?;
        Ok(metadata)
    }

    /// Checks a token of the provider. If its key is unknown, reads the keys again, at a limited rate.
    pub(super) async fn verify(&self, token: &str) -> Result<TokenClaims, SignInFailure> {
        let metadata = self.metadata().await?;
        let read = || async {
            #[derive(Deserialize)]
            struct KeySetDocument {
                keys: Vec<Value>,
            }
            let document: KeySetDocument = self.get_json(metadata.jwks_uri.clone(), Vec::new(), "its keys").await?;
            Ok(document.keys)
        };
        self.keys.verify(token, &self.issuer, &self.client_id, &metadata.algorithms(), read).await
    }

    /// Exchanges a code for tokens.
    pub(super) async fn exchange_code(&self, code: &str, verifier: &str, redirect_url: &str) -> Result<ProviderTokens, SignInFailure> {
        let post = self.code_request(&*self.metadata().await?, code, verifier, redirect_url);
        let answer = self.request(move |http| http.post_document(&post)).await?;
        if answer.status == 200 {
            return parse(&answer.body, "its tokens");
        }
        let TokenErrorResponse { error } = serde_json::from_slice(&answer.body).unwrap_or_default();
        Err(match (answer.status, error.as_str()) {
            (_, "invalid_grant") => SignInFailure::State,
            (401, _) | (_, "invalid_client" | "unauthorized_client") => SignInFailure::Client(named(&error, answer.status)),
            _ => SignInFailure::Provider(format!("its token endpoint answered {}", named(&error, answer.status))),
        })
    }

    fn code_request(&self, metadata: &ProviderMetadata, code: &str, verifier: &str, redirect_url: &str) -> HttpPostRequest {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code").append_pair("code", code);
        form.append_pair("redirect_uri", redirect_url).append_pair("code_verifier", verifier);
        let mut headers: Vec<(Cow<'static, str>, String)> = vec![("content-type".into(), "application/x-www-form-urlencoded".into())];
        let secret = self.client_secret.reveal();
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let accepts = |method: &str| methods.iter().any(|known| known == method);
        if secret.is_empty() {
            form.append_pair("client_id", &self.client_id);
        } else if accepts("client_secret_post") && !accepts("client_secret_basic") {
            form.append_pair("client_id", &self.client_id).append_pair("client_secret", secret);
        } else {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let credentials = format!("{}:{}", encode(&self.client_id), encode(secret));
            headers.push(("authorization".into(), format!("Basic {}", STANDARD.encode(credentials))));
        }
        HttpPostRequest { url: metadata.token_endpoint.clone(), headers, body: form.finish().into_bytes() }
    }

    /// Returns what the provider knows about the person of an access token; `None` if it offers no such endpoint.
    pub(super) async fn user_info(&self, access_token: &str) -> Result<Option<TokenClaims>, SignInFailure> {
        let Some(url) = self.metadata().await?.userinfo_endpoint.clone() else { return Ok(None) };
        let headers = vec![("authorization".into(), format!("Bearer {access_token}"))];
        self.get_json(url, headers, "its information about the person").await.map(Some)
    }

    async fn get_json<T: DeserializeOwned>(
        &self,
        url: String,
        headers: Vec<(Cow<'static, str>, String)>,
        what: &str,
    ) -> Result<T, SignInFailure> {
        let answer = self.request(move |http| http.get_document(&url, &headers)).await?;
        if answer.status != 200 {
            return Err(SignInFailure::Provider(format!("{what} cannot be read: HTTP {}", answer.status)));
        }
        parse(&answer.body, what)
    }

    /// Runs a request on a thread that may block.
    async fn request(
        &self,
        send: impl FnOnce(&OutboundHttpClient) -> Result<HttpDocument, OutboundHttpError> + Send + 'static,
    ) -> Result<HttpDocument, SignInFailure> {
        let permit = self.requests.clone().acquire_owned().await.map_err(|_| SignInFailure::Internal)?;
        let http = self.http.clone();
        let sent = tokio::task::spawn_blocking(move || {
            let answer = send(&http);
            drop(permit);
            answer
        });
        sent.await.map_err(|_| SignInFailure::Internal)?.map_err(|error| match error {
            OutboundHttpError::PrivateAddress => {
                let reason = "its address is in a private network; allow it with the setting sign_in.openid_connect.allow";
                SignInFailure::Provider(reason.to_owned())
            }
            OutboundHttpError::NoResponse(reason) => SignInFailure::Provider(reason),
        })
    }
}

fn parse<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, SignInFailure> {
    // The error of the parser could quote a token.
    serde_json::from_slice(body).map_err(|_| SignInFailure::Provider(format!("{what} cannot be understood")))
}

/// Returns the code of an error, which providers choose from a list, or the status if it is something else.
fn named(error: &str, status: u16) -> String {
    let is_code = !error.is_empty() && error.len() <= 60 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { error.to_owned() } else { format!("HTTP {status}") }
}
