//! The smaller SQLite databases next to the span store: each module owns one database, its schema and its queries.

pub mod audit_log;
pub mod bills;
pub mod database;
pub mod error_events;
pub mod evaluators;
pub mod findings;
pub mod forwards;
pub mod log_lines;
pub mod media;
pub mod metadata;
pub mod otel_metrics;
pub mod outcomes;
pub mod prices;
pub mod retained_rows;
pub mod scores;
pub mod secret_cipher;
pub mod secret_columns;
pub mod share_links;
