//! Everything that touches the world: ingest, store, query, API, page, command line.

pub mod demo;
pub mod errors;
pub mod ingest;
pub mod outcomes;
pub mod query;
pub mod sqlite;
pub mod store;
pub mod time;
