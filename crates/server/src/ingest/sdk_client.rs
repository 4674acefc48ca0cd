//! Determines the SDK that sent a request from its headers.

use axum::http::HeaderMap;

/// Returns the name and version of the client, such as `sentry.python 2.75.0`.
pub(super) fn of_headers(headers: &HeaderMap) -> Option<String> {
    let header = |name: &str| headers.get(name)?.to_str().ok().filter(|value| !value.trim().is_empty());
    if let Some(name) = header("x-langfuse-sdk-name") {
        let name = if name.starts_with("langfuse") { name.to_owned() } else { format!("langfuse.{name}") };
        return Some(header("x-langfuse-sdk-version").map_or(name.clone(), |version| format!("{name} {version}")));
    }
    let in_auth = || header("x-sentry-auth")?.split([',', ' ']).find_map(|pair| pair.trim().strip_prefix("sentry_client="));
    // The first product of the header; the others describe the HTTP library.
    let product = in_auth().or_else(|| header("user-agent")?.split_ascii_whitespace().next())?;
    Some(product.replacen('/', " ", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sdk_names_of_every_family() {
        for (headers, expected) in [
            (&[("user-agent", "OTel-OTLP-Exporter-Python/1.45.2 grpc-c/1")][..], Some("OTel-OTLP-Exporter-Python 1.45.2")),
            (
                &[("x-sentry-auth", "Sentry sentry_key=k, sentry_client=sentry.python/2.75.0"), ("user-agent", "x")],
                Some("sentry.python 2.75.0"),
            ),
            (&[("x-langfuse-sdk-name", "python"), ("x-langfuse-sdk-version", "2.60.0")], Some("langfuse.python 2.60.0")),
            (&[("user-agent", "curl")], Some("curl")),
            (&[], None),
        ] {
            let headers: HeaderMap =
                headers.iter().map(|(name, value)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap())).collect();
            assert_eq!(of_headers(&headers).as_deref(), expected);
        }
    }
}
