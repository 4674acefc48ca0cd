//! The durable store of spans: log, buffer, segments, manifest. It knows no HTTP and no project names.

pub mod rows;
pub mod schema;
pub mod snapshot;
