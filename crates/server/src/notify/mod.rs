//! Delivery of what the bell says: targets, a queue of its own for each, and a log of every attempt.

mod courier;
mod log;
mod network;
pub mod notice;
mod outbox;
mod queue;
mod render;
mod schedule;
mod target;
mod targets;
#[cfg(test)]
mod tests;
mod trust;
mod wire;
mod words;

pub use courier::DeliveryWorker;
pub use log::{DeliveryAttempt, DeliveryFilter, NotificationDelivery};
pub use network::AllowedNetworks;
pub use outbox::{FORMAT, NotificationOutbox, TargetId};
pub use target::{ChannelConfiguration, ChannelSecret, NotificationTarget, SmtpSecurity, TargetError};
pub use targets::{NotificationTargetDraft, NotifyError};
pub use trust::TrustedCertificates;
