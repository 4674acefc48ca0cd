//! TLS of the server's own ports: the certificate, its renewal, and the handshake.
//!
//! The files are read again while the server runs, because certificates of public authorities are renewed every few weeks. A file that
//! cannot be used leaves the earlier certificate in effect.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, bail};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::config::TlsConfig;

/// Interval at which the certificate and its key are read again.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);
/// Response to a request without TLS.
const PLAIN_HTTP_RESPONSE: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: 59\r\n\r\n\
    This port accepts only TLS. Use https:// instead of http://";

/// Accepts TLS connections with a certificate that can be renewed.
#[derive(Debug, Clone)]
pub struct ServerTls {
    resolver: Arc<RenewableCertificate>,
    config: TlsConfig,
    server: Arc<rustls::ServerConfig>,
}

/// The certificate in effect.
#[derive(Debug)]
struct RenewableCertificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for RenewableCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl RenewableCertificate {
    fn current(&self) -> Arc<CertifiedKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerTls {
    /// Reads the certificate and the key of a configuration. Returns `None` if the configuration names none.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or contains no certificate or key, or when the key does not belong to the certificate.
    pub fn from_config(config: &TlsConfig) -> anyhow::Result<Option<ServerTls>> {
        if !config.is_enabled() {
            return Ok(None);
        }
        let resolver = Arc::new(RenewableCertificate(RwLock::new(Arc::new(read_certificate(config)?))));
        let mut server = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .context("cannot configure TLS")?
            .with_no_client_auth()
            .with_cert_resolver(resolver.clone());
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(ServerTls { resolver, config: config.clone(), server: Arc::new(server) }))
    }

    /// Reads the files again in intervals, until `stop`.
    pub async fn run_renewal(self, stop: CancellationToken) {
        let mut last_error = String::new();
        while tokio::time::timeout(RELOAD_INTERVAL, stop.cancelled()).await.is_err() {
            let tls = self.clone();
            let Ok(renewed) = tokio::task::spawn_blocking(move || tls.renew_certificate()).await else { return };
            match renewed {
                Ok(true) => tracing::info!(certificate = %self.config.certificate.display(), "server.tls.renewed"),
                Ok(false) => last_error.clear(),
                // The same error every 10 seconds would fill the log.
                Err(error) if format!("{error:#}") == last_error => {}
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "server.tls.renewal_failed");
                    last_error = format!("{error:#}");
                }
            }
        }
    }

    /// Reads the files again. Returns whether the certificate changed.
    fn renew_certificate(&self) -> anyhow::Result<bool> {
        let renewed = read_certificate(&self.config)?;
        if renewed.cert == self.resolver.current().cert {
            return Ok(false);
        }
        *self.resolver.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
        Ok(true)
    }

    /// Completes the handshake of a connection. A client that speaks plain HTTP is told so.
    ///
    /// # Errors
    ///
    /// Returns an error if the client does not speak TLS, or the handshake fails.
    pub(super) async fn accept(&self, mut stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        // HTTP begins with the letters of a method, TLS with the number of a record type.
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first[0].is_ascii_alphabetic() {
            stream.write_all(PLAIN_HTTP_RESPONSE).await?;
            stream.shutdown().await?;
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        TlsAcceptor::from(self.server.clone()).accept(stream).await
    }
}

/// Reads the certificate chain and the private key of a configuration.
fn read_certificate(config: &TlsConfig) -> anyhow::Result<CertifiedKey> {
    let certificates: Vec<CertificateDer<'static>> =
        pem_file("tls.certificate", &config.certificate, |path| CertificateDer::pem_file_iter(path)?.collect())?;
    if certificates.is_empty() {
        bail!(
            "tls.certificate: {} contains no certificate; use a PEM file with the server's certificate first",
            config.certificate.display()
        );
    }
    let key = pem_file("tls.key", &config.key, |path| PrivateKeyDer::from_pem_file(path))?;
    CertifiedKey::from_der(certificates, key, &default_provider())
        .with_context(|| format!("tls.key: {} does not belong to the certificate", config.key.display()))
}

fn pem_file<T>(setting: &str, path: &Path, read: impl Fn(&Path) -> Result<T, rustls::pki_types::pem::Error>) -> anyhow::Result<T> {
    read(path)
        .map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => anyhow::anyhow!("no item of this kind in the file"),
            error => error.into(),
        })
        .with_context(|| format!("{setting}: cannot read the PEM file {}", path.display()))
}
