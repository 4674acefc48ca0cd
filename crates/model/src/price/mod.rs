//! What a call cost: tokens times a price table that is part of the program.
//!
//! The table (`data/prices.json`, made by `scripts/prices.py`) is read once. Looking a price up and multiplying are separate steps:
//!
//! - `provider` reads how clients spell providers, `model` how they spell models,
//! - `book` finds the entry for a call: the provider's own list first, then the vendor's,
//! - `entry` is one line of the table with its dates, times of day, tiers and variants,
//! - `bill` multiplies, in whole steps of money.
//!
//! What is not known is never zero: no entry, an entry without prices, or unknown counts give no cost. A model that the table lists
//! at 0 gives a cost of 0.
//!
//! The table also has prices for pictures and for web searches; usage has no bucket for these, so they are not charged.

mod bill;
mod book;
mod entry;
mod model;
mod provider;
#[cfg(test)]
mod tests;

pub use bill::{Priced, PricedBucket};
pub use book::PriceBook;

use crate::span::Usage;

/// One call to be priced.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
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
    /// The service tier that served it, such as `batch`, `flex`, `priority`.
    pub service_tier: Option<&'a str>,
}
