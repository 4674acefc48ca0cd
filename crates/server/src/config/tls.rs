//! Settings of TLS.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// TLS of the server's ports. It is off if no certificate is named.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file of the certificate of the server, followed by the certificates of intermediate authorities.
    pub certificate: PathBuf,
    /// PEM file of the private key of the certificate.
    pub key: PathBuf,
    /// Seconds for which browsers use only https for the host, on all of its ports (`Strict-Transport-Security`); 0: no such header.
    pub hsts_max_age_s: u64,
}

impl TlsConfig {
    /// Returns whether the ports use TLS.
    pub fn is_enabled(&self) -> bool {
        !self.certificate.as_os_str().is_empty()
    }
}
