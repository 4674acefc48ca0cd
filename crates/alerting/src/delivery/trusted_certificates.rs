//! Certificate authorities that are trusted in addition to the public ones, such as those of a company's network.

use std::path::Path;
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Certificates of authorities, in DER format.
#[derive(Debug, Clone, Default)]
pub struct TrustedCertificates(Vec<Vec<u8>>);

impl TrustedCertificates {
    /// Reads a file of certificates in PEM format; an empty path means none.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or contains no certificate, with the reason.
    pub fn read_file(path: &Path) -> Result<TrustedCertificates, String> {
        if path.as_os_str().is_empty() {
            return Ok(TrustedCertificates::default());
        }
        let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut found = Vec::new();
        for item in parse_pem(&pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => found.push(certificate.der().to_vec()),
                Ok(_) => {}
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        if found.is_empty() {
            Err(format!("{} contains no certificates in PEM format", path.display()))
        } else {
            Ok(TrustedCertificates(found))
        }
    }

    /// Returns the TLS configuration for HTTP channels whose certificates no public authority has signed; `None` without configured
    /// authorities.
    pub(super) fn web_tls_config(&self) -> Option<TlsConfig> {
        let own: Vec<_> = self.0.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        (!own.is_empty()).then(|| TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(own))).build())
    }

    /// Returns the certificates for mail servers, used in addition to the public ones.
    pub(super) fn mail_certificates(&self) -> impl Iterator<Item = lettre::transport::smtp::client::Certificate> {
        self.0.iter().filter_map(|der| lettre::transport::smtp::client::Certificate::from_der(der.clone()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_without_certificates_is_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(TrustedCertificates::read_file(&path).unwrap_err().contains("ca.pem"));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(TrustedCertificates::read_file(&path).unwrap_err().contains("contains no certificates"));
        assert!(TrustedCertificates::read_file(Path::new("")).unwrap().web_tls_config().is_none());
    }
}
