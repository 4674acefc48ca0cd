//! E-mail in plain text and simple HTML. All e-mails about an incident form one thread, and every attempt for the same change has the
//! same `Message-ID`.

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use sha2::{Digest, Sha256};

use super::notification_color;
use crate::delivery::channel::{ChannelConfiguration, NotificationChannel};
use crate::delivery::message_text;
use crate::delivery::message_text::NotificationMessage;
use crate::delivery::notification::AlertNotification;

/// Renders the e-mail for an e-mail channel.
///
/// # Errors
///
/// Returns the reason, such as an invalid address, if the e-mail cannot be built.
pub(in crate::delivery) fn mail(notification: &AlertNotification, target: &NotificationChannel) -> Result<lettre::Message, String> {
    let ChannelConfiguration::Email { from, to, .. } = &target.configuration else {
        return Err("the channel is not an e-mail channel".to_owned());
    };
    let message = message_text::message_of(notification, target.language.unwrap_or(notification.language));
    let from: Mailbox = from.parse().map_err(|error| format!("the sender address is invalid: {error}"))?;
    let domain = from.email.domain().to_owned();
    let id = format!("<{}@{domain}>", hash(&format!("{} {}", notification.idempotency_key, target.id)));
    let mut builder = lettre::Message::builder().from(from).subject(message.subject.clone()).message_id(Some(id));
    for address in to {
        builder = builder.to(address.parse().map_err(|error| format!("a recipient address is invalid: {error}"))?);
    }
    if let Some(incident) = notification.incident_id {
        builder = builder.references(format!("<incident-{}-{incident}@{domain}>", notification.project));
    }
    let parts = MultiPart::alternative_plain_html(plain(&message), html(notification, &message));
    let mut mail = builder.multipart(parts).map_err(|error| format!("cannot create the e-mail: {error}"))?;
    // Auto-responders ignore messages with this header (RFC 3834).
    mail.headers_mut().insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    Ok(mail)
}

fn hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}

fn plain(message: &NotificationMessage) -> String {
    let mut text = format!("{}\n\n{}\n", message.subject, message.sentences.join("\n"));
    if let Some(heading) = &message.heading {
        text.push_str(&format!("\n{heading}\n"));
    }
    for (line, link) in &message.lines {
        text.push_str(&format!("- {line}\n"));
        text.extend(link.iter().map(|link| format!("  {link}\n")));
    }
    text.push('\n');
    for (label, url) in &message.links {
        text.push_str(&format!("{label}: {url}\n"));
    }
    text
}

fn html(notification: &AlertNotification, message: &NotificationMessage) -> String {
    let mut html = format!(
        "<!doctype html><html lang=\"{}\"><body style=\"font:15px/1.6 system-ui,sans-serif;max-width:40em\">\
         <p style=\"border-left:4px solid #{:06x};padding-left:12px;font-size:17px\"><b>{}</b></p>",
        message.lang,
        notification_color(notification),
        escaped(&message.subject)
    );
    for sentence in &message.sentences {
        html.push_str(&format!("<p>{}</p>", escaped(sentence)));
    }
    if let Some(heading) = &message.heading {
        html.push_str(&format!("<p><b>{}</b></p>", escaped(heading)));
    }
    if !message.lines.is_empty() {
        html.push_str("<ul>");
        for (line, link) in &message.lines {
            html.push_str(&format!("<li>{}</li>", linked(line, link.as_deref())));
        }
        html.push_str("</ul>");
    }
    let links: Vec<_> = message.links.iter().map(|(label, url)| linked(label, Some(url))).collect();
    html.push_str(&format!("<p>{}</p></body></html>", links.join(" &middot; ")));
    html
}

fn linked(text: &str, url: Option<&str>) -> String {
    match url {
        Some(url) => format!("<a href=\"{}\">{}</a>", escaped(url), escaped(text)),
        None => escaped(text),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
