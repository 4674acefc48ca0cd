//! Segments on disk: a Parquet file of spans, and a sidecar file with the IDs in it.

pub(crate) mod checksum;
pub(super) mod id_index;
pub(super) mod read;
pub(super) mod row_order;
#[cfg(test)]
mod tests;
pub(super) mod write;
