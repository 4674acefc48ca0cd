//! The durable store of spans: log, buffer, segments, manifest. It knows no HTTP and no project names.

mod bits;
mod error;
mod folder;
mod frame;
mod ids;
mod log;
pub mod rows;
pub mod schema;
mod segment;
pub mod snapshot;

pub use error::StoreError;
