//! The header with which an authenticating proxy states who a person is. It counts only on connections from the proxy's addresses.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use hinomi_tables::metadata::ProviderIdentity;
use ipnet::IpNet;

use crate::config::ProxyHeaderConfig;

/// Issuer of identities that a proxy states.
pub const PROXY_ISSUER: &str = "proxy header";

/// Interval after which the same failure is recorded again: each request of a page would be one.
const FAILURE_INTERVAL: Duration = Duration::from_secs(3600);
/// Number of failures that are remembered.
const MAX_FAILURES: usize = 1000;

/// An authenticating proxy.
#[derive(Debug)]
pub struct ProxyHeader {
    name: HeaderName,
    groups_name: Option<HeaderName>,
    networks: Vec<IpNet>,
    /// URL at which the proxy ends its own session; `None` if unknown.
    pub sign_out_url: Option<String>,
    failures: Mutex<HashMap<(String, &'static str), Instant>>,
    /// Held while a session begins, so that the requests of a page begin one together.
    pub starting: tokio::sync::Mutex<()>,
}

/// Who a request is from, according to the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyIdentity {
    /// E-mail address in lower case.
    pub email: String,
    /// Groups of the person.
    pub groups: Vec<String>,
}

impl ProxyIdentity {
    /// Returns the identity as that of a provider.
    pub fn as_provider_identity(&self) -> ProviderIdentity {
        let email = self.email.clone();
        ProviderIdentity { issuer: PROXY_ISSUER.to_owned(), subject: email.clone(), email, name: String::new() }
    }
}

impl ProxyHeader {
    pub(super) fn new(config: &ProxyHeaderConfig) -> Option<ProxyHeader> {
        let name = |text: &str| HeaderName::try_from(text).ok();
        Some(ProxyHeader {
            name: name(&config.name)?,
            groups_name: name(&config.groups_name),
            // The configuration was checked.
            networks: config.networks().unwrap_or_default(),
            sign_out_url: Some(config.sign_out_url.clone()).filter(|url| !url.is_empty()),
            failures: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
        })
    }

    /// Removes the headers from a request, and returns the identity that they state if the request comes from the proxy.
    pub fn take_identity(&self, parts: &mut Parts) -> Option<ProxyIdentity> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let email = take(&mut parts.headers, &self.name);
        let groups = self.groups_name.as_ref().map(|name| take(&mut parts.headers, name)).unwrap_or_default();
        if !peer.is_some_and(|peer| self.is_proxy(peer)) {
            return None;
        }
        let [email] = email.as_slice() else {
            if !email.is_empty() {
                tracing::warn!(header = %self.name, "sign_in.proxy_header.repeated");
            }
            return None;
        };
        let email = email.trim().to_lowercase();
        let groups = groups.iter().flat_map(|line| line.split(',')).map(|group| group.trim().to_owned());
        (!email.is_empty()).then(|| ProxyIdentity { email, groups: groups.filter(|group| !group.is_empty()).collect() })
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Returns whether a failure is to be recorded: the first of its kind within an hour.
    pub fn is_new_failure(&self, email: &str, code: &'static str) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, at| at.elapsed() < FAILURE_INTERVAL);
        if failures.contains_key(&(email.to_owned(), code)) || failures.len() >= MAX_FAILURES {
            return false;
        }
        failures.insert((email.to_owned(), code), Instant::now());
        true
    }
}

/// Removes a header, and returns its values that are text.
fn take(headers: &mut HeaderMap, name: &HeaderName) -> Vec<String> {
    let values =
        headers.get_all(name).into_iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned)).collect();
    headers.remove(name);
    values
}

#[cfg(test)]
mod tests {
    use axum::extract::Request;

    use super::*;

    fn proxy() -> ProxyHeader {
        let config = ProxyHeaderConfig {
            name: "X-Email".into(),
            groups_name: "x-groups".into(),
            addresses: "10.0.0.0/24, 192.0.2.7".into(),
            sign_out_url: String::new(),
        };
        ProxyHeader::new(&config).unwrap()
    }

    fn identity(peer: &str, headers: &[(&str, &str)]) -> Option<ProxyIdentity> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        parts.extensions.insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        let found = proxy().take_identity(&mut parts);
        assert!(!parts.headers.contains_key("x-email") && !parts.headers.contains_key("x-groups"));
        found
    }

    #[test]
    fn header_counts_from_the_proxy_only() {
        let ann = ("x-email", "Ann@Example.com");
        for peer in ["10.0.0.9:1", "192.0.2.7:443", "[::ffff:10.0.0.9]:1"] {
            let found = identity(peer, &[ann, ("x-groups", "ops, app,")]).unwrap();
            assert_eq!((found.email.as_str(), found.groups), ("ann@example.com", vec!["ops".to_owned(), "app".to_owned()]), "{peer}");
        }
        for peer in ["10.0.1.9:1", "127.0.0.1:1", "[::1]:1"] {
            assert_eq!(identity(peer, &[ann, ("x-forwarded-for", "10.0.0.9")]), None, "{peer}");
        }
        assert_eq!(identity("10.0.0.9:1", &[]), None);
        assert_eq!(identity("10.0.0.9:1", &[("x-email", " ")]), None);
        assert_eq!(identity("10.0.0.9:1", &[ann, ("x-email", "eve@example.com")]), None, "which of them is right?");
    }

    #[test]
    fn failure_is_recorded_once() {
        let proxy = proxy();
        assert!(proxy.is_new_failure("a", "no_role") && !proxy.is_new_failure("a", "no_role"));
        assert!(proxy.is_new_failure("a", "not_invited") && proxy.is_new_failure("b", "no_role"));
    }
}
