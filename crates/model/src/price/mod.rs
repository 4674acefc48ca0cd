//! What a call cost: what it took times prices.
//!
//! The table (`data/prices.json`, made by `scripts/prices.py`) is part of the program and is read once; a newer one may take its
//! place, and owners set prices of their own before it. Looking a price up and multiplying are separate steps:
//!
//! - `bucket` is what has a price, in which unit, and what stands for it where it has none,
//! - `provider` reads how clients spell providers, `model` how they spell models,
//! - `table` finds the entry for a call: the provider's own list first, then the vendor's,
//! - `entry` is one line of the table with its dates, times of day, tiers and variants,
//! - `own` are the prices that owners set, `book` puts both together for a project,
//! - `bill` multiplies, in whole steps of money,
//! - `import` reads a newer table.
//!
//! What is not known is never zero: no entry, an entry without prices, or unknown counts give no cost. A model that the table lists
//! at 0 gives a cost of 0.

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

/// One call to be priced.
#[derive(Debug, Clone, Copy)]
pub struct BillableCall<'a> {
    /// The provider in any spelling, where it is known.
    pub provider: Option<&'a str>,
    /// The model that answered. It decides where it has an entry.
    pub response_model: Option<&'a str>,
    /// The model that was asked for.
    pub request_model: Option<&'a str>,
    /// What to pay for.
    pub usage: &'a Usage,
    /// When, in microseconds since the Unix epoch: prices change.
    pub at_us: i64,
    /// For how long it ran, in microseconds.
    pub duration_us: i64,
    /// The service tier that served it, such as `batch`, `flex`, `priority`.
    pub service_tier: Option<&'a str>,
    /// True when it failed: the request as such is not charged then.
    pub failed: bool,
}
