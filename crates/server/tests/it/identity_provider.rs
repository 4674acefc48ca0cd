//! A small OpenID Connect provider for tests: it has its own keys, and can also answer wrongly.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) const CLIENT_ID: &str = "hinomi-test";
pub(crate) const CLIENT_SECRET: &str = "s3cret of the client";
/// Event of a logout token.
pub(crate) const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How a token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenSignature {
    /// With the published key.
    Good,
    /// With another key, under the ID of the published one.
    OtherKey,
    /// Not at all (`alg: none`).
    Absent,
    /// With the public key as a shared secret (`HS256`).
    PublicKeyAsSecret,
}

/// A running provider.
pub(crate) struct IdentityProvider {
    pub(crate) url: String,
    state: Arc<Mutex<ProviderState>>,
}

struct ProviderState {
    url: String,
    key: EcdsaKeyPair,
    key_id: String,
    /// Codes that were issued: nonce, PKCE challenge and claims.
    codes: HashMap<String, (String, String, Value)>,
    signature: TokenSignature,
    /// Claims that only the user info endpoint states.
    user_info: Option<Value>,
    key_reads: usize,
    issued: usize,
}

fn generate_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
}

pub(crate) fn now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl IdentityProvider {
    pub(crate) fn start() -> IdentityProvider {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(ProviderState {
            url: url.clone(),
            key: generate_key(),
            key_id: "key-1".into(),
            codes: HashMap::new(),
            signature: TokenSignature::Good,
            user_info: None,
            key_reads: 0,
            issued: 0,
        }));
        let served = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), served.clone());
                std::thread::spawn(move || answer(stream, &state));
            }
        });
        IdentityProvider { url, state }
    }

    /// Returns the settings with which a server uses this provider.
    pub(crate) fn settings(&self) -> Vec<(&str, &str)> {
        vec![
            ("HINOMI_SIGN_IN_OPENID_CONNECT_ISSUER", &self.url),
            ("HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_ID", CLIENT_ID),
            ("HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_SECRET", CLIENT_SECRET),
            ("HINOMI_SIGN_IN_OPENID_CONNECT_ALLOW", "127.0.0.1"),
        ]
    }

    fn lock(&self) -> MutexGuard<'_, ProviderState> {
        self.state.lock().unwrap()
    }

    /// Signs in a person, who was redirected to this URL. Returns the code.
    pub(crate) fn approve(&self, authorization: &url::Url, claims: &Value) -> String {
        let parameters: HashMap<_, _> = authorization.query_pairs().into_owned().collect();
        assert_eq!(parameters["client_id"], CLIENT_ID);
        assert_eq!((parameters["response_type"].as_str(), parameters["code_challenge_method"].as_str()), ("code", "S256"));
        let mut state = self.lock();
        state.issued += 1;
        let code = format!("code-{}", state.issued);
        state.codes.insert(code.clone(), (parameters["nonce"].clone(), parameters["code_challenge"].clone(), claims.clone()));
        code
    }

    /// From now on tokens are signed like this.
    pub(crate) fn sign_with(&self, signature: TokenSignature) {
        self.lock().signature = signature;
    }

    pub(crate) fn state_in_user_info(&self, claims: Value) {
        self.lock().user_info = Some(claims);
    }

    /// Replaces the key by a new one.
    pub(crate) fn rotate_key(&self, id: &str) {
        let mut state = self.lock();
        state.key = generate_key();
        state.key_id = id.to_owned();
    }

    pub(crate) fn key_reads(&self) -> usize {
        self.lock().key_reads
    }

    /// Returns a signed token with these claims; null removes one of the usual claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.lock().token(claims)
    }
}

impl ProviderState {
    fn token(&self, changed: &Value) -> String {
        let mut claims = json!({ "iss": self.url, "aud": CLIENT_ID, "iat": now_s(), "exp": now_s() + 300 });
        claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let algorithm = match self.signature {
            TokenSignature::Good | TokenSignature::OtherKey => "ES256",
            TokenSignature::Absent => "none",
            TokenSignature::PublicKeyAsSecret => "HS256",
        };
        let header = json!({ "alg": algorithm, "kid": self.key_id });
        let message = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let sign = |key: &EcdsaKeyPair| key.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec();
        let signature = match self.signature {
            TokenSignature::Good => sign(&self.key),
            TokenSignature::OtherKey => sign(&generate_key()),
            TokenSignature::Absent => Vec::new(),
            TokenSignature::PublicKeyAsSecret => hmac_sha256::HMAC::mac(&message, self.key.public_key().as_ref()).to_vec(),
        };
        format!("{message}.{}", base64(signature))
    }

    fn metadata(&self) -> Value {
        let url = &self.url;
        json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/keys"),
            "userinfo_endpoint": format!("{url}/me"),
            "end_session_endpoint": format!("{url}/end"),
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        })
    }

    fn keys(&mut self) -> Value {
        self.key_reads += 1;
        let point = self.key.public_key().as_ref();
        json!({ "keys": [
            { "kty": "oct", "kid": "other", "k": "AAAA" },
            { "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.key_id, "x": base64(&point[1..33]), "y": base64(&point[33..]) },
        ] })
    }

    fn exchange(&mut self, authorization: &str, body: &str) -> (u16, Value) {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let credentials = STANDARD.encode(format!("{}:{}", encode(CLIENT_ID), encode(CLIENT_SECRET)));
        if authorization != format!("Basic {credentials}") {
            return (401, json!({ "error": "invalid_client" }));
        }
        let form: HashMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let Some((nonce, challenge, changed)) = form.get("code").and_then(|code| self.codes.remove(code)) else {
            return (400, json!({ "error": "invalid_grant" }));
        };
        assert_eq!(base64(Sha256::digest(form["code_verifier"].as_bytes())), challenge);
        assert!(form["redirect_uri"].ends_with("/auth/oidc/callback"), "{}", form["redirect_uri"]);
        let mut claims = json!({ "nonce": nonce });
        claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        (200, json!({ "id_token": self.token(&claims), "access_token": "access", "token_type": "Bearer" }))
    }

    fn respond(&mut self, path: &str, authorization: &str, body: &str) -> (u16, Value) {
        match path {
            "/.well-known/openid-configuration" => (200, self.metadata()),
            "/keys" => (200, self.keys()),
            "/token" => self.exchange(authorization, body),
            "/me" if authorization == "Bearer access" => (200, self.user_info.clone().unwrap_or_else(|| json!({ "sub": "ann-1" }))),
            _ => (404, json!({})),
        }
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<ProviderState>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    let (head, body) = loop {
        let length = stream.read(&mut chunk).unwrap_or(0);
        bytes.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let expected = header(head, "content-length").parse::<usize>().unwrap_or(0);
            if body.len() >= expected {
                break (head.to_owned(), body.to_owned());
            }
        }
        if length == 0 {
            return;
        }
    };
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, value) = state.lock().unwrap().respond(path, header(&head, "authorization"), &body);
    let text = value.to_string();
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let _ = stream.write_all(answer.as_bytes());
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next().unwrap_or_default()
}
