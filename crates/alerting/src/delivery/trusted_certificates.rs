//! Who may vouch for targets beside the public authorities: those of a company's own network.

use std::path::Path;
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Certificates of authorities, in DER form.
#[derive(Debug, Clone, Default)]
pub struct TrustedCertificates(Vec<Vec<u8>>);

impl TrustedCertificates {
    /// Reads a file of certificates in PEM form; the empty path is none.
    ///
    /// # Errors
    ///
    /// Says what is wrong when it cannot be read or holds no certificate.
    pub fn read(path: &Path) -> Result<TrustedCertificates, String> {
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
        if found.is_empty() { Err(format!("{} holds no certificate in PEM form", path.display())) } else { Ok(TrustedCertificates(found)) }
    }

    /// For requests to the web, of targets that no public authority vouches for. `None` where there are none of our own.
    pub(super) fn of_web(&self) -> Option<TlsConfig> {
        let own: Vec<_> = self.0.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        (!own.is_empty()).then(|| TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(own))).build())
    }

    /// For mail servers, beside the public ones.
    pub(super) fn of_mail(&self) -> impl Iterator<Item = lettre::transport::smtp::client::Certificate> {
        self.0.iter().filter_map(|der| lettre::transport::smtp::client::Certificate::from_der(der.clone()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(TrustedCertificates::read(&path).unwrap_err().contains("ca.pem"));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(TrustedCertificates::read(&path).unwrap_err().contains("holds no certificate"));
        assert!(TrustedCertificates::read(Path::new("")).unwrap().of_web().is_none());
    }
}
