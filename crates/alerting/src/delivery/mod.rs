//! Delivery of notifications: notification channels, a queue for each channel, and a log of all attempts.

mod allowed_networks;
mod attempts;
mod channel;
mod channel_store;
pub mod due_tasks;
mod message_text;
pub mod notification;
pub mod outbound_http;
mod outbox;
mod queue;
mod render;
mod retention;
mod retry_schedule;
#[cfg(test)]
mod tests;
mod transport;
mod trusted_certificates;
mod worker;

pub use allowed_networks::AllowedNetworks;
pub use attempts::{DeliveryAttempt, DeliveryFilter, DeliveryState, NotificationDelivery};
pub use channel::{ChannelConfiguration, ChannelError, ChannelKind, ChannelSecret, NotificationChannel, SmtpSecurity, check_url};
pub use channel_store::{NotificationChannelDraft, NotifyError};
pub use outbox::{ChannelId, FORMAT, NotificationOutbox, SECRET_COLUMN};
pub use trusted_certificates::TrustedCertificates;
pub use worker::DeliveryWorker;
