//! Proof that the listening program is the server of a data directory. A command checks it before it sends a session, because any program
//! may take the port while the server is down.
//!
//! At each start the server writes a new secret to `hinomi.db`, which only users with full access to the data can read. The command sends
//! a random challenge, and the server answers with a keyed hash (HMAC) of the challenge and its address.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use hmac_sha256::HMAC;

/// Request header with the challenge, a random text.
pub const CHALLENGE_HEADER: &str = "x-hinomi-challenge";
/// Response header with the proof, as hex digits.
pub const PROOF_HEADER: &str = "x-hinomi-proof";
/// Longest challenge, in bytes.
const MAX_CHALLENGE_BYTES: usize = 128;

/// Computes the proof of a server.
#[derive(Debug, Clone)]
pub struct ServerProof {
    secret: String,
    address: String,
}

impl ServerProof {
    /// Creates the proof of a server with this secret that listens at this address.
    pub fn new(secret: String, address: String) -> ServerProof {
        ServerProof { secret, address }
    }

    /// Returns the proof for a challenge.
    pub fn proof_of(&self, challenge: &str) -> String {
        let message = format!("hinomi\n{}\n{challenge}", self.address);
        hex::encode(HMAC::mac(message.as_bytes(), self.secret.as_bytes()))
    }

    /// Returns the response header for the challenge of a request; empty if the request has none.
    pub fn response_headers(&self, request: &HeaderMap) -> HeaderMap {
        let challenge =
            request.get(CHALLENGE_HEADER).and_then(|value| value.to_str().ok()).filter(|text| text.len() <= MAX_CHALLENGE_BYTES);
        let code = challenge.and_then(|challenge| HeaderValue::from_str(&self.proof_of(challenge)).ok());
        code.into_iter().map(|code| (HeaderName::from_static(PROOF_HEADER), code)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proof_depends_on_secret_address_and_challenge() {
        let proof = |secret: &str, address: &str| ServerProof::new(secret.to_owned(), address.to_owned());
        let own = proof("s", "http://127.0.0.1:1");
        assert_eq!(own.proof_of("c"), proof("s", "http://127.0.0.1:1").proof_of("c"));
        for other in [own.proof_of("d"), proof("t", "http://127.0.0.1:1").proof_of("c"), proof("s", "http://127.0.0.1:2").proof_of("c")] {
            assert_ne!(own.proof_of("c"), other);
        }
        let asked = HeaderMap::from_iter([(CHALLENGE_HEADER.parse().unwrap(), HeaderValue::from_static("c"))]);
        assert_eq!(own.response_headers(&asked)[PROOF_HEADER], own.proof_of("c"));
        assert!(own.response_headers(&HeaderMap::new()).is_empty());
    }
}
