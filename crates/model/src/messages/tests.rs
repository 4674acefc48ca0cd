use serde_json::json;

use super::*;

fn text(role: &str, text: &str) -> ChatMessage {
    ChatMessage { role: role.into(), parts: vec![text_part(text.into())] }
}

fn call(id: Option<&str>, name: &str, arguments: &str) -> MessagePart {
    MessagePart::ToolCall { id: id.map(Into::into), name: name.into(), arguments: arguments.into() }
}

#[test]
fn lists_of_messages() {
    let expected = vec![text("system", "Be terse."), text("user", "Hi")];
    let plain = json!([{"role": "system", "content": "Be terse."}, {"role": "human", "content": "Hi"}]);
    assert_eq!(read(&plain, "user"), expected);
    assert_eq!(read(&json!(plain.to_string()), "user"), expected);
    let parts = json!([{"role": "system", "parts": [{"type": "text", "content": "Be terse."}]}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]);
    assert_eq!(read(&parts, "user"), expected);
    assert_eq!(read(&json!([[{"type": "system", "content": "Be terse."}, {"type": "human", "content": "Hi"}]]), "user"), expected);
    assert_eq!(read(&json!({"system": "Be terse.", "messages": [{"role": "user", "content": "Hi"}]}), "user"), expected);
    assert_eq!(read(&json!({"system": "Be terse.", "prompt": "Hi"}), "user"), expected);
    assert_eq!(read(&json!({"messages": "[{\"role\":\"user\",\"content\":\"Hi\"}]"}), "user"), expected[1..]);
}

#[test]
fn texts() {
    assert_eq!(read(&json!("Paris."), "assistant"), vec![text("assistant", "Paris.")]);
    assert_eq!(read(&json!("[\"Paris.\"]"), "assistant"), vec![text("assistant", "Paris.")]);
    assert_eq!(read(&json!("[\"one\", \"two\"]"), "user"), vec![text("user", "one"), text("user", "two")]);
    assert_eq!(read(&json!(""), "user"), vec![]);
    assert_eq!(read(&json!(null), "user"), vec![]);
    for answer in [
        "{\"city\": \"Oslo\"}",
        "[1, 2, 3]",
        "\"yes\"",
        "[citation needed]",
        "{not json",
        "{\"content\": \"a\", \"title\": \"b\", \"n\": 1}",
    ] {
        assert_eq!(read(&json!(answer), "assistant"), vec![text("assistant", answer)], "an answer that looks like JSON stays as it is");
    }
}

#[test]
fn message_object_with_python_none() {
    let answer = json!({"content": "Paris.", "refusal": "None", "role": "assistant", "audio": "None", "tool_calls": "None"});
    assert_eq!(read(&json!(answer.to_string()), "assistant"), vec![text("assistant", "Paris.")]);
    let calling = json!({"content": "None", "role": "assistant", "function_call": "None",
        "tool_calls": {"id": "call_1", "function": {"arguments": "{\"city\": \"Oslo\"}", "name": "get_weather"}, "type": "function"}});
    let expected = ChatMessage { role: "assistant".into(), parts: vec![call(Some("call_1"), "get_weather", "{\"city\": \"Oslo\"}")] };
    assert_eq!(read(&calling, "assistant"), vec![expected]);
}

#[test]
fn four_shapes_of_tool_calls() {
    let expected = vec![call(Some("c1"), "get_weather", "{\"city\":\"Oslo\"}")];
    for value in [
        json!([{"name": "get_weather", "args": {"city": "Oslo"}, "id": "c1", "type": "tool_call"}]),
        json!([{"arguments": "{\"city\":\"Oslo\"}", "call_id": "c1", "name": "get_weather", "type": "function_call", "id": "fc_1", "caller": null}]),
        json!([{"id": "c1", "input": {"city": "Oslo"}, "name": "get_weather", "type": "tool_use", "caller": "None"}]),
        json!({"id": "c1", "function": {"name": "get_weather", "arguments": "{\"city\":\"Oslo\"}"}, "type": "function"}),
    ] {
        assert_eq!(read_tool_calls(&value), expected);
        assert_eq!(read_tool_calls(&json!(value.to_string())), expected);
        let as_message = read(&value, "assistant");
        assert_eq!(as_message, vec![ChatMessage { role: "assistant".into(), parts: expected.clone() }]);
    }
    assert_eq!(read_tool_calls(&json!("None")), vec![]);
}

#[test]
fn calls_and_results_within_a_conversation() {
    let value = json!([
        {"role": "assistant", "content": [{"type": "tool-call", "toolCallId": "c1", "toolName": "get_weather", "input": {"city": "Oslo"}}]},
        {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "toolName": "get_weather", "output": {"type": "json", "value": 18}}]},
        {"role": "tool", "content": "18 C", "tool_call_id": "c1"},
        {"type": "function_call_output", "call_id": "c1", "output": "18 C"},
    ]);
    let messages = read(&value, "user");
    assert_eq!(messages[0].parts, vec![call(Some("c1"), "get_weather", "{\"city\":\"Oslo\"}")]);
    let result = |name: Option<&str>, result: &str| MessagePart::ToolResult {
        id: Some("c1".into()),
        name: name.map(Into::into),
        result: result.into(),
    };
    assert_eq!(messages[1].parts, vec![result(Some("get_weather"), "18")]);
    assert_eq!(messages[2].parts, vec![result(None, "18 C")]);
    assert_eq!((messages[3].role.as_str(), &messages[3].parts), ("tool", &vec![result(None, "18 C")]));
}

#[test]
fn media_parts() {
    let of = |value: Value| read(&json!([{"role": "user", "content": [value]}]), "user").remove(0).parts.remove(0);
    let media = |modality: &str, mime: Option<&str>, content: &str| MessagePart::Media {
        modality: modality.into(),
        mime_type: mime.map(Into::into),
        media_id: None,
        content: Some(content.into()),
    };
    assert_eq!(
        of(json!({"type": "blob", "modality": "image", "mime_type": "image/png", "content": "[Blob substitute]"})),
        media("image", Some("image/png"), "[Blob substitute]")
    );
    assert_eq!(of(json!({"type": "image_url", "image_url": {"url": "https://a/b.png"}})), media("image", None, "https://a/b.png"));
    assert_eq!(
        of(json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}})),
        media("image", Some("image/png"), "AAAA")
    );
    assert_eq!(of(json!({"type": "hologram", "x": 1})), MessagePart::Other { content: "{\"type\":\"hologram\",\"x\":1}".into() });
}

#[test]
fn raw_provider_responses_are_read() {
    let openai = json!({"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]});
    assert_eq!(read(&openai, "assistant"), vec![text("assistant", "Hi")]);
    let google = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}}]});
    assert_eq!(read(&google, "assistant"), vec![text("assistant", "Hi")]);
}

#[test]
fn openinference_wrappers() {
    let value = json!([{"message": {"role": "assistant", "content": "Hi", "tool_calls": [{"tool_call": {"id": "c1", "function": {"name": "f", "arguments": "{}"}}}]}}]);
    assert_eq!(read(&value, "user")[0].parts, vec![text_part("Hi".into()), call(Some("c1"), "f", "{}")]);
}

#[test]
fn truncated_text_is_read() {
    assert_eq!(read(&json!("[{\"role\": \"user\", \"content\": \"Hello wor..."), "user"), vec![text("user", "Hello wor...")]);
}

#[test]
fn deeply_nested_messages_are_kept_as_text() {
    let mut value = json!([{"role": "user", "content": "deep"}]);
    for _ in 0..20 {
        value = json!([value]);
    }
    assert_eq!(read(&value, "user"), vec![text("user", &value.to_string())]);
}

#[test]
fn streamed_google_response_is_one_message() {
    let chunk = |text: &str| json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": text }] }, "index": 0 }] });
    let found = read(&json!([chunk("The capital "), chunk("is Paris.")]), "assistant");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].parts, [MessagePart::Text { text: "The capital is Paris.".into() }]);
}
