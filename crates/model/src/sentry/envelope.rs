//! The framing of envelopes: a header line, then items, each of which is a header line and a payload.
//!
//! Nothing is copied. A body with invalid framing is rejected as a whole, since the starts of its items are unknown. An error within a
//! payload affects only that item.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lenient::{LenientText, LenientTime};
use super::shared::part;
use crate::lenient_json::repair_payload;

/// Maximum number of items; more than any client sends.
const MAX_ITEMS: usize = 500;

/// Reason why a body is not an envelope. The whole request is rejected with status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The body is empty.
    #[error("empty request body")]
    Empty,
    /// The first line is not a JSON object.
    #[error("invalid envelope header: {0}")]
    Header(String),
    /// The header of an item is not a JSON object with a type.
    #[error("invalid header of item {index}: {reason}")]
    ItemHeader {
        /// Number of the item, starting at 1.
        index: usize,
        /// Description of the error.
        reason: String,
    },
    /// The body ends before the payload of an item does.
    #[error("item {index} ends after {got} of {expected} bytes")]
    Truncated {
        /// Number of the item, starting at 1.
        index: usize,
        /// Length of the payload according to the item's header.
        expected: u64,
        /// Number of bytes that are left in the body.
        got: usize,
    },
    /// No line end follows the payload of the given length.
    #[error("item {index} is longer than its length of {expected} bytes")]
    Overlong {
        /// Number of the item, starting at 1.
        index: usize,
        /// Length of the payload according to the item's header.
        expected: u64,
    },
    /// The envelope has too many items.
    #[error("more than {MAX_ITEMS} items")]
    TooManyItems,
    /// The envelope contains an item that only Sentry's own servers may send.
    #[error("items of type {0} are not accepted from clients")]
    ForbiddenItem(&'static str),
    /// The body of a request to the older endpoint is not a JSON object.
    #[error("invalid event: {0}")]
    Event(String),
}

impl EnvelopeError {
    /// Returns the summary for the response. The text of the error is the cause in the response.
    pub fn detail(&self) -> &'static str {
        match self {
            EnvelopeError::Empty => "empty request body",
            EnvelopeError::Event(_) => "invalid event payload",
            _ => "invalid event envelope",
        }
    }

    /// Returns the reasons in addition to the summary, for `causes` in the response.
    pub fn causes(&self) -> Vec<String> {
        let text = self.to_string();
        if text == self.detail() { Vec::new() } else { vec![text] }
    }
}

/// Header of an envelope.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EnvelopeHeader {
    /// ID of the event in the envelope, 32 lower-case hex digits. Takes precedence over the ID in the payload.
    pub event_id: Option<String>,
    /// DSN that the client sent the envelope to. The DSN can replace other authentication.
    pub dsn: Option<String>,
    /// Time of sending by the client's clock, in microseconds since the Unix epoch.
    pub sent_at_us: Option<i64>,
    /// Name of the SDK.
    pub sdk_name: Option<String>,
    /// Version of the SDK.
    pub sdk_version: Option<String>,
    /// Fraction of all traces that the client sends, from 0 to 1, if it is known.
    pub sample_rate: Option<f64>,
}

impl EnvelopeHeader {
    /// Returns the name and version of the SDK, such as `sentry.python 2.75.0`.
    pub fn sdk(&self) -> Option<String> {
        let name = self.sdk_name.as_deref()?;
        Some(self.sdk_version.as_deref().map_or_else(|| name.to_owned(), |version| format!("{name} {version}")))
    }
}

#[derive(Deserialize)]
struct RawEnvelopeHeader<'a> {
    #[serde(borrow, default)]
    event_id: LenientText<'a>,
    #[serde(borrow, default)]
    dsn: LenientText<'a>,
    #[serde(default)]
    sent_at: LenientTime,
    #[serde(borrow, default)]
    sdk: Option<&'a RawValue>,
    #[serde(borrow, default)]
    trace: Option<&'a RawValue>,
}

/// The fields of the trace context in the header of an envelope that are used.
#[derive(Deserialize, Default)]
struct DynamicSamplingContext<'a> {
    #[serde(borrow, default)]
    sample_rate: LenientText<'a>,
}

/// Name and version of an SDK, as envelopes and events contain them.
#[derive(Deserialize, Default)]
pub(super) struct SentrySdk<'a> {
    #[serde(borrow, default)]
    pub(super) name: LenientText<'a>,
    #[serde(borrow, default)]
    pub(super) version: LenientText<'a>,
    /// Names of the active integrations.
    #[serde(borrow, default)]
    pub(super) integrations: Option<&'a RawValue>,
}

/// Header of an item. Fields that no supported item has are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeItemHeader<'a> {
    /// Type of the item: `transaction`, `span`, `event`, or any other.
    pub kind: Cow<'a, str>,
    /// Length of the payload in bytes, if given.
    pub length: Option<u64>,
    /// MIME type of the payload.
    pub content_type: Option<Cow<'a, str>>,
    /// Number of elements in a container.
    pub item_count: Option<u64>,
    /// Name of an attached file.
    pub filename: Option<Cow<'a, str>>,
    /// Type of an attachment, such as `event.minidump`.
    pub attachment_type: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RawEnvelopeItemHeader<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: LenientText<'a>,
    #[serde(default)]
    length: Option<u64>,
    #[serde(borrow, default)]
    content_type: LenientText<'a>,
    #[serde(borrow, default)]
    item_count: LenientText<'a>,
    #[serde(borrow, default)]
    filename: LenientText<'a>,
    #[serde(borrow, default)]
    attachment_type: LenientText<'a>,
}

/// An item of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeItem<'a> {
    /// Header of the item.
    pub header: EnvelopeItemHeader<'a>,
    /// Payload as sent.
    pub payload: &'a [u8],
}

/// A parsed envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct SentryEnvelope<'a> {
    /// Header of the envelope.
    pub header: EnvelopeHeader,
    /// Items in the order of the envelope.
    pub items: Vec<EnvelopeItem<'a>>,
}

impl<'a> SentryEnvelope<'a> {
    /// Parses an envelope.
    pub fn parse(body: &'a [u8]) -> Result<SentryEnvelope<'a>, EnvelopeError> {
        if body.is_empty() {
            return Err(EnvelopeError::Empty);
        }
        let (first, mut rest) = line(body);
        let header = parse_header(first)?;
        let mut items = Vec::new();
        while !rest.is_empty() {
            let (text, after) = line(rest);
            // Empty lines between items and at the end are allowed.
            if text.iter().all(u8::is_ascii_whitespace) {
                rest = after;
                continue;
            }
            let index = items.len() + 1;
            if index > MAX_ITEMS {
                return Err(EnvelopeError::TooManyItems);
            }
            let header = item_header(text, index)?;
            let (payload, after) = payload(after, header.length, index)?;
            items.push(EnvelopeItem { header, payload });
            rest = after;
        }
        Ok(SentryEnvelope { header, items })
    }
}

/// Splits at the next line end, which belongs to neither part.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

fn payload(bytes: &[u8], length: Option<u64>, index: usize) -> Result<(&[u8], &[u8]), EnvelopeError> {
    let Some(expected) = length else { return Ok(line(bytes)) };
    let end = usize::try_from(expected).ok().filter(|end| *end <= bytes.len());
    let Some(end) = end else {
        return Err(EnvelopeError::Truncated { index, expected, got: bytes.len() });
    };
    match &bytes[end..] {
        [] => Ok((&bytes[..end], &[])),
        [b'\n', after @ ..] => Ok((&bytes[..end], after)),
        // A client that ends lines with CRLF ends payloads in the same way.
        [b'\r', b'\n', after @ ..] => Ok((&bytes[..end], after)),
        _ => Err(EnvelopeError::Overlong { index, expected }),
    }
}

fn parse_header(text: &[u8]) -> Result<EnvelopeHeader, EnvelopeError> {
    let strict = std::str::from_utf8(text).ok().and_then(|text| header_of(text).ok());
    strict.map_or_else(|| header_of(&repair_payload(text)).map_err(|error| EnvelopeError::Header(without_content(&error))), Ok)
}

fn header_of(text: &str) -> Result<EnvelopeHeader, serde_json::Error> {
    // Serde would accept a list for a struct, but the protocol requires an object.
    if !text.trim_start().starts_with('{') {
        return Err(serde::de::Error::custom("expected a JSON object"));
    }
    let raw: RawEnvelopeHeader = serde_json::from_str(text)?;
    let sdk: SentrySdk = part(raw.sdk);
    let head: DynamicSamplingContext = part(raw.trace);
    Ok(EnvelopeHeader {
        sample_rate: head.sample_rate.as_str().and_then(|rate| rate.parse().ok()).filter(|rate: &f64| rate.is_finite()),
        event_id: raw.event_id.as_str().and_then(event_id),
        dsn: raw.dsn.into_string(),
        sent_at_us: raw.sent_at.0,
        sdk_name: sdk.name.into_string(),
        sdk_version: sdk.version.into_string(),
    })
}

fn item_header(text: &[u8], index: usize) -> Result<EnvelopeItemHeader<'_>, EnvelopeError> {
    let fail = |reason: String| EnvelopeError::ItemHeader { index, reason };
    let text = std::str::from_utf8(text).map_err(|_| fail("not UTF-8".into()))?;
    if !text.trim_start().starts_with('{') {
        return Err(fail("expected a JSON object".into()));
    }
    let raw: RawEnvelopeItemHeader = serde_json::from_str(text).map_err(|error| fail(without_content(&error)))?;
    let kind = raw.kind.0.ok_or_else(|| fail("it has no type".into()))?;
    let item_count = raw.item_count.as_str().and_then(|count| count.parse().ok());
    Ok(EnvelopeItemHeader {
        kind,
        length: raw.length,
        content_type: raw.content_type.0,
        item_count,
        filename: raw.filename.0,
        attachment_type: raw.attachment_type.0,
    })
}

/// Describes a parser error by its position and category, without the text that caused it.
fn without_content(error: &serde_json::Error) -> String {
    let sort = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "a field has the wrong type",
        _ => "the header is not a JSON object",
    };
    format!("{sort} (column {})", error.column())
}

/// Returns an event ID as 32 lower-case hex digits; `None` if it is invalid.
pub(super) fn event_id(text: &str) -> Option<String> {
    text.parse::<crate::id::TraceId>().ok().map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn payloads(body: &str) -> Result<Vec<(String, String)>, EnvelopeError> {
        let envelope = SentryEnvelope::parse(body.as_bytes())?;
        let text = |item: &EnvelopeItem| (item.header.kind.to_string(), String::from_utf8(item.payload.to_vec()).unwrap());
        Ok(envelope.items.iter().map(text).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Result<Vec<(String, String)>, EnvelopeError> {
        Ok(expected.iter().map(|(kind, text)| ((*kind).into(), (*text).into())).collect())
    }

    #[test]
    fn with_and_without_length() {
        assert_eq!(payloads("{}\n{\"type\":\"a\",\"length\":4}\nx\ny\n\n{\"type\":\"b\"}\nz"), pairs(&[("a", "x\ny\n"), ("b", "z")]));
        assert_eq!(payloads("{}\n{\"type\":\"a\",\"length\":1}\nx"), pairs(&[("a", "x")]));
        assert_eq!(payloads("{}\n{\"type\":\"a\",\"length\":0}\n\n{\"type\":\"b\",\"length\":0}\n"), pairs(&[("a", ""), ("b", "")]));
        assert_eq!(payloads("{}\n{\"type\":\"a\"}"), pairs(&[("a", "")]));
        assert_eq!(payloads("{}\n{\"type\":\"a\"}\nx\r\n"), pairs(&[("a", "x\r")]));
        assert_eq!(payloads("{}\r\n{\"type\":\"a\",\"length\":1}\r\nx\r\n"), pairs(&[("a", "x")]));
    }

    #[test]
    fn header_only() {
        assert_eq!(payloads("{}"), pairs(&[]));
        assert_eq!(payloads("{}\n\n\n"), pairs(&[]));
        let text = r#"{"event_id":"12C2D058-D584-4270-9AA2-ECA08BF20986","sent_at":"2026-11-23T00:00:00Z","trace":7,"sdk":{"name":"a","version":"1"},"dsn":"http://k@h/1"}"#;
        let header = SentryEnvelope::parse(text.as_bytes()).unwrap().header;
        assert_eq!(header.event_id.as_deref(), Some("12c2d058d58442709aa2eca08bf20986"));
        assert_eq!((header.sdk_name.as_deref(), header.dsn.as_deref()), (Some("a"), Some("http://k@h/1")));
        assert_eq!(header.sent_at_us, crate::time::from_text("2026-11-23T00:00:00Z"));
        let odd = SentryEnvelope::parse(br#"{"event_id":5,"sent_at":{},"sdk":[1],"dsn":null}"#).unwrap().header;
        assert_eq!(odd, EnvelopeHeader::default(), "odd fields are as good as missing");
    }

    #[test]
    fn malformed_envelopes_are_rejected() {
        assert_eq!(payloads(""), Err(EnvelopeError::Empty));
        assert!(matches!(payloads("nonsense"), Err(EnvelopeError::Header(_))));
        assert!(matches!(payloads("\n{\"type\":\"a\"}\nx"), Err(EnvelopeError::Header(_))));
        assert!(matches!(payloads("[]\n"), Err(EnvelopeError::Header(_))));
        assert!(matches!(payloads("{}\n{\"length\":1}\nx"), Err(EnvelopeError::ItemHeader { index: 1, .. })));
        assert!(matches!(payloads("{}\n{\"type\":\"a\",\"length\":-1}\nx"), Err(EnvelopeError::ItemHeader { .. })));
        assert!(matches!(payloads("{}\nx\n"), Err(EnvelopeError::ItemHeader { .. })));
        assert_eq!(payloads("{}\n{\"type\":\"a\",\"length\":9}\nx"), Err(EnvelopeError::Truncated { index: 1, expected: 9, got: 1 }));
        assert_eq!(payloads("{}\n{\"type\":\"a\",\"length\":1}\nxy\n"), Err(EnvelopeError::Overlong { index: 1, expected: 1 }));
        assert!(payloads(&format!("{{}}\n{{\"type\":\"a\",\"length\":{}}}\nx", u64::MAX)).is_err());
        let many = |n: usize| format!("{{}}\n{}", "{\"type\":\"a\"}\nx\n".repeat(n));
        assert_eq!(payloads(&many(500)).map(|items| items.len()), Ok(500));
        assert_eq!(payloads(&many(501)), Err(EnvelopeError::TooManyItems));
    }

    #[test]
    fn errors_never_repeat_the_body() {
        let error = payloads("{\"password\": secret\n").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(error.detail(), "invalid event envelope");
        assert_eq!(EnvelopeError::Empty.causes(), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = SentryEnvelope::parse(&bytes);
        }

        #[test]
        fn reads_what_was_framed(items in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..8)) {
            let mut body = b"{}\n".to_vec();
            for item in &items {
                body.extend(format!("{{\"type\":\"a\",\"length\":{}}}\n", item.len()).bytes());
                body.extend(item);
                body.push(b'\n');
            }
            let envelope = SentryEnvelope::parse(&body).unwrap();
            let found: Vec<&[u8]> = envelope.items.iter().map(|item| item.payload).collect();
            prop_assert_eq!(found, items.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
}
