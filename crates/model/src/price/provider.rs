//! Spellings of providers.

use std::collections::HashMap;

use serde::Deserialize;

use super::entry::PriceEntry;
use super::model::ProviderModels;

/// A provider with its list of models.
#[derive(Debug)]
pub(super) struct ProviderCatalog {
    /// Canonical name.
    pub(super) id: String,
    /// True if the provider sells models of its own, so that a model name without a provider may be one of them.
    pub(super) vendor: bool,
    /// Canonical names of providers whose models it resells at their price.
    pub(super) resells: Vec<String>,
    /// Price list; empty for providers without a price per token.
    pub(super) models: ProviderModels,
}

/// A provider in the price table.
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

/// All providers by any spelling.
#[derive(Debug, Default)]
pub(super) struct ProviderIndex {
    list: Vec<ProviderCatalog>,
    names: HashMap<String, usize>,
    /// Words that identify a provider anywhere in a spelling; the first match wins.
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

    /// Returns the provider for a spelling such as `OpenAI`, `openai.chat`, `az.ai.openai`, `gcp.vertex_ai` or `api.x.ai`.
    pub(super) fn find(&self, spelling: &str) -> Option<&ProviderCatalog> {
        let dashed = dashed(spelling);
        let place = self.names.get(dashed.trim_matches('-')).copied();
        let place = place.or_else(|| self.words.iter().find(|(word, _)| dashed.contains(word.as_str())).map(|(_, place)| *place));
        place.map(|place| &self.list[place])
    }

    /// Returns the provider with exactly this name or alias, as routers write it before a model.
    pub(super) fn named(&self, name: &str) -> Option<&ProviderCatalog> {
        self.names.get(dashed(name).trim_matches('-')).map(|place| &self.list[*place])
    }

    /// Returns the providers with models of their own, in the order of a lookup by model name: those that also resell models are last.
    pub(super) fn vendors(&self) -> impl Iterator<Item = &ProviderCatalog> {
        let vendors = |resells: bool| self.list.iter().filter(move |provider| provider.vendor && provider.resells.is_empty() != resells);
        vendors(false).chain(vendors(true))
    }

    pub(super) fn list(&self) -> &[ProviderCatalog] {
        &self.list
    }
}

/// Returns the spelling in lower case, with one `-` for each run of characters that are neither letters nor digits, and one at each end.
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
