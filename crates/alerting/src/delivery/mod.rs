//! Delivery of notices: notification targets, a queue for each target, and a log of all attempts.

mod allowed_networks;
mod attempts;
mod message_text;
pub mod notice;
mod outbox;
mod queue;
mod render;
mod retention;
mod retry_schedule;
mod target;
mod target_store;
#[cfg(test)]
mod tests;
mod transport;
mod trusted_certificates;
mod worker;

pub use allowed_networks::AllowedNetworks;
pub use attempts::{DeliveryAttempt, DeliveryFilter, DeliveryState, NotificationDelivery};
pub use outbox::{FORMAT, NotificationOutbox, TargetId};
pub use target::{ChannelConfiguration, ChannelKind, ChannelSecret, NotificationTarget, SmtpSecurity, TargetError};
pub use target_store::{NotificationTargetDraft, NotifyError};
pub use trusted_certificates::TrustedCertificates;
pub use worker::DeliveryWorker;
