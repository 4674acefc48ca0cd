//! All prices that hold for a project: its owner's first, then the table.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::BillableCall;
use super::bill::{self, PricedCall};
use super::custom::{CustomPrice, CustomPriceList};
use super::table::{self, PriceTable};
use crate::span::Cost;

static EMBEDDED: LazyLock<PriceBook> = LazyLock::new(|| {
    let table = PriceTable::from_json(table::EMBEDDED).expect("the table is part of the program and its tests read it");
    PriceBook::of_table(Arc::new(table))
});

/// Prices: those that the owner has set, then the table.
#[derive(Debug, Clone)]
pub struct PriceBook {
    table: Arc<PriceTable>,
    own: CustomPriceList,
}

impl PriceBook {
    /// The table that is part of the program, and nothing before it.
    pub fn embedded() -> &'static PriceBook {
        &EMBEDDED
    }

    /// A table and nothing before it.
    pub fn of_table(table: Arc<PriceTable>) -> PriceBook {
        PriceBook { table, own: CustomPriceList::default() }
    }

    /// The same table behind these own prices, each with whether it is set for the project alone, in the order in which they were set.
    pub fn with_own(&self, own: impl Iterator<Item = (CustomPrice, bool)>) -> PriceBook {
        let canonical = |name: &str| self.table.canonical_provider(name).map(str::to_owned);
        PriceBook { table: self.table.clone(), own: CustomPriceList::new(own, canonical) }
    }

    /// The table.
    pub fn table(&self) -> &Arc<PriceTable> {
        &self.table
    }

    /// What a call cost. `None` when there is no price for its model, or a count that it would multiply is not known.
    pub fn cost(&self, call: &BillableCall) -> Option<Cost> {
        self.explain(call).map(|priced| priced.cost)
    }

    /// What a call cost, bucket by bucket.
    pub fn explain(&self, call: &BillableCall) -> Option<PricedCall> {
        let provider = call.provider.map(|name| self.table.canonical_provider(name).unwrap_or(name));
        match self.own.find(provider, call) {
            // The owner's price is what it costs: where its counts are not known, the table does not know better.
            Some(own) => bill::bill(own.origin(), &own.rates, call),
            None => self.table.explain(call),
        }
    }

    /// The price that stands for a call, by its name, also where it gives no cost.
    pub fn price_id(&self, call: &BillableCall) -> Option<String> {
        let provider = call.provider.map(|name| self.table.canonical_provider(name).unwrap_or(name));
        self.own.find(provider, call).map(CustomPrice::id).or_else(|| self.table.entry_id(call))
    }

    /// The vendor whose own list has the model, never one who resells it.
    pub fn vendor_of(&self, model: &str) -> Option<&str> {
        self.table.vendor_of(model)
    }

    /// True when the table can tell which provider a client means by this name.
    pub fn knows_provider(&self, name: &str) -> bool {
        self.table.canonical_provider(name).is_some()
    }

    /// The canonical name of a provider, from any spelling; `None` for one that the table does not know.
    pub fn canonical_provider(&self, spelling: &str) -> Option<&str> {
        self.table.canonical_provider(spelling)
    }
}

/// The price books of all projects, which may be exchanged while they are in use.
#[derive(Debug)]
pub struct PriceBooks {
    books: RwLock<ProjectPriceBooks>,
}

#[derive(Debug)]
struct ProjectPriceBooks {
    /// For projects without prices of their own.
    common: Arc<PriceBook>,
    of_projects: HashMap<u64, Arc<PriceBook>>,
}

impl Default for PriceBooks {
    fn default() -> Self {
        let common = Arc::new(PriceBook::embedded().clone());
        PriceBooks { books: RwLock::new(ProjectPriceBooks { common, of_projects: HashMap::new() }) }
    }
}

impl PriceBooks {
    /// The prices that hold for a project now.
    pub fn of(&self, project: u64) -> Arc<PriceBook> {
        let books = self.books.read().unwrap_or_else(PoisonError::into_inner);
        books.of_projects.get(&project).unwrap_or(&books.common).clone()
    }

    /// Exchanges all prices: the table, and what owners have set for a project, or for all, in the order in which they were set.
    pub fn exchange(&self, table: Arc<PriceTable>, own: &[(Option<u64>, CustomPrice)]) {
        let book = PriceBook::of_table(table);
        let of = |project: Option<u64>| {
            let hold = own.iter().filter(|(of, _)| of.is_none() || *of == project);
            Arc::new(book.with_own(hold.map(|(of, price)| (price.clone(), of.is_some()))))
        };
        let of_projects = own.iter().filter_map(|(project, _)| *project).map(|project| (project, of(Some(project)))).collect();
        let exchanged = ProjectPriceBooks { common: of(None), of_projects };
        *self.books.write().unwrap_or_else(PoisonError::into_inner) = exchanged;
    }
}
