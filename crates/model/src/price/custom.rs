//! Custom prices: for self-hosted models, or for discounts. They take precedence over the price table.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::bucket::{BASIC_BUCKETS, BucketPrices};
use super::entry::{day_of, days_since_epoch};
use super::model::{ModelSpelling, spellings};
use super::{BillableCall, bill::PriceOrigin};

/// Maximum bytes of the name of a model, provider or tier.
const MAX_NAME_BYTES: usize = 200;

/// A custom price in US dollars: for a million tokens, for one request, search or image, or for an hour of the call's duration.
///
/// A bucket without a price has the price of the wider bucket: see [`PriceBucket`](super::PriceBucket).
#[serde_with::skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomPrice {
    /// Model as clients name it, with or without a date suffix. A `*` at the end matches all names with this prefix. Ignores case.
    pub model: String,
    /// Provider to which the price is limited.
    #[serde(default)]
    pub provider: Option<String>,
    /// Service tier to which the price is limited, such as `batch`.
    #[serde(default)]
    pub service_tier: Option<String>,
    /// Number of input tokens, including cached ones, above which the price applies.
    #[serde(default)]
    pub input_above: Option<u64>,
    /// First day (UTC) of the price, `YYYY-MM-DD`. Without it, the price has no start.
    #[serde(default, with = "day")]
    pub from: Option<Date>,
    /// First day (UTC) on which the price does not apply any more.
    #[serde(default, with = "day")]
    pub until: Option<Date>,
    /// Prices by bucket.
    #[serde(rename = "prices")]
    pub rates: BucketPrices,
}

/// Reason why a custom price is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct CustomPriceError {
    /// Name of the invalid field.
    pub field: &'static str,
    /// Description of the error.
    pub reason: String,
}

impl CustomPrice {
    /// Validates the price and trims its names.
    ///
    /// # Errors
    ///
    /// Returns an error if the price names no model, contains no price, or ends before it starts.
    pub fn checked(mut self) -> Result<CustomPrice, CustomPriceError> {
        let bad = |field, reason: &str| Err(CustomPriceError { field, reason: reason.to_owned() });
        self.model = self.model.trim().to_owned();
        for name in [&mut self.provider, &mut self.service_tier] {
            *name = name.take().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        }
        let literal = self.model.strip_suffix('*').unwrap_or(&self.model);
        if literal.is_empty() {
            return bad("model", "must be a model name, or a prefix followed by *");
        }
        if literal.contains('*') {
            return bad("model", "* is only allowed at the end");
        }
        for (field, name) in
            [("model", Some(&self.model)), ("provider", self.provider.as_ref()), ("service_tier", self.service_tier.as_ref())]
        {
            if name.is_some_and(|name| name.len() > MAX_NAME_BYTES || name.chars().any(|c| c.is_control() || c.is_whitespace())) {
                return bad(field, "must have at most 200 bytes and no spaces");
            }
        }
        if self.rates.is_empty() {
            let names: Vec<_> = BASIC_BUCKETS.iter().map(|bucket| bucket.as_str()).collect();
            return bad("prices", &format!("must contain at least one of {}", names.join(", ")));
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            return bad("until", "must be after `from`");
        }
        Ok(self)
    }

    /// Returns the ID of the price in costs: `own:MODEL@date`.
    pub fn id(&self) -> String {
        let tier = self.service_tier.as_ref().map_or_else(String::new, |tier| format!("+{tier}"));
        let since = self.from.map_or_else(String::new, |date| format!("@{date}"));
        format!("own:{}{tier}{since}", self.model)
    }

    pub(super) fn origin(&self) -> PriceOrigin {
        PriceOrigin { name: format!("own:{}", self.model), tier: self.service_tier.clone(), from: self.from, is_custom: true }
    }

    fn applies_to(&self, call: &BillableCall) -> bool {
        let day = day_of(call.at_us);
        self.from.is_none_or(|from| day >= days_since_epoch(from))
            && self.until.is_none_or(|until| day < days_since_epoch(until))
            && self.service_tier.as_ref().is_none_or(|own| call.service_tier.is_some_and(|tier| own.eq_ignore_ascii_case(tier)))
            && self.input_above.is_none_or(|above| call.usage.input_tokens().is_some_and(|tokens| tokens > above))
    }
}

/// All custom prices of a project, prepared for lookups.
#[derive(Debug, Clone, Default)]
pub(super) struct CustomPriceList {
    list: Vec<CustomPriceMatcher>,
}

#[derive(Debug, Clone)]
struct CustomPriceMatcher {
    price: CustomPrice,
    /// Name in lower case, without the `*`.
    name: String,
    is_prefix: bool,
    /// Canonical name of the provider.
    provider: Option<String>,
    /// True for a price that is set for this project only.
    is_for_project: bool,
}

/// Rank of a price for a call; the price with the highest rank applies.
type CustomPriceRank = (bool, bool, usize, bool, bool, Option<u64>, Option<Date>, usize);

impl CustomPriceList {
    /// Prepares prices, each with a flag that is true for a price of this project only. `canonical` returns the canonical name of a
    /// provider.
    pub(super) fn new(prices: impl Iterator<Item = (CustomPrice, bool)>, canonical: impl Fn(&str) -> Option<String>) -> CustomPriceList {
        let own = |(price, is_for_project): (CustomPrice, bool)| {
            let lower = price.model.to_lowercase();
            let provider = price.provider.as_deref().map(|name| canonical(name).unwrap_or_else(|| name.to_lowercase()));
            let (name, is_prefix) = match lower.strip_suffix('*') {
                Some(literal) => (literal.to_owned(), true),
                None => (lower, false),
            };
            CustomPriceMatcher { price, name, is_prefix, provider, is_for_project }
        };
        CustomPriceList { list: prices.map(own).collect() }
    }

    /// Returns the best custom price for a call. The answering model decides if it has a price, otherwise the requested model. A price of
    /// the project takes precedence over a price of all projects, and an exact name takes precedence over a prefix. A price with more
    /// conditions (provider, tier, number of input tokens) takes precedence over a price with fewer conditions. If several prices are equal
    /// in all of this, the latest price applies.
    pub(super) fn find(&self, provider: Option<&str>, call: &BillableCall) -> Option<&CustomPrice> {
        if self.list.is_empty() {
            return None;
        }
        let models = [call.response_model, call.request_model].into_iter().flatten().filter_map(ModelSpelling::new);
        for model in models {
            let names = names_of(&model);
            let fits = |(place, own): (usize, &CustomPriceMatcher)| Some((own.match_rank(&names, provider, call, place)?, place));
            if let Some((_, place)) = self.list.iter().enumerate().filter_map(fits).max() {
                return Some(&self.list[place].price);
            }
        }
        None
    }
}

impl CustomPriceMatcher {
    fn match_rank(&self, names: &[String], provider: Option<&str>, call: &BillableCall, place: usize) -> Option<CustomPriceRank> {
        if self.provider.as_deref().is_some_and(|own| Some(own) != provider) || !self.price.applies_to(call) {
            return None;
        }
        let known = |name: &String| if self.is_prefix { name.starts_with(&self.name) } else { *name == self.name };
        // The names are sorted from the full name to the shortest.
        let rank = names.iter().position(known)?;
        let closeness = if self.is_prefix { self.name.len() } else { usize::MAX - rank };
        let price = &self.price;
        Some((
            self.is_for_project,
            !self.is_prefix,
            closeness,
            self.provider.is_some(),
            price.service_tier.is_some(),
            price.input_above,
            price.from,
            place,
        ))
    }
}

/// Returns the names of a model: the full one first, then without prefixes and suffixes.
fn names_of(model: &ModelSpelling) -> Vec<String> {
    let without_provider = model.prefix().map(|(_, rest)| rest);
    let parts = [Some(model.full_name.as_str()), without_provider, Some(model.without_prefixes()), Some(model.last_segment())];
    let mut names: Vec<String> = Vec::new();
    for name in parts.into_iter().flatten().flat_map(spellings) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Serializes a day as `YYYY-MM-DD`.
mod day {
    use jiff::civil::Date;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(date: &Option<Date>, to: S) -> Result<S::Ok, S::Error> {
        match date {
            Some(date) => to.collect_str(date),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
        let text = Option::<String>::deserialize(from)?.filter(|text| !text.is_empty());
        let read =
            |text: String| text.parse::<Date>().map_err(|_| de::Error::custom(format!("{text:?} is not a valid day; use YYYY-MM-DD")));
        text.map(read).transpose()
    }
}
