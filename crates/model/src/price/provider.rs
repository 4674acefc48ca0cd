//! How clients spell providers.

use std::collections::HashMap;

use serde::Deserialize;

use super::entry::PriceEntry;
use super::model::ProviderModels;

/// A provider with its list of models.
#[derive(Debug)]
pub(super) struct ProviderCatalog {
    /// Its canonical name.
    pub(super) id: String,
    /// True when it sells models of its own, so that a bare model name may mean it.
    pub(super) vendor: bool,
    /// Providers whose models it sells at their price, by canonical name.
    pub(super) resells: Vec<String>,
    /// Its list. Empty for those who have no price for a token.
    pub(super) models: ProviderModels,
}

/// A provider as the table has it.
#[derive(Debug, Deserialize)]
pub(super) struct ProviderEntry {
    id: String,
    names: Vec<String>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    vendor: bool,
    #[serde(default)]
    resells: Vec<String>,
    #[serde(default)]
    models: Vec<PriceEntry>,
}

/// All providers, found by any spelling.
#[derive(Debug, Default)]
pub(super) struct ProviderIndex {
    list: Vec<ProviderCatalog>,
    names: HashMap<String, usize>,
    /// Words that decide wherever they stand in a spelling; the first that is there wins.
    words: Vec<(String, usize)>,
}

impl ProviderIndex {
    pub(super) fn new(rows: Vec<ProviderEntry>) -> ProviderIndex {
        let mut providers = ProviderIndex::default();
        for (place, row) in rows.into_iter().enumerate() {
            for name in row.names {
                providers.names.entry(name).or_insert(place);
            }
            providers.words.extend(row.words.into_iter().map(|word| (format!("-{word}-"), place)));
            let models = ProviderModels::new(row.models);
            providers.list.push(ProviderCatalog { id: row.id, vendor: row.vendor, resells: row.resells, models });
        }
        providers
    }

    /// The provider that a client means by a spelling: `OpenAI`, `openai.chat`, `az.ai.openai`, `gcp.vertex_ai`, `api.x.ai`.
    pub(super) fn find(&self, spelling: &str) -> Option<&ProviderCatalog> {
        let dashed = dashed(spelling);
        let place = self.names.get(dashed.trim_matches('-')).copied();
        let place = place.or_else(|| self.words.iter().find(|(word, _)| dashed.contains(word.as_str())).map(|(_, place)| *place));
        place.map(|place| &self.list[place])
    }

    /// The provider with exactly this name or alias, as routers put it before a model.
    pub(super) fn named(&self, name: &str) -> Option<&ProviderCatalog> {
        self.names.get(dashed(name).trim_matches('-')).map(|place| &self.list[*place])
    }

    /// Those with models of their own, in the order in which a bare model name is looked up: who also sells the models of others
    /// comes after them.
    pub(super) fn vendors(&self) -> impl Iterator<Item = &ProviderCatalog> {
        let vendors = |resells: bool| self.list.iter().filter(move |provider| provider.vendor && provider.resells.is_empty() != resells);
        vendors(false).chain(vendors(true))
    }

    pub(super) fn list(&self) -> &[ProviderCatalog] {
        &self.list
    }
}

/// Lower case, with one `-` for whatever is not a letter or digit, and one at each end.
pub(super) fn dashed(spelling: &str) -> String {
    let mut text = String::with_capacity(spelling.len() + 2);
    text.push('-');
    for c in spelling.chars() {
        if c.is_ascii_alphanumeric() {
            text.push(c.to_ascii_lowercase());
        } else if !text.ends_with('-') {
            text.push('-');
        }
    }
    if !text.ends_with('-') {
        text.push('-');
    }
    text
}
