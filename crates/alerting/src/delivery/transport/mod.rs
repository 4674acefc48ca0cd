//! One attempt: out into the world, with limits on time and on what comes back.

mod http;
mod smtp;

use std::time::Duration;

use tokio::sync::oneshot;

use super::allowed_networks::AllowedNetworks;
use super::notice::AlertNotice;
use super::outbox::now_us;
use super::render;
use super::target::{ChannelConfiguration, NotificationTarget};
use super::trusted_certificates::TrustedCertificates;

/// Longest time that one attempt may take, from the name to the last byte.
const LIMIT: Duration = Duration::from_secs(10);

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeliveryAttemptResult {
    /// The status of HTTP or SMTP; none where no answer came.
    pub(super) status: Option<u16>,
    /// What is to be said about it. On a delivery that succeeded, what did not (a recipient that was refused).
    pub(super) error: Option<String>,
    /// What follows.
    pub(super) then: DeliveryDisposition,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeliveryDisposition {
    /// The receiver has it.
    Delivered,
    /// It is tried again, not before what the receiver asked for.
    Again(Option<Duration>),
    /// The receiver will never take this message.
    GiveUp,
}

impl DeliveryAttemptResult {
    fn again(error: impl Into<String>) -> DeliveryAttemptResult {
        DeliveryAttemptResult { status: None, error: Some(error.into()), then: DeliveryDisposition::Again(None) }
    }
}

/// The way out.
#[derive(Debug)]
pub(super) struct DeliveryTransport {
    http: http::HttpAgents,
    allowed: AllowedNetworks,
    trust: TrustedCertificates,
}

impl DeliveryTransport {
    pub(super) fn new(allowed: AllowedNetworks, trust: TrustedCertificates) -> DeliveryTransport {
        DeliveryTransport { http: http::HttpAgents::new(&allowed, &trust), allowed, trust }
    }

    /// Sends a notice to a target, once.
    pub(super) async fn send(&self, notice: &AlertNotice, target: &NotificationTarget) -> DeliveryAttemptResult {
        if let ChannelConfiguration::Email { .. } = target.address {
            let sending = smtp::send(notice, target, &self.allowed, &self.trust);
            return tokio::time::timeout(LIMIT * 2, sending)
                .await
                .unwrap_or_else(|_| DeliveryAttemptResult::again("the mail server took longer than 20 s"));
        }
        let Some(post) = render::post(notice, target, now_us()) else {
            return DeliveryAttemptResult::again("the target takes no messages");
        };
        let agents = self.http.clone();
        let (told, ended) = oneshot::channel();
        // A thread of its own: those that hang take none from the pool in which questions are answered.
        let sending = std::thread::Builder::new().name("delivery".to_owned()).spawn(move || {
            let _ = told.send(http::send(&agents, &post));
        });
        if let Err(error) = sending {
            return DeliveryAttemptResult::again(format!("no thread could be started: {error}"));
        }
        ended.await.unwrap_or_else(|_| DeliveryAttemptResult::again("the attempt ended without an answer"))
    }
}
