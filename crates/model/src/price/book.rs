//! All prices of a project: custom prices first, then the price table.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::BillableCall;
use super::bill::{self, PricedCall};
use super::custom::{CustomPrice, CustomPriceList};
use super::table::{self, PriceTable};
use crate::span::Cost;

static EMBEDDED_BOOK: LazyLock<PriceBook> = LazyLock::new(|| {
    let table = PriceTable::from_json(table::EMBEDDED_JSON).expect("the table is part of the program and its tests read it");
    PriceBook::of_table(Arc::new(table))
});

/// Prices of a project: custom prices, then the price table.
#[derive(Debug, Clone)]
pub struct PriceBook {
    table: Arc<PriceTable>,
    custom: CustomPriceList,
}

impl PriceBook {
    /// Returns the embedded price table without custom prices.
    pub fn embedded() -> &'static PriceBook {
        &EMBEDDED_BOOK
    }

    /// Returns a price table without custom prices.
    pub fn of_table(table: Arc<PriceTable>) -> PriceBook {
        PriceBook { table, custom: CustomPriceList::default() }
    }

    /// Returns the same table with these custom prices, in the order in which they were set. The flag is true for a price that is set for
    /// this project only.
    pub fn with_custom_prices(&self, custom: impl Iterator<Item = (CustomPrice, bool)>) -> PriceBook {
        let canonical = |name: &str| self.table.canonical_provider(name).map(str::to_owned);
        PriceBook { table: self.table.clone(), custom: CustomPriceList::new(custom, canonical) }
    }

    /// Returns the price table.
    pub fn table(&self) -> &Arc<PriceTable> {
        &self.table
    }

    /// Returns the cost of a call; `None` if its model has no price, or if a required count is unknown.
    pub fn cost(&self, call: &BillableCall) -> Option<Cost> {
        self.explain(call).map(|priced| priced.cost)
    }

    /// Returns the cost of a call by bucket.
    pub fn explain(&self, call: &BillableCall) -> Option<PricedCall> {
        let provider = call.provider.map(|name| self.table.canonical_provider(name).unwrap_or(name));
        match self.custom.find(provider, call) {
            // A custom price is final: if its counts are unknown, the price table is not used instead.
            Some(custom) => bill::bill(custom.origin(), &custom.rates, call),
            None => self.table.explain(call),
        }
    }

    /// Returns the ID of the price that applies to a call, even if it gives no cost.
    pub fn price_id(&self, call: &BillableCall) -> Option<String> {
        let provider = call.provider.map(|name| self.table.canonical_provider(name).unwrap_or(name));
        self.custom.find(provider, call).map(CustomPrice::id).or_else(|| self.table.entry_id(call))
    }

    /// Returns the vendor whose own list contains the model, never a reseller.
    pub fn vendor_of(&self, model: &str) -> Option<&str> {
        self.table.vendor_of(model)
    }

    /// Returns true if the price table contains the provider under this name.
    pub fn knows_provider(&self, name: &str) -> bool {
        self.table.canonical_provider(name).is_some()
    }

    /// Returns the canonical name of a provider in any spelling; `None` if the provider is not in the price table.
    pub fn canonical_provider(&self, spelling: &str) -> Option<&str> {
        self.table.canonical_provider(spelling)
    }
}

/// Price books of all projects, which can be replaced while they are in use.
#[derive(Debug)]
pub struct PriceBooks {
    books: RwLock<ProjectPriceBooks>,
}

#[derive(Debug)]
struct ProjectPriceBooks {
    /// Price book of projects without custom prices of their own.
    common: Arc<PriceBook>,
    by_project: HashMap<u64, Arc<PriceBook>>,
}

impl Default for PriceBooks {
    fn default() -> Self {
        let common = Arc::new(PriceBook::embedded().clone());
        PriceBooks { books: RwLock::new(ProjectPriceBooks { common, by_project: HashMap::new() }) }
    }
}

impl PriceBooks {
    /// Returns the current prices of a project.
    pub fn book_of(&self, project: u64) -> Arc<PriceBook> {
        let books = self.books.read().unwrap_or_else(PoisonError::into_inner);
        books.by_project.get(&project).unwrap_or(&books.common).clone()
    }

    /// Replaces all prices: the price table, and the custom prices of one project or of all projects, in the order in which they were set.
    pub fn replace_prices(&self, table: Arc<PriceTable>, custom: &[(Option<u64>, CustomPrice)]) {
        let book = PriceBook::of_table(table);
        let of = |project: Option<u64>| {
            let hold = custom.iter().filter(|(of, _)| of.is_none() || *of == project);
            Arc::new(book.with_custom_prices(hold.map(|(of, price)| (price.clone(), of.is_some()))))
        };
        let by_project = custom.iter().filter_map(|(project, _)| *project).map(|project| (project, of(Some(project)))).collect();
        let exchanged = ProjectPriceBooks { common: of(None), by_project };
        *self.books.write().unwrap_or_else(PoisonError::into_inner) = exchanged;
    }
}
