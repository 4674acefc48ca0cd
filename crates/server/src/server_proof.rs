//! How a command knows that what listens is the server of its data folder, before it sends a session there: while the server is down,
//! any program may take its port.
//!
//! At each start the server leaves a new secret in `hinomi.db`, which only those read who may do everything anyway. The command sends a random
//! challenge, and the server answers with a code of it and of its address that nobody else can compute.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use hmac_sha256::HMAC;

/// Header of a request with a random text.
pub const CHALLENGE: &str = "x-hinomi-challenge";
/// Header of the answer with the code, as hex digits.
pub const PROOF: &str = "x-hinomi-proof";
/// Longest challenge, in bytes.
const LONGEST: usize = 128;

/// What the server proves itself with.
#[derive(Debug, Clone)]
pub struct ServerProof {
    secret: String,
    address: String,
}

impl ServerProof {
    /// The proof of a server with this secret that listens at this address.
    pub fn new(secret: String, address: String) -> ServerProof {
        ServerProof { secret, address }
    }

    /// The code of a challenge.
    pub fn of(&self, challenge: &str) -> String {
        let message = format!("hinomi\n{}\n{challenge}", self.address);
        hex::encode(HMAC::mac(message.as_bytes(), self.secret.as_bytes()))
    }

    /// The header that answers the challenge of a request, where it has one.
    pub fn answer(&self, request: &HeaderMap) -> HeaderMap {
        let challenge = request.get(CHALLENGE).and_then(|value| value.to_str().ok()).filter(|text| text.len() <= LONGEST);
        let code = challenge.and_then(|challenge| HeaderValue::from_str(&self.of(challenge)).ok());
        code.into_iter().map(|code| (HeaderName::from_static(PROOF), code)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_of_one_secret_address_and_challenge() {
        let proof = |secret: &str, address: &str| ServerProof::new(secret.to_owned(), address.to_owned());
        let own = proof("s", "http://127.0.0.1:1");
        assert_eq!(own.of("c"), proof("s", "http://127.0.0.1:1").of("c"));
        for other in [own.of("d"), proof("t", "http://127.0.0.1:1").of("c"), proof("s", "http://127.0.0.1:2").of("c")] {
            assert_ne!(own.of("c"), other);
        }
        let asked = HeaderMap::from_iter([(CHALLENGE.parse().unwrap(), HeaderValue::from_static("c"))]);
        assert_eq!(own.answer(&asked)[PROOF], own.of("c"));
        assert!(own.answer(&HeaderMap::new()).is_empty());
    }
}
