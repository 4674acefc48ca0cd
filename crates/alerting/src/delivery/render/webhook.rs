//! A POST request to a program, signed according to Standard Webhooks: <https://www.standardwebhooks.com>. `webhook-id` is the
//! idempotency key of the change, the same in every attempt.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hinomi_model::api_time::rfc3339;
use hmac_sha256::HMAC;
use serde_json::{Value, json};

use super::HttpPostRequest;
use crate::delivery::channel::{ChannelSecret, signing_key};
use crate::delivery::message_text::NotificationMessage;
use crate::delivery::notification::AlertNotification;

pub(super) fn http_request(
    url: &str,
    notification: &AlertNotification,
    message: &NotificationMessage,
    secret: &ChannelSecret,
    now_us: i64,
) -> HttpPostRequest {
    let kind = serde_json::to_value(notification.kind).unwrap_or_default();
    let body = json!({
        "type": format!("alert.{}", kind.as_str().unwrap_or_default()),
        "timestamp": rfc3339(notification.at),
        "data": notification_json(notification),
        "text": { "language": message.lang, "subject": message.subject, "sentences": message.sentences, "heading": message.heading,
                  "lines": message.lines.iter().map(|(line, _)| line).collect::<Vec<_>>() },
    });
    let body = body.to_string().into_bytes();
    let (id, seconds) = (header_value(&notification.idempotency_key), (now_us / 1_000_000).to_string());
    let signature = sign(&id, &seconds, &body, &signing_key(secret).unwrap_or_default());
    let signed = [("webhook-id", id), ("webhook-timestamp", seconds), ("webhook-signature", signature)];
    let signed = signed.map(|(name, value)| (name.into(), value));
    let headers = std::iter::once(super::json_content_type()).chain(signed).collect();
    HttpPostRequest { url: url.to_owned(), headers, body }
}

fn sign(id: &str, seconds: &str, body: &[u8], key: &[u8]) -> String {
    let mut mac = HMAC::new(key);
    mac.update(format!("{id}.{seconds}."));
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize()))
}

/// Returns a notification as in the API: with times in RFC 3339.
fn notification_json(notification: &AlertNotification) -> Value {
    let mut value = serde_json::to_value(notification).unwrap_or_default();
    value["window_from"] = json!(rfc3339(notification.window_from));
    value["window_to"] = json!(rfc3339(notification.window_to));
    value["at"] = json!(rfc3339(notification.at));
    if let Some(since) = notification.culprits_since {
        value["culprits_since"] = json!(rfc3339(since));
    }
    if let Some(outlook) = &notification.outlook {
        value["outlook"]["until"] = json!(rfc3339(outlook.until));
    }
    if !notification.gathered.is_empty() {
        value["gathered"] = notification.gathered.iter().map(notification_json).collect();
    }
    value
}

/// Keys are visible ASCII. Any other character is replaced, to keep the header valid.
fn header_value(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(255).collect()
}
