//! References that Langfuse's SDKs leave in place of bytes: `@@@langfuseMedia:type=image/png|id=…|source=…@@@`.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::span::MessagePart;

const START: &str = "@@@langfuseMedia:";
const END: &str = "@@@";
/// Searches every text of every span, so it must be faster than `str::contains`.
static START_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(START));
/// Maximum length of a reference.
const MAX_REFERENCE_BYTES: usize = 400;

/// Returns a reference in the form of Langfuse.
pub(super) fn reference(mime_type: &str, id: &str, source: &str) -> String {
    format!("{START}type={mime_type}|id={id}|source={source}{END}")
}

/// Returns the MIME type and the ID of a text that is a reference.
fn parse_reference(text: &str) -> Option<(&str, &str)> {
    let fields = text.strip_prefix(START)?.strip_suffix(END)?;
    let field = |name: &str| fields.split('|').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    let (mime_type, id) = (field("type")?, field("id")?);
    (super::is_media_id(id) && super::is_mime_type(mime_type)).then_some((mime_type, id))
}

/// Returns whether a text contains the beginning of a reference.
fn may_hold_reference(text: &str) -> bool {
    START_FINDER.find(text.as_bytes()).is_some()
}

/// Returns the first reference in a text: where it begins and ends.
fn find_reference(text: &str) -> Option<(usize, usize)> {
    let start = text.find(START)?;
    let end = start + START.len() + text[start + START.len()..].find(END)? + END.len();
    Some((start, end))
}

/// Adds the IDs of the references in a text.
pub(super) fn note_ids(text: &str, ids: &mut Vec<String>) {
    if !may_hold_reference(text) {
        return;
    }
    let mut rest = text;
    while let Some((start, end)) = find_reference(rest) {
        ids.extend(parse_reference(&rest[start..end]).map(|(_, id)| id.to_owned()));
        rest = &rest[end..];
    }
}

/// Returns a media part for a reference.
fn part_of(reference: &str) -> Option<MessagePart> {
    let (mime_type, id) = parse_reference(reference).filter(|_| reference.len() <= MAX_REFERENCE_BYTES)?;
    let modality = ["image", "audio", "video"].into_iter().find(|kind| mime_type.starts_with(kind)).unwrap_or("file");
    Some(MessagePart::Media {
        modality: modality.to_owned(),
        mime_type: Some(mime_type.to_owned()),
        media_id: Some(id.to_owned()),
        content: None,
    })
}

/// Turns references within texts into parts of their own, and the content of a media part that is a reference into its ID.
pub(crate) fn split_references(parts: &mut Vec<MessagePart>) {
    let is_reference = |part: &MessagePart| match part {
        MessagePart::Text { text } => may_hold_reference(text),
        MessagePart::Media { content: Some(content), .. } => content.starts_with(START),
        _ => false,
    };
    if !parts.iter().any(is_reference) {
        return;
    }
    let old = std::mem::take(parts);
    for part in old {
        match part {
            MessagePart::Text { text } if may_hold_reference(&text) => split_text(&text, parts),
            MessagePart::Media { modality, mime_type, media_id: None, content: Some(content) } => {
                parts.push(match parse_reference(&content) {
                    Some((claimed, id)) => MessagePart::Media {
                        modality,
                        mime_type: mime_type.or_else(|| Some(claimed.to_owned())),
                        media_id: Some(id.to_owned()),
                        content: None,
                    },
                    None => MessagePart::Media { modality, mime_type, media_id: None, content: Some(content) },
                });
            }
            part => parts.push(part),
        }
    }
}

fn split_text(text: &str, parts: &mut Vec<MessagePart>) {
    let mut rest = text;
    let mut plain = String::new();
    while let Some((start, end)) = find_reference(rest) {
        plain.push_str(&rest[..start]);
        match part_of(&rest[start..end]) {
            Some(media) => {
                push_text(&mut plain, parts);
                parts.push(media);
            }
            None => plain.push_str(&rest[start..end]),
        }
        rest = &rest[end..];
    }
    plain.push_str(rest);
    push_text(&mut plain, parts);
}

fn push_text(plain: &mut String, parts: &mut Vec<MessagePart>) {
    let text = std::mem::take(plain);
    if !text.trim().is_empty() {
        parts.push(MessagePart::Text { text });
    }
}
