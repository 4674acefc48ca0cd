//! Signed tokens of a provider (JWT): their signature, issuer, audience and times.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::SignInFailure;
use super::token_key::{ProviderKey, TokenAlgorithm};

/// Difference between the clocks of server and provider that is tolerated, in seconds.
const CLOCK_SKEW_S: f64 = 60.0;
/// Maximum length of a token in bytes.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// Claims of a token.
pub(super) type TokenClaims = Map<String, Value>;

/// Header of a token (RFC 7515).
#[derive(Debug, Deserialize)]
struct TokenHeader {
    alg: String,
    kid: Option<String>,
    /// Names of extensions that must be understood; none is.
    crit: Option<Value>,
}

/// Reason why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenRejection {
    /// No known key fits the token: the provider may have new keys.
    UnknownKey,
    /// Any other reason.
    Invalid(SignInFailure),
}

impl From<&'static str> for TokenRejection {
    fn from(reason: &'static str) -> TokenRejection {
        TokenRejection::Invalid(SignInFailure::Token(reason))
    }
}

/// What a token must state.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenExpectation<'a> {
    pub(super) issuer: &'a str,
    /// ID of this client, for which the token must be.
    pub(super) audience: &'a str,
    /// Algorithms that the provider announces.
    pub(super) algorithms: &'a [TokenAlgorithm],
    pub(super) now_s: i64,
}

/// Checks the signature of a token, its issuer, audience and times. Returns its claims.
pub(super) fn verify(token: &str, keys: &[ProviderKey], expected: TokenExpectation<'_>) -> Result<TokenClaims, TokenRejection> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err("it is too large".into());
    }
    let (message, signature) = token.rsplit_once('.').ok_or("it is not a signed token")?;
    let (header, payload) = message.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or("it is not a signed token")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "its signature is not readable")?;
    let header: TokenHeader = read_part(header).ok_or("its header is not readable")?;
    if header.crit.is_some() {
        return Err("it has an extension that is not supported".into());
    }
    let algorithm = TokenAlgorithm::from_name(&header.alg).filter(|algorithm| expected.algorithms.contains(algorithm));
    let algorithm = algorithm.ok_or("its algorithm is not one that is supported and that the provider announces")?;
    let candidates: Vec<_> = keys.iter().filter(|key| key.fits(&header.alg, header.kid.as_deref())).collect();
    if !candidates.iter().any(|key| key.verifies(algorithm, message.as_bytes(), &signature)) {
        // Without the ID of a key in the token, it may be signed with a key that is not known yet.
        let is_known = header.kid.is_some() && !candidates.is_empty();
        return Err(if is_known { "its signature is wrong".into() } else { TokenRejection::UnknownKey });
    }
    let claims: TokenClaims = read_part(payload).ok_or("its claims are not readable")?;
    check_claims(&claims, expected)?;
    Ok(claims)
}

fn read_part<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn check_claims(claims: &TokenClaims, expected: TokenExpectation<'_>) -> Result<(), TokenRejection> {
    if text_claim(claims, "iss") != Some(expected.issuer) {
        return Err("it is from another issuer".into());
    }
    let is_own = |audience: &Value| audience.as_str() == Some(expected.audience);
    let (is_for_us, has_others) = match claims.get("aud") {
        Some(Value::Array(audiences)) => (audiences.iter().any(is_own), audiences.len() > 1),
        Some(audience) => (is_own(audience), false),
        None => (false, false),
    };
    if !is_for_us {
        return Err("it is for another client".into());
    }
    match claims.get("azp") {
        Some(party) if !is_own(party) => return Err("it was issued to another client".into()),
        None if has_others => return Err("it is for several clients and does not state to which it was issued".into()),
        _ => {}
    }
    check_times(claims, expected.now_s as f64)
}

fn check_times(claims: &TokenClaims, now_s: f64) -> Result<(), TokenRejection> {
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    let expires_s = time("exp").ok_or("the time of expiry is missing")?;
    let issued_s = time("iat").ok_or("the time of issue is missing")?;
    let begins_s = match claims.get("nbf") {
        None => issued_s,
        Some(_) => time("nbf").ok_or("a time is not a number")?,
    };
    let is_valid = expires_s > now_s - CLOCK_SKEW_S && issued_s.max(begins_s) < now_s + CLOCK_SKEW_S;
    if is_valid { Ok(()) } else { Err(TokenRejection::Invalid(SignInFailure::Clock)) }
}

/// Returns the text of a claim.
pub(super) fn text_claim<'a>(claims: &'a TokenClaims, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};
    use serde_json::json;

    use super::*;

    /// A key for tests only.
    const RSA_KEY: &[u8] = include_bytes!("../../../../fixtures/sign_in/rsa-test-key.der");

    fn base64(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn now_s() -> i64 {
        jiff::Timestamp::now().as_second()
    }

    fn claims() -> Value {
        json!({ "iss": "https://a.example", "aud": "hinomi", "sub": "1", "iat": now_s(), "exp": now_s() + 300 })
    }

    fn encode(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let message = format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
        let signature = base64(&sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    struct EcKey(EcdsaKeyPair);

    impl EcKey {
        fn generate() -> EcKey {
            let (random, algorithm) = (SystemRandom::new(), &signature::ECDSA_P256_SHA256_FIXED_SIGNING);
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            EcKey(EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap())
        }

        fn jwk(&self, id: &str) -> ProviderKey {
            let point = self.0.public_key().as_ref();
            ProviderKey::read(&json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": base64(&point[1..33]), "y": base64(&point[33..]) }))
                .unwrap()
        }

        fn token(&self, header: &Value, claims: &Value) -> String {
            encode(header, claims, |message| self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
        }
    }

    fn all() -> Vec<TokenAlgorithm> {
        TokenAlgorithm::ALL.map(|(_, algorithm)| algorithm).to_vec()
    }

    fn check(token: &str, keys: &[ProviderKey]) -> Result<TokenClaims, TokenRejection> {
        verify(token, keys, TokenExpectation { issuer: "https://a.example", audience: "hinomi", algorithms: &all(), now_s: now_s() })
    }

    #[test]
    fn good_token_of_each_kind_of_key_is_accepted() {
        let ec = EcKey::generate();
        assert!(check(&ec.token(&json!({ "alg": "ES256", "kid": "1" }), &claims()), &[ec.jwk("1")]).is_ok());
        assert!(check(&ec.token(&json!({ "alg": "ES256" }), &claims()), &[EcKey::generate().jwk("0"), ec.jwk("1")]).is_ok());

        let rsa = RsaKeyPair::from_pkcs8(RSA_KEY).unwrap();
        let public = RsaPublic::of(&rsa);
        let sign = |padding: &'static dyn signature::RsaEncoding| {
            let rsa = &rsa;
            move |message: &[u8]| {
                let mut bytes = vec![0; rsa.public().modulus_len()];
                rsa.sign(padding, &SystemRandom::new(), message, &mut bytes).unwrap();
                bytes
            }
        };
        let of = |algorithm: &str| json!({ "alg": algorithm, "kid": "r" });
        for (algorithm, padding) in [
            ("RS256", &signature::RSA_PKCS1_SHA256 as &'static dyn signature::RsaEncoding),
            ("RS384", &signature::RSA_PKCS1_SHA384),
            ("RS512", &signature::RSA_PKCS1_SHA512),
            ("PS256", &signature::RSA_PSS_SHA256),
            ("PS512", &signature::RSA_PSS_SHA512),
        ] {
            assert!(check(&encode(&of(algorithm), &claims(), sign(padding)), &[public.jwk(None)]).is_ok(), "{algorithm}");
        }
        let other = encode(&of("RS512"), &claims(), sign(&signature::RSA_PKCS1_SHA512));
        assert_eq!(check(&other, &[public.jwk(Some("RS256"))]), Err(TokenRejection::UnknownKey), "the key is for RS256");

        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let ed = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "e", "x": base64(ed.public_key().as_ref()) });
        let token = encode(&json!({ "alg": "EdDSA", "kid": "e" }), &claims(), |message| ed.sign(message).as_ref().to_vec());
        assert!(check(&token, &[ProviderKey::read(&jwk).unwrap()]).is_ok());
    }

    struct RsaPublic(String, String);

    impl RsaPublic {
        fn of(key: &RsaKeyPair) -> RsaPublic {
            let public: signature::RsaPublicKeyComponents<Vec<u8>> = key.public().into();
            RsaPublic(base64(&public.n), base64(&public.e))
        }

        fn jwk(&self, algorithm: Option<&str>) -> ProviderKey {
            let mut jwk = json!({ "kty": "RSA", "use": "sig", "kid": "r", "n": self.0, "e": self.1 });
            if let Some(algorithm) = algorithm {
                jwk["alg"] = algorithm.into();
            }
            ProviderKey::read(&jwk).unwrap()
        }
    }

    #[test]
    fn forged_tokens_are_rejected() {
        let key = EcKey::generate();
        let keys = [key.jwk("1")];
        let header = json!({ "alg": "ES256", "kid": "1" });
        let invalid = |token: String| match check(&token, &keys) {
            Err(TokenRejection::Invalid(failure)) => failure.code(),
            other => panic!("{other:?}"),
        };
        assert_eq!(invalid(EcKey::generate().token(&header, &claims())), "token_invalid", "another key");
        for algorithm in ["none", "None", "NONE", ""] {
            assert_eq!(invalid(encode(&json!({ "alg": algorithm, "kid": "1" }), &claims(), |_| Vec::new())), "token_invalid");
        }
        // The public key as a shared secret.
        let secret = key.0.public_key().as_ref().to_vec();
        let hmac = |message: &[u8]| hmac_sha256::HMAC::mac(message, &secret).to_vec();
        assert_eq!(invalid(encode(&json!({ "alg": "HS256", "kid": "1" }), &claims(), hmac)), "token_invalid");
        assert_eq!(check(&key.token(&json!({ "alg": "ES256", "kid": "2" }), &claims()), &keys), Err(TokenRejection::UnknownKey));
        for damaged in ["", "a", "a.b", "a.b.c", "a.b.c.d"] {
            assert_eq!(invalid(damaged.to_owned()), "token_invalid", "{damaged}");
        }
        let good = key.token(&header, &claims());
        let (head, signature) = good.rsplit_once('.').unwrap();
        assert_eq!(invalid(format!("{head}.")), "token_invalid");
        let payload = base64(claims().to_string().replace("\"1\"", "\"2\"").as_bytes());
        assert_eq!(invalid(format!("{}.{payload}.{signature}", head.split('.').next().unwrap())), "token_invalid");
    }

    #[test]
    fn claims_are_checked() {
        let key = EcKey::generate();
        let keys = [key.jwk("1")];
        let with = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            match check(&key.token(&json!({ "alg": "ES256", "kid": "1" }), &claims), &keys) {
                Ok(_) => "accepted",
                Err(TokenRejection::Invalid(failure)) => failure.code(),
                Err(TokenRejection::UnknownKey) => "unknown key",
            }
        };
        let cases = [
            ("iss", json!("https://b.example"), "token_invalid"),
            ("iss", json!(["https://a.example"]), "token_invalid"),
            ("iss", Value::Null, "token_invalid"),
            ("aud", json!("other"), "token_invalid"),
            ("aud", json!([]), "token_invalid"),
            ("aud", json!(["hinomi"]), "accepted"),
            ("aud", json!(["hinomi", "other"]), "token_invalid"),
            ("azp", json!("other"), "token_invalid"),
            ("azp", json!("hinomi"), "accepted"),
            ("exp", json!(now_s() - 59), "accepted"),
            ("exp", json!(now_s() - 120), "token_time"),
            ("exp", json!("tomorrow"), "token_invalid"),
            ("exp", Value::Null, "token_invalid"),
            ("iat", json!(now_s() + 30), "accepted"),
            ("iat", json!(now_s() + 120), "token_time"),
            ("iat", Value::Null, "token_invalid"),
            ("nbf", json!(now_s() + 120), "token_time"),
        ];
        for (name, value, code) in cases {
            assert_eq!(with(name, value.clone()), code, "{name}: {value}");
        }
    }

    #[test]
    fn keys_for_other_purposes_are_ignored() {
        let point = EcKey::generate();
        let point = point.0.public_key().as_ref();
        let jwk = |more: Value| {
            let mut jwk = json!({ "kty": "EC", "crv": "P-256", "x": base64(&point[1..33]), "y": base64(&point[33..]) });
            jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            ProviderKey::read(&jwk).is_some()
        };
        assert!(jwk(json!({})) && jwk(json!({ "use": "sig" })) && jwk(json!({ "key_ops": ["verify"] })));
        assert!(!jwk(json!({ "use": "enc" })) && !jwk(json!({ "key_ops": ["encrypt"] })));
        assert!(ProviderKey::read(&json!({ "kty": "oct", "k": base64(b"secret"), "alg": "HS256" })).is_none());
        assert!(ProviderKey::read(&json!({ "kty": "unknown" })).is_none());
    }
}
