//! The effective prices: the price table, and custom prices from a file, the API or the page, which take precedence.
//!
//! All of these prices may change while the server runs: [`ActivePrices::refresh`] checks for changes, and replaces the price books that
//! ingestion and the store use. If a source cannot be read, its previous prices remain effective.

mod file;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use hinomi_model::price::{CustomPrice, PriceBook, PriceBooks, PriceTable};
use sha2::{Digest, Sha256};

use crate::metadata::{CustomPriceRecord, MetadataStore};

/// Name of the newer price table in the data directory.
const PRICE_TABLE_FILE: &str = "prices.json";
/// Name of the setting with the last readable content of the price file.
const LAST_FILE_SETTING: &str = "prices.file";

/// The effective prices.
#[derive(Debug)]
pub struct ActivePrices {
    books: Arc<PriceBooks>,
    meta: Arc<MetadataStore>,
    /// Path of the newer price table, which may not exist.
    table_file: PathBuf,
    /// Path of the price file.
    file: Option<PathBuf>,
    sources: Mutex<PriceSourceState>,
}

/// The prices that were read last, and the state of their sources.
#[derive(Debug)]
struct PriceSourceState {
    table: Arc<PriceTable>,
    table_stamp: FileStamp,
    from_file: Vec<(Option<u64>, CustomPrice)>,
    file_stamp: FileStamp,
    custom_prices: Vec<CustomPriceRecord>,
    /// What is wrong with the table; `file_fault` is about the file.
    table_fault: Option<String>,
    file_fault: Option<String>,
}

/// Modification time and length of a file; `None` if there is none.
type FileStamp = Option<(SystemTime, u64)>;

/// Why prices cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceSourceError {
    /// A file cannot be read.
    #[error("cannot read the prices in {}: {source}", path.display())]
    Unreadable {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// A file is not a valid price file.
    #[error("the prices in {} cannot be used: {reason}", path.display())]
    Unusable {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

impl ActivePrices {
    /// Opens the prices of a data directory and, if there is a price file, the prices of this file. [`problems`](ActivePrices::problems)
    /// reports sources that cannot be used. Instead of an unusable table in the directory, the embedded table is used; instead of an
    /// unusable file, its last readable content is used.
    pub fn open(meta: Arc<MetadataStore>, data: &Path, file: &Path) -> ActivePrices {
        let file = Some(file).filter(|file| !file.as_os_str().is_empty()).map(Path::to_owned);
        let table_path = data.join(PRICE_TABLE_FILE);
        let (table_stamp, file_stamp) = (file_stamp(&table_path), file.as_deref().and_then(file_stamp));
        let mut known = PriceSourceState {
            table: PriceBook::embedded().table().clone(),
            table_stamp,
            from_file: Vec::new(),
            file_stamp,
            custom_prices: meta.directory().prices.clone(),
            table_fault: None,
            file_fault: None,
        };
        match table_in_force(&table_path) {
            Ok(table) => known.table = table,
            Err(error) => {
                tracing::error!(%error, effect = "the built-in price table is used", "prices.table.invalid");
                known.table_fault = Some(format!("{error}; the built-in price table is used instead"));
            }
        }
        let prices =
            ActivePrices { books: Arc::new(PriceBooks::default()), meta, table_file: table_path, file, sources: Mutex::new(known) };
        {
            let mut known = prices.lock();
            if let Some(path) = &prices.file {
                prices.take_file(path, &mut known);
                if known.file_fault.is_some()
                    && let Some(before) = prices.meta.setting(LAST_FILE_SETTING).and_then(|text| file::parse_file(&text).ok())
                {
                    known.from_file = before;
                }
            }
            prices.replace_books(&known);
        }
        prices
    }

    /// Reads the price file. Returns false and changes nothing if it cannot be used.
    fn take_file(&self, path: &Path, known: &mut PriceSourceState) -> bool {
        match file::read_file(path) {
            Ok((text, prices)) => {
                tracing::info!(prices = prices.len(), "prices.file.loaded");
                known.from_file = prices;
                known.file_fault = None;
                let kept = if self.meta.setting(LAST_FILE_SETTING).as_ref() == Some(&text) {
                    Ok(())
                } else {
                    self.meta.set_setting(LAST_FILE_SETTING, &text)
                };
                if let Err(error) = kept {
                    tracing::warn!(%error, "prices.file.write_failed");
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, effect = "the previous prices stay effective", "prices.file.invalid");
                known.file_fault =
                    Some(format!("{error}; if an earlier version of the file was loaded, the prices of that version stay effective"));
                false
            }
        }
    }

    /// Returns messages about problems with the table and the file.
    pub fn problems(&self) -> Vec<String> {
        let known = self.lock();
        known.table_fault.iter().chain(&known.file_fault).cloned().collect()
    }

    /// Returns the price books, which are replaced whenever prices change.
    pub fn books(&self) -> &Arc<PriceBooks> {
        &self.books
    }

    /// Returns the effective prices of a project.
    pub fn book_of(&self, project: u64) -> Arc<PriceBook> {
        self.books.book_of(project)
    }

    /// Returns a hash of the effective prices of a project.
    pub fn fingerprint(&self, project: u64) -> String {
        let known = self.lock();
        let from_file = known.from_file.iter().filter(|(of, _)| of.is_none_or(|of| of == project)).map(|(_, price)| price);
        let set = known.custom_prices.iter().filter(|set| set.project == project).map(|set| &set.price);
        let own: Vec<&CustomPrice> = from_file.chain(set).collect();
        // A map with text keys and numbers always has a JSON form.
        let text = serde_json::to_string(&(known.table.date(), known.table.models(), known.table_stamp, own)).unwrap_or_default();
        hex::encode(Sha256::digest(text))
    }

    /// Returns the effective price table.
    pub fn table(&self) -> Arc<PriceTable> {
        self.lock().table.clone()
    }

    /// Returns the prices of the price file for a project.
    pub fn from_file(&self, project: u64) -> Vec<CustomPrice> {
        let known = self.lock();
        known.from_file.iter().filter(|(of, _)| of.is_none_or(|of| of == project)).map(|(_, price)| price.clone()).collect()
    }

    /// Applies changes of the sources. Reads files.
    pub fn refresh(&self) {
        let mut known = self.lock();
        let mut changed = false;
        let table_stamp = file_stamp(&self.table_file);
        if table_stamp != known.table_stamp {
            known.table_stamp = table_stamp;
            match table_in_force(&self.table_file) {
                Ok(table) => {
                    tracing::info!(date = table.date(), models = table.models(), "prices.table.loaded");
                    known.table = table;
                    known.table_fault = None;
                    changed = true;
                }
                Err(error) => {
                    tracing::error!(%error, effect = "the previous price table stays effective", "prices.table.invalid");
                    known.table_fault = Some(format!("{error}; the previous price table stays effective"));
                }
            }
        }
        if let Some(path) = &self.file {
            let file_stamp = file_stamp(path);
            if file_stamp != known.file_stamp {
                known.file_stamp = file_stamp;
                changed |= self.take_file(path, &mut known);
            }
        }
        let directory = self.meta.directory();
        if directory.prices != known.custom_prices {
            known.custom_prices = directory.prices.clone();
            changed = true;
        }
        if changed {
            self.replace_books(&known);
        }
    }

    fn replace_books(&self, known: &PriceSourceState) {
        // Later prices come last, and win if two match equally.
        let set = known.custom_prices.iter().map(|set| (Some(set.project), set.price.clone()));
        let own: Vec<_> = known.from_file.iter().cloned().chain(set).collect();
        self.books.replace_prices(known.table.clone(), &own);
    }

    fn lock(&self) -> MutexGuard<'_, PriceSourceState> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the problems of the newer table of a data directory and of the price file, without using their prices.
pub fn check_sources(data: &Path, file: &Path) -> Vec<PriceSourceError> {
    let of_file = Some(file).filter(|file| !file.as_os_str().is_empty()).and_then(|file| file::read_file(file).err());
    table_in_force(&table_path(data)).err().into_iter().chain(of_file).collect()
}

/// Returns the path of the newer price table in a data directory.
pub fn table_path(data: &Path) -> PathBuf {
    data.join(PRICE_TABLE_FILE)
}

/// Returns the table in the data directory, unless the embedded one is newer, as it may be after an update of the program.
fn table_in_force(path: &Path) -> Result<Arc<PriceTable>, PriceSourceError> {
    let embedded = PriceBook::embedded().table();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(embedded.clone()),
        Err(source) => return Err(PriceSourceError::Unreadable { path: path.to_owned(), source }),
    };
    let table =
        PriceTable::from_json(&text).map_err(|error| PriceSourceError::Unusable { path: path.to_owned(), reason: error.to_string() })?;
    Ok(if table.date() < embedded.date() { embedded.clone() } else { Arc::new(table) })
}

fn file_stamp(path: &Path) -> FileStamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use hinomi_model::price::BillableCall;
    use hinomi_model::span::Usage;

    use super::*;

    fn price_id(prices: &ActivePrices, project: u64) -> Option<String> {
        let usage = Usage { input: Some(1), output: Some(1), ..Usage::default() };
        let call = BillableCall {
            provider: None,
            response_model: Some("gpt-4o"),
            request_model: None,
            usage: &usage,
            at_us: 1_795_435_200_000_000,
            duration_us: Some(0),
            service_tier: None,
            failed: false,
        };
        prices.book_of(project).cost(&call)?.price
    }

    fn custom_price(input: f64) -> CustomPrice {
        serde_json::from_value(serde_json::json!({ "model": "gpt-4o", "prices": { "input": input, "output": 1 } })).unwrap()
    }

    #[test]
    fn price_changes_apply_and_unreadable_files_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("own.toml");
        std::fs::write(&file, "[[price]]\nproject = 2\nmodel = \"gpt-4o\"\nprices = { input = 7, output = 7 }\n").unwrap();
        let meta = Arc::new(MetadataStore::open(dir.path()).unwrap());
        let prices = ActivePrices::open(meta.clone(), dir.path(), &file);
        assert_eq!(price_id(&prices, 1).as_deref(), Some("openai:gpt-4o"));
        assert_eq!(price_id(&prices, 2).as_deref(), Some("own:gpt-4o"));

        let set = meta.set_price(1, custom_price(3.0)).unwrap();
        prices.refresh();
        assert_eq!(price_id(&prices, 1).as_deref(), Some("own:gpt-4o"));
        meta.end_price(1, set.id, Some("2026-01-01".parse().unwrap())).unwrap();
        prices.refresh();
        assert_eq!(price_id(&prices, 1).as_deref(), Some("openai:gpt-4o"), "it has ended");

        std::fs::write(&file, "[[price]]\nmodel = ").unwrap();
        prices.refresh();
        assert_eq!(price_id(&prices, 2).as_deref(), Some("own:gpt-4o"));
        assert!(prices.problems()[0].contains("own.toml"), "{:?}", prices.problems());
        assert!(matches!(&check_sources(dir.path(), &file)[..], [PriceSourceError::Unusable { .. }]));
        // A restart uses the last readable content, and reports the problem.
        let again = ActivePrices::open(meta.clone(), dir.path(), &file);
        assert_eq!(price_id(&again, 2).as_deref(), Some("own:gpt-4o"));
        assert!(again.problems().len() == 1 && again.problems()[0].contains("own.toml"), "{:?}", again.problems());
        std::fs::write(&file, "[[price]]\nmodel = \"gpt-4o\"\nproject = 2\nprices = { input = 7, output = 7 }\n# mended\n").unwrap();
        again.refresh();
        assert_eq!(again.problems(), [""; 0]);

        let table = r#"{"date":"2099-01-01","providers":[{"id":"p","names":["p"],"vendor":true,"models":[{"id":"gpt-4o","prices":[{"in":1,"out":1}]}]}]}"#;
        std::fs::write(table_path(dir.path()), table).unwrap();
        prices.refresh();
        assert_eq!(price_id(&prices, 1).as_deref(), Some("p:gpt-4o"));
        std::fs::write(table_path(dir.path()), table.replace("2099", "1999")).unwrap();
        prices.refresh();
        assert_eq!(price_id(&prices, 1).as_deref(), Some("openai:gpt-4o"), "an older table than the program's own");
    }
}
