//! Authentication of senders. Sentry's protocol requires exactly one source of credentials; OTLP has no rule about it.

use base64::Engine;
use percent_encoding::percent_decode_str;

/// Reason why a request has no valid key. The status is 401, or 400 for a malformed key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No source contains a key.
    #[error("missing authorization: send X-Sentry-Auth, or sentry_key in the query, or the dsn in the envelope's header")]
    Missing,
    /// No header of an OTLP request contains a key.
    #[error("missing key: send the header Authorization: Bearer KEY, with an ingest key of the project")]
    NoKey,
    /// More than one source contains a key.
    #[error("multiple authorization payloads detected")]
    Multiple,
    /// The key does not have 32 characters.
    #[error("malformed key: a key has 32 letters and digits")]
    Malformed,
}

/// Places of a Sentry request that may contain its key, as received.
#[derive(Debug, Clone, Copy, Default)]
pub struct SentryAuthSources<'a> {
    /// Value of the header `X-Sentry-Auth`.
    pub sentry_header: Option<&'a str>,
    /// Value of the header `Authorization`.
    pub authorization: Option<&'a str>,
    /// Query string, percent-encoded.
    pub query: Option<&'a str>,
    /// Key in a segment of the path.
    pub path: Option<&'a str>,
}

impl SentryAuthSources<'_> {
    /// Returns the protocol version that the client declares.
    pub fn version(&self) -> Option<&str> {
        let in_header = self.sentry_header.or(self.authorization).filter(|value| value.to_ascii_lowercase().starts_with("sentry "));
        let pairs = in_header.map(|value| value["sentry ".len()..].split(','));
        let of_header = pairs.into_iter().flatten().find_map(|pair| pair.trim().strip_prefix("sentry_version="));
        of_header.or_else(|| self.query?.split('&').find_map(|pair| pair.strip_prefix("sentry_version=")))
    }

    /// Returns the key of the request; `None` if no source has one, in which case the header of the envelope may name it.
    pub fn key(&self) -> Result<Option<String>, AuthError> {
        let found = [
            self.sentry_header.and_then(from_sentry_scheme),
            self.authorization.and_then(|value| from_sentry_scheme(value).or_else(|| from_basic(value)).or_else(|| from_dsn_scheme(value))),
            self.query.and_then(from_query),
            self.path.map(str::to_owned),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(AuthError::Multiple),
            (Some(key), None) => validate_key(&key).map(Some),
            (None, _) => Ok(None),
        }
    }
}

/// Returns the key of an OTLP request: `x-hinomi-key: K`, `Authorization: Bearer K`, `Basic base64(K:anything)` (or `anything:K`, for
/// clients with two keys), or Sentry's own header. Returns `None` if the request has no key.
pub fn otlp_key(hinomi: Option<&str>, authorization: Option<&str>, sentry: Option<&str>) -> Result<Option<String>, AuthError> {
    let bearer = |value: &str| {
        let (scheme, key) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| vec![key.trim().to_owned()])
    };
    let basic = |value: &str| Some(decode_basic(value)?.split(':').map(str::to_owned).collect::<Vec<_>>());
    let of_sentry = |value: &str| from_sentry_scheme(value).map(|key| vec![key]);
    let found = hinomi
        .map(|key| vec![key.trim().to_owned()])
        .or_else(|| authorization.and_then(|value| bearer(value).or_else(|| basic(value)).or_else(|| of_sentry(value))))
        .or_else(|| sentry.and_then(of_sentry));
    match found {
        None => Ok(None),
        Some(keys) => keys.iter().find_map(|key| validate_key(key).ok()).map(Some).ok_or(AuthError::Malformed),
    }
}

/// Returns the key of a DSN, `scheme://KEY[:SECRET]@host/project`, which the header of an envelope may contain.
pub fn dsn_key(dsn: &str) -> Result<String, AuthError> {
    let user = dsn.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(user, _)| user).ok_or(AuthError::Malformed)?;
    validate_key(user.split(':').next().unwrap_or_default())
}

/// Validates a key. Flags after a dot (`.no-cache`) are ignored.
fn validate_key(key: &str) -> Result<String, AuthError> {
    let bare = key.split('.').next().unwrap_or_default();
    let well_formed = bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if well_formed { Ok(bare.to_ascii_lowercase()) } else { Err(AuthError::Malformed) }
}

/// Reads `Sentry sentry_key=K, sentry_version=7`; other pairs of the header are ignored.
fn from_sentry_scheme(value: &str) -> Option<String> {
    let (scheme, pairs) = value.trim().split_once(' ')?;
    let is_sentry = scheme.eq_ignore_ascii_case("sentry");
    let mut pairs = pairs.split(',').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| is_sentry && *name == "sentry_key").map(|(_, key)| key.trim().to_owned())
}

/// Reads `DSN scheme://KEY@host/project`, which forms for feedback send.
fn from_dsn_scheme(value: &str) -> Option<String> {
    let (scheme, dsn) = value.trim().split_once(' ')?;
    if scheme.eq_ignore_ascii_case("dsn") { dsn_key(dsn.trim()).ok() } else { None }
}

/// Returns the key of the DSN in `?dsn=…`, which dialogs for feedback send.
pub fn key_of_dsn_parameter(query: &str) -> Option<String> {
    let dsn = query.split('&').find_map(|pair| pair.strip_prefix("dsn="))?;
    dsn_key(&percent_decode_str(dsn).decode_utf8_lossy()).ok()
}

/// Reads `Basic base64(key:)`.
fn from_basic(value: &str) -> Option<String> {
    decode_basic(value)?.split(':').next().map(str::to_owned)
}

/// Decodes the credentials of `Basic`.
fn decode_basic(value: &str) -> Option<String> {
    let (scheme, encoded) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    String::from_utf8(decoded).ok()
}

/// Reads `?sentry_key=K`.
fn from_query(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, key) = pairs.find(|(name, _)| *name == "sentry_key")?;
    Some(percent_decode_str(key).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn each_source_names_the_key() {
        let header = format!("sentry sentry_version=7, sentry_client=x/1, sentry_key={KEY}");
        let bare = format!("Sentry sentry_key={KEY}");
        let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{KEY}:")));
        let of_dsn = format!("DSN https://{KEY}@127.0.0.1/1");
        let query = format!("sentry_version=7&sentry_key={KEY}.no-cache&sentry_client=sentry.javascript.node%2F11.12.0");
        let sources = [
            SentryAuthSources { sentry_header: Some(&header), ..SentryAuthSources::default() },
            SentryAuthSources { authorization: Some(&bare), ..SentryAuthSources::default() },
            SentryAuthSources { authorization: Some(&basic), ..SentryAuthSources::default() },
            SentryAuthSources { query: Some(&query), ..SentryAuthSources::default() },
            SentryAuthSources { authorization: Some(&of_dsn), ..SentryAuthSources::default() },
            SentryAuthSources { path: Some(KEY), ..SentryAuthSources::default() },
            // A header with another scheme is not a source.
            SentryAuthSources { sentry_header: Some(""), authorization: Some("Bearer x"), path: Some(KEY), ..SentryAuthSources::default() },
        ];
        for source in sources {
            assert_eq!(source.key(), Ok(Some(KEY.to_owned())), "{source:?}");
        }
        assert_eq!(key_of_dsn_parameter(&format!("eventId=1&dsn=https%3A%2F%2F{KEY}%40127.0.0.1%2F1")), Some(KEY.to_owned()));
        assert_eq!(dsn_key(&format!("http://{KEY}:secret@127.0.0.1:9001/base/1")), Ok(KEY.to_owned()));
    }

    #[test]
    fn keys_of_otlp() {
        let encoded = |text: String| format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
        let sentry = format!("Sentry sentry_key={KEY}, sentry_version=7");
        let key = Ok(Some(KEY.to_owned()));
        assert_eq!(otlp_key(Some(KEY), None, None), key);
        assert_eq!(otlp_key(None, Some(&format!("bearer {KEY}")), None), key);
        assert_eq!(otlp_key(None, Some(&encoded(format!("{KEY}:x"))), None), key);
        assert_eq!(otlp_key(None, Some(&encoded(format!("pk-lf-1:{KEY}"))), None), key);
        assert_eq!(otlp_key(None, None, Some(&sentry)), key);
        assert_eq!(otlp_key(None, None, None), Ok(None));
        assert_eq!(otlp_key(None, Some("Bearer short"), None), Err(AuthError::Malformed));
    }

    #[test]
    fn missing_multiple_and_malformed_keys_are_rejected() {
        assert_eq!(SentryAuthSources::default().key(), Ok(None));
        let query = format!("sentry_key={KEY}");
        let both = SentryAuthSources { query: Some(&query), path: Some(KEY), ..SentryAuthSources::default() };
        assert_eq!(both.key(), Err(AuthError::Multiple));
        let short = SentryAuthSources { query: Some("sentry_key=abc"), ..SentryAuthSources::default() };
        assert_eq!(short.key(), Err(AuthError::Malformed));
        assert_eq!(dsn_key("nonsense"), Err(AuthError::Malformed));
    }
}
