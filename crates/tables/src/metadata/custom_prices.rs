//! Custom prices that were set with the API or on the page.

use hinomi_model::price::CustomPrice;
use rusqlite::{Connection, params};

use super::error::MetadataError;
use super::{MetadataStore, now_us};

/// A custom price of a project.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomPriceRecord {
    /// ID of the price.
    pub id: i64,
    /// Project for which the price is used.
    pub project: u64,
    /// The price.
    pub price: CustomPrice,
    /// Time of creation in microseconds since the Unix epoch.
    pub created_us: i64,
}

impl MetadataStore {
    /// Sets a price for a project. Stored spans keep their cost until they are repriced.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such project, or the price is invalid.
    pub fn set_price(&self, project: u64, price: CustomPrice) -> Result<CustomPriceRecord, MetadataError> {
        let price = check_price(price)?;
        self.project(project)?;
        let id = {
            let connection = self.lock();
            connection.execute(
                "INSERT INTO prices (project_id, price, created_us) VALUES (?1, ?2, ?3)",
                params![project, price_json(&price), now_us()],
            )?;
            connection.last_insert_rowid()
        };
        self.refresh(true)?;
        self.read_price(project, id)
    }

    /// Changes the exclusive end date of a price; `None` removes it.
    ///
    /// # Errors
    ///
    /// Returns an error if the project has no such price, or the price would end before it begins.
    pub fn end_price(&self, project: u64, id: i64, until: Option<jiff::civil::Date>) -> Result<CustomPriceRecord, MetadataError> {
        let price = check_price(CustomPrice { until, ..self.read_price(project, id)?.price })?;
        self.lock().execute("UPDATE prices SET price = ?3 WHERE project_id = ?1 AND id = ?2", params![project, id, price_json(&price)])?;
        self.refresh(true)?;
        self.read_price(project, id)
    }

    /// Deletes a price. New calls are priced as if the price had never existed.
    ///
    /// # Errors
    ///
    /// Returns an error if the project has no such price.
    pub fn delete_price(&self, project: u64, id: i64) -> Result<(), MetadataError> {
        let deleted = self.lock().execute("DELETE FROM prices WHERE project_id = ?1 AND id = ?2", params![project, id])?;
        self.refresh(true)?;
        if deleted == 1 { Ok(()) } else { Err(MetadataError::NoPrice { project, price: id }) }
    }

    fn read_price(&self, project: u64, id: i64) -> Result<CustomPriceRecord, MetadataError> {
        let directory = self.refresh(true)?;
        let found = directory.prices.iter().find(|set| set.project == project && set.id == id);
        found.cloned().ok_or(MetadataError::NoPrice { project, price: id })
    }
}

fn check_price(price: CustomPrice) -> Result<CustomPrice, MetadataError> {
    price.checked().map_err(|bad| MetadataError::Invalid(bad.to_string()))
}

fn price_json(price: &CustomPrice) -> String {
    serde_json::to_string(price).expect("texts, numbers and a map with text keys have a JSON form")
}

/// Returns all prices in the order of their creation. Prices of a newer version that cannot be read are logged and omitted.
pub(super) fn read_prices(connection: &Connection) -> Result<Vec<CustomPriceRecord>, MetadataError> {
    let mut statement = connection.prepare_cached("SELECT id, project_id, price, created_us FROM prices ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        let (id, project, price, created_us): (i64, u64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let price: Result<CustomPrice, _> = serde_json::from_str(&price);
        if let Err(error) = &price {
            tracing::warn!(%error, id, "metadata.price.read_failed");
        }
        Ok(price.ok().map(|price| CustomPriceRecord { id, project, price, created_us }))
    })?;
    let mut prices = Vec::new();
    for row in rows {
        prices.extend(row?);
    }
    Ok(prices)
}
