//! Forwarding: passes the requests that a project receives on to other services, as they were sent.
//!
//! Ingestion stores a request in the queue (`hinomi_tables::forwards`) before the client gets its answer. [`ForwardWorker`] sends the
//! request afterwards, so a target that is slow or down never delays ingestion.

mod target_address;
mod target_request;
mod worker;

pub use target_address::{ForwardAddressError, TargetAddress};
pub use worker::ForwardWorker;
