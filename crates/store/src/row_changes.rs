//! Who is told of each row that becomes visible, and of each that does so no longer: late spans, corrections, joined pieces and new
//! prices among them. Deletion of what is too old is not told of.

use std::fmt::Debug;

use super::rows::SpanRow;

/// What came and went in one step.
#[derive(Debug)]
pub struct RowChanges {
    /// A snapshot of this version or a later one has it.
    pub version: u64,
    /// Rows that are visible now, as far as was wanted of them.
    pub added: Vec<SpanRow>,
    /// Rows that no longer are.
    pub gone: Vec<SpanRow>,
}

/// Somebody who is told. Both are asked by the one thread through which everything is stored: they must be quick, and must not wait.
pub trait RowChangeSubscriber: Debug + Send + Sync {
    /// What is wanted of a row; `None` for nothing.
    fn look(&self, row: &SpanRow) -> Option<SpanRow>;
    /// What was wanted has become true.
    fn tell(&self, moved: RowChanges);
}
