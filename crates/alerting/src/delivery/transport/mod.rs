//! One delivery attempt, with limits on its duration and on the response.

mod http;
mod smtp;

use std::time::Duration;

use tokio::sync::oneshot;

use super::allowed_networks::AllowedNetworks;
use super::channel::{ChannelConfiguration, NotificationChannel};
use super::notification::AlertNotification;
use super::outbound_http::OutboundHttpClient;
use super::outbox::now_us;
use super::render;
use super::trusted_certificates::TrustedCertificates;

/// Maximum duration of one attempt, from resolving the name to the last byte.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

/// Result of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeliveryAttemptResult {
    /// HTTP or SMTP status code; `None` without a response.
    pub(super) status: Option<u16>,
    /// Reason for the failure; for a successful delivery, the part that failed, such as a rejected recipient.
    pub(super) error: Option<String>,
    /// What to do next.
    pub(super) disposition: DeliveryDisposition,
}

/// What to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeliveryDisposition {
    /// The receiver has accepted the message.
    Delivered,
    /// Retry, but not before the delay that the receiver requested has passed.
    Retry(Option<Duration>),
    /// Give up: the receiver will never accept the message.
    GiveUp,
}

impl DeliveryAttemptResult {
    fn retry_result(error: impl Into<String>) -> DeliveryAttemptResult {
        DeliveryAttemptResult { status: None, error: Some(error.into()), disposition: DeliveryDisposition::Retry(None) }
    }
}

/// Sends notifications to channels of all kinds.
#[derive(Debug)]
pub(super) struct DeliveryTransport {
    http: OutboundHttpClient,
    allowed_networks: AllowedNetworks,
    certificates: TrustedCertificates,
}

impl DeliveryTransport {
    pub(super) fn new(allowed_networks: AllowedNetworks, certificates: TrustedCertificates) -> DeliveryTransport {
        DeliveryTransport {
            http: OutboundHttpClient::new(&allowed_networks, &certificates, ATTEMPT_TIMEOUT),
            allowed_networks,
            certificates,
        }
    }

    /// Makes one attempt to send a notification to a channel.
    pub(super) async fn send(&self, notification: &AlertNotification, target: &NotificationChannel) -> DeliveryAttemptResult {
        if let ChannelConfiguration::Email { .. } = target.configuration {
            let sending = smtp::send(notification, target, &self.allowed_networks, &self.certificates);
            return tokio::time::timeout(ATTEMPT_TIMEOUT * 2, sending)
                .await
                .unwrap_or_else(|_| DeliveryAttemptResult::retry_result("no response from the mail server within 20 s"));
        }
        let Some(post) = render::http_request(notification, target, now_us()) else {
            return DeliveryAttemptResult::retry_result("the channel cannot receive notifications");
        };
        let agents = self.http.clone();
        let (told, ended) = oneshot::channel();
        // Use a dedicated thread: attempts that hang must not occupy the pool on which queries run.
        let sending = std::thread::Builder::new().name("delivery".to_owned()).spawn(move || {
            let _ = told.send(http::send(&agents, &post));
        });
        if let Err(error) = sending {
            return DeliveryAttemptResult::retry_result(format!("cannot start a thread: {error}"));
        }
        ended.await.unwrap_or_else(|_| DeliveryAttemptResult::retry_result("the attempt ended without a response"))
    }
}
