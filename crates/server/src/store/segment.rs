//! Segments on disk: a Parquet file of spans, and beside it the ids that are in it.

pub(super) mod ids;
pub(super) mod order;
pub(super) mod read;
pub(super) mod write;

#[cfg(test)]
mod tests;
