//! Everything that touches the world: ingest, store, query, API, page, command line.

pub mod alert;
pub mod api;
pub mod app;
pub mod backup;
pub mod bills;
pub mod cli;
pub mod config;
pub mod connections;
pub mod demo;
pub mod errors;
pub mod guard;
pub mod ingest;
pub mod jobs;
pub mod keeping;
pub mod logs;
pub mod memory;
pub mod meta;
pub mod metrics;
pub mod notify;
pub mod outcomes;
pub mod page;
pub mod prices;
pub mod private;
pub mod proof;
pub mod query;
pub mod reprice;
pub mod scores;
pub mod sqlite;
pub mod store;
pub mod threads;
pub mod time;
pub mod transfer;
pub mod unread;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
