//! Decides which requests are accepted without a key: requests that only a program on this machine can have sent.
//!
//! Listening only on loopback is not enough: a reverse proxy forwards requests from the whole network, and a web page in a browser on this
//! machine sends requests on behalf of its author. Both kinds of requests can be recognized by their headers.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};

use super::otlp::header_text;
use super::rejection::IngestRejection;

/// Headers that proxies add and programs do not, in addition to those that begin with `x-forwarded` or `x-envoy-`.
const PROXY_HEADERS: &[&str] = &[
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-original-host",
    "x-proxyuser-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "cdn-loop",
    "fastly-client-ip",
    "fly-client-ip",
    "x-azure-clientip",
    "x-arr-log-id",
];

/// Names by which programs in containers reach their host.
const NAMES_FROM_CONTAINERS: &[&str] =
    &["host.docker.internal", "gateway.docker.internal", "host.containers.internal", "host.lima.internal"];

/// Accepts a request of a program on this machine; with `any_host` also one that addresses the server by another name.
pub(super) fn check_keyless(headers: &HeaderMap, any_host: bool) -> Result<(), IngestRejection> {
    if let Some(name) = proxy_header(headers) {
        return Err(IngestRejection::KeylessProxy(name.to_owned()));
    }
    // Any page on the web can make a browser on this machine post to it.
    if let Some(page) = header_text(headers, "origin").or_else(|| header_text(headers, "sec-fetch-site")) {
        return Err(IngestRejection::KeylessPage(page.to_owned()));
    }
    // Not every proxy adds a header, but most keep the host name. The check also rejects a page whose own host name resolves to this
    // machine.
    if any_host || is_for_this_machine(headers) {
        return Ok(());
    }
    Err(IngestRejection::KeylessHost(header_text(headers, "host").unwrap_or_default().chars().take(100).collect()))
}

/// Returns the name of a header which shows that the request came through a proxy.
pub fn proxy_header(headers: &HeaderMap) -> Option<&str> {
    let of_proxy = |name: &&str| name.starts_with("x-forwarded") || name.starts_with("x-envoy-") || PROXY_HEADERS.contains(name);
    headers.keys().map(header::HeaderName::as_str).find(of_proxy)
}

/// Returns whether the request addresses the server by a name that only this machine has.
pub fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let host = header_text(headers, "host").unwrap_or_default();
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = address.is_ok_and(|address| address.to_canonical().is_loopback());
    is_loopback || name == "localhost" || name.ends_with(".localhost") || NAMES_FROM_CONTAINERS.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection_reason(pairs: &[(&str, &str)], any_host: bool) -> Option<&'static str> {
        let headers = pairs.iter().map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())).collect();
        check_keyless(&headers, any_host).err().map(|refusal| refusal.reason().as_str())
    }

    #[test]
    fn local_programs_are_accepted() {
        for host in
            ["127.0.0.1:8119", "localhost:8119", "LOCALHOST", "[::1]:8119", "127.9.9.9", "hinomi.localhost", "host.docker.internal:8119"]
        {
            assert_eq!(rejection_reason(&[("host", host)], false), None, "{host}");
        }
    }

    #[test]
    fn proxied_requests_are_rejected() {
        let local = ("host", "127.0.0.1:8119");
        for name in ["Forwarded", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Host", "Via", "X-Real-IP", "CF-Connecting-IP"] {
            assert_eq!(rejection_reason(&[local, (name, "")], false), Some("proxy_without_key"), "{name}");
            assert_eq!(rejection_reason(&[local, (name, "203.0.113.9")], true), Some("proxy_without_key"), "{name}");
        }
    }

    #[test]
    fn browser_pages_and_unknown_hosts_are_rejected() {
        let local = ("host", "127.0.0.1:8119");
        assert_eq!(rejection_reason(&[local, ("origin", "null")], true), Some("page_without_key"));
        assert_eq!(rejection_reason(&[local, ("sec-fetch-site", "cross-site")], false), Some("page_without_key"));
        for host in ["hinomi.example.com", "127.0.0.1.example.com:8119", "localhost.example", "10.0.0.7:8119", "0.0.0.0", "", "a b"] {
            assert_eq!(rejection_reason(&[("host", host)], false), Some("host_without_key"), "{host}");
        }
        assert_eq!(rejection_reason(&[], false), Some("host_without_key"));
        assert_eq!(rejection_reason(&[("host", "hinomi:8119")], true), None);
    }
}
