//! Reads the token counts of a span from its attributes and messages.

use std::borrow::Cow;

use super::attributes::path_of_count;
use super::*;
use crate::usage::TokenCountPaths;

/// Properties of a span that decide how its counts are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenCountSource<'a> {
    /// Kind of the span.
    pub(super) kind: SpanType,
    /// True for a span that failed.
    pub(super) failed: bool,
    /// Meaning of the attributes.
    pub(super) dialect: &'a AttributeDialect,
    /// Instrumentation that created the span.
    pub(super) origin: Option<&'a str>,
}

/// Counts as sent.
struct SentTokenCounts {
    counts: ReportedTokenCounts,
    /// Convention of the source for input.
    of_input: TokenCountConvention,
    /// Convention of the source for output.
    of_output: TokenCountConvention,
    /// Attribute with the response that contains the counts, if no attribute of their own does.
    answer: Option<&'static str>,
}

/// Returns the usage in buckets and, if no attribute contains the counts, their source: the response, or the rest of the total.
pub(super) fn usage_and_reasoning(
    found: &RecognizedAttributes,
    measurements: &[(String, f64)],
    source: &TokenCountSource,
) -> (Usage, Option<FieldProvenance>) {
    let SentTokenCounts { mut counts, of_input, of_output, answer } = counts_as_sent(found, measurements, source);
    let usage = counts.exclusive_usage_of(of_input, of_output);
    let Some(thought) = reasoning::reasoning_in_total(&usage, source.kind, found) else {
        return (usage, answer.map(|name| read(SpanField::UsageDetails.as_str(), FieldSource::Attribute(name.into()))));
    };
    counts.reasoning = Some(thought);
    let usage = counts.exclusive_usage_of(of_input, TokenCountConvention::Exclusive);
    (usage, Some(read(SpanField::Reasoning.as_str(), FieldSource::RestOfTotal)))
}

/// Returns the counts under names that the table of attributes does not list, by their paths.
fn unlisted_counts(found: &RecognizedAttributes) -> TokenCountPaths {
    let mut paths = TokenCountPaths::default();
    if !found.has_unlisted_counts {
        return paths;
    }
    for (name, value) in found.attributes {
        if let Some(path) = path_of_count(name) {
            paths.add(&spelled_out(found, name, path), value);
        }
    }
    paths
}

/// Names of a count in a list of counts by modality.
const COUNTS_OF_MODALITIES: &[&str] = &["token_count", "tokenCount"];

/// Returns the path of a count with the modality in place of its number in a list: `prompt_tokens_details.1.token_count` beside
/// `prompt_tokens_details.1.modality`.
fn spelled_out<'a>(found: &RecognizedAttributes, name: &str, path: &'a str) -> Cow<'a, str> {
    let numbered = COUNTS_OF_MODALITIES.iter().find_map(|count| {
        let (list, number) = path.strip_suffix(count)?.strip_suffix('.')?.rsplit_once('.')?;
        number.parse::<u8>().ok()?;
        let modality = found.attributes.get(&format!("{}modality", name.strip_suffix(count)?))?.as_str()?;
        Some(format!("{list}.{}", modality.to_ascii_lowercase()))
    });
    numbered.map_or(Cow::Borrowed(path), Cow::Owned)
}

/// Returns the fields whose counts are under names that the table of attributes does not list, and these names.
pub(super) fn fields_of_unlisted_counts<'a>(found: &RecognizedAttributes<'a>) -> Vec<(SpanField, &'a str)> {
    let listed = |name: &str| attribute_names::lookup(name).is_some();
    let mut fields = Vec::new();
    if !found.has_unlisted_counts {
        return fields;
    }
    for (name, value) in found.attributes.iter().filter(|(name, _)| !listed(name)) {
        let Some(path) = path_of_count(name) else { continue };
        let mut paths = TokenCountPaths::default();
        paths.add(&spelled_out(found, name, path), value);
        let counts = paths.counts();
        let of_fields = [
            (SpanField::InputTokens, counts.input),
            (SpanField::OutputTokens, counts.output),
            (SpanField::TotalTokens, counts.total),
            (SpanField::CacheRead, counts.cache_read),
            (SpanField::CacheWrite, counts.cache_write_5m),
            (SpanField::CacheWrite1h, counts.cache_write_1h),
            (SpanField::Reasoning, counts.reasoning),
            (SpanField::InputAudio, counts.input_audio),
            (SpanField::OutputAudio, counts.output_audio),
            (SpanField::InputImage, counts.input_image),
            (SpanField::OutputImage, counts.output_image),
            (SpanField::WebSearches, counts.web_searches),
        ];
        fields.extend(
            of_fields.into_iter().filter(|(field, count)| count.is_some() && !found.has(*field)).map(|(field, _)| (field, name.as_str())),
        );
    }
    fields
}

/// Returns true if the span reports tokens of its input or output, under any name.
pub(super) fn are_reported(found: &RecognizedAttributes) -> bool {
    let is_known = |field| found.count(field).is_some_and(|count| count > 0);
    let elsewhere = || {
        let counts = unlisted_counts(found).counts();
        counts.input.is_some_and(|count| count > 0) || counts.output.is_some_and(|count| count > 0)
    };
    is_known(SpanField::InputTokens) || is_known(SpanField::OutputTokens) || found.has(SpanField::UsageDetails) || elsewhere()
}

/// Returns the counts of single attributes.
fn of_attributes(found: &RecognizedAttributes) -> ReportedTokenCounts {
    let mut counts = ReportedTokenCounts {
        input: found.count(SpanField::InputTokens),
        output: found.count(SpanField::OutputTokens),
        total: found.count(SpanField::TotalTokens),
        cache_read: found.count(SpanField::CacheRead),
        cache_write_5m: found.count(SpanField::CacheWrite),
        cache_write_1h: found.count(SpanField::CacheWrite1h),
        reasoning: found.count(SpanField::Reasoning),
        input_audio: found.count(SpanField::InputAudio),
        output_audio: found.count(SpanField::OutputAudio),
        input_image: found.count(SpanField::InputImage),
        output_image: found.count(SpanField::OutputImage),
        web_searches: found.count(SpanField::WebSearches),
        characters: found.count(SpanField::Characters),
        audio_ms: found.value(SpanField::AudioSeconds).and_then(usage::milliseconds),
        rerank_units: found.count(SpanField::RerankUnits),
        ..ReportedTokenCounts::default()
    };
    let spelled = unlisted_counts(found);
    let others = if spelled.is_empty() { ReportedTokenCounts::default() } else { spelled.counts() };
    let beside = counts_in_objects(found);
    // The provider's own tools add to the prompt. Only the total tells whether a client has added that to the input.
    let added = spelled.tool_use().filter(|added| {
        let both = counts.input.zip(counts.output).and_then(|(input, output)| input.checked_add(output));
        let rest = counts.total.zip(both).and_then(|(total, both)| total.checked_sub(both));
        rest.is_some_and(|rest| rest == *added || Some(rest) == counts.reasoning.map(|reasoning| reasoning + added))
    });
    counts.input = counts.input.map(|input| input.saturating_add(added.unwrap_or(0)));
    let hour = counts.cache_write_1h.or(beside.cache_write_1h).or(others.cache_write_1h);
    // Attributes contain the sum of cache writes, and the part that is for an hour.
    let written = counts.cache_write_5m.map(|written| written.saturating_sub(hour.unwrap_or(0)));
    let kept = |count: Option<u64>| count.filter(|count| *count > 0);
    // A zero under one name is no evidence against a count under another.
    let cache_write_5m = kept(written).or(kept(others.cache_write_5m)).or(written).or(others.cache_write_5m);
    let cache_read = kept(counts.cache_read).or(kept(others.cache_read)).or(counts.cache_read);
    ReportedTokenCounts { cache_read, cache_write_5m, cache_write_1h: hour, ..counts }.or(beside).or(others)
}

/// Returns the counts as sent, and the conventions of their source for input and output.
fn counts_as_sent(found: &RecognizedAttributes, measurements: &[(String, f64)], source: &TokenCountSource) -> SentTokenCounts {
    let mut counts = of_attributes(found);
    let (mut of_input, mut of_output) = (source.dialect.input, source.dialect.output);
    let provider = found.str(SpanField::Provider);
    // A total that is only the sum of both counts proves nothing about the caches.
    let mut is_sum = client_conventions::passes_on_exclusive(source.origin.or_else(|| found.str(SpanField::Origin)), provider);
    if is_sum {
        of_input = TokenCountConvention::Exclusive;
    }
    if found.name(SpanField::Reasoning).is_some_and(|name| client_conventions::REASONING_BESIDE_OUTPUT.contains(&name)) {
        of_output = TokenCountConvention::Exclusive;
    }
    if let Some(details) = found.object(SpanField::UsageDetails) {
        // One object is consistent in itself, so it takes precedence over single attributes.
        let (detailed, own_input, own_output) = ReportedTokenCounts::from_details(&details);
        if detailed.input.is_some() || detailed.output.is_some() {
            is_sum = ReportedTokenCounts::is_anthropics(&details) && provider.is_some_and(client_conventions::counts_exclusively);
            (of_input, of_output) = (own_input, own_output);
            counts.total = detailed.total.or(counts.total.filter(|_| detailed.input == counts.input));
        }
        counts = detailed.or(counts);
    }
    if let Some((told, own_input, own_output)) =
        found.object(SpanField::ProviderMetadata).and_then(|told| ReportedTokenCounts::of_provider_metadata(&told))
    {
        if told.input.is_some() {
            // The provider's own counts. Vercel's total may belong to counts of another convention.
            counts = ReportedTokenCounts { total: told.total, ..told.or(counts) };
            (of_input, of_output) = (own_input, own_output);
        } else if counts.cache_read.is_none() && counts.cache_write_5m.is_none() {
            counts = counts.or(told);
            of_input = own_input;
        }
    }
    of_measurements(&mut counts, measurements);
    let is_call = matches!(source.kind, SpanType::Llm | SpanType::Embedding);
    let completing = Some(&counts).filter(|_| is_call).and_then(|counts| answer_usage::completing(found, counts));
    if let Some((_, (told, own_input, own_output))) = completing {
        counts = told.or(counts);
        (of_input, of_output) = (own_input, own_output);
    }
    if is_sum
        && counts.total.is_some()
        && counts.total == counts.input.zip(counts.output).map(|(input, output)| input.saturating_add(output))
    {
        counts.total = None;
    }
    if source.kind == SpanType::Embedding && (counts.input.is_some() || counts.total.is_some()) {
        // An embedding has no output, so its total is its input.
        counts.output = Some(counts.output.unwrap_or(0));
        counts.input = counts.input.or(counts.total);
    }
    if source.kind == SpanType::Llm && !source.failed && counts.is_all_zero() {
        // No call has an empty input: the client initializes its counts with zeros until the provider reports usage, which it does in
        // streams only on request.
        let ReportedTokenCounts { web_searches, images, characters, audio_ms, rerank_units, .. } = counts;
        counts = ReportedTokenCounts { web_searches, images, characters, audio_ms, rerank_units, ..ReportedTokenCounts::default() };
    }
    SentTokenCounts { counts, of_input, of_output, answer: completing.map(|(name, _)| name) }
}

/// Fills missing counts from Sentry's measurements.
fn of_measurements(counts: &mut ReportedTokenCounts, measurements: &[(String, f64)]) {
    for (name, number) in measurements {
        let number = usage::whole_count(*number);
        match attribute_names::lookup(name) {
            Some((SpanField::InputTokens, _)) => counts.input = counts.input.or(number),
            Some((SpanField::OutputTokens, _)) => counts.output = counts.output.or(number),
            Some((SpanField::TotalTokens, _)) => counts.total = counts.total.or(number),
            _ => {}
        }
    }
}

/// Returns how the counts of a stored span were interpreted; `None` for a count with only one interpretation.
pub(crate) fn interpretations_of(
    span: &Span,
    dialect: &AttributeDialect,
) -> (Option<TokenCountInterpretation>, Option<TokenCountInterpretation>) {
    if span.reading.iter().any(|read| read.field.starts_with("usage") && read.source.rule().is_some()) {
        // A rule of the project says what its counts are.
        return (None, None);
    }
    let found = RecognizedAttributes::new(&span.attributes, dialect);
    let source = TokenCountSource { kind: span.kind, failed: span.status != SpanStatus::Ok, dialect, origin: span.origin.as_deref() };
    let SentTokenCounts { mut counts, of_input, mut of_output, .. } = counts_as_sent(&found, &[], &source);
    if span.reading.iter().any(|read| read.source == FieldSource::RestOfTotal) {
        (counts.reasoning, of_output) = (span.usage.reasoning, TokenCountConvention::Exclusive);
    }
    let usage = counts.exclusive_usage_of(of_input, of_output);
    counts.interpretations(&usage, of_input, of_output)
}

/// Returns the counts that objects contain in addition to the attributes.
pub(super) fn counts_in_objects(found: &RecognizedAttributes) -> ReportedTokenCounts {
    let listed = found.str(SpanField::BuiltInTools).map(|tools| tools.split(',').filter(|tool| tool.trim() == "web_search").count() as u64);
    let tools = ReportedTokenCounts { web_searches: listed.filter(|searches| *searches > 0), ..ReportedTokenCounts::default() };
    let of_each = |metadata: &Map<String, Value>| {
        metadata.values().find_map(|one| Some(ReportedTokenCounts::from_provider_usage(one.get("usage")?.as_object()?)))
    };
    let metadata = found.object(SpanField::ProviderMetadata).as_ref().and_then(of_each).unwrap_or_default();
    let remarks = found.object(SpanField::Metadata);
    let openinference = remarks.as_ref().map(ReportedTokenCounts::from_provider_usage).unwrap_or_default();
    tools.or(metadata).or(openinference).or(remarks.as_ref().map(counts_in_remarks).unwrap_or_default())
}

/// Start of the names of the convention's counts.
const CONVENTION_COUNTS: &str = "gen_ai.usage.";

/// Returns the counts under names of the convention in an object of other remarks, where translators of conventions leave those that they
/// do not know.
fn counts_in_remarks(remarks: &Map<String, Value>) -> ReportedTokenCounts {
    let mut paths = TokenCountPaths::default();
    for (path, value) in remarks.iter().filter_map(|(name, value)| Some((name.strip_prefix(CONVENTION_COUNTS)?, value))) {
        paths.add(path, value);
    }
    paths.counts()
}

/// Counts web searches and images in the response if the client sent no count.
pub(super) fn count_in_answer(span: &mut Span) {
    if !span.is_call() {
        return;
    }
    let parts = || span.output_messages.iter().flat_map(|message| &message.parts);
    let searches = span.usage.web_searches.or_else(|| Some(parts().filter(|part| is_web_search(part)).count() as u64).filter(|n| *n > 0));
    let is_picture = |part: &&MessagePart| matches!(part, MessagePart::Media { modality, .. } if modality == "image");
    let images = span.usage.images.or_else(|| Some(parts().filter(is_picture).count() as u64).filter(|n| *n > 0));
    // Google bills models before Gemini 3 per prompt, regardless of the number of searches.
    let model = span.model().unwrap_or_default();
    let by_prompt = ["gemini-1", "gemini-2"].iter().any(|old| model.rsplit('/').next().is_some_and(|name| name.starts_with(old)));
    span.usage.web_searches = if by_prompt { searches.map(|n| n.min(1)) } else { searches };
    span.usage.images = images;
}

/// Returns whether a part is OpenAI's item for a web search. The other actions of such an item (opening a page, searching within a page)
/// are not billed.
pub(super) fn is_web_search(part: &MessagePart) -> bool {
    match part {
        MessagePart::ToolCall { name, arguments, .. } if name == "web_search_call" => {
            let action: Value = crate::lenient_json::value(arguments).unwrap_or_default();
            action["type"].as_str().is_none_or(|action| action == "search")
        }
        _ => false,
    }
}
