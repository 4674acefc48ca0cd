//! The price table: finds the entry for a call.

use serde::Deserialize;

use super::BillableCall;
use super::bill::{self, PriceOrigin, PricedCall};
use super::entry::PriceEntry;
use super::model::ModelSpelling;
use super::provider::{ProviderCatalog, ProviderEntry, ProviderIndex};
/// The embedded price table.
pub(super) const EMBEDDED_JSON: &str = include_str!("../../data/prices.json");

/// Provider whose protocol other servers implement. Their clients report its name regardless of the server.
const COMMON_PROTOCOL: &str = "openai";

/// List prices of providers.
#[derive(Debug)]
pub struct PriceTable {
    providers: ProviderIndex,
    date: String,
}

/// An entry and the list that contains it.
#[derive(Clone, Copy)]
struct PriceEntryMatch<'a> {
    list: &'a ProviderCatalog,
    entry: &'a PriceEntry,
    /// True if the list belongs to another provider than the one that was named.
    resold: bool,
}

#[derive(Deserialize)]
struct PriceTableFile {
    date: String,
    providers: Vec<ProviderEntry>,
}

impl PriceTable {
    /// Parses a table in the format that `scripts/prices.py` writes.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON of that format, or a price is invalid.
    pub fn from_json(text: &str) -> Result<PriceTable, serde_json::Error> {
        let table: PriceTableFile = serde_json::from_str(text)?;
        Ok(PriceTable { providers: ProviderIndex::new(table.providers), date: table.date })
    }

    /// Returns the text of the embedded price table.
    pub fn embedded_text() -> &'static str {
        EMBEDDED_JSON
    }

    /// Returns the day up to which the table is maintained, `YYYY-MM-DD`.
    pub fn date(&self) -> &str {
        &self.date
    }

    /// Returns the cost of a call by bucket; `None` if its model has no entry, the entry has no price, or a required count is unknown.
    pub fn explain(&self, call: &BillableCall) -> Option<PricedCall> {
        let found = self.entry(call)?;
        // A reseller at the vendor's list price has other discounts.
        let service_tier = call.service_tier.filter(|_| !found.resold);
        let quote = found.entry.quote(call.at_us, service_tier)?;
        let name = format!("{}:{}", found.list.id, found.entry.id);
        bill::bill(PriceOrigin { name, tier: quote.tier, from: quote.from, is_custom: false }, &quote.rates, call)
    }

    /// Returns the ID of the entry for the model of a call, `provider:model`, even if it has no price.
    pub fn entry_id(&self, call: &BillableCall) -> Option<String> {
        self.entry(call).map(|found| format!("{}:{}", found.list.id, found.entry.id))
    }

    /// Returns the vendor whose own list contains the model, never a reseller.
    pub fn vendor_of(&self, model: &str) -> Option<&str> {
        let spelled = ModelSpelling::new(model)?;
        let named = self.provider_in_name(&spelled).filter(|(named, _)| named.vendor);
        let named = named.filter(|(vendor, rest)| vendor.models.find(rest).is_some()).map(|(vendor, _)| vendor);
        let vendor = named.or_else(|| self.vendor(spelled.without_prefixes()).map(|found| found.list))?;
        Some(&vendor.id)
    }

    /// Returns true if the table contains the provider under this name.
    pub fn knows_provider(&self, name: &str) -> bool {
        self.providers.find(name).is_some()
    }

    /// Returns the canonical name of a provider in any spelling; `None` if the provider is not in the table.
    pub fn canonical_provider(&self, spelling: &str) -> Option<&str> {
        self.providers.find(spelling).map(|provider| provider.id.as_str())
    }

    fn entry(&self, call: &BillableCall) -> Option<PriceEntryMatch<'_>> {
        let provider = call.provider.and_then(|name| self.providers.find(name));
        let mut models = [call.response_model, call.request_model].into_iter().flatten().filter_map(ModelSpelling::new);
        models.find_map(|model| self.entry_of_model(provider, &model))
    }

    fn entry_of_model<'a>(&'a self, provider: Option<&'a ProviderCatalog>, model: &ModelSpelling) -> Option<PriceEntryMatch<'a>> {
        let named = self.provider_in_name(model);
        if let Some(provider) = provider {
            let without_own_name = named.filter(|(named, _)| named.id == provider.id).map(|(_, rest)| rest);
            let names = [Some(model.full_name.as_str()), without_own_name, model.resource()];
            if let Some(found) = names.into_iter().flatten().find_map(|name| self.find_entry(provider, name)) {
                return Some(found);
            }
            // A provider that runs models of others lists everything it sells. The name of a vendor may only mean its protocol.
            if !provider.vendor {
                return None;
            }
        }
        // The model contains the name of a provider: `groq/llama-3.3-70b`, `eu.anthropic.claude-sonnet-4-5-20250929-v1:0`.
        if let Some(found) = named.and_then(|(named, rest)| self.find_entry(named, rest)) {
            return Some(found);
        }
        match provider {
            Some(known) if known.id != COMMON_PROTOCOL => None,
            _ => self.vendor(model.resource().unwrap_or(&model.full_name)),
        }
    }

    /// Returns the entry in the provider's list, otherwise in the lists of the providers whose models it resells.
    fn find_entry<'a>(&'a self, provider: &'a ProviderCatalog, name: &str) -> Option<PriceEntryMatch<'a>> {
        let own = provider.models.find(name).map(|entry| PriceEntryMatch { list: provider, entry, resold: false });
        own.or_else(|| {
            let mut lists = provider.resells.iter().filter_map(|name| self.providers.named(name));
            lists.find_map(|list| list.models.find(name).map(|entry| PriceEntryMatch { list, entry, resold: true }))
        })
    }

    /// Returns the provider that the model's name contains, and the name without it.
    fn provider_in_name<'a, 'm>(&'a self, model: &'m ModelSpelling) -> Option<(&'a ProviderCatalog, &'m str)> {
        if model.bedrock().is_some() {
            return self.providers.named("aws.bedrock").map(|bedrock| (bedrock, model.last_segment()));
        }
        if model.full_name.starts_with("accounts/fireworks/") {
            return self.providers.named("fireworks").map(|fireworks| (fireworks, model.full_name.as_str()));
        }
        let (prefix, rest) = model.prefix()?;
        self.providers.named(prefix).map(|provider| (provider, rest))
    }

    /// Returns the entry in the list of a vendor for a model name without a provider. An organization before the name (`meta-llama/...`)
    /// means open weights, which anybody may run at any price.
    fn vendor(&self, name: &str) -> Option<PriceEntryMatch<'_>> {
        if name.contains('/') {
            return None;
        }
        let mut vendors = self.providers.vendors();
        vendors.find_map(|list| list.models.find_unnamed(name).map(|entry| PriceEntryMatch { list, entry, resold: false }))
    }

    /// Returns the number of models.
    pub fn models(&self) -> usize {
        self.providers.list().iter().map(|provider| provider.models.entries().len()).sum()
    }

    /// Returns the invalid entries with their errors, each as `provider:model`.
    pub(super) fn invalid_entries(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        for provider in self.providers.list() {
            let reached = self.canonical_provider(&provider.id);
            if reached != Some(provider.id.as_str()) {
                faults.push((provider.id.clone(), format!("its own name resolves to {reached:?}")));
            }
            for resold in provider.resells.iter().filter(|resold| self.canonical_provider(resold).is_none()) {
                faults.push((provider.id.clone(), format!("it resells the models of {resold:?}, which is not in the table")));
            }
            for entry in provider.models.entries() {
                let name = || format!("{}:{}", provider.id, entry.id);
                let errors = entry.like.iter().flat_map(|clause| clause.patterns()).filter_map(|pattern| pattern.error());
                faults.extend(errors.map(|error| (name(), error)));
                let lost = entry.names().into_iter().filter(|known| provider.models.find(known).is_none());
                faults.extend(lost.map(|known| (name(), format!("its name {known:?} resolves to no provider"))));
            }
        }
        faults
    }

    #[cfg(test)]
    pub(super) fn providers(&self) -> &ProviderIndex {
        &self.providers
    }
}
