use serde_json::json;

use super::*;
use crate::id::TraceId;
use crate::messages;

/// Returns the bytes of a picture, whatever it shows.
fn picture(seed: u8) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend((0..1500u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed));
    bytes
}

fn encoded(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn span_of(content: Value) -> Span {
    let mut span = Span { trace_id: TraceId(7), start_us: 5, ..Span::default() };
    span.input_messages = messages::read(&json!([{ "role": "user", "content": content }]), "user");
    span
}

#[test]
fn base64_leaves_messages_of_every_provider() {
    let (bytes, base64) = (picture(1), encoded(&picture(1)));
    let id = MediaObject::new(bytes.clone(), None).id;
    let uri = format!("data:image/png;base64,{base64}");
    for (part, modality) in [
        (json!({ "type": "image_url", "image_url": { "url": uri } }), "image"),
        (json!({ "type": "input_image", "image_url": uri }), "image"),
        (json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": base64 } }), "image"),
        (json!({ "type": "image", "image": { "image": { "url": uri } } }), "image"),
        (json!({ "inlineData": { "mimeType": "image/png", "data": base64 } }), "image"),
        (json!({ "inline_data": { "mime_type": "image/png", "data": base64 } }), "image"),
        (json!({ "type": "blob", "modality": "image", "mime_type": "image/png", "content": base64 }), "image"),
        (json!({ "type": "file", "file": { "filename": "a.png", "file_data": uri } }), "file"),
        (json!({ "type": "input_audio", "input_audio": { "data": base64, "format": "wav" } }), "audio"),
        (json!({ "type": "image", "data": base64.trim_end_matches('='), "mimeType": "image/png" }), "image"),
    ] {
        let mut span = span_of(json!([part]));
        let mut media = ExtractedMedia::default();
        media.take_from(&mut span);
        let MessagePart::Media { modality: found, mime_type, media_id, content } = &span.input_messages[0].parts[0] else {
            panic!("{part}: {:?}", span.input_messages)
        };
        assert_eq!((found.as_str(), media_id.as_ref(), content), (modality, Some(&id), &None), "{part}");
        assert_eq!(mime_type.as_deref(), Some("image/png"), "{part}");
        assert_eq!(media.objects.iter().map(|object| &object.bytes).collect::<Vec<_>>(), [&bytes]);
        assert_eq!(media.references, [MediaUse { id: id.clone(), trace_id: TraceId(7), at_us: 5 }]);
    }
}

#[test]
fn base64_in_texts_and_tool_results_becomes_a_reference() {
    let base64 = encoded(&picture(1));
    let id = MediaObject::new(picture(1), None).id;
    let mut span = span_of(json!([{ "type": "text", "text": format!("See ![it](data:image/png;base64,{base64}) and data:x") }]));
    let result = json!([{ "type": "image", "mimeType": "image/png", "data": base64 }, { "type": "text", "text": "done" }]);
    span.output_messages = messages::read(&json!([{ "role": "tool", "tool_call_id": "c", "content": result.to_string() }]), "tool");
    span.attributes.insert("shop.request".into(), json!(format!("{{\"image\":\"data:image/png;base64,{base64}\"}}")));
    let mut media = ExtractedMedia::default();
    media.take_from(&mut span);
    let all = serde_json::to_string(&span).unwrap();
    assert!(!all.contains(&base64[..200]), "{all}");
    assert_eq!((media.objects.len(), media.references.len()), (1, 1), "one object, one trace");
    assert!(span.attributes["shop.request"].as_str().unwrap().contains(&id));
    let parts = &span.input_messages[0].parts;
    assert!(matches!(&parts[0], MessagePart::Text { text } if text == "See ![it]("), "{parts:?}");
    assert!(matches!(&parts[1], MessagePart::Media { media_id: Some(found), .. } if *found == id), "{parts:?}");
    assert!(matches!(&parts[2], MessagePart::Text { text } if text == ") and data:x"), "{parts:?}");
}

#[test]
fn what_is_not_base64_stays() {
    let cut = format!("data:image/png;base64,{}… [500 bytes cut]", &encoded(&picture(1))[..1100]);
    let text = "a".repeat(1400);
    for content in ["https://a/b.png", "[Blob substitute]", "AAAA", &cut, &text] {
        let mut span = span_of(json!([{ "type": "image", "url": content }]));
        let before = span.clone();
        let mut media = ExtractedMedia::default();
        media.take_from(&mut span);
        assert!(media.objects.is_empty() && span == before, "{content}");
    }
}

#[test]
fn large_base64_is_not_truncated_and_too_large_objects_are_dropped() {
    let mut bytes = picture(1);
    bytes.resize(2 << 20, 7);
    for (size, is_stored) in [(2 << 20, true), (MAX_MEDIA_BYTES + 1024, false)] {
        bytes.resize(size, 7);
        let mut span =
            span_of(json!([{ "type": "image_url", "image_url": { "url": format!("data:image/png;base64,{}", encoded(&bytes)) } }]));
        trim_messages(&mut span.input_messages, TextLimit::default(), true);
        let mut media = ExtractedMedia::default();
        media.take_from(&mut span);
        assert_eq!((media.objects.len(), media.too_large), (usize::from(is_stored), usize::from(!is_stored)));
        let MessagePart::Media { media_id, content, .. } = &span.input_messages[0].parts[0] else { panic!() };
        assert_eq!((media_id.is_some(), content.is_none()), (is_stored, true));
    }
}

#[test]
fn references_of_langfuse_are_media() {
    let id = MediaObject::new(picture(1), None).id;
    let reference = format!("@@@langfuseMedia:type=image/png|id={id}|source=base64_data_uri@@@");
    for content in [
        json!([{ "type": "image_url", "image_url": { "url": reference } }]),
        json!([{ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": reference } }]),
        json!(reference),
    ] {
        let mut span = span_of(content.clone());
        let mut media = ExtractedMedia::default();
        media.take_from(&mut span);
        let part =
            MessagePart::Media { modality: "image".into(), mime_type: Some("image/png".into()), media_id: Some(id.clone()), content: None };
        assert_eq!(span.input_messages[0].parts, [part], "{content}");
        assert_eq!((media.objects.len(), media.references.len()), (0, 1), "{content}");
    }
    let invalid = "@@@langfuseMedia:type=image/png|id=../../etc|source=x@@@";
    assert_eq!(span_of(json!(invalid)).input_messages[0].parts, [MessagePart::Text { text: invalid.into() }]);
}

#[test]
fn parts_of_earlier_versions_are_read() {
    let old = json!({ "type": "media", "modality": "image", "content": "https://a/b.png" });
    let part: MessagePart = serde_json::from_value(old).unwrap();
    let now = json!({ "type": "media", "modality": "image", "media_id": null, "content": "https://a/b.png" });
    assert_eq!(serde_json::to_value(&part).unwrap(), now);
    let old = json!({ "type": "media", "modality": "image", "mime_type": "image/png", "content": "" });
    assert!(matches!(serde_json::from_value(old).unwrap(), MessagePart::Media { media_id: None, content: Some(_), .. }));
}

#[test]
fn types_are_recognized_by_the_first_bytes() {
    let wave = b"RIFF\x24\x00\x00\x00WAVEfmt ";
    let mp4 = b"\x00\x00\x00\x18ftypmp42\x00\x00";
    let samples: [(&[u8], Option<&str>); 9] = [
        (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
        (b"GIF89a", Some("image/gif")),
        (wave, Some("audio/wav")),
        (mp4, Some("video/mp4")),
        (b"ID3\x04", Some("audio/mpeg")),
        (b"%PDF-1.7", Some("application/pdf")),
        (b"<svg onload='x()'>", None),
        (b"<html>", None),
        (b"", None),
    ];
    for (bytes, expected) in samples {
        assert_eq!(sniffed_type(bytes), expected, "{bytes:?}");
    }
    assert_eq!(MediaObject::new(b"<svg>".to_vec(), Some("image/svg+xml")).mime_type.as_deref(), Some("image/svg+xml"));
    assert_eq!(MediaObject::new(b"x".to_vec(), Some("text/html\r\nx: y")).mime_type, None);
}
