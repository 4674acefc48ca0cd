//! The server: ingestion, API, retention, backups and the command line, on top of the crates of the lower layers.

pub mod api;
pub mod app;
pub mod audit_heads;
pub mod backup;
pub mod body_drain;
pub mod cli;
pub mod config;
pub mod connections;
pub mod demo;
pub mod evaluation;
pub mod file_permissions;
pub mod filter_targets;
pub mod finding_search;
pub mod forward;
pub mod ingest;
pub mod jobs;
pub mod memory;
pub mod query_parameters;
pub mod reprice;
pub mod retention;
pub mod score_targets;
pub mod security_headers;
pub mod server_proof;
pub mod sign_in;
pub mod trace_work;
pub mod transfer;
pub mod usage_completion;
pub mod web_assets;

#[cfg(test)]
#[path = "../../store/src/tests/snapshot_rows.rs"]
mod test_rows;
#[cfg(test)]
#[path = "../../store/src/tests/any_span.rs"]
mod test_spans;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
