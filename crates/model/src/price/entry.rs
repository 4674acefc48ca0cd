//! A model of the price table and the prices that hold for it at a time, for a tier of service.

use jiff::civil::Date;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::model::{Clause, Names};
use crate::money::Usd;

/// A model with its prices.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    /// Its name in the table.
    pub(super) id: String,
    /// Names that mean it, lower-case; left out where only its id does.
    #[serde(rename = "is", default)]
    names: Names,
    /// Rules of which one is enough.
    #[serde(default)]
    pub(super) like: Vec<Clause>,
    /// The list price and its changes; of those that hold, the last.
    prices: Vec<Prices>,
    /// What differs for a tier of service.
    #[serde(default)]
    variants: Vec<Variant>,
}

/// Prices that belong together. A price that is left out is not known; [`super::bill`] says what stands for it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Prices {
    /// The first day (UTC).
    #[serde(default, deserialize_with = "date")]
    pub(super) from: Option<Date>,
    /// Minutes of the day (UTC) from and until which they hold.
    #[serde(default, deserialize_with = "hours")]
    hours: Option<(u16, u16)>,
    #[serde(rename = "in")]
    pub(super) input: Option<Rate>,
    #[serde(rename = "out")]
    pub(super) output: Option<Rate>,
    #[serde(rename = "read")]
    pub(super) cache_read: Option<Rate>,
    #[serde(rename = "write")]
    pub(super) cache_write: Option<Rate>,
    #[serde(rename = "write_5m")]
    pub(super) cache_write_5m: Option<Rate>,
    #[serde(rename = "write_1h")]
    pub(super) cache_write_1h: Option<Rate>,
    #[serde(rename = "audio_in")]
    pub(super) input_audio: Option<Rate>,
    #[serde(rename = "audio_out")]
    pub(super) output_audio: Option<Rate>,
    pub(super) reasoning: Option<Rate>,
    pub(super) request: Option<Rate>,
}

/// Prices that replace some of the list prices for a tier of service.
#[derive(Debug, Deserialize)]
struct Variant {
    tier: String,
    #[serde(flatten)]
    prices: Prices,
}

/// Dollars for a million tokens (or a thousand requests), which may depend on how large the whole input is.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    base: Usd,
    /// Above so many tokens of input *all* tokens cost so much. Ascending.
    tiers: Vec<(u64, Usd)>,
}

/// The prices that hold for a call.
pub(super) struct Quote {
    pub(super) prices: Prices,
    /// The tier whose prices are in it, when one is.
    pub(super) tier: Option<String>,
}

impl Entry {
    /// All names that mean exactly this model, lower-case.
    pub(super) fn names(&self) -> Vec<String> {
        match &self.names {
            Names::OnlyId => vec![self.id.to_lowercase()],
            Names::These(names) => names.clone(),
        }
    }

    /// The prices at a time for a tier; `None` where the table knows the model but no price for it.
    pub(super) fn quote(&self, at_us: i64, service_tier: Option<&str>) -> Option<Quote> {
        // Before the first price that is known, that price is the best guess.
        let list = self.prices.iter().rev().find(|p| p.holds(at_us)).or(self.prices.first())?;
        let mut quote = Quote { prices: list.clone(), tier: None };
        if let Some(tier) = service_tier {
            for variant in self.variants.iter().filter(|v| v.tier.eq_ignore_ascii_case(tier) && v.prices.holds(at_us)) {
                quote.prices.replace_by(&variant.prices);
                quote.tier = Some(variant.tier.clone());
            }
        }
        (!quote.prices.is_empty()).then_some(quote)
    }
}

impl Prices {
    fn holds(&self, at_us: i64) -> bool {
        const DAY_US: i64 = 86_400_000_000;
        const MINUTE_US: i64 = 60_000_000;
        let started = self.from.is_none_or(|from| at_us.div_euclid(DAY_US) >= days_since_epoch(from));
        let minute = (at_us.rem_euclid(DAY_US) / MINUTE_US) as u16;
        let open = match self.hours {
            None => true,
            Some((start, end)) if start <= end => (start..end).contains(&minute),
            // Over midnight.
            Some((start, end)) => minute >= start || minute < end,
        };
        started && open
    }

    fn replace_by(&mut self, other: &Prices) {
        let pairs = [
            (&mut self.input, &other.input),
            (&mut self.output, &other.output),
            (&mut self.cache_read, &other.cache_read),
            (&mut self.cache_write, &other.cache_write),
            (&mut self.cache_write_5m, &other.cache_write_5m),
            (&mut self.cache_write_1h, &other.cache_write_1h),
            (&mut self.input_audio, &other.input_audio),
            (&mut self.output_audio, &other.output_audio),
            (&mut self.reasoning, &other.reasoning),
            (&mut self.request, &other.request),
        ];
        for (mine, theirs) in pairs {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
        self.from = self.from.max(other.from);
    }

    /// True when it cannot price a call: neither what goes in has a price nor the request as such.
    fn is_empty(&self) -> bool {
        self.input.is_none() && self.request.is_none()
    }
}

impl Rate {
    /// The price for a call with so many tokens of input in all.
    pub(super) fn at(&self, input_tokens: u64) -> Usd {
        self.tiers.iter().rev().find(|(above, _)| input_tokens > *above).map_or(self.base, |(_, price)| *price)
    }
}

fn days_since_epoch(date: Date) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    i64::from((date - epoch).get_days())
}

fn date<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
    let text = <&str>::deserialize(from)?;
    text.parse().map(Some).map_err(de::Error::custom)
}

fn hours<'de, D: Deserializer<'de>>(from: D) -> Result<Option<(u16, u16)>, D::Error> {
    let (start, end) = <(&str, &str)>::deserialize(from)?;
    let minutes = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        Some(hour.parse::<u16>().ok()? * 60 + minute.parse::<u16>().ok()?)
    };
    minutes(start).zip(minutes(end)).map(Some).ok_or_else(|| de::Error::custom("a time of day is HH:MM"))
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Rate, D::Error> {
        struct Shape;

        fn usd<E: de::Error>(dollars: f64) -> Result<Usd, E> {
            Usd::from_dollars(dollars).filter(|usd| usd.0 >= 0).ok_or_else(|| E::custom("a price is not negative"))
        }

        impl<'de> Visitor<'de> for Shape {
            type Value = Rate;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a price, or [price, [tokens, price], ...]")
            }

            fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<Rate, E> {
                Ok(Rate { base: usd(dollars)?, tiers: Vec::new() })
            }

            fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<Rate, E> {
                self.visit_f64(dollars as f64)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Rate, A::Error> {
                let base = parts.next_element::<f64>()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let mut rate = Rate { base: usd(base)?, tiers: Vec::new() };
                while let Some((above, dollars)) = parts.next_element::<(u64, f64)>()? {
                    rate.tiers.push((above, usd(dollars)?));
                }
                Ok(rate)
            }
        }

        from.deserialize_any(Shape)
    }
}
