//! Images, audio and files within messages: base64 is removed from the message, and the message keeps the ID of the bytes.
//!
//! The ID is formed as Langfuse's SDKs form it: the first 22 characters of the SHA-256 of the bytes in URL-safe base64. Therefore, a
//! reference that an SDK left in a message (`@@@langfuseMedia:type=image/png|id=…|source=…@@@`) names the same bytes as a message part from
//! which Hinomi removed the bytes. Inside other texts and JSON, Hinomi leaves the same reference in place of the base64.

mod references;
mod sniff;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem::Finder;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::messages::{TextLimit, trim_messages, trim_value};
use crate::partial_spans::SpanFragmentContent;
use crate::span::{ChatMessage, MessagePart, Span};
pub(crate) use references::split_references;
pub use sniff::sniffed_type;

/// Objects of at least this many bytes are removed from a message. Storing a smaller object separately would take more space than leaving
/// it in the message.
pub const MIN_MEDIA_BYTES: usize = 768;
/// Maximum number of bytes of an object.
pub const MAX_MEDIA_BYTES: usize = 20 << 20;
/// Length of [`MIN_MEDIA_BYTES`] as base64.
const MIN_BASE64_CHARS: usize = MIN_MEDIA_BYTES / 3 * 4;
/// Number of characters of an ID.
const ID_CHARS: usize = 22;
/// Maximum length of a MIME type.
const MAX_TYPE_CHARS: usize = 100;
/// Maximum depth of JSON that is searched.
const MAX_DEPTH: usize = 24;

/// Base64 as clients write it: with or without padding.
const LENIENT_BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Searches every long text, so it must be faster than `str::contains`.
static DATA_URI_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(";base64,"));
/// Words without which a text in JSON contains no base64.
static BASE64_SIGNS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let signs = ["base64", "b64_json", "mimeType", "mime_type", "media_type"];
    AhoCorasick::new(signs).expect("the table has only a few short words")
});

/// The bytes of an image, audio, video or file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaObject {
    /// ID, which depends only on the bytes.
    pub id: String,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// MIME type by the first bytes, otherwise as the client claims.
    pub mime_type: Option<String>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl MediaObject {
    /// Wraps bytes. `claimed` is the MIME type that the client sent.
    pub fn new(bytes: Vec<u8>, claimed: Option<&str>) -> MediaObject {
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        let claimed = claimed.filter(|claimed| is_mime_type(claimed)).map(str::to_ascii_lowercase);
        MediaObject { id: id_of_hash(&sha256), sha256, mime_type: sniffed_type(&bytes).map(str::to_owned).or(claimed), bytes }
    }
}

/// Returns the ID of bytes by their SHA-256.
pub fn id_of_hash(sha256: &[u8; 32]) -> String {
    let mut id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha256);
    id.truncate(ID_CHARS);
    id
}

/// Returns whether a text can be an ID of [`id_of_hash`].
pub fn is_media_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Media that were removed from the messages of a request.
#[derive(Debug, Default)]
pub struct ExtractedMedia {
    /// Objects, each once.
    pub objects: Vec<MediaObject>,
    /// Uses of media, including media that an SDK uploads separately.
    pub references: Vec<MediaUse>,
    /// Number of objects that were too large.
    pub too_large: usize,
    /// IDs of the objects so far.
    known: HashSet<String>,
}

/// Use of an object by a span.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MediaUse {
    /// ID of the object.
    pub id: String,
    /// Trace of the span.
    pub trace_id: crate::id::TraceId,
    /// Start of the span in microseconds since the Unix epoch.
    pub at_us: i64,
}

impl ExtractedMedia {
    /// Takes base64 out of the messages, pieces and attributes of a span.
    pub fn take_from(&mut self, span: &mut Span) {
        let mut ids = Vec::new();
        self.take_from_messages(&mut span.input_messages, &mut ids);
        self.take_from_messages(&mut span.output_messages, &mut ids);
        for piece in span.joined.iter_mut().flat_map(|joined| &mut joined.pieces) {
            match &mut piece.content {
                SpanFragmentContent::Input(message) | SpanFragmentContent::Output(message) => {
                    self.take_from_messages(std::slice::from_mut(message), &mut ids);
                }
                SpanFragmentContent::Event(event) => {
                    event.body.values_mut().for_each(|value| self.take_from_value(value, &mut ids, MAX_DEPTH));
                    event.body.values_mut().for_each(|value| trim_value(value, TextLimit::default()));
                }
            }
        }
        for value in span.attributes.values_mut() {
            self.take_from_value(value, &mut ids, MAX_DEPTH);
        }
        ids.sort_unstable();
        ids.dedup();
        self.references.extend(ids.into_iter().map(|id| MediaUse { id, trace_id: span.trace_id, at_us: span.start_us }));
    }

    /// Drops objects that cannot be stored, and their IDs in the messages of the spans.
    pub fn discard(&mut self, refused: &HashSet<String>, spans: &mut [Span]) {
        self.objects.retain(|object| !refused.contains(&object.id));
        self.references.retain(|used| !refused.contains(&used.id));
        for span in spans {
            let pieces = span.joined.iter_mut().flat_map(|joined| &mut joined.pieces).filter_map(|piece| match &mut piece.content {
                SpanFragmentContent::Input(message) | SpanFragmentContent::Output(message) => Some(message),
                SpanFragmentContent::Event(_) => None,
            });
            let messages = span.input_messages.iter_mut().chain(&mut span.output_messages).chain(pieces);
            for part in messages.flat_map(|message| &mut message.parts) {
                if let MessagePart::Media { media_id, .. } = part
                    && media_id.as_ref().is_some_and(|id| refused.contains(id))
                {
                    *media_id = None;
                }
            }
        }
    }

    fn take_from_messages(&mut self, messages: &mut [ChatMessage], ids: &mut Vec<String>) {
        for message in &mut *messages {
            let mut is_split = false;
            for part in &mut message.parts {
                match part {
                    MessagePart::Media { mime_type, media_id, content, .. } => {
                        let found = content.as_deref().and_then(|content| self.object_of(content, mime_type.as_deref()));
                        if let Some(found) = found {
                            (*content, *media_id) = (None, found.id);
                            *mime_type = mime_type.take().or(found.mime_type);
                        }
                        ids.extend(media_id.clone());
                    }
                    MessagePart::Text { text } => is_split |= self.take_from_text(text, ids),
                    MessagePart::Reasoning { text } => _ = self.take_from_text(text, ids),
                    MessagePart::ToolCall { arguments: text, .. }
                    | MessagePart::ToolResult { result: text, .. }
                    | MessagePart::Other { content: text } => {
                        references::note_ids(text, ids);
                        self.take_from_json_text(text, ids);
                    }
                }
            }
            if is_split {
                split_references(&mut message.parts);
            }
        }
        // What is left is base64 that does not decode.
        trim_messages(messages, TextLimit::default(), false);
    }

    /// Decodes base64 and keeps the bytes. Returns `None` if the text is something else.
    fn object_of(&mut self, text: &str, claimed: Option<&str>) -> Option<TakenMedia> {
        if text.len() < MIN_BASE64_CHARS {
            return None;
        }
        let (claimed, data) = match data_uri(text) {
            Some((mime, data)) => (Some(mime).filter(|mime| is_mime_type(mime)).or(claimed), data),
            None => (claimed, text),
        };
        if data.len() / 4 * 3 > MAX_MEDIA_BYTES + 2 {
            is_base64(data.as_bytes()).then(|| self.too_large += 1)?;
            return Some(TakenMedia { id: None, mime_type: claimed.map(str::to_owned) });
        }
        let bytes = decode_base64(data)?;
        if bytes.len() < MIN_MEDIA_BYTES || (data.len() == text.len() && claimed.is_none() && sniffed_type(&bytes).is_none()) {
            return None;
        }
        let object = MediaObject::new(bytes, claimed);
        let taken = TakenMedia { id: Some(object.id.clone()), mime_type: object.mime_type.clone() };
        if self.known.insert(object.id.clone()) {
            self.objects.push(object);
        }
        Some(taken)
    }

    /// Replaces data URIs within a text by references. Returns whether there were any.
    fn take_from_text(&mut self, text: &mut String, ids: &mut Vec<String>) -> bool {
        if text.len() < MIN_BASE64_CHARS || DATA_URI_FINDER.find(text.as_bytes()).is_none() {
            return false;
        }
        let (mut out, mut rest, mut found) = (String::new(), text.as_str(), false);
        while let Some(at) = rest.find("data:") {
            let (before, uri) = rest.split_at(at);
            out.push_str(before);
            let data_end = data_uri(uri).map(|(_, data)| uri.len() - data.len() + base64_length(data.as_bytes()));
            let taken = data_end.and_then(|end| Some((self.object_of(&uri[..end], None)?, end)));
            let end = if let Some((media, end)) = taken {
                out.push_str(&media.as_reference("base64_data_uri"));
                ids.extend(media.id);
                found = true;
                end
            } else {
                out.push_str("data:");
                "data:".len()
            };
            rest = &uri[end..];
        }
        if found {
            out.push_str(rest);
            *text = out;
        }
        found
    }

    /// Replaces base64 within a text that may be JSON.
    fn take_from_json_text(&mut self, text: &mut String, ids: &mut Vec<String>) {
        if text.len() >= MIN_BASE64_CHARS
            && text.starts_with(['{', '['])
            && may_hold_base64(text)
            && let Ok(mut value) = serde_json::from_str::<Value>(text)
        {
            let before = ids.len();
            self.take_from_value(&mut value, ids, MAX_DEPTH);
            if ids.len() > before {
                *text = value.to_string();
            }
            return;
        }
        self.take_from_text(text, ids);
    }

    /// Replaces base64 within JSON by references.
    fn take_from_value(&mut self, value: &mut Value, ids: &mut Vec<String>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            Value::String(text) => {
                references::note_ids(text, ids);
                self.take_from_json_text(text, ids);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.take_from_value(item, ids, depth)),
            Value::Object(object) => {
                let claimed = claimed_type(object).map(str::to_owned);
                for (name, item) in object.iter_mut() {
                    let data = item.as_str().filter(|text| {
                        PLAIN_DATA.contains(&name.as_str()) && text.len() >= MIN_BASE64_CHARS && is_base64(&text.as_bytes()[..64])
                    });
                    match data.and_then(|data| self.object_of(data, claimed.as_deref())) {
                        Some(media) => {
                            *item = Value::String(media.as_reference("bytes"));
                            ids.extend(media.id);
                        }
                        None => self.take_from_value(item, ids, depth),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Members that contain base64 without a data URI, next to a type.
const PLAIN_DATA: &[&str] = &["data", "file_data", "blob", "content", "b64_json", "bytes"];

/// Returns the MIME type of the bytes in an object.
fn claimed_type(object: &Map<String, Value>) -> Option<&str> {
    let names = ["media_type", "mime_type", "mimeType", "mediaType", "contentType"];
    names.iter().find_map(|name| object.get(*name)?.as_str())
}

fn may_hold_base64(text: &str) -> bool {
    BASE64_SIGNS.is_match(text)
}

/// An object that was taken out of a message; without an ID if it was too large.
struct TakenMedia {
    id: Option<String>,
    mime_type: Option<String>,
}

impl TakenMedia {
    fn as_reference(&self, source: &str) -> String {
        let mime_type = self.mime_type.as_deref().unwrap_or("application/octet-stream");
        match &self.id {
            Some(id) => references::reference(mime_type, id, source),
            None => format!("[{mime_type} too large]"),
        }
    }
}

/// Returns whether a content is base64 that [`ExtractedMedia`] may remove. Such a content is not truncated before it is removed.
pub(crate) fn may_be_base64(content: &str) -> bool {
    let data = data_uri(content).map_or(content, |(_, data)| data);
    content.len() >= MIN_BASE64_CHARS && is_base64(&data.as_bytes()[..data.len().min(64)])
}

/// Truncates long texts in the body of an event, except base64 that is removed later.
pub(crate) fn trim_except_media(value: &mut Value, limit: TextLimit) {
    match value {
        Value::String(text) if text.len() > limit.0 && (may_be_base64(text) || text.contains("base64")) => {}
        Value::Array(items) => items.iter_mut().for_each(|item| trim_except_media(item, limit)),
        Value::Object(object) => object.values_mut().for_each(|item| trim_except_media(item, limit)),
        value => trim_value(value, limit),
    }
}

/// Splits a data URI of base64 into its MIME type and the base64.
fn data_uri(text: &str) -> Option<(&str, &str)> {
    let head = text.strip_prefix("data:")?;
    let mut end = head.len().min(256);
    while !head.is_char_boundary(end) {
        end -= 1;
    }
    let (parameters, _) = head[..end].split_once(";base64,")?;
    if parameters.contains(['"', ' ', '\\', '<']) {
        return None;
    }
    let data = &head[parameters.len() + ";base64,".len()..];
    Some((parameters.split(';').next().unwrap_or_default(), data))
}

fn is_base64(text: &[u8]) -> bool {
    base64_length(text) == text.len()
}

/// Returns the number of bytes at the beginning that are base64 of any alphabet.
fn base64_length(text: &[u8]) -> usize {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\n' | b'\r');
    text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len())
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: Cow<str> = if text.contains(['-', '_', '\n', '\r']) {
        let kept = text.chars().filter(|c| !c.is_whitespace());
        kept.map(|c| {
            if c == '-' {
                '+'
            } else if c == '_' {
                '/'
            } else {
                c
            }
        })
        .collect::<String>()
        .into()
    } else {
        text.into()
    };
    LENIENT_BASE64.decode(text.as_bytes()).ok()
}

/// Returns whether a text has the form of a MIME type.
pub fn is_mime_type(text: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte));
    text.len() <= MAX_TYPE_CHARS && text.split_once('/').is_some_and(|(kind, name)| is_name(kind) && is_name(name))
}
