//! Public keys of a provider (JWK), and the signatures that they verify, with `ring`. Only asymmetric algorithms exist here, so no token can
//! be "signed" with a public key as a shared secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// Algorithm of a signature (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl TokenAlgorithm {
    /// All algorithms that are accepted, with their names.
    pub(super) const ALL: [(&'static str, TokenAlgorithm); 9] = [
        ("RS256", TokenAlgorithm::Rs256),
        ("RS384", TokenAlgorithm::Rs384),
        ("RS512", TokenAlgorithm::Rs512),
        ("PS256", TokenAlgorithm::Ps256),
        ("PS384", TokenAlgorithm::Ps384),
        ("PS512", TokenAlgorithm::Ps512),
        ("ES256", TokenAlgorithm::Es256),
        ("ES384", TokenAlgorithm::Es384),
        ("EdDSA", TokenAlgorithm::EdDsa),
    ];

    /// Returns the algorithm with a name; `None` for others, such as `none` and `HS256`.
    pub(super) fn from_name(name: &str) -> Option<TokenAlgorithm> {
        TokenAlgorithm::ALL.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}

/// A key of a key set, as far as it is read here (RFC 7517).
#[derive(Debug, Deserialize)]
struct JsonWebKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A public key of a provider.
#[derive(Debug, Clone)]
pub(super) struct ProviderKey {
    id: Option<String>,
    /// The only algorithm of the key, if the provider states one.
    algorithm: Option<String>,
    material: KeyMaterial,
}

#[derive(Debug, Clone)]
enum KeyMaterial {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl ProviderKey {
    /// Reads a key of a key set; `None` if it is not a public key for signatures that can be checked here.
    pub(super) fn read(jwk: &Value) -> Option<ProviderKey> {
        let jwk: JsonWebKey = serde_json::from_value(jwk.clone()).ok()?;
        let is_for_signatures = match (&jwk.purpose, &jwk.key_ops) {
            (Some(purpose), _) => purpose == "sig",
            (None, Some(operations)) => operations.iter().any(|operation| operation == "verify"),
            (None, None) => true,
        };
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
        // An uncompressed point (SEC 1).
        let point = || Some([vec![4], bytes(&jwk.x)?, bytes(&jwk.y)?].concat());
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => KeyMaterial::Rsa { n: bytes(&jwk.n)?, e: bytes(&jwk.e)? },
            ("EC", Some("P-256")) => KeyMaterial::P256(point()?),
            ("EC", Some("P-384")) => KeyMaterial::P384(point()?),
            ("OKP", Some("Ed25519")) => KeyMaterial::Ed25519(bytes(&jwk.x)?),
            _ => return None,
        };
        is_for_signatures.then_some(ProviderKey { id: jwk.kid, algorithm: jwk.alg, material })
    }

    /// Returns whether a token with this algorithm (by its name) and key ID may be signed with this key.
    pub(super) fn fits(&self, algorithm: &str, id: Option<&str>) -> bool {
        self.algorithm.as_deref().is_none_or(|own| own == algorithm) && (id.is_none() || self.id.as_deref() == id)
    }

    /// Returns whether a signature is valid. The algorithm must be one for this kind of key.
    pub(super) fn verifies(&self, algorithm: TokenAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        let rsa = match algorithm {
            TokenAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            TokenAlgorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            TokenAlgorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            TokenAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
            TokenAlgorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
            TokenAlgorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
            TokenAlgorithm::Es256 | TokenAlgorithm::Es384 | TokenAlgorithm::EdDsa => {
                return match (algorithm, &self.material) {
                    (TokenAlgorithm::Es256, KeyMaterial::P256(key)) => {
                        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(message, signature).is_ok()
                    }
                    (TokenAlgorithm::Es384, KeyMaterial::P384(key)) => {
                        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key).verify(message, signature).is_ok()
                    }
                    (TokenAlgorithm::EdDsa, KeyMaterial::Ed25519(key)) => {
                        UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
                    }
                    _ => false,
                };
            }
        };
        match &self.material {
            KeyMaterial::Rsa { n, e } => RsaPublicKeyComponents { n, e }.verify(rsa, message, signature).is_ok(),
            _ => false,
        }
    }
}
