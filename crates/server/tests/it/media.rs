//! Images, audio and files of messages: they leave the messages, are served without danger, and are erased with their traces.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::Digest;

use crate::envelopes::{now, of_item, transaction};
use crate::erased_data::holding;
use crate::ingest::counted;
use crate::server::{Answer, KEY, Server};

/// Returns a picture that only its seed distinguishes, as far as its first bytes say.
fn picture(seed: u8) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend((0..3000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed));
    bytes
}

fn data_uri(bytes: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(bytes))
}

fn attribute(key: &str, value: &Value) -> Value {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    json!({ "key": key, "value": { "stringValue": text } })
}

/// Sends a call over OTLP with these attributes in addition.
fn send_call(server: &Server, trace: u128, attributes: &[Value]) {
    let nanos = |seconds: f64| format!("{:.0}", seconds * 1e9);
    let mut all = vec![
        attribute("gen_ai.operation.name", &json!("chat")),
        attribute("gen_ai.provider.name", &json!("openai")),
        attribute("gen_ai.request.model", &json!("gpt-4o-mini")),
    ];
    all.extend_from_slice(attributes);
    let span = json!({ "traceId": format!("{trace:032x}"), "spanId": format!("{:016x}", 7), "name": "chat", "kind": 3,
        "startTimeUnixNano": nanos(now() - 2.0), "endTimeUnixNano": nanos(now() - 1.0), "attributes": all });
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }).to_string();
    let key = format!("Bearer {KEY}");
    let headers = [("content-type", "application/json"), ("authorization", key.as_str())];
    let answer = server.send("POST", "/v1/traces", &headers, body.into_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn send_picture(server: &Server, trace: u128, bytes: &[u8]) {
    let image = json!({ "type": "image_url", "image_url": { "url": data_uri(bytes) } });
    let messages = json!([{ "role": "user", "content": [{ "type": "text", "text": "What is it?" }, image] }]);
    send_call(server, trace, &[attribute("gen_ai.input.messages", &messages)]);
}

fn parts(server: &Server, trace: u128, span: u64) -> Vec<Value> {
    let span = server.ask(&format!("/traces/{trace:032x}/spans/{span:016x}"));
    span["input_messages"].as_array().unwrap().iter().flat_map(|message| message["parts"].as_array().unwrap().clone()).collect()
}

fn media(server: &Server, id: &str) -> Answer {
    server.get(&format!("/api/v1/projects/1/media/{id}"))
}

/// Returns the bytes of a response, which the text of an [`Answer`] does not preserve.
fn bytes_of(server: &Server, id: &str, headers: &[(&str, &str)]) -> (u16, Vec<u8>) {
    let mut response = server.open(&format!("/api/v1/projects/1/media/{id}"), headers);
    (response.status().as_u16(), response.body_mut().read_to_vec().unwrap())
}

fn id_of(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(bytes))[..22].to_owned()
}

#[test]
fn a_picture_leaves_the_message_and_survives_a_restart() {
    let mut server = Server::start();
    let (bytes, id) = (picture(1), id_of(&picture(1)));
    send_picture(&server, 1, &bytes);
    let mut body = transaction(2, "x", "A cat.");
    let image = json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": STANDARD.encode(&bytes) } });
    body["spans"][1]["data"]["gen_ai.request.messages"] = json!(json!([{ "role": "user", "content": [image] }]).to_string());
    assert_eq!(server.envelope(of_item("transaction", &body)).status, 200);
    // OpenInference repeats the request in another attribute.
    let attributes = [
        attribute("openinference.span.kind", &json!("LLM")),
        attribute("llm.input_messages.0.message.role", &json!("user")),
        attribute("llm.input_messages.0.message.contents.0.message_content.type", &json!("image")),
        attribute("llm.input_messages.0.message.contents.0.message_content.image.image.url", &json!(data_uri(&bytes))),
        attribute(
            "input.value",
            &json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": data_uri(&bytes) } }] }] }),
        ),
    ];
    send_call(&server, 3, &attributes);
    for restart in 0..2 {
        let expected = json!({ "type": "media", "modality": "image", "mime_type": "image/png", "media_id": id, "content": null });
        assert_eq!(parts(&server, 1, 7), [json!({ "type": "text", "text": "What is it?" }), expected.clone()]);
        assert_eq!(parts(&server, 2, 3), std::slice::from_ref(&expected));
        assert_eq!(parts(&server, 3, 7), [expected]);
        assert_eq!(bytes_of(&server, &id, &[]), (200, bytes.clone()));
        assert_eq!(bytes_of(&server, &id, &[("range", "bytes=1-3")]), (206, b"PNG".to_vec()));
        assert_eq!(bytes_of(&server, &id, &[("if-none-match", &format!("\"{id}\""))]), (304, Vec::new()));
        if restart == 0 {
            assert_eq!(server.stop(), Some(0));
            server.start_again();
        }
    }
    assert_eq!(holding(&server.data(), &STANDARD.encode(&bytes)[..200]), Vec::<std::path::PathBuf>::new(), "base64 is not stored");
    assert_eq!(counted(&server, "accepted", "stored"), 6, "five spans and one object");
    let exported = server.get("/api/v1/projects/1/export?format=jsonl");
    assert!(exported.status == 200 && exported.text.contains(&id), "{}", exported.text);
}

#[test]
fn only_harmless_types_are_shown_and_only_to_those_who_may_read() {
    let server = Server::start();
    let script = format!("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'>{}</svg>", "x".repeat(2000));
    for (trace, bytes, claimed) in [(1, picture(1), "image/png"), (2, script.into_bytes(), "image/svg+xml")] {
        let part = json!({ "type": "blob", "modality": "image", "mime_type": claimed, "content": STANDARD.encode(&bytes) });
        send_call(&server, trace, &[attribute("gen_ai.input.messages", &json!([{ "role": "user", "parts": [part] }]))]);
        let answer = media(&server, &id_of(&bytes));
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("content-security-policy"), "sandbox; default-src 'none'");
        let is_shown = trace == 1;
        let expected = if is_shown { ("image/png", "") } else { ("application/octet-stream", "attachment") };
        assert_eq!((answer.header("content-type"), answer.header("content-disposition")), expected);
    }
    assert_eq!(media(&server, &id_of(&picture(9))).status, 404);
    assert_eq!(media(&server, "..%2F..%2Fhinomi.db").status, 404);
    let path = format!("/api/v1/projects/1/media/{}", id_of(&picture(1)));
    assert_eq!(server.send("GET", &path, &[], Vec::new()).status, 401);
    assert_eq!(server.send("GET", &path, &[("authorization", &format!("Bearer {KEY}"))], Vec::new()).status, 401, "a key cannot read");
    assert_eq!(server.command(&["project", "create", "other"]).2, Some(0));
    assert_eq!(server.get(&path.replace("/1/", "/2/")).status, 404, "another project");
}

#[test]
fn a_picture_is_erased_with_the_last_trace_that_uses_it() {
    let server = Server::start();
    let mut bytes = picture(1);
    bytes.extend_from_slice(b"MARK-picture");
    send_picture(&server, 1, &bytes);
    send_picture(&server, 2, &bytes);
    let delete = |trace: u128| server.change("DELETE", &format!("/traces/{trace:032x}"), &json!({})).status;
    assert_eq!(delete(1), 200);
    assert_eq!(media(&server, &id_of(&bytes)).status, 200);
    assert!(!holding(&server.data(), "MARK-picture").is_empty());
    assert_eq!(delete(2), 200);
    assert_eq!(media(&server, &id_of(&bytes)).status, 404);
    assert_eq!(holding(&server.data(), "MARK-picture"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let server = Server::start_with(&[("HINOMI_DISK_MEDIA_QUOTA_BYTES", "4000")]);
    send_picture(&server, 1, &picture(1));
    send_picture(&server, 2, &picture(2));
    send_picture(&server, 3, &picture(1));
    let id = |trace: u128| parts(&server, trace, 7)[1]["media_id"].as_str().map(str::to_owned);
    assert_eq!((id(1), id(2), id(3)), (Some(id_of(&picture(1))), None, Some(id_of(&picture(1)))));
    assert_eq!(counted(&server, "dropped", "media_quota"), 1);
    assert_eq!(media(&server, &id_of(&picture(2))).status, 404);
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{KEY}:{KEY}")))
}

fn announce(server: &Server, bytes: &[u8], trace: &str) -> Answer {
    let hash = STANDARD.encode(sha2::Sha256::digest(bytes));
    let body = json!({ "traceId": trace, "observationId": "0000000000000007", "contentType": "image/png", "contentLength": bytes.len(),
        "sha256Hash": hash, "field": "input" });
    let headers = [("authorization", &*basic()), ("content-type", "application/json")];
    server.send("POST", "/api/public/media", &headers, body.to_string().into_bytes())
}

#[test]
fn langfuse_sdks_upload_media() {
    let server = Server::start();
    let (bytes, id) = (picture(1), id_of(&picture(1)));
    let reference = format!("@@@langfuseMedia:type=image/png|id={id}|source=base64_data_uri@@@");
    let input = json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": reference } }] }]);
    send_call(&server, 1, &[attribute("langfuse.observation.type", &json!("generation")), attribute("langfuse.observation.input", &input)]);
    let expected = json!({ "type": "media", "modality": "image", "mime_type": "image/png", "media_id": id, "content": null });
    assert_eq!(parts(&server, 1, 7), [expected]);
    assert_eq!(media(&server, &id).status, 404, "not uploaded yet");

    let announced = announce(&server, &bytes, &format!("{:032x}", 1));
    assert_eq!((announced.status, announced.json()["mediaId"].as_str()), (201, Some(id.as_str())), "{}", announced.text);
    let url = announced.json()["uploadUrl"].as_str().unwrap().to_owned();
    let path = url.strip_prefix(&server.url).unwrap_or_else(|| panic!("{url}")).to_owned();
    assert_eq!(server.send("PUT", &path, &[], picture(2)).status, 400, "other bytes");
    assert_eq!(server.send("PUT", &path, &[], [bytes.clone(), vec![0]].concat()).status, 413, "more bytes");
    assert_eq!(server.send("PUT", &format!("{path}x"), &[], bytes.clone()).status, 403);
    let headers = [("content-type", "image/png"), ("x-ms-blob-type", "BlockBlob")];
    assert_eq!(server.send("PUT", &path, &headers, bytes.clone()).status, 200);
    let report = json!({ "uploadedAt": "2026-11-30T00:00:00Z", "uploadHttpStatus": 200, "uploadTimeMs": 5 }).to_string();
    let item = format!("/api/public/media/{id}");
    assert_eq!(server.send("PATCH", &item, &[("authorization", &basic())], report.into_bytes()).status, 200);
    assert_eq!(bytes_of(&server, &id, &[]), (200, bytes.clone()));
    let described = server.send("GET", &item, &[("authorization", &basic())], Vec::new()).json();
    assert_eq!((described["contentType"].as_str(), described["contentLength"].as_u64()), (Some("image/png"), Some(bytes.len() as u64)));

    // The same bytes of another trace are not uploaded again, and stay when the first trace is erased.
    assert_eq!(announce(&server, &bytes, &format!("{:032x}", 2)).json()["uploadUrl"], Value::Null);
    assert_eq!(server.change("DELETE", &format!("/traces/{:032x}", 1), &json!({})).status, 200);
    assert_eq!(media(&server, &id).status, 200);
    let anonymous = server.send("POST", "/api/public/media", &[("authorization", "Bearer x")], b"{}".to_vec());
    assert!(anonymous.status >= 400, "{}", anonymous.text);
    let body = json!({ "contentType": "image/png", "contentLength": 30 << 20, "sha256Hash": STANDARD.encode([1; 32]), "field": "input" });
    let refused = server.send("POST", "/api/public/media", &[("authorization", &basic())], body.to_string().into_bytes());
    assert_eq!((refused.status, refused.json()["error"].as_str()), (413, Some("media_too_large")));
}

#[test]
fn base64_in_events_of_langfuses_older_api_leaves_them() {
    let mut server = Server::start();
    let (bytes, id) = (picture(1), id_of(&picture(1)));
    let time = jiff::Timestamp::now().to_string();
    let event = json!({ "id": "e1", "type": "generation-create", "timestamp": time, "body": {
        "id": format!("{:016x}", 7), "traceId": format!("{:032x}", 1), "startTime": time, "model": "gpt-4o-mini",
        "input": [{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": data_uri(&bytes) } }] }],
    } });
    let send = |server: &Server, event: &Value| {
        let body = json!({ "batch": [event] }).to_string().into_bytes();
        assert_eq!(server.send("POST", "/api/public/ingestion", &[("authorization", &basic())], body).status, 207);
    };
    send(&server, &event);
    server.restart();
    let update = json!({ "id": "e2", "type": "generation-update", "timestamp": time, "body": {
        "id": format!("{:016x}", 7), "traceId": format!("{:032x}", 1), "output": "A cat." } });
    send(&server, &update);
    assert_eq!(parts(&server, 1, 7)[0]["media_id"].as_str(), Some(id.as_str()));
    assert_eq!(bytes_of(&server, &id, &[]), (200, bytes.clone()));
    assert_eq!(holding(&server.data(), &STANDARD.encode(&bytes)[..200]), Vec::<std::path::PathBuf>::new());
}

#[test]
fn references_to_other_stores_are_shown_and_not_fetched() {
    let server = Server::start();
    let part = json!({ "type": "uri", "modality": "image", "mime_type": "image/png", "uri": "s3://bucket/a.png" });
    send_call(&server, 1, &[attribute("gen_ai.input.messages", &json!([{ "role": "user", "parts": [part] }]))]);
    let expected =
        json!({ "type": "media", "modality": "image", "mime_type": "image/png", "media_id": null, "content": "s3://bucket/a.png" });
    assert_eq!(parts(&server, 1, 7), [expected]);
    send_call(&server, 2, &[attribute("gen_ai.input.messages_ref", &json!("s3://bucket/inputs.json"))]);
    assert_eq!(
        parts(&server, 2, 7),
        [json!({ "type": "media", "modality": "file", "media_id": null, "content": "s3://bucket/inputs.json" })]
    );
}
