//! Prices calls: usage times price.
//!
//! The price table (`data/prices.json`, written by `scripts/prices.py`) is embedded and parsed once. A newer table can replace it, and
//! custom prices take precedence over it. Price lookup and multiplication are separate steps:
//!
//! - `bucket` defines the buckets that have prices, their units, and which price replaces a missing price.
//! - `provider` reads spellings of providers, `model` spellings of models.
//! - `table` finds the entry for a call: in the provider's own list first, then in the vendor's.
//! - `entry` is an entry of the table with its dates, times of day and service tiers.
//! - `custom` contains custom prices, and `book` combines them with the table for a project.
//! - `bill` multiplies, in whole units of money.
//! - `import` reads a newer table.
//!
//! Unknown is never zero: without an entry, a price or the required counts, there is no cost. A model with a price of 0 has a cost of 0.

mod bill;
mod book;
mod bucket;
mod custom;
mod entry;
mod import;
mod model;
mod provider;
mod table;
#[cfg(test)]
mod tests;

use crate::span::Usage;
pub use bill::{PricedBucket, PricedCall};
pub use book::{PriceBook, PriceBooks};
pub use bucket::{BucketPrices, PriceBucket, PriceUnit};
pub use custom::{CustomPrice, CustomPriceError};
pub use import::{ImportedPriceTable, PriceImportError, import};
pub use table::PriceTable;

/// A call whose price is computed.
#[derive(Debug, Clone, Copy)]
pub struct BillableCall<'a> {
    /// Provider in any spelling, if it is known.
    pub provider: Option<&'a str>,
    /// Answering model. If the price table has an entry for this model, this entry determines the price.
    pub response_model: Option<&'a str>,
    /// Requested model.
    pub request_model: Option<&'a str>,
    /// Usage of the call.
    pub usage: &'a Usage,
    /// Time of the call in microseconds since the Unix epoch, since prices change.
    pub at_us: i64,
    /// Duration of the call in microseconds, if known.
    pub duration_us: Option<i64>,
    /// Service tier of the call, such as `batch`, `flex` or `priority`.
    pub service_tier: Option<&'a str>,
    /// True if the call failed. Prices per request apply only to successful calls.
    pub failed: bool,
}
