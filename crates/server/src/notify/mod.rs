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

pub use courier::Courier;
pub use log::{Attempt, Delivery, Which};
pub use network::Allowed;
pub use outbox::{FORMAT, Outbox, TargetId};
pub use target::{Address, Secret, Security, Target, TargetError};
pub use targets::{Draft, NotifyError};
pub use trust::Trust;
