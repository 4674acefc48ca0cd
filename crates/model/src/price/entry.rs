//! A model of the price table and its prices by time and service tier.

use jiff::civil::Date;
use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::bucket::{BucketPrices, TieredPrice};
use super::model::{ModelNameRule, ModelNames};

/// A model with its prices.
#[derive(Debug, Deserialize)]
pub(super) struct PriceEntry {
    /// Name in the price table.
    pub(super) id: String,
    /// Lower-case names of the model; without them, only its ID is a name.
    #[serde(rename = "is", default)]
    names: ModelNames,
    /// Rules for names, of which one must match.
    #[serde(default)]
    pub(super) like: Vec<ModelNameRule>,
    /// List prices in the order of their start; the last that applies is used.
    prices: Vec<PricePeriod>,
    /// Differences for service tiers.
    #[serde(default)]
    variants: Vec<ServiceTierPrices>,
}

/// Prices of one period.
#[derive(Debug, Clone, Default)]
pub(super) struct PricePeriod {
    /// First day (UTC).
    pub(super) from: Option<Date>,
    /// Minutes of the day (UTC) between which the prices apply.
    hours: Option<(u16, u16)>,
    pub(super) rates: BucketPrices,
}

/// Prices that replace some of the list prices for a service tier.
#[derive(Debug, Deserialize)]
struct ServiceTierPrices {
    tier: String,
    #[serde(flatten)]
    prices: PricePeriod,
}

/// Prices that apply to a call.
pub(super) struct PriceQuote {
    pub(super) from: Option<Date>,
    pub(super) rates: BucketPrices,
    /// Service tier whose prices are included; `None` if no prices of a tier are included.
    pub(super) tier: Option<String>,
}

impl PriceEntry {
    /// Returns all lower-case names that mean exactly this model.
    pub(super) fn names(&self) -> Vec<String> {
        match &self.names {
            ModelNames::OnlyId => vec![self.id.to_lowercase()],
            ModelNames::These(names) => names.clone(),
        }
    }

    /// Returns the prices at a time for a service tier; `None` if the table contains the model without a price.
    pub(super) fn quote(&self, at_us: i64, service_tier: Option<&str>) -> Option<PriceQuote> {
        // For times before the first known price, that price is the best guess.
        let list = self.prices.iter().rev().find(|p| p.is_effective_at(at_us)).or(self.prices.first())?;
        let mut quote = PriceQuote { from: list.from, rates: list.rates.clone(), tier: None };
        if let Some(tier) = service_tier {
            for variant in self.variants.iter().filter(|v| v.tier.eq_ignore_ascii_case(tier) && v.prices.is_effective_at(at_us)) {
                quote.rates.replace_by(&variant.prices.rates);
                quote.from = quote.from.max(variant.prices.from);
                quote.tier = Some(variant.tier.clone());
            }
        }
        (!quote.rates.is_empty()).then_some(quote)
    }
}

impl PricePeriod {
    fn is_effective_at(&self, at_us: i64) -> bool {
        const DAY_US: i64 = 86_400_000_000;
        const MINUTE_US: i64 = 60_000_000;
        let started = self.from.is_none_or(|from| day_of(at_us) >= days_since_epoch(from));
        let minute = (at_us.rem_euclid(DAY_US) / MINUTE_US) as u16;
        let open = match self.hours {
            None => true,
            Some((start, end)) if start <= end => (start..end).contains(&minute),
            // Over midnight.
            Some((start, end)) => minute >= start || minute < end,
        };
        started && open
    }
}

/// Returns the day (UTC) of a time, counted from the Unix epoch.
pub(super) fn day_of(at_us: i64) -> i64 {
    const DAY_US: i64 = 86_400_000_000;
    at_us.div_euclid(DAY_US)
}

pub(super) fn days_since_epoch(date: Date) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    i64::from((date - epoch).get_days())
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    Some(hour.parse::<u16>().ok()? * 60 + minute.parse::<u16>().ok()?)
}

impl<'de> Deserialize<'de> for PricePeriod {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<PricePeriod, D::Error> {
        struct PricePeriodVisitor;

        impl<'de> Visitor<'de> for PricePeriodVisitor {
            type Value = PricePeriod;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("prices by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PricePeriod, A::Error> {
                let mut prices = PricePeriod::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "from" => prices.from = Some(map.next_value::<String>()?.parse().map_err(de::Error::custom)?),
                        "hours" => {
                            let (start, end) = map.next_value::<(String, String)>()?;
                            let both = minutes(&start).zip(minutes(&end));
                            prices.hours = Some(both.ok_or_else(|| de::Error::custom("expected a time of day as HH:MM"))?);
                        }
                        // A table of a newer version may contain prices that this version does not know.
                        name if !BucketPrices::is_table_name(name) => _ = map.next_value::<IgnoredAny>()?,
                        name => _ = prices.rates.set_by_table_name(name, map.next_value::<TieredPrice>()?),
                    }
                }
                Ok(prices)
            }
        }

        from.deserialize_map(PricePeriodVisitor)
    }
}
