//! Buckets that have prices, their units, and the buckets whose prices replace missing ones.

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::money::Usd;
use crate::span::{Usage, names};

names!(
    /// Bucket that a call is charged for, by the name that usage, API and custom prices share.
    PriceBucket {
        /// Input tokens at the full price.
        Input = "input",
        /// Input tokens read from the provider's cache.
        CacheRead = "cache_read",
        /// Input tokens written to the cache for five minutes, or for an unspecified time.
        CacheWrite5m = "cache_write_5m",
        /// Input tokens written to the cache for an hour.
        CacheWrite1h = "cache_write_1h",
        /// Audio input tokens.
        InputAudio = "input_audio",
        /// Image input tokens.
        InputImage = "input_image",
        /// Output tokens that are not in another output bucket.
        Output = "output",
        /// Reasoning tokens.
        Reasoning = "reasoning",
        /// Audio output tokens.
        OutputAudio = "output_audio",
        /// Image output tokens.
        OutputImage = "output_image",
        /// The request.
        Request = "request",
        /// A web search by the provider.
        WebSearch = "web_search",
        /// A generated image.
        Image = "image",
        /// A unit of a reranking.
        RerankUnit = "rerank_unit",
        /// Characters that are spoken or read aloud.
        Character = "character",
        /// The duration of the audio.
        AudioHour = "audio_hour",
        /// The duration of the call, for models on machines that are paid by the hour.
        Hour = "hour",
    }
);

/// Buckets of which at least one must have a price.
pub(super) const BASIC_BUCKETS: [PriceBucket; 7] = [
    PriceBucket::Input,
    PriceBucket::Request,
    PriceBucket::Hour,
    PriceBucket::Image,
    PriceBucket::RerankUnit,
    PriceBucket::Character,
    PriceBucket::AudioHour,
];

/// Unit of a price in the price table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceUnit {
    /// A million tokens.
    MillionTokens,
    /// A million characters.
    MillionCharacters,
    /// A thousand requests, searches, images or units of a reranking.
    Thousand,
    /// An hour of audio, counted in milliseconds.
    AudioHour,
    /// An hour, counted in microseconds.
    Hour,
}

impl PriceUnit {
    /// Returns the number that the price is for.
    pub const fn count(self) -> u64 {
        match self {
            PriceUnit::MillionTokens | PriceUnit::MillionCharacters => 1_000_000,
            PriceUnit::Thousand => 1_000,
            PriceUnit::AudioHour => 3_600_000,
            PriceUnit::Hour => 3_600_000_000,
        }
    }
}

impl PriceBucket {
    /// Returns the unit of the bucket's price in the price table.
    pub const fn unit(self) -> PriceUnit {
        match self {
            PriceBucket::Request | PriceBucket::WebSearch | PriceBucket::Image | PriceBucket::RerankUnit => PriceUnit::Thousand,
            PriceBucket::Character => PriceUnit::MillionCharacters,
            PriceBucket::AudioHour => PriceUnit::AudioHour,
            PriceBucket::Hour => PriceUnit::Hour,
            _ => PriceUnit::MillionTokens,
        }
    }

    /// Returns the factor from a custom price to one of the price table: custom prices are for one request, search, image or unit of a
    /// reranking.
    const fn custom_price_factor(self) -> f64 {
        match self.unit() {
            PriceUnit::Thousand => 1_000.0,
            PriceUnit::MillionTokens | PriceUnit::MillionCharacters | PriceUnit::AudioHour | PriceUnit::Hour => 1.0,
        }
    }

    /// Returns the name of the bucket in the price table.
    const fn table_name(self) -> &'static str {
        match self {
            PriceBucket::Input => "in",
            PriceBucket::CacheRead => "read",
            PriceBucket::CacheWrite5m => "write",
            PriceBucket::CacheWrite1h => "write_1h",
            PriceBucket::InputAudio => "audio_in",
            PriceBucket::InputImage => "image_in",
            PriceBucket::Output => "out",
            PriceBucket::Reasoning => "reasoning",
            PriceBucket::OutputAudio => "audio_out",
            PriceBucket::OutputImage => "image_out",
            PriceBucket::Request => "request",
            PriceBucket::WebSearch => "search",
            PriceBucket::Image => "image",
            PriceBucket::RerankUnit => "rerank",
            PriceBucket::Character => "char",
            PriceBucket::AudioHour => "audio_hour",
            PriceBucket::Hour => "hour",
        }
    }

    /// Returns the wider bucket whose price applies if the bucket has none, so that no token is free because a price is missing.
    const fn fallback(self) -> Option<PriceBucket> {
        match self {
            PriceBucket::CacheWrite1h => Some(PriceBucket::CacheWrite5m),
            PriceBucket::CacheRead | PriceBucket::CacheWrite5m | PriceBucket::InputAudio | PriceBucket::InputImage => {
                Some(PriceBucket::Input)
            }
            PriceBucket::Reasoning | PriceBucket::OutputAudio | PriceBucket::OutputImage => Some(PriceBucket::Output),
            _ => None,
        }
    }

    /// Returns true for input, false for output, `None` for buckets that are neither.
    pub(super) const fn is_input(self) -> Option<bool> {
        match self {
            PriceBucket::Input
            | PriceBucket::CacheRead
            | PriceBucket::CacheWrite5m
            | PriceBucket::CacheWrite1h
            | PriceBucket::InputAudio
            | PriceBucket::InputImage => Some(true),
            PriceBucket::Output | PriceBucket::Reasoning | PriceBucket::OutputAudio | PriceBucket::OutputImage => Some(false),
            PriceBucket::Request
            | PriceBucket::WebSearch
            | PriceBucket::Image
            | PriceBucket::RerankUnit
            | PriceBucket::Character
            | PriceBucket::AudioHour
            | PriceBucket::Hour => None,
        }
    }

    /// Returns the amount of the bucket in a usage, if it is known.
    pub fn of(self, usage: &Usage) -> Option<u64> {
        match self {
            PriceBucket::Input => usage.input,
            PriceBucket::CacheRead => usage.cache_read,
            PriceBucket::CacheWrite5m => usage.cache_write_5m,
            PriceBucket::CacheWrite1h => usage.cache_write_1h,
            PriceBucket::InputAudio => usage.input_audio,
            PriceBucket::InputImage => usage.input_image,
            PriceBucket::Output => usage.output,
            PriceBucket::Reasoning => usage.reasoning,
            PriceBucket::OutputAudio => usage.output_audio,
            PriceBucket::OutputImage => usage.output_image,
            PriceBucket::WebSearch => usage.web_searches,
            PriceBucket::Image => usage.images,
            PriceBucket::RerankUnit => usage.rerank_units,
            PriceBucket::Character => usage.characters,
            PriceBucket::AudioHour => usage.audio_ms,
            PriceBucket::Request | PriceBucket::Hour => None,
        }
    }
}

/// Price of one unit of a bucket in US dollars, which may depend on the number of input tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TieredPrice {
    base: Usd,
    /// Number of input tokens above which *all* tokens have the price, in ascending order.
    tiers: Vec<(u64, Usd)>,
}

impl TieredPrice {
    /// Returns a price that does not depend on the input.
    pub(super) fn flat(base: Usd) -> TieredPrice {
        TieredPrice { base, tiers: Vec::new() }
    }

    /// Returns the price for a call with this many input tokens in total.
    pub fn price_at(&self, input_tokens: u64) -> Usd {
        self.tiers.iter().rev().find(|(above, _)| input_tokens > *above).map_or(self.base, |(_, price)| *price)
    }
}

/// Prices by bucket. A missing price is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketPrices([Option<TieredPrice>; PriceBucket::ALL.len()]);

impl BucketPrices {
    /// Returns the price of the bucket itself.
    pub fn price_of(&self, bucket: PriceBucket) -> Option<&TieredPrice> {
        self.0[bucket as usize].as_ref()
    }

    /// Returns the price of the bucket, or of the wider bucket that replaces it.
    pub fn rate(&self, bucket: PriceBucket) -> Option<&TieredPrice> {
        self.price_of(bucket).or_else(|| self.rate(bucket.fallback()?))
    }

    pub(super) fn set(&mut self, bucket: PriceBucket, rate: TieredPrice) {
        self.0[bucket as usize] = Some(rate);
    }

    /// Replaces the prices that `other` has.
    pub(super) fn replace_by(&mut self, other: &BucketPrices) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            if theirs.is_some() {
                mine.clone_from(theirs);
            }
        }
    }

    /// Returns true if no call can be priced: there is no price for input or for anything that is charged without tokens.
    pub fn is_empty(&self) -> bool {
        BASIC_BUCKETS.iter().all(|bucket| self.price_of(*bucket).is_none())
    }

    /// Sets a price by its name in the price table. Returns false for an unknown name.
    pub(super) fn set_by_table_name(&mut self, name: &str, rate: TieredPrice) -> bool {
        match PriceBucket::ALL.iter().find(|bucket| bucket.table_name() == name) {
            Some(bucket) => self.set(*bucket, rate),
            None => return false,
        }
        true
    }

    /// Returns whether [`set_by_table_name`](BucketPrices::set_by_table_name) accepts the name.
    pub(super) fn is_table_name(name: &str) -> bool {
        PriceBucket::ALL.iter().any(|bucket| bucket.table_name() == name)
    }
}

pub(super) fn usd<E: de::Error>(dollars: f64) -> Result<Usd, E> {
    Usd::from_dollars(dollars).filter(|usd| usd.0 >= 0).ok_or_else(|| E::custom("a price must be a number of at least 0"))
}

impl<'de> Deserialize<'de> for TieredPrice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<TieredPrice, D::Error> {
        struct TieredPriceVisitor;

        impl<'de> Visitor<'de> for TieredPriceVisitor {
            type Value = TieredPrice;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a price, or [price, [tokens, price], ...]")
            }

            fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<TieredPrice, E> {
                Ok(TieredPrice::flat(usd(dollars)?))
            }

            fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<TieredPrice, E> {
                self.visit_f64(dollars as f64)
            }

            fn visit_i64<E: de::Error>(self, dollars: i64) -> Result<TieredPrice, E> {
                self.visit_f64(dollars as f64)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<TieredPrice, A::Error> {
                let base = parts.next_element::<f64>()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let mut rate = TieredPrice::flat(usd(base)?);
                while let Some((above, dollars)) = parts.next_element::<(u64, f64)>()? {
                    if rate.tiers.last().is_some_and(|(before, _)| *before >= above) {
                        return Err(de::Error::custom("input sizes must be in ascending order"));
                    }
                    rate.tiers.push((above, usd(dollars)?));
                }
                Ok(rate)
            }
        }

        from.deserialize_any(TieredPriceVisitor)
    }
}

/// Serializes in the form of custom prices: dollars by the name of the bucket, for a million tokens, for one request, search or image, or
/// for an hour.
impl Serialize for BucketPrices {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let known = PriceBucket::ALL.iter().filter_map(|bucket| Some((*bucket, self.price_of(*bucket)?)));
        to.collect_map(known.map(|(bucket, rate)| (bucket.as_str(), rate.base.dollars() / bucket.custom_price_factor())))
    }
}

impl<'de> Deserialize<'de> for BucketPrices {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<BucketPrices, D::Error> {
        struct BucketPricesVisitor;

        impl<'de> Visitor<'de> for BucketPricesVisitor {
            type Value = BucketPrices;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of prices in US dollars by bucket")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BucketPrices, A::Error> {
                let mut rates = BucketPrices::default();
                while let Some(name) = map.next_key::<String>()? {
                    let bucket = PriceBucket::from_name(&name).ok_or_else(|| {
                        let known: Vec<_> = PriceBucket::ALL.iter().map(|bucket| bucket.as_str()).collect();
                        de::Error::custom(format!("unknown bucket {name:?}; use one of {}", known.join(", ")))
                    })?;
                    if let Some(dollars) = map.next_value::<Option<f64>>()? {
                        rates.set(bucket, TieredPrice::flat(usd(dollars * bucket.custom_price_factor())?));
                    }
                }
                Ok(rates)
            }
        }

        from.deserialize_map(BucketPricesVisitor)
    }
}
