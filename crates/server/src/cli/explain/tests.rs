use std::io::Write;
use std::path::Path;

use super::*;

fn captures() -> Vec<PathBuf> {
    fn below(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, found);
            } else if path.ends_with("body.decoded") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures"), &mut found);
    found.sort();
    found
}

fn asked(files: &[&Path]) -> ExplainCommand {
    ExplainCommand { files: files.iter().map(|path| path.to_path_buf()).collect(), kind: None, received: None, texts: false, json: false }
}

/// Returns the kind of a capture, from the path that it was sent to.
fn posted_as(body: &Path) -> Option<RequestBodyKind> {
    let request = std::fs::read_to_string(body.with_file_name("request.json")).unwrap();
    let request: serde_json::Value = serde_json::from_str(&request).unwrap();
    let path = request["path"].as_str().unwrap();
    let kinds = [
        ("traces", RequestBodyKind::Traces),
        ("TraceService", RequestBodyKind::Traces),
        ("logs", RequestBodyKind::Logs),
        ("LogsService", RequestBodyKind::Logs),
        ("metrics", RequestBodyKind::Metrics),
        ("MetricsService", RequestBodyKind::Metrics),
        ("ingestion", RequestBodyKind::Langfuse),
        ("envelope", RequestBodyKind::Sentry),
    ];
    kinds.iter().find(|(part, _)| path.contains(part)).map(|(_, kind)| *kind)
}

#[test]
fn body_kind_is_detected() {
    let captures = captures();
    assert!(captures.len() > 90, "{}", captures.len());
    for body in captures {
        let Some(kind) = posted_as(&body) else { continue };
        let read = crate::cli::explain::request::read(&std::fs::read(&body).unwrap(), None, None)
            .unwrap_or_else(|error| panic!("{}: {error:#}", body.display()));
        assert_eq!(read.kind, kind, "{}", body.display());
    }
}

#[test]
fn any_compression_is_removed() {
    let text = b"{}\n{\"type\":\"session\"}\n{}\n".to_vec();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(&text).unwrap();
    let mut br = Vec::new();
    brotli::CompressorWriter::new(&mut br, 4096, 4, 20).write_all(&text).unwrap();
    let framed = [&[1, 0, 0, 0, u8::try_from(gzip.len()).unwrap()], &gzip[..]].concat();
    let cases = [
        (text.clone(), vec![]),
        (gzip, vec!["gzip"]),
        (zlib.finish().unwrap(), vec!["deflate"]),
        (zstd::encode_all(&text[..], 1).unwrap(), vec!["zstd"]),
        (br, vec!["br"]),
        (framed, vec!["gRPC frame", "gzip"]),
    ];
    for (bytes, packing) in cases {
        let unpacked = crate::cli::explain::body::unpack(bytes, 1000).unwrap();
        assert_eq!((unpacked.bytes, unpacked.removed_layers), (text.clone(), packing));
    }
    assert!(crate::cli::explain::body::unpack(vec![], 1000).is_err());
    assert!(crate::cli::explain::body::unpack(vec![0x1f, 0x8b, 0, 0], 1000).is_err(), "what is damaged is said");
}

#[test]
fn texts_are_hidden_by_default() {
    for body in captures().iter().filter(|body| posted_as(body).is_some()) {
        let found = asked(&[body]).read_requests().unwrap();
        let said: Vec<String> = found
            .spans
            .iter()
            .flat_map(|(span, _)| span.input_messages.iter().chain(&span.output_messages))
            .flat_map(|message| &message.parts)
            .filter_map(|part| match part {
                hinomi_model::span::MessagePart::Text { text } if text.len() > 24 && !text.contains(['"', '\n']) => Some(text.clone()),
                _ => None,
            })
            .collect();
        for texts in [false, true] {
            let (mut lines, mut json) = (Vec::new(), Vec::new());
            crate::cli::explain::print::text(&mut lines, &found, texts).unwrap();
            crate::cli::explain::print::json(&mut json, &found, texts).unwrap();
            let (lines, json) = (String::from_utf8(lines).unwrap(), String::from_utf8(json).unwrap());
            serde_json::from_str::<serde_json::Value>(&json).unwrap();
            assert!(lines.chars().all(|c| c == '\n' || !c.is_control()));
            for text in &said {
                assert_eq!((lines.contains(text.as_str()), json.contains(text.as_str())), (texts, texts), "{}: {text}", body.display());
            }
        }
    }
}

#[test]
fn traces_and_logs_of_one_call_are_read_together() {
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures/otel-openai-v2/tools");
    let mut bodies: Vec<PathBuf> = captures().into_iter().filter(|body| body.starts_with(&case)).collect();
    bodies.sort();
    let paths: Vec<&Path> = bodies.iter().map(PathBuf::as_path).collect();
    let found = asked(&paths).read_requests().unwrap();
    let calls: Vec<_> = found.spans.iter().filter(|(span, _)| span.is_call()).collect();
    assert!(calls.len() >= 2 && calls.iter().all(|(span, told)| !span.input_messages.is_empty() && told.pieces > 0 && told.cost.is_some()));
}

#[test]
fn unreadable_body_is_reported_without_its_content() {
    for (bytes, kind) in [
        (&b"secret words"[..], None),
        (b"[1, 2]", None),
        (b"{\"secret\": 1}", None),
        (b"{\"batch\": \"secret\"}", None),
        (b"{}\n{\"type\":\"transaction\",\"length\":99}\nsecret", Some(RequestBodyKind::Sentry)),
        (b"{\"secret\"", Some(RequestBodyKind::Traces)),
        (b"\xff\xff\xffsecret", Some(RequestBodyKind::Logs)),
    ] {
        let error = crate::cli::explain::request::read(bytes, kind, None).map(|read| read.kind).unwrap_err();
        assert!(!format!("{error:#}").contains("secret"), "{error:#}");
    }
}
