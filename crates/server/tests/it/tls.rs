//! TLS of the server's own ports, with certificates of an authority that exists only in the test.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::server::{KEY, Server};

/// Time within which a renewed certificate takes effect.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(60);

/// A certificate authority whose certificates a client trusts.
struct TestAuthority(CertifiedIssuer<'static, KeyPair>);

impl TestAuthority {
    fn new() -> TestAuthority {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        TestAuthority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate for a host, and its key.
    fn issue(&self, folder: &Path, host: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        std::fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    }

    /// Returns a client that trusts only this authority.
    fn client(&self) -> ureq::Agent {
        let roots = RootCerts::from(vec![Certificate::from_der(self.0.der()).to_owned()]);
        let tls = TlsConfig::builder().root_certs(roots).build();
        ureq::Agent::config_builder().tls_config(tls).http_status_as_error(false).build().new_agent()
    }
}

fn start_with_tls(folder: &Path, more: &[(&str, &str)]) -> Server {
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    let tls = [("HINOMI_TLS_CERTIFICATE", certificate.to_str().unwrap()), ("HINOMI_TLS_KEY", key.to_str().unwrap())];
    Server::start_with(&[&tls, more].concat())
}

#[test]
fn server_accepts_tls_and_tells_plain_clients_about_it() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), TestAuthority::new());
    authority.issue(folder.path(), "localhost");
    let server = start_with_tls(folder.path(), &[("HINOMI_TLS_HSTS_MAX_AGE_S", "600")]);
    let port = server.url.rsplit_once(':').unwrap().1;
    let url = format!("https://localhost:{port}");

    let mut answer = authority.client().get(format!("{url}/healthz")).call().unwrap();
    assert_eq!((answer.status().as_u16(), answer.body_mut().read_to_string().unwrap().as_str()), (200, "ok"));
    assert_eq!(answer.headers()["strict-transport-security"], "max-age=600");
    let stranger = TestAuthority::new().client().get(format!("{url}/healthz")).call();
    assert!(stranger.is_err(), "a client must not trust the certificate of an unknown authority");

    // An envelope over TLS is stored like any other.
    let envelope = "{}\n{\"type\":\"log\",\"item_count\":0,\"content_type\":\"application/vnd.sentry.items.log+json\"}\n{\"items\":[]}\n";
    let sent = authority.client().post(format!("{url}/api/1/envelope/?sentry_key={KEY}")).send(envelope).unwrap();
    assert_eq!(sent.status().as_u16(), 200);

    let mut plain = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut text = String::new();
    plain.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("https://"), "{text}");

    // Commands reach the server although the certificate does not name the loopback address.
    let file = folder.path().join("export.ndjson");
    let (_, error, status) = server.command(&["export", "--out", file.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{error}");
    let config = server.command(&["config"]).0;
    assert!(config.contains("hsts_max_age_s = 600"), "{config}");
}

#[test]
fn renewed_certificate_takes_effect_and_damaged_file_does_not() {
    let (folder, first) = (tempfile::tempdir().unwrap(), TestAuthority::new());
    first.issue(folder.path(), "localhost");
    let server = start_with_tls(folder.path(), &[]);
    let url = format!("https://localhost:{}/healthz", server.url.rsplit_once(':').unwrap().1);
    assert!(first.client().get(&url).call().is_ok());

    std::fs::write(folder.path().join("server.pem"), "not a certificate").unwrap();
    let second = TestAuthority::new();
    let started = Instant::now();
    while !server.log().contains("server.tls.renewal_failed") {
        assert!(started.elapsed() < RENEWAL_TIMEOUT, "{}", server.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(first.client().get(&url).call().is_ok(), "the earlier certificate stays in effect");

    second.issue(folder.path(), "localhost");
    let started = Instant::now();
    while second.client().get(&url).call().is_err() {
        assert!(started.elapsed() < RENEWAL_TIMEOUT, "{}", server.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(first.client().get(&url).call().is_err());
}
