//! Token counts of clients, sorted into buckets that do not overlap.
//!
//! Most clients count cached input as part of the input, and reasoning as part of the output. Some clients exclude both. A few clients
//! include only cached input, or only reasoning. Each source has a convention. If the client sends the total, the total takes precedence
//! over the convention. A missing count stays unknown: it is never calculated from the total and other counts.

mod details;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub(crate) use details::{TokenCountPaths, milliseconds};

use crate::span::{Usage, UsageSource};

/// Token counts as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportedTokenCounts {
    /// Input tokens, with or without cached ones.
    pub input: Option<u64>,
    /// Output tokens, with or without reasoning.
    pub output: Option<u64>,
    /// Total of input and output tokens.
    pub total: Option<u64>,
    /// Input tokens read from a cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to a cache for five minutes or an unspecified time.
    pub cache_write_5m: Option<u64>,
    /// Input tokens written to a cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// Input tokens read from a cache that are audio, and also part of the audio input tokens.
    pub cached_audio: Option<u64>,
    /// Reasoning tokens.
    pub reasoning: Option<u64>,
    /// Audio input tokens.
    pub input_audio: Option<u64>,
    /// Audio output tokens.
    pub output_audio: Option<u64>,
    /// Image input tokens.
    pub input_image: Option<u64>,
    /// Image output tokens.
    pub output_image: Option<u64>,
    /// Number of web searches, which are not tokens.
    pub web_searches: Option<u64>,
    /// Number of generated images, which are not tokens.
    pub images: Option<u64>,
    /// Number of characters, which are not tokens.
    pub characters: Option<u64>,
    /// Duration of the audio in milliseconds.
    pub audio_ms: Option<u64>,
    /// Number of units of a reranking.
    pub rerank_units: Option<u64>,
}

/// Whether the counts of a source include tokens that have their own buckets. The total takes precedence if it contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenCountConvention {
    /// Input includes cached tokens, output includes reasoning: OpenTelemetry, OpenAI.
    #[default]
    Inclusive,
    /// Input excludes cached tokens, output excludes reasoning: Anthropic's own counts, Langfuse.
    Exclusive,
}

/// How a token count that the client sent was interpreted, if there was more than one possibility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenCountInterpretation {
    /// Count as sent.
    pub sent: u64,
    /// Number of tokens that have their own buckets: cache reads and writes, reasoning, audio, images.
    pub special: u64,
    /// Total number of input or output tokens according to the interpretation.
    pub whole: u64,
    /// Whether the count includes the tokens that have their own buckets.
    pub rule: TokenInclusionRule,
    /// Why this interpretation was chosen.
    pub because: TokenCountBasis,
}

/// Whether a token count includes cached, reasoning, audio and image tokens, which have their own buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenInclusionRule {
    /// The count includes these tokens.
    Inclusive,
    /// The count excludes these tokens.
    Exclusive,
    /// The count excludes cache reads and includes all other such tokens.
    Partly,
}

/// Why one interpretation of a token count was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenCountBasis {
    /// The convention of the source, confirmed by the total as sent.
    TotalAgrees,
    /// The total as sent, against the convention of the source: only this interpretation adds up to it.
    Total,
    /// The convention of the source; there is no total, or none that fits any interpretation.
    Convention,
    /// The count is smaller than the number of tokens that it would have to include.
    Impossible,
}

impl TokenCountInterpretation {
    /// Returns how `sent` became `whole`; `None` if there is only one interpretation.
    fn from_counts(
        sent: Option<u64>,
        special: u64,
        whole: Option<u64>,
        convention: TokenCountConvention,
        fits_total: bool,
    ) -> Option<TokenCountInterpretation> {
        let (sent, whole) = sent.zip(whole).filter(|_| special > 0)?;
        let rule = match whole {
            whole if whole == sent => TokenInclusionRule::Inclusive,
            whole if whole == sent.saturating_add(special) => TokenInclusionRule::Exclusive,
            _ => TokenInclusionRule::Partly,
        };
        let usual =
            if convention == TokenCountConvention::Inclusive { TokenInclusionRule::Inclusive } else { TokenInclusionRule::Exclusive };
        let because = match (rule == usual, fits_total) {
            (true, true) => TokenCountBasis::TotalAgrees,
            (true, false) => TokenCountBasis::Convention,
            (false, _) if usual == TokenInclusionRule::Inclusive && sent < special && rule == TokenInclusionRule::Exclusive => {
                TokenCountBasis::Impossible
            }
            (false, _) => TokenCountBasis::Total,
        };
        Some(TokenCountInterpretation { sent, special, whole, rule, because })
    }
}

/// Largest accepted count. Beyond 2^53 a floating-point number is not exact, and no larger number is a token count.
const MAX_COUNT: u64 = 9_000_000_000_000_000;

/// Returns a token count from any type of value; `None` for negative, huge, malformed and boolean values.
pub fn count(value: &Value) -> Option<u64> {
    let count = match value {
        Value::Number(number) => number.as_u64().or_else(|| number.as_f64().and_then(whole_count)),
        Value::String(text) => {
            let text = text.trim().trim_matches('"');
            text.parse::<u64>().ok().or_else(|| text.parse::<f64>().ok().and_then(whole_count))
        }
        _ => None,
    };
    count.filter(|count| *count < MAX_COUNT)
}

/// Returns a count from a floating-point number, as measurements contain it.
pub fn whole_count(number: f64) -> Option<u64> {
    (number.is_finite() && (0.0..MAX_COUNT as f64).contains(&number)).then(|| number.round() as u64)
}

impl ReportedTokenCounts {
    /// Sorts the counts into exclusive buckets.
    pub fn exclusive_usage(&self, convention: TokenCountConvention) -> Usage {
        self.exclusive_usage_of(convention, convention)
    }

    /// Sorts the counts into exclusive buckets, for a source with different conventions for input and output.
    pub fn exclusive_usage_of(&self, of_input: TokenCountConvention, of_output: TokenCountConvention) -> Usage {
        let (input_audio, input_image) = self.media_without_cached(of_input);
        let special_input = sum(&[self.cache_read, self.cache_write_5m, self.cache_write_1h, input_audio, input_image]);
        let special_output = sum(&[self.reasoning, self.output_audio, self.output_image]);
        // A source may exclude cache reads or reasoning and include the rest, or count them twice: only the total shows it.
        let inputs = self.input.map(|input| TokenCountCandidates::all(input, special_input, self.cache_read, of_input));
        let outputs = self.output.map(|output| TokenCountCandidates::all(output, special_output, self.reasoning, of_output));
        let (input, output) = match (inputs, outputs) {
            (Some(inputs), Some(outputs)) => {
                let (input, output) = matching_interpretations(&inputs, &outputs, self.total);
                (Some(input), Some(output))
            }
            (inputs, outputs) => (inputs.map(|all| first_count(&all)), outputs.map(|all| first_count(&all))),
        };
        let mut usage = Usage {
            input: input.map(|whole| whole.saturating_sub(special_input)),
            cache_read: self.cache_read,
            cache_write_5m: self.cache_write_5m,
            cache_write_1h: self.cache_write_1h,
            input_audio,
            input_image,
            output: output.map(|whole| whole.saturating_sub(special_output)),
            reasoning: self.reasoning,
            output_audio: self.output_audio,
            output_image: self.output_image,
            web_searches: self.web_searches,
            images: self.images,
            characters: self.characters,
            audio_ms: self.audio_ms,
            rerank_units: self.rerank_units,
            total: self.total,
            source: None,
        };
        let beside = self.input.zip(self.output).map(|(input, output)| input.saturating_add(output));
        let whole = usage.input_tokens().zip(usage.output_tokens()).map(|(input, output)| input.saturating_add(output));
        // Some clients add up input and output without cached tokens and send that as the total.
        if usage.total.is_none() || (usage.total == beside && whole > beside) {
            usage.total = whole;
        }
        let any_special = special_input + special_output > 0;
        usage.source = (!usage.is_unknown() || any_special).then_some(UsageSource::Reported);
        usage
    }

    /// Returns the audio and image input tokens without those that are also counted as cached: some clients count a cached image as both.
    /// If the cached tokens fit into the input but all special tokens together do not, only the remainder can be uncached.
    fn media_without_cached(&self, convention: TokenCountConvention) -> (Option<u64>, Option<u64>) {
        let cached = sum(&[self.cache_read, self.cache_write_5m, self.cache_write_1h]);
        // Audio that is also counted as cached has the price of a cache read.
        let input_audio = self.input_audio.map(|audio| audio.saturating_sub(self.cached_audio.unwrap_or(0)));
        let media = sum(&[input_audio, self.input_image]);
        let Some(input) = self.input.filter(|input| cached > 0 && cached <= *input && cached.saturating_add(media) > *input) else {
            return (input_audio, self.input_image);
        };
        let total_agrees = self.total.is_none_or(|total| self.output.and_then(|output| input.checked_add(output)) == Some(total));
        if convention == TokenCountConvention::Exclusive || !total_agrees {
            return (input_audio, self.input_image);
        }
        let room = input - cached;
        let image = self.input_image.map(|image| image.min(room));
        (input_audio.map(|audio| audio.min(room - image.unwrap_or(0))), image)
    }

    /// Returns counts that only the provider's own usage object contains, as clients pass it on in addition to their counts: web searches
    /// and cache writes for an hour.
    pub fn from_provider_usage(usage: &Map<String, Value>) -> ReportedTokenCounts {
        let inner = |outer: &str, inner: &str| usage.get(outer)?.as_object()?.get(inner).and_then(count);
        ReportedTokenCounts {
            web_searches: inner("server_tool_use", "web_search_requests"),
            cache_write_1h: inner("cache_creation", "ephemeral_1h_input_tokens"),
            ..ReportedTokenCounts::default()
        }
    }

    /// Returns how the sent counts of input and output were interpreted. The arguments are the result of
    /// [`exclusive_usage_of`](ReportedTokenCounts::exclusive_usage_of).
    pub fn interpretations(
        &self,
        usage: &Usage,
        of_input: TokenCountConvention,
        of_output: TokenCountConvention,
    ) -> (Option<TokenCountInterpretation>, Option<TokenCountInterpretation>) {
        let special_input = sum(&[usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.input_audio, usage.input_image]);
        let special_output = sum(&[usage.reasoning, usage.output_audio, usage.output_image]);
        let (input, output) = (usage.input_tokens(), usage.output_tokens());
        let fits = input.zip(output).and_then(|(input, output)| input.checked_add(output)).is_some_and(|both| Some(both) == self.total);
        (
            TokenCountInterpretation::from_counts(self.input, special_input, input, of_input, fits),
            TokenCountInterpretation::from_counts(self.output, special_output, output, of_output, fits),
        )
    }

    /// Reads the counts in a provider's own metadata, which is under the provider's name, with the conventions of that provider
    /// for input and output.
    pub fn of_provider_metadata(remarks: &Map<String, Value>) -> Option<(ReportedTokenCounts, TokenCountConvention, TokenCountConvention)> {
        remarks.values().filter_map(Value::as_object).find_map(|remark| {
            let whole = ["usage", "usageMetadata"].iter().find_map(|name| remark.get(*name)?.as_object());
            let told = ReportedTokenCounts::from_details(whole.unwrap_or(remark));
            (told.0 != ReportedTokenCounts::default()).then_some(told)
        })
    }

    /// Returns true if input and output are reported and every count of tokens is zero.
    pub(crate) fn is_all_zero(&self) -> bool {
        let special = [self.cache_read, self.cache_write_5m, self.cache_write_1h, self.reasoning, self.input_audio, self.output_audio];
        let others = special.into_iter().chain([self.input_image, self.output_image, self.total]);
        (self.input, self.output) == (Some(0), Some(0)) && others.flatten().all(|count| count == 0)
    }

    /// Fills missing counts from `other`.
    pub fn or(self, other: ReportedTokenCounts) -> ReportedTokenCounts {
        ReportedTokenCounts {
            input: self.input.or(other.input),
            output: self.output.or(other.output),
            total: self.total.or(other.total),
            cache_read: self.cache_read.or(other.cache_read),
            cache_write_5m: self.cache_write_5m.or(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.or(other.cache_write_1h),
            cached_audio: self.cached_audio.or(other.cached_audio),
            reasoning: self.reasoning.or(other.reasoning),
            input_audio: self.input_audio.or(other.input_audio),
            output_audio: self.output_audio.or(other.output_audio),
            input_image: self.input_image.or(other.input_image),
            output_image: self.output_image.or(other.output_image),
            web_searches: self.web_searches.or(other.web_searches),
            images: self.images.or(other.images),
            characters: self.characters.or(other.characters),
            audio_ms: self.audio_ms.or(other.audio_ms),
            rerank_units: self.rerank_units.or(other.rerank_units),
        }
    }
}

/// Possible whole counts of a sent count, one per interpretation; `None` for an impossible interpretation.
struct TokenCountCandidates;

impl TokenCountCandidates {
    /// Returns the interpretations of a count, starting with the source's own convention. `part` are the special tokens that a source may
    /// treat differently from the others: cache reads or reasoning.
    fn all(sent: u64, special: u64, part: Option<u64>, convention: TokenCountConvention) -> [Option<u64>; 4] {
        let inclusive = (sent >= special).then_some(sent);
        let exclusive = Some(sent.saturating_add(special));
        let part = part.filter(|n| *n > 0);
        let partly = part.map(|n| sent.saturating_add(n)).filter(|whole| *whole >= special);
        // Sentry's SDK 10 for JavaScript adds the cached tokens to an input that already includes them, and OpenInference for Google's ADK
        // the reasoning to such an output.
        let twice = part.and_then(|n| sent.checked_sub(n)).filter(|whole| *whole >= special);
        match convention {
            TokenCountConvention::Inclusive => [inclusive, exclusive, partly, twice],
            TokenCountConvention::Exclusive => [exclusive, inclusive, partly, twice],
        }
    }
}

fn sum(counts: &[Option<u64>]) -> u64 {
    counts.iter().flatten().fold(0, |sum, n| sum.saturating_add(*n))
}

fn first_count(readings: &[Option<u64>; 4]) -> u64 {
    readings.iter().flatten().next().copied().unwrap_or(0)
}

/// Returns the first pair of interpretations that adds up to the total, otherwise the first interpretation of each.
fn matching_interpretations(inputs: &[Option<u64>; 4], outputs: &[Option<u64>; 4], total: Option<u64>) -> (u64, u64) {
    if let Some(total) = total {
        for output in outputs.iter().flatten() {
            for input in inputs.iter().flatten() {
                if input.checked_add(*output) == Some(total) {
                    return (*input, *output);
                }
            }
        }
    }
    (first_count(inputs), first_count(outputs))
}
