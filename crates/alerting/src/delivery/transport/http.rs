//! Requests to targets of the web: to checked addresses only, no redirects, no proxy, little read of the answer.

use ureq::config::Config;
use ureq::http::{Request, Response, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Error, Timeout};

use super::{DeliveryAttemptResult, DeliveryDisposition, LIMIT};
use crate::delivery::allowed_networks::AllowedNetworks;
use crate::delivery::outbox::now_us;
use crate::delivery::render::HttpPostRequest;
use crate::delivery::retry_schedule::retry_after;
use crate::delivery::trusted_certificates::TrustedCertificates;

/// Most bytes read of an answer. None of them is needed; short ones are read so that the connection can be used again.
const ANSWER: u64 = 16 << 10;
/// What the resolver says of an address that is not allowed. It is known again by this text.
const REFUSED: &str = "the target is in a private network";

/// Looks up names and leaves only addresses that may be connected to: what is checked is what is connected to.
#[derive(Debug)]
struct AllowedNetworkResolver {
    allowed: AllowedNetworks,
}

impl Resolver for AllowedNetworkResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let mut kept = self.empty();
        for address in self.allowed.keep(found.iter().copied()) {
            kept.push(address);
        }
        if kept.is_empty() { Err(Error::Io(std::io::Error::new(std::io::ErrorKind::PermissionDenied, REFUSED))) } else { Ok(kept) }
    }
}

/// Who sends requests.
#[derive(Debug, Clone)]
pub(super) struct HttpAgents {
    /// Trusts the public authorities.
    public: Agent,
    /// Trusts those that the owner names; `None` where there are none.
    own: Option<Agent>,
}

impl HttpAgents {
    pub(super) fn new(allowed: &AllowedNetworks, trust: &TrustedCertificates) -> HttpAgents {
        let own = trust.of_web().map(|tls| agent(allowed.clone(), tls));
        HttpAgents { public: agent(allowed.clone(), TlsConfig::default()), own }
    }

    /// Sends a request; once more where no public authority vouches for the target, which ends before anything is sent.
    fn run(&self, request: &Request<&[u8]>) -> Result<Response<Body>, Error> {
        let is_untrusted = |error: &Error| match error {
            Error::Tls(_) | Error::Rustls(_) => true,
            Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
            _ => false,
        };
        match (self.public.run(request.clone()), &self.own) {
            (Err(error), Some(own)) if is_untrusted(&error) => own.run(request.clone()),
            (ended, _) => ended,
        }
    }
}

fn agent(allowed: AllowedNetworks, tls: TlsConfig) -> Agent {
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(LIMIT))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        // A proxy would look names up by itself.
        .proxy(None)
        .max_response_header_size(32 << 10)
        .user_agent(concat!("Hinomi/", env!("CARGO_PKG_VERSION")))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), AllowedNetworkResolver { allowed })
}

/// Sends one request. Blocks.
pub(super) fn send(agents: &HttpAgents, post: &HttpPostRequest) -> DeliveryAttemptResult {
    let mut request = Request::post(&post.url).header("content-type", "application/json; charset=utf-8");
    for (name, value) in &post.headers {
        request = request.header(*name, value);
    }
    let Ok(request) = request.body(post.body.as_slice()) else {
        return DeliveryAttemptResult::again("the target's address cannot be used; change it");
    };
    let mut answer = match agents.run(&request) {
        Ok(answer) => answer,
        Err(error) => return DeliveryAttemptResult::again(said(&error)),
    };
    let status = answer.status().as_u16();
    let asked = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(|text| retry_after(text, now_us()));
    let text = answer.body_mut().with_config().limit(ANSWER).read_to_vec().unwrap_or_default();
    let word = word(&text).map(|word| format!(", it said `{word}`")).unwrap_or_default();
    let (then, error) = match status {
        200..=299 => (DeliveryDisposition::Delivered, None),
        300..=399 => (
            DeliveryDisposition::Again(None),
            Some(format!("it answered {status}, a redirect, which is not followed; set the address that it leads to")),
        ),
        // The message itself is refused; the same one would be refused again.
        400 | 413 | 415 | 422 => (DeliveryDisposition::GiveUp, Some(format!("it answered {status}{word}: it does not take this message"))),
        401 | 403 | 404 | 410 => {
            (DeliveryDisposition::Again(asked), Some(format!("it answered {status}{word}; the address or its secret may have changed")))
        }
        _ => (DeliveryDisposition::Again(asked), Some(format!("it answered {status}{word}"))),
    };
    DeliveryAttemptResult { status: Some(status), error, then }
}

/// Services such as Slack answer with one telling word (`no_service`). Anything longer might repeat the message, and is not kept.
fn word(answer: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(answer).ok()?.trim();
    let telling = !text.is_empty() && text.len() <= 40 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    telling.then_some(text)
}

/// What went wrong, without the address: it may be the secret.
fn said(error: &Error) -> String {
    match error {
        Error::Timeout(Timeout::Resolve) => "its name was not looked up in time".to_owned(),
        Error::Timeout(Timeout::Connect) => "it could not be connected to in time".to_owned(),
        Error::Timeout(_) => format!("it did not answer within {} s", LIMIT.as_secs()),
        Error::HostNotFound => "there is no host of its name; check the address".to_owned(),
        Error::ConnectionFailed => "it could not be connected to".to_owned(),
        Error::Io(error) if error.to_string() == REFUSED => {
            format!("{REFUSED}; the owner of this server can allow it by the setting notify.allow")
        }
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            format!("no trusted connection: {error}; an authority of your own can be named by the setting notify.ca_file")
        }
        Error::Io(error) => format!("the connection failed: {}", error.kind()),
        Error::Tls(reason) => format!("no trusted connection: {reason}"),
        Error::Rustls(reason) => format!("no trusted connection: {reason}"),
        Error::LargeResponseHeader(..) => "its answer's headers are too large".to_owned(),
        Error::Protocol(_) | Error::Http(_) => "its answer is not HTTP".to_owned(),
        _ => "the request failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_telling_word_of_an_answer_is_kept() {
        assert_eq!(word(b"no_service\n"), Some("no_service"));
        assert_eq!(word(b"User u_20481 spent"), None);
        assert_eq!(word(&[0xff]), None);
        assert_eq!(word(b""), None);
    }
}
