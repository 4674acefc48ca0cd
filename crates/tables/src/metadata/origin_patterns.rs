//! Patterns of the origins of web pages that may send with an ingest key.

use super::error::MetadataError;

/// Maximum length of a pattern in bytes: that of a host name, a scheme and a port.
const MAX_PATTERN_LENGTH: usize = 300;

/// A pattern such as `https://*.example.com`, `localhost:3000` or `*`.
struct OriginPattern<'a> {
    /// `None` admits any scheme.
    scheme: Option<&'a str>,
    host: &'a str,
    port: OriginPort<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OriginPort<'a> {
    /// The default port of the scheme, which an origin does not name.
    Default,
    Named(&'a str),
}

/// Splits an origin or a pattern into scheme, host and port. The host of an IPv6 address keeps its brackets.
fn split_origin(text: &str) -> OriginPattern<'_> {
    let (scheme, rest) = text.split_once("://").map_or((None, text), |(scheme, rest)| (Some(scheme), rest));
    let after_brackets = rest.rfind(']').map_or(0, |at| at + 1);
    match rest[after_brackets..].find(':') {
        Some(at) => {
            let (host, port) = rest.split_at(after_brackets + at);
            OriginPattern { scheme, host, port: OriginPort::Named(&port[1..]) }
        }
        None => OriginPattern { scheme, host: rest, port: OriginPort::Default },
    }
}

/// Returns whether one of the patterns admits an origin, the value of the header `Origin`. Without patterns, every origin is admitted.
pub(super) fn is_origin_admitted(patterns: &[String], origin: &str) -> bool {
    let origin = origin.trim().to_ascii_lowercase();
    patterns.is_empty() || patterns.iter().any(|pattern| is_match(pattern, &origin))
}

fn is_match(pattern: &str, origin: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (wanted, origin) = (split_origin(pattern), split_origin(origin));
    let is_scheme = wanted.scheme.is_none_or(|scheme| Some(scheme) == origin.scheme);
    let is_port = wanted.port == OriginPort::Named("*") || wanted.port == origin.port;
    // An origin without a scheme, such as `null`, is not that of a host.
    origin.scheme.is_some() && is_scheme && is_port && is_host_match(wanted.host, origin.host)
}

/// Returns whether a host matches: `*` as the first label stands for one or more labels, `*` within a label for any part of that label.
fn is_host_match(pattern: &str, host: &str) -> bool {
    let Some(suffix) = pattern.strip_prefix("*.") else {
        let labels = (pattern.split('.'), host.split('.'));
        return pattern.split('.').count() == host.split('.').count()
            && labels.0.zip(labels.1).all(|(wanted, label)| is_label(wanted, label));
    };
    let labels = suffix.split('.').count();
    let Some((at, _)) = host.rmatch_indices('.').nth(labels - 1) else { return false };
    at > 0 && is_host_match(suffix, &host[at + 1..])
}

/// Returns whether a label matches a pattern with at most one `*`.
fn is_label(pattern: &str, label: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == label,
        Some((before, after)) => label.len() >= before.len() + after.len() && label.starts_with(before) && label.ends_with(after),
    }
}

/// Returns a pattern as it is stored, in lower case.
pub(super) fn checked_pattern(pattern: &str) -> Result<String, MetadataError> {
    let pattern = pattern.trim().trim_end_matches('/').to_ascii_lowercase();
    let invalid = |reason: &str| Err(MetadataError::Invalid(format!("allowed_origins: {pattern:?} {reason}")));
    if pattern == "*" {
        return Ok(pattern);
    }
    let parts = split_origin(&pattern);
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-*_[]:".contains(c);
    if pattern.len() > MAX_PATTERN_LENGTH || parts.host.is_empty() || !parts.host.chars().all(is_host) {
        return invalid("is not an origin such as https://app.example.com or https://*.example.com");
    }
    if parts.scheme.is_some_and(|scheme| scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))) {
        return invalid("has an invalid scheme");
    }
    if let OriginPort::Named(port) = parts.port
        && port != "*"
        && port.parse::<u16>().is_err()
    {
        return invalid("has an invalid port");
    }
    let labels: Vec<&str> = parts.host.split('.').collect();
    let fixed = labels.len().saturating_sub(2);
    let has_star = |labels: &[&str]| labels.iter().any(|label| label.contains('*'));
    if has_star(&labels[fixed..]) || labels.iter().any(|label| label.is_empty() || label.matches('*').count() > 1) {
        // `*example.com` would admit `evil-example.com`, `*.com` half of the web.
        return invalid("must not have * in the last two parts of its host, nor an empty part, nor two * in one part");
    }
    if labels.iter().skip(1).any(|label| *label == "*") {
        return invalid("may have * in place of a whole part only at the beginning");
    }
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn admits(pattern: &str, origin: &str) -> bool {
        is_origin_admitted(&[checked_pattern(pattern).unwrap()], origin)
    }

    #[test]
    fn patterns_match_whole_hosts() {
        let admitted = [
            ("https://app.example.com", "https://app.example.com"),
            ("https://app.example.com/", "https://APP.example.com"),
            ("https://*.example.com", "https://a.b.example.com"),
            ("app.example.com", "http://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("localhost:*", "http://localhost:5173"),
            ("localhost:*", "http://localhost"),
            ("https://preview-*.example.com", "https://preview-17.example.com"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("*", "null"),
        ];
        for (pattern, origin) in admitted {
            assert!(admits(pattern, origin), "{pattern} {origin}");
        }
        let rejected = [
            ("https://app.example.com", "http://app.example.com"),
            ("https://app.example.com", "https://app.example.com:8443"),
            ("https://app.example.com", "https://app.example.com.evil.net"),
            ("https://*.example.com", "https://example.com"),
            ("https://*.example.com", "https://evil-example.com"),
            ("https://*.example.com", "https://.example.com"),
            ("https://*.example.com", "https://example.com.evil.net"),
            ("https://preview-*.example.com", "https://preview-1.evil.example.com"),
            ("app.example.com", "null"),
            ("http://localhost", "http://localhost:3000"),
        ];
        for (pattern, origin) in rejected {
            assert!(!admits(pattern, origin), "{pattern} {origin}");
        }
        assert!(is_origin_admitted(&[], "https://anything.example"));
    }

    #[test]
    fn dangerous_patterns_are_refused() {
        for wrong in [
            "",
            "https://",
            "*.com",
            "https://*example.com",
            "https://a.*.example.com",
            "a..b.example.com",
            "https://a b",
            "https://x:y",
            "x/path",
        ] {
            assert!(checked_pattern(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn star_never_leaves_its_domain(origin in "[a-z.:/*-]{0,30}") {
            if admits("https://*.example.com", &origin) {
                prop_assert!(origin.starts_with("https://") && origin.ends_with(".example.com"));
            }
        }
    }
}
