//! HTTP requests to services that users name. Requests go only to checked addresses, without redirects or a proxy, and with limits on the
//! duration and on the response.

use std::borrow::Cow;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{Request, Response, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, AsSendBody, Body, Error, Timeout};

use super::allowed_networks::AllowedNetworks;
use super::outbox::now_us;
use super::retry_schedule::parse_retry_after;
use super::trusted_certificates::TrustedCertificates;

/// Maximum number of bytes that are read of a response. Its content is not needed, but reading it to the end allows the connection to be
/// reused.
const MAX_RESPONSE_BYTES: u64 = 16 << 10;
/// Maximum size of the body of a document in bytes.
const MAX_DOCUMENT_BYTES: u64 = 1 << 20;
/// Error text of the resolver for an address that is not allowed. The error is recognized by it.
const ADDRESS_REJECTED: &str = "the address is in a private network";

/// Resolves names to the addresses that connections are allowed to, so the address that is checked is the one that is used.
#[derive(Debug)]
struct AllowedNetworkResolver {
    allowed_networks: AllowedNetworks,
}

impl Resolver for AllowedNetworkResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let mut kept = self.empty();
        for address in self.allowed_networks.filter_permitted(found.iter().copied()) {
            kept.push(address);
        }
        if kept.is_empty() { Err(Error::Io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, ADDRESS_REJECTED))) } else { Ok(kept) }
    }
}

/// HTTP POST request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPostRequest {
    /// URL, which may contain a secret.
    pub url: String,
    /// Names and values of headers.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// Response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPostResponse {
    /// HTTP status.
    pub status: u16,
    /// Delay that the service requests before the next attempt (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// The one-word reason that services such as Slack respond with (`no_service`). A longer response may repeat the sent data, so it is
    /// not returned.
    pub reason: Option<String>,
}

/// Response with its body, which is at most 1 MiB long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpDocument {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Vec<u8>,
}

/// Reason why there is no response with a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundHttpError {
    /// The host has only addresses in private networks that the configuration does not allow.
    #[error("{ADDRESS_REJECTED}")]
    PrivateAddress,
    /// Any other reason.
    #[error("{0}")]
    NoResponse(String),
}

/// HTTP client for URLs that users configure.
#[derive(Debug, Clone)]
pub struct OutboundHttpClient {
    /// Trusts the public certificate authorities.
    public: Agent,
    /// Trusts the configured certificate authorities; `None` if there are none.
    configured: Option<Agent>,
    timeout: Duration,
}

impl OutboundHttpClient {
    /// Creates a client that connects to public addresses and to the allowed private networks. `timeout` is the maximum duration of a
    /// request, from resolving the name to the last byte.
    pub fn new(allowed: &AllowedNetworks, trust: &TrustedCertificates, timeout: Duration) -> OutboundHttpClient {
        let configured = trust.web_tls_config().map(|tls| new_agent(allowed.clone(), tls, timeout));
        OutboundHttpClient { public: new_agent(allowed.clone(), TlsConfig::default(), timeout), configured, timeout }
    }

    /// Sends one request. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no response. The text describes the reason without the URL, which may be the secret.
    pub fn post(&self, post: &HttpPostRequest) -> Result<HttpPostResponse, String> {
        let mut request = Request::post(&post.url);
        for (name, value) in &post.headers {
            request = request.header(name.as_ref(), value);
        }
        let request =
            request.body(post.body.as_slice()).map_err(|_| "the URL or a header is invalid; correct it in the settings".to_owned())?;
        let mut answer = self.send_request(&request).map_err(|error| describe_error(&error, self.timeout))?;
        let asked = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = asked.and_then(|text| parse_retry_after(text, now_us()));
        let text = answer.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_vec().unwrap_or_default();
        Ok(HttpPostResponse { status: answer.status().as_u16(), retry_after, reason: reason_word(&text).map(str::to_owned) })
    }

    /// Reads the document at a URL. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When there is no complete response. The text describes the reason without the URL.
    pub fn get_document(&self, url: &str, headers: &[(Cow<'static, str>, String)]) -> Result<HttpDocument, OutboundHttpError> {
        let mut request = Request::get(url).header("accept", "application/json");
        for (name, value) in headers {
            request = request.header(name.as_ref(), value);
        }
        self.read_document(&request.body(()))
    }

    /// Sends a request and reads the document that is the response. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When there is no complete response. The text describes the reason without the URL.
    pub fn post_document(&self, post: &HttpPostRequest) -> Result<HttpDocument, OutboundHttpError> {
        let mut request = Request::post(&post.url).header("accept", "application/json");
        for (name, value) in &post.headers {
            request = request.header(name.as_ref(), value);
        }
        self.read_document(&request.body(post.body.as_slice()))
    }

    fn read_document<B: AsSendBody + Clone>(
        &self,
        request: &Result<Request<B>, ureq::http::Error>,
    ) -> Result<HttpDocument, OutboundHttpError> {
        let no_response = |error: &Error| match error {
            Error::Io(error) if error.to_string() == ADDRESS_REJECTED => OutboundHttpError::PrivateAddress,
            error => OutboundHttpError::NoResponse(describe_error(error, self.timeout)),
        };
        let Ok(request) = request else {
            return Err(OutboundHttpError::NoResponse("the URL or a header is invalid; change it".to_owned()));
        };
        let mut answer = self.send_request(request).map_err(|error| no_response(&error))?;
        let body = answer.body_mut().with_config().limit(MAX_DOCUMENT_BYTES).read_to_vec().map_err(|error| no_response(&error))?;
        Ok(HttpDocument { status: answer.status().as_u16(), body })
    }

    /// Sends a request. If no public authority has signed the certificate of the service, tries again with the configured ones; nothing has
    /// been sent by then.
    fn send_request<B: AsSendBody + Clone>(&self, request: &Request<B>) -> Result<Response<Body>, Error> {
        let is_untrusted = |error: &Error| match error {
            Error::Tls(_) | Error::Rustls(_) => true,
            Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
            _ => false,
        };
        match (self.public.run(request.clone()), &self.configured) {
            (Err(error), Some(own)) if is_untrusted(&error) => own.run(request.clone()),
            (ended, _) => ended,
        }
    }
}

fn new_agent(allowed_networks: AllowedNetworks, tls: TlsConfig, timeout: Duration) -> Agent {
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // A proxy would resolve names on its own.
        .proxy(None)
        .max_response_header_size(32 << 10)
        .user_agent(concat!("Hinomi/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), AllowedNetworkResolver { allowed_networks })
}

/// Returns the one-word reason that services such as Slack respond with (`no_service`). A longer response may repeat the message and is
/// not recorded.
fn reason_word(answer: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(answer).ok()?.trim();
    let telling = !text.is_empty() && text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    telling.then_some(text)
}

/// Describes an error without the URL, which may be the secret.
fn describe_error(error: &Error, timeout: Duration) -> String {
    match error {
        Error::Timeout(Timeout::Resolve) => "the DNS lookup timed out".to_owned(),
        Error::Timeout(Timeout::Connect) => "the connection timed out".to_owned(),
        Error::Timeout(_) => format!("no response within {} s", timeout.as_secs()),
        Error::HostNotFound => "host not found; check the URL".to_owned(),
        Error::ConnectionFailed => "the connection failed".to_owned(),
        Error::Io(error) if error.to_string() == ADDRESS_REJECTED => {
            format!("{ADDRESS_REJECTED}; an administrator can allow the address with the setting notify.allow")
        }
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            format!("no trusted TLS connection: {error}; an administrator can add a CA certificate with the setting notify.ca_file")
        }
        Error::Io(error) => format!("the connection failed: {}", error.kind()),
        Error::Tls(reason) => format!("no trusted TLS connection: {reason}"),
        Error::Rustls(reason) => format!("no trusted TLS connection: {reason}"),
        Error::LargeResponseHeader(..) => "the response headers are too large".to_owned(),
        Error::Protocol(_) | Error::Http(_) => "the response is not valid HTTP".to_owned(),
        _ => "the request failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_one_word_reason_of_a_response_is_recorded() {
        assert_eq!(reason_word(b"no_service\n"), Some("no_service"));
        assert_eq!(reason_word(b"User u_20481 spent"), None);
        assert_eq!(reason_word(&[0xff]), None);
        assert_eq!(reason_word(b""), None);
    }
}
