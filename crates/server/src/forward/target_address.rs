//! Addresses of targets as people write them: a DSN of Sentry, an OTLP endpoint with the headers of its exporter, Langfuse's two keys.

use hinomi_alerting::delivery::{AllowedNetworks, ChannelError, check_url};
use hinomi_tables::forwards::{ForwardKey, ForwardType};

/// Reason why an address is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardAddressError {
    /// The URL is not valid or not allowed.
    #[error(transparent)]
    Url(#[from] ChannelError),
    /// The address of Sentry has no key or no project.
    #[error("`url` must be a DSN such as https://KEY@HOST/PROJECT; copy the DSN from the client keys of the project in Sentry")]
    Dsn,
    /// The key has another form.
    #[error("`key` {0}")]
    Key(&'static str),
}

/// A checked address without its key, and the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetAddress {
    /// URL without the key and without a trailing slash.
    pub url: String,
    /// Key; `None` if the request names none.
    pub key: Option<ForwardKey>,
}

impl TargetAddress {
    /// Reads the address of a target. A DSN contains its key; for other services, the key is a separate argument.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is not valid or names a private address that is not allowed, or the key has another form.
    pub fn parse(kind: ForwardType, url: &str, key: Option<&str>, allowed: &AllowedNetworks) -> Result<TargetAddress, ForwardAddressError> {
        let url = url.trim().trim_end_matches('/');
        let key = key.map(str::trim).filter(|key| !key.is_empty());
        let (url, key) = match kind {
            ForwardType::Sentry => without_user(url, key),
            ForwardType::Otlp => (OTLP_PATHS.iter().fold(url, |url, path| url.trim_end_matches(path)).to_owned(), key.map(str::to_owned)),
            ForwardType::Langfuse => (url.to_owned(), key.map(str::to_owned)),
        };
        check_url("url", &url, true, allowed)?;
        match kind {
            ForwardType::Sentry => {
                let project = url.rsplit('/').next().is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()));
                let is_key = |key: &String| key.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if !project || !key.as_ref().is_none_or(is_key) {
                    return Err(ForwardAddressError::Dsn);
                }
            }
            ForwardType::Langfuse if key.as_ref().is_some_and(|key| !key.contains(':')) => {
                return Err(ForwardAddressError::Key("must be PUBLIC_KEY:SECRET_KEY, the two keys of the project in Langfuse"));
            }
            ForwardType::Otlp if key.as_ref().is_some_and(|key| otlp_headers(key).is_none()) => {
                return Err(ForwardAddressError::Key("must be a token, or headers as NAME=VALUE, separated by commas"));
            }
            _ => {}
        }
        Ok(TargetAddress { url, key: key.map(ForwardKey::new) })
    }
}

/// Paths of signals, which belong to requests and not to the endpoint.
const OTLP_PATHS: [&str; 3] = ["/v1/traces", "/v1/logs", "/v1/metrics"];

/// Separates the key of a DSN. An older DSN also has a secret, which is not needed.
fn without_user(url: &str, key: Option<&str>) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else { return (url.to_owned(), key.map(str::to_owned)) };
    match rest.split_once('@') {
        Some((user, rest)) => {
            let public = user.split(':').next().unwrap_or_default();
            (format!("{scheme}://{rest}"), Some(public.to_owned()).filter(|public| !public.is_empty()))
        }
        None => (url.to_owned(), key.map(str::to_owned)),
    }
}

/// Returns the headers of an OTLP exporter: `NAME=VALUE` pairs as in `OTEL_EXPORTER_OTLP_HEADERS`, or a token; `None` if a name or value
/// cannot be a header.
pub(super) fn otlp_headers(key: &str) -> Option<Vec<(String, String)>> {
    let pairs: Option<Vec<(&str, &str)>> = key.split(',').map(|pair| pair.split_once('=')).collect();
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_value = |value: &str| value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    // The padding of a token is no pair.
    let pairs = pairs.filter(|pairs| pairs.iter().all(|(name, value)| is_name(name.trim()) && !value.trim_matches('=').is_empty()));
    match pairs {
        Some(pairs) => {
            let decode = |value: &str| percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy().into_owned();
            let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| (name.trim().to_ascii_lowercase(), decode(value))).collect();
            pairs.iter().all(|(_, value)| is_value(value)).then_some(pairs)
        }
        None => is_value(key).then(|| vec![("authorization".to_owned(), format!("Bearer {key}"))]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: ForwardType, url: &str, key: Option<&str>) -> Result<(String, Option<String>), String> {
        let parsed = TargetAddress::parse(kind, url, key, &AllowedNetworks::default());
        parsed.map(|address| (address.url, address.key.map(|key| key.reveal().to_owned()))).map_err(|error| error.to_string())
    }

    #[test]
    fn a_dsn_contains_its_key() {
        let expected = Ok(("https://o1.ingest.sentry.io/42".to_owned(), Some("abc".to_owned())));
        assert_eq!(parse(ForwardType::Sentry, "https://abc@o1.ingest.sentry.io/42", None), expected);
        assert_eq!(parse(ForwardType::Sentry, " https://abc:secret@o1.ingest.sentry.io/42/ ", None), expected);
        assert_eq!(parse(ForwardType::Sentry, "https://o1.ingest.sentry.io/42", Some("abc")), expected);
        assert!(parse(ForwardType::Sentry, "https://abc@o1.ingest.sentry.io/", None).unwrap_err().contains("DSN"));
        assert!(parse(ForwardType::Sentry, "nowhere", None).is_err());
        assert!(parse(ForwardType::Sentry, "https://abc@127.0.0.1/1", None).unwrap_err().contains("private address"));
    }

    #[test]
    fn endpoints_of_otlp_and_langfuse() {
        let bearer = Some(vec![("authorization".to_owned(), "Bearer dG9rZW4=".to_owned())]);
        assert_eq!(otlp_headers("dG9rZW4="), bearer);
        let pairs = otlp_headers("Api-Key=x, authorization=Basic%20YTpi").unwrap();
        assert_eq!(pairs, [("api-key".to_owned(), "x".to_owned()), ("authorization".to_owned(), "Basic YTpi".to_owned())]);
        assert_eq!(otlp_headers("a=x%0d%0ay"), None, "a second header within a value");
        assert_eq!(parse(ForwardType::Otlp, "http://collector.internal:4318/v1/traces", None).unwrap().0, "http://collector.internal:4318");
        assert!(parse(ForwardType::Langfuse, "https://cloud.langfuse.com", Some("sk-lf-1")).unwrap_err().contains("PUBLIC_KEY"));
        assert!(parse(ForwardType::Langfuse, "https://cloud.langfuse.com", Some("pk-lf-1:sk-lf-1")).is_ok());
    }
}
