use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn names_of_secrets() {
    let sensitive = [
        "password",
        "userPassword",
        "DB_PASSWORD",
        "passwd",
        "secret",
        "SECRET_KEY_BASE",
        "api_key",
        "X-Api-Key",
        "apikey",
        "auth",
        "Authorization",
        "Proxy-Authorization",
        "x-auth-token",
        "credentials",
        "mysql_pwd",
        "privatekey",
        "private_key",
        "token",
        "access_token",
        "accessToken",
        "csrftoken",
        "X-CSRF-Token",
        "Cookie",
        "Set-Cookie",
        "sessionid",
        "session_id",
        "PHPSESSID",
        "stripetoken",
        "card[number]",
        "bearer",
        "id_token",
    ];
    for name in sensitive {
        assert!(is_sensitive_name(name), "{name}");
    }
    for name in ["author", "authority", "max_tokens", "prompt_tokens", "tokenizer", "passenger", "user", "sessions_open", "inside", ""] {
        assert!(!is_sensitive_name(name), "{name}");
    }
}

#[test]
fn secrets_in_texts() {
    let scrubbed = |text: &str| {
        let mut text = text.to_owned();
        scrub_text(&mut text);
        text
    };
    assert_eq!(scrubbed("card 4242 4242 4242 4242 was declined"), "card [Filtered] was declined");
    assert_eq!(scrubbed("order 4242424242424243 failed"), "order 4242424242424243 failed", "its check digit is wrong");
    assert_eq!(scrubbed("Authorization: Bearer abcdef.ghijkl"), "Authorization: Bearer [Filtered]");
    assert_eq!(scrubbed("postgres://app:hunter2@db/shop"), "postgres://app:[Filtered]@db/shop");
    assert_eq!(scrubbed("a=1&password=hunter2&b=2"), "a=1&password=[Filtered]&b=2");
    assert_eq!(scrubbed(r#"{"api_key": "k-123", "n": 1}"#), r#"{"api_key": "[Filtered]", "n": 1}"#);
    assert_eq!(scrubbed("the password is wrong"), "the password is wrong");
    assert_eq!(
        scrubbed("GET https://shop.example/pay?cart=3&token=hunter2#top"),
        "GET https://shop.example/pay?cart=3&token=[Filtered]#top"
    );
    assert_eq!(scrubbed("'sid=hunter2&cart=3&auth=hunter2'"), "'sid=[Filtered]&cart=3&auth=[Filtered]'");
    let signed = "https://a.example/b?se=2026&sig=hunter2&X-Amz-Signature=hunter2&amp;token=hunter2\\u0026code=7";
    let expected = "https://a.example/b?se=2026&sig=[Filtered]&X-Amz-Signature=[Filtered]&amp;token=[Filtered]\\u0026code=7";
    assert_eq!(scrubbed(signed), expected);
    for plain in
        ["/pay?max_tokens=5&token_count=3", "if (token = next() && more)", "token=5 of 7", "is token=x right?", "author=anna&page=2"]
    {
        assert_eq!(scrubbed(plain), plain);
    }
}

#[test]
fn api_keys_without_a_name() {
    let letters = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0";
    let keys = [
        format!("sk-proj-{letters}"),
        format!("sk-ant-api03-{letters}-_x"),
        format!("AIza{}", &letters[..35]),
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        format!("ghp_{letters}"),
        format!("hf_{letters}"),
        format!("eyJ{letters}.eyJ{letters}.{letters}"),
    ];
    for key in keys {
        for around in [("Incorrect API key provided: ", ". See the page"), ("GET /v1/models?key=", "&alt=sse"), ("\"", "\"")] {
            let mut text = format!("{}{key}{}", around.0, around.1);
            scrub_text(&mut text);
            assert_eq!(text, format!("{}{FILTERED}{}", around.0, around.1));
        }
    }
    for plain in ["task-management-of-large-projects", "sk-short", "an ASIAN restaurant", "the fw_rule matched"] {
        let mut text = plain.to_owned();
        scrub_text(&mut text);
        assert_eq!(text, plain);
    }
}

#[test]
fn attributes_of_log_lines() {
    let scrubbed = |name: &str, mut value: Value| {
        scrub_attribute(name, &mut value);
        value
    };
    for name in ["session.id", "langfuse.session.id", "session_id", "gen_ai.token.type", "author", "gen_ai.usage.input_tokens"] {
        assert_eq!(scrubbed(name, json!("abc")), json!("abc"), "{name}");
    }
    for name in ["http.request.header.authorization", "db.password", "auth.token", "PHPSESSID"] {
        assert_eq!(scrubbed(name, json!("abc")), json!(FILTERED), "{name}");
    }
    let nested = json!({"user": {"password": "x"}, "list": ["Bearer abcdefghij", ["Cookie", "a=b"]], "count": 3});
    let expected = json!({"user": {"password": FILTERED}, "list": [format!("Bearer {FILTERED}"), ["Cookie", FILTERED]], "count": 3});
    assert_eq!(scrubbed("request", nested), expected);
}

#[test]
fn secrets_in_addresses() {
    let value = json!({"url": "https://shop.example/?page=2&token=hunter2#top", "text": "see a?token=b", "call": "GET https://a.example/x?api_key=k&n=1 failed"});
    let limit = DataLimit { bytes: 1000, text: 1000, depth: 2 };
    assert_eq!(
        Value::Object(bounded_object(value, limit)),
        json!({"url": "https://shop.example/?page=2&token=[Filtered]#top", "text": "see a?token=[Filtered]", "call": "GET https://a.example/x?api_key=[Filtered]&n=1 failed"})
    );
}

#[test]
fn sensitive_members_are_replaced_and_large_ones_cut() {
    let limit = DataLimit { bytes: 400, text: 10, depth: 2 };
    let value =
        json!({"password": "x", "token": 5, "credentials": {"user": "a", "pin": 1}, "headers": [["Cookie", "a=b"], ["Accept", "*"]]});
    assert_eq!(
        Value::Object(bounded_object(value, limit)),
        json!({"password": "[Filtered]", "token": 5, "credentials": {"user": "a", "pin": 1}, "headers": [["Cookie", "[Filtered]"], ["Accept", "*"]]})
    );
    let limit = DataLimit { bytes: 120, ..limit };
    let value = json!({"long": "x".repeat(50), "deep": {"a": {"b": {"c": 1}}}});
    assert_eq!(
        Value::Object(bounded_object(value, limit)),
        json!({"deep": {"a": {"b": "[1 members]"}}, "long": format!("{}… [40 bytes cut]", "x".repeat(10))})
    );
    let many: Map<String, Value> = (0..1000).map(|n| (format!("n{n}"), json!(n))).collect();
    let kept = bounded_object(many.into(), limit);
    assert!(kept.len() < 20 && kept["…"] == format!("[{} more cut]", 1001 - kept.len()), "{kept:?}");
    assert_eq!(bounded_object(json!([["a", 1], ["secret", "x"]]), limit), *json!({"a": 1, "secret": "[Filtered]"}).as_object().unwrap());
}

proptest! {
    #[test]
    fn any_text_can_be_scrubbed(text in "\\PC{0,200}", name in "\\PC{0,60}") {
        let mut text = text;
        scrub_text(&mut text);
        let _ = is_sensitive_name(&name);
    }
}
