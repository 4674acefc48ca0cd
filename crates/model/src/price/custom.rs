//! Prices that an owner sets: for models that they run themselves, for discounts that they have. They come before the table.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::bucket::BucketPrices;
use super::entry::{day_of, days_since_epoch};
use super::model::{ModelSpelling, spellings};
use super::{BillableCall, bill::PriceOrigin};

/// Longest name of a model, provider or tier, in bytes.
const NAME: usize = 200;

/// A price that an owner has set, in dollars for a million tokens, for one request, search or picture, for an hour of the call's time.
///
/// A bucket without a price of its own costs as the wider one: see [`PriceBucket`](super::PriceBucket).
#[serde_with::skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomPrice {
    /// The model, as clients name it, with or without a date behind it; with `*` at the end for all that begin so. Case does not matter.
    pub model: String,
    /// Only where this provider runs it.
    #[serde(default)]
    pub provider: Option<String>,
    /// Only for calls of this tier of service, such as `batch`.
    #[serde(default)]
    pub service_tier: Option<String>,
    /// Only for calls with more tokens of input than this, cached ones included.
    #[serde(default)]
    pub input_above: Option<u64>,
    /// The first day (UTC), as `YYYY-MM-DD`; always, where left out.
    #[serde(default, with = "day")]
    pub from: Option<Date>,
    /// The first day (UTC) on which it holds no longer.
    #[serde(default, with = "day")]
    pub until: Option<Date>,
    /// The prices, by what they are for.
    #[serde(rename = "prices")]
    pub rates: BucketPrices,
}

/// Why a price cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct CustomPriceError {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl CustomPrice {
    /// The price with blanks taken off its names.
    ///
    /// # Errors
    ///
    /// When it names no model, prices nothing, or ends before it begins.
    pub fn checked(mut self) -> Result<CustomPrice, CustomPriceError> {
        let bad = |field, reason: &str| Err(CustomPriceError { field, reason: reason.to_owned() });
        self.model = self.model.trim().to_owned();
        for name in [&mut self.provider, &mut self.service_tier] {
            *name = name.take().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        }
        let literal = self.model.strip_suffix('*').unwrap_or(&self.model);
        if literal.is_empty() {
            return bad("model", "needs the name of a model, or the beginning of one with * behind it");
        }
        if literal.contains('*') {
            return bad("model", "* may stand at the end only");
        }
        for (field, name) in
            [("model", Some(&self.model)), ("provider", self.provider.as_ref()), ("service_tier", self.service_tier.as_ref())]
        {
            if name.is_some_and(|name| name.len() > NAME || name.chars().any(|c| c.is_control() || c.is_whitespace())) {
                return bad(field, "needs a name of up to 200 bytes without blanks");
            }
        }
        if self.rates.is_empty() {
            return bad("prices", "needs at least one of input, request, image, hour");
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            return bad("until", "must be after the first day");
        }
        Ok(self)
    }

    /// By what a cost names it: `own:MODEL@date`.
    pub fn id(&self) -> String {
        let tier = self.service_tier.as_ref().map_or_else(String::new, |tier| format!("+{tier}"));
        let since = self.from.map_or_else(String::new, |date| format!("@{date}"));
        format!("own:{}{tier}{since}", self.model)
    }

    pub(super) fn origin(&self) -> PriceOrigin {
        PriceOrigin { name: format!("own:{}", self.model), tier: self.service_tier.clone(), from: self.from, own: true }
    }

    fn holds(&self, call: &BillableCall) -> bool {
        let day = day_of(call.at_us);
        self.from.is_none_or(|from| day >= days_since_epoch(from))
            && self.until.is_none_or(|until| day < days_since_epoch(until))
            && self.service_tier.as_ref().is_none_or(|own| call.service_tier.is_some_and(|tier| own.eq_ignore_ascii_case(tier)))
            && self.input_above.is_none_or(|above| call.usage.input_tokens().is_some_and(|tokens| tokens > above))
    }
}

/// All prices that hold for a project before the table does, ready to be asked.
#[derive(Debug, Clone, Default)]
pub(super) struct CustomPriceList {
    list: Vec<CustomPriceMatcher>,
}

#[derive(Debug, Clone)]
struct CustomPriceMatcher {
    price: CustomPrice,
    /// The name in lower case, without the `*`.
    name: String,
    is_prefix: bool,
    /// Canonical.
    provider: Option<String>,
    /// True for one that is set for the project alone.
    of_project: bool,
}

/// How well a price fits a call: the greatest is taken.
type CustomPriceRank = (bool, bool, usize, bool, bool, Option<u64>, Option<Date>, usize);

impl CustomPriceList {
    /// Prices with whether each is of the project alone. `canonical` knows providers by their spellings.
    pub(super) fn new(prices: impl Iterator<Item = (CustomPrice, bool)>, canonical: impl Fn(&str) -> Option<String>) -> CustomPriceList {
        let own = |(price, of_project): (CustomPrice, bool)| {
            let lower = price.model.to_lowercase();
            let provider = price.provider.as_deref().map(|name| canonical(name).unwrap_or_else(|| name.to_lowercase()));
            let (name, is_prefix) = match lower.strip_suffix('*') {
                Some(literal) => (literal.to_owned(), true),
                None => (lower, false),
            };
            CustomPriceMatcher { price, name, is_prefix, provider, of_project }
        };
        CustomPriceList { list: prices.map(own).collect() }
    }

    /// The price that fits a call best. The model that answered decides where it has one; then a price of the project comes before one of
    /// all projects, an exact name before the beginning of one, and what says more (provider, tier, size of the input) before what says less;
    /// of those, the latest.
    pub(super) fn find(&self, provider: Option<&str>, call: &BillableCall) -> Option<&CustomPrice> {
        if self.list.is_empty() {
            return None;
        }
        let models = [call.response_model, call.request_model].into_iter().flatten().filter_map(ModelSpelling::new);
        for model in models {
            let names = names_of(&model);
            let fits = |(place, own): (usize, &CustomPriceMatcher)| Some((own.fit(&names, provider, call, place)?, place));
            if let Some((_, place)) = self.list.iter().enumerate().filter_map(fits).max() {
                return Some(&self.list[place].price);
            }
        }
        None
    }
}

impl CustomPriceMatcher {
    fn fit(&self, names: &[String], provider: Option<&str>, call: &BillableCall, place: usize) -> Option<CustomPriceRank> {
        if self.provider.as_deref().is_some_and(|own| Some(own) != provider) || !self.price.holds(call) {
            return None;
        }
        let known = |name: &String| if self.is_prefix { name.starts_with(&self.name) } else { *name == self.name };
        // What stands first among the names is the least shortened.
        let rank = names.iter().position(known)?;
        let closeness = if self.is_prefix { self.name.len() } else { usize::MAX - rank };
        let price = &self.price;
        Some((
            self.of_project,
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

/// A model's name as it is and without what stands before and behind it, the whole first.
fn names_of(model: &ModelSpelling) -> Vec<String> {
    let without_provider = model.prefix().map(|(_, rest)| rest);
    let parts = [Some(model.whole.as_str()), without_provider, Some(model.bare()), Some(model.last())];
    let mut names: Vec<String> = Vec::new();
    for name in parts.into_iter().flatten().flat_map(spellings) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A day as `YYYY-MM-DD`.
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
        let read = |text: String| text.parse::<Date>().map_err(|_| de::Error::custom(format!("{text:?} is no day; a day is YYYY-MM-DD")));
        text.map(read).transpose()
    }
}
