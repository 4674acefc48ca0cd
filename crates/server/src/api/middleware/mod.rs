//! Layers around the handlers of the API: checks, limits and retries for many routes.

pub(crate) mod audit_trail;
pub(crate) mod quarantine_retry;
pub(crate) mod query_slots;
pub(crate) mod request_timeout;
pub(crate) mod shared_queries;
pub(crate) mod unknown_params;
