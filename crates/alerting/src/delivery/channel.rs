//! Notification channels. The secret of a channel is stored separately, and is never shown again or logged.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::message::Mailbox;
use rand::Rng;
use serde::{Deserialize, Serialize};
use ureq::http::Uri;
use utoipa::ToSchema;

use super::allowed_networks::{AllowedNetworks, embedded_ipv4};
use super::notification::MessageLanguage;
use super::outbox::ChannelId;

/// Maximum length of a channel's name, in characters.
const MAX_NAME_LENGTH: usize = 100;
/// Maximum number of recipients of one e-mail.
const MAX_RECIPIENTS: usize = 50;
/// Endpoint of PagerDuty's Events API v2 in the US service region.
pub(super) const PAGERDUTY_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// A notification channel with its secret.
#[derive(Debug, Clone)]
pub struct NotificationChannel {
    /// ID of the channel.
    pub id: ChannelId,
    /// ID of the project.
    pub project: u64,
    /// Name of the channel.
    pub name: String,
    /// Language of the messages; `None` for the language of the rule.
    pub language: Option<MessageLanguage>,
    /// True if nothing is sent to the channel.
    pub disabled: bool,
    /// Kind and configuration of the channel.
    pub configuration: ChannelConfiguration,
    /// Secret of the channel.
    pub secret: ChannelSecret,
    /// Time at which the channel was created, in microseconds since the Unix epoch.
    pub created_us: i64,
}

/// Kind of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// E-mail.
    Email,
    /// Slack.
    Slack,
    /// Discord.
    Discord,
    /// Microsoft Teams.
    Teams,
    /// PagerDuty.
    Pagerduty,
    /// Webhook.
    Webhook,
}

impl ChannelKind {
    /// Returns the name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            ChannelKind::Email => "email",
            ChannelKind::Slack => "slack",
            ChannelKind::Discord => "discord",
            ChannelKind::Teams => "teams",
            ChannelKind::Pagerduty => "pagerduty",
            ChannelKind::Webhook => "webhook",
        }
    }
}

/// Kind and configuration of a channel, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ChannelConfiguration {
    /// E-mail through an SMTP server. The secret is the password.
    Email {
        /// Host name of the SMTP server.
        host: String,
        /// Port of the SMTP server, from 1 to 65535. Default: 465 for `tls`, 587 for `starttls`, 25 for `none`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// Encryption of the connection.
        security: SmtpSecurity,
        /// User name for the SMTP server; null for no authentication.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        /// Sender, such as `Hinomi <hinomi@example.com>`.
        from: String,
        /// Recipients: 1 to 50 addresses.
        to: Vec<String>,
    },
    /// An incoming webhook of Slack. The secret is the URL of the webhook.
    Slack,
    /// A webhook of Discord. The secret is the URL of the webhook.
    Discord,
    /// A webhook of Microsoft Teams (Workflows). The secret is the URL of the webhook.
    Teams,
    /// PagerDuty Events API v2. The secret is the routing key.
    Pagerduty {
        /// URL of the endpoint. Default: the endpoint of the US service region.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint: Option<String>,
    },
    /// A webhook of a program, signed according to Standard Webhooks. The secret is the signing secret, `whsec_…`.
    Webhook {
        /// URL that receives the notifications.
        url: String,
    },
}

/// Encryption of the connection to an SMTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SmtpSecurity {
    /// TLS from the start of the connection.
    Tls,
    /// TLS through `STARTTLS`, which the server must support.
    Starttls,
    /// No encryption.
    None,
}

/// A secret, which `Debug` does not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChannelSecret(String);

impl ChannelSecret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> ChannelSecret {
        ChannelSecret(text.into())
    }

    /// Returns the secret, to send it or to sign a message with it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the secret for the only response that contains it, after it was generated.
    pub fn into_revealed(self) -> String {
        self.0
    }
}

impl fmt::Debug for ChannelSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "…" })
    }
}

/// Reason why the configuration of a channel is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The value of a field is not valid.
    #[error("`{field}` {reason}")]
    Invalid {
        /// Field of the request.
        field: &'static str,
        /// What is wrong, and how to fix it.
        reason: String,
    },
    /// The channel has a private or loopback address that the server's configuration does not allow.
    #[error("`{field}` is at {address}, a private address that the server's configuration does not allow")]
    NotAllowed {
        /// Field of the request.
        field: &'static str,
        /// Address in the form that the setting `notify.allow` accepts.
        address: IpAddr,
    },
}

impl ChannelError {
    pub(super) fn invalid(field: &'static str, reason: impl Into<String>) -> ChannelError {
        ChannelError::Invalid { field, reason: reason.into() }
    }
}

impl ChannelConfiguration {
    /// Returns the name of the kind in the API.
    pub fn kind(&self) -> &'static str {
        let kind = match self {
            ChannelConfiguration::Email { .. } => ChannelKind::Email,
            ChannelConfiguration::Slack => ChannelKind::Slack,
            ChannelConfiguration::Discord => ChannelKind::Discord,
            ChannelConfiguration::Teams => ChannelKind::Teams,
            ChannelConfiguration::Pagerduty { .. } => ChannelKind::Pagerduty,
            ChannelConfiguration::Webhook { .. } => ChannelKind::Webhook,
        };
        kind.as_str()
    }

    /// Returns whether people read each message, so many messages are combined in digests.
    pub(super) fn is_read_by_people(&self) -> bool {
        !matches!(self, ChannelConfiguration::Webhook { .. } | ChannelConfiguration::Pagerduty { .. })
    }

    /// Returns a short description of the address without secrets, for lists.
    pub fn describe(&self, secret: &ChannelSecret) -> String {
        match self {
            ChannelConfiguration::Email { to, .. } => to.join(", "),
            ChannelConfiguration::Slack | ChannelConfiguration::Discord | ChannelConfiguration::Teams => {
                format!("{}/…", host_of(secret.reveal()).unwrap_or_default())
            }
            ChannelConfiguration::Pagerduty { endpoint } => host_of(endpoint.as_deref().unwrap_or(PAGERDUTY_URL)).unwrap_or_default(),
            ChannelConfiguration::Webhook { url } => url.clone(),
        }
    }

    /// Checks that the configuration is valid. Host names are resolved only when a message is sent.
    ///
    /// # Errors
    ///
    /// Returns the invalid field and the reason.
    pub fn check(&self, secret: &ChannelSecret, allowed: &AllowedNetworks) -> Result<(), ChannelError> {
        let wrong = |field, reason: &str| Err(ChannelError::invalid(field, reason));
        match self {
            ChannelConfiguration::Email { host, username, from, to, port, .. } => {
                if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
                    return wrong("address.host", "must be the name of a mail server, such as smtp.example.com");
                }
                check_literal_host("address.host", host, allowed)?;
                if *port == Some(0) {
                    return wrong("address.port", "must be from 1 to 65535");
                }
                if Mailbox::from_str(from).is_err() {
                    return wrong("address.from", "must be an e-mail address, such as Hinomi <hinomi@example.com>");
                }
                if to.is_empty() || to.len() > MAX_RECIPIENTS {
                    return wrong("address.to", &format!("must have 1 to {MAX_RECIPIENTS} addresses"));
                }
                if let Some(bad) = to.iter().find(|to| Mailbox::from_str(to).is_err()) {
                    return wrong("address.to", &format!("contains `{bad}`, which is not a valid e-mail address"));
                }
                match (username.is_some(), secret.reveal().is_empty()) {
                    (true, true) => wrong("secret", "must be the password of the user"),
                    (false, false) => wrong("address.username", "is required with a password"),
                    _ => Ok(()),
                }
            }
            ChannelConfiguration::Slack | ChannelConfiguration::Discord | ChannelConfiguration::Teams => {
                check_url("secret", secret.reveal(), false, allowed)
            }
            ChannelConfiguration::Pagerduty { endpoint } => {
                if secret.reveal().is_empty() || !secret.reveal().bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                    return wrong("secret", "must be the routing key of the integration, 32 letters and digits");
                }
                endpoint.as_ref().map_or(Ok(()), |endpoint| check_url("address.endpoint", endpoint, false, allowed))
            }
            ChannelConfiguration::Webhook { url } => {
                check_url("address.url", url, true, allowed)?;
                if signing_key(secret).is_none() {
                    return wrong("secret", "must be `whsec_` followed by 24 to 64 bytes in Base64; omit it to generate one");
                }
                Ok(())
            }
        }
    }
}

/// Checks the name of a channel and returns it without surrounding spaces.
///
/// # Errors
///
/// Returns the reason if the name is invalid.
pub(super) fn checked_name(name: &str) -> Result<String, ChannelError> {
    let name = name.trim();
    let long = name.chars().count() > MAX_NAME_LENGTH;
    if name.is_empty() || long || name.contains(char::is_control) {
        return Err(ChannelError::invalid("name", format!("must be 1 to {MAX_NAME_LENGTH} characters in one line")));
    }
    Ok(name.to_owned())
}

/// Generates a signing secret.
pub(super) fn new_signing_secret() -> ChannelSecret {
    let mut random = [0u8; 32];
    rand::rng().fill_bytes(&mut random);
    ChannelSecret(format!("whsec_{}", STANDARD.encode(random)))
}

/// Returns the key of a signing secret; `None` if the secret is malformed.
pub(super) fn signing_key(secret: &ChannelSecret) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.reveal().strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

fn host_of(url: &str) -> Option<String> {
    Some(url.parse::<Uri>().ok()?.authority()?.host().to_owned())
}

/// Checks a URL. Only `https` is allowed, except for programs in a private network (`plain`) and for literal addresses.
///
/// # Errors
///
/// Returns an error if the URL is not valid, or its host is an address that is not allowed. `field` is the field of the request that the
/// error names.
pub fn check_url(field: &'static str, url: &str, plain: bool, allowed: &AllowedNetworks) -> Result<(), ChannelError> {
    let wrong = |reason: &str| Err(ChannelError::invalid(field, reason));
    let uri = url.parse::<Uri>().ok();
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
    let Some((scheme, authority)) = parts else { return wrong("must be a URL that starts with https://") };
    if authority.as_str().contains('@') {
        return wrong("must not contain a user name or password");
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    check_literal_host(field, host, allowed)?;
    let near = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok();
    match scheme {
        "https" => Ok(()),
        "http" if plain || near => Ok(()),
        _ => wrong("must start with https://"),
    }
}

/// Rejects literal addresses and `localhost` without resolving a name.
fn check_literal_host(field: &'static str, host: &str, allowed: &AllowedNetworks) -> Result<(), ChannelError> {
    let addresses: Vec<IpAddr> = if host.eq_ignore_ascii_case("localhost") {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else {
        host.parse().into_iter().collect()
    };
    match addresses.first() {
        Some(first) if !addresses.iter().any(|address| allowed.is_permitted(*address)) => {
            Err(ChannelError::NotAllowed { field, address: embedded_ipv4(*first) })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_error(address: &ChannelConfiguration, secret: &str) -> String {
        match address.check(&ChannelSecret::new(secret), &AllowedNetworks::default()) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    fn mail_channel(from: &str, to: &[&str], username: Option<&str>) -> ChannelConfiguration {
        ChannelConfiguration::Email {
            host: "smtp.example.com".to_owned(),
            port: None,
            security: SmtpSecurity::Starttls,
            username: username.map(str::to_owned),
            from: from.to_owned(),
            to: to.iter().map(|to| (*to).to_owned()).collect(),
        }
    }

    #[test]
    fn invalid_targets_are_rejected_with_the_field() {
        assert_eq!(check_error(&ChannelConfiguration::Slack, "https://hooks.slack.com/services/T0/B0/x"), "");
        assert!(check_error(&ChannelConfiguration::Slack, "http://hooks.slack.com/services/T0/B0/x").contains("https://"));
        assert!(check_error(&ChannelConfiguration::Slack, "").starts_with("`secret`"));
        assert!(check_error(&ChannelConfiguration::Teams, "https://user:word@example.com/x").contains("password"));
        assert_eq!(check_error(&ChannelConfiguration::Pagerduty { endpoint: None }, "0123456789abcdef0123456789abcdef"), "");
        assert!(
            check_error(&ChannelConfiguration::Pagerduty { endpoint: Some("ftp://x.example/".into()) }, "0123")
                .starts_with("`address.endpoint`")
        );
        let webhook = |url: &str| ChannelConfiguration::Webhook { url: url.to_owned() };
        assert_eq!(check_error(&webhook("http://hooks.example.com/x"), new_signing_secret().reveal()), "");
        assert!(check_error(&webhook("hooks.example.com"), new_signing_secret().reveal()).starts_with("`address.url`"));
        assert!(check_error(&webhook("https://x.example"), "whsec_c2hvcnQ=").starts_with("`secret`"));
        assert_eq!(check_error(&mail_channel("Hinomi <h@example.com>", &["a@example.com"], None), ""), "");
        assert!(check_error(&mail_channel("Hinomi", &["a@example.com"], None), "").starts_with("`address.from`"));
        assert!(check_error(&mail_channel("h@example.com", &[], None), "").starts_with("`address.to`"));
        assert!(
            check_error(&mail_channel("h@example.com", &["a@example.com\r\nBcc: b@example.com"], None), "").starts_with("`address.to`")
        );
        assert!(check_error(&mail_channel("h@example.com", &["a@example.com"], Some("h")), "").starts_with("`secret`"));
    }

    #[test]
    fn private_address_error_names_the_setting() {
        let webhook = |host: &str| ChannelConfiguration::Webhook { url: format!("http://{host}/x") };
        let secret = new_signing_secret();
        for (host, named) in
            [("127.0.0.1:9000", "127.0.0.1"), ("[::ffff:10.0.0.1]", "10.0.0.1"), ("LocalHost", "127.0.0.1"), ("[::1]", "::1")]
        {
            let refused = webhook(host).check(&secret, &AllowedNetworks::default());
            assert_eq!(refused, Err(ChannelError::NotAllowed { field: "address.url", address: named.parse().unwrap() }), "{host}");
            assert_eq!(webhook(host).check(&secret, &AllowedNetworks::parse(named).unwrap()), Ok(()), "{host}");
        }
        assert_eq!(webhook("localhost").check(&secret, &AllowedNetworks::parse("::1").unwrap()), Ok(()));
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = ChannelSecret::new("https://hooks.slack.com/services/T0/B0/word");
        assert_eq!(format!("{secret:?}"), "…");
        assert_eq!(ChannelConfiguration::Slack.describe(&secret), "hooks.slack.com/…");
    }
}
