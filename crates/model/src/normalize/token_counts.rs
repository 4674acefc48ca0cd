//! Reads the token counts of a span from its attributes and messages.

use super::*;

/// Returns the usage in buckets, and the number of reasoning tokens that only the total contains.
pub(super) fn counts(
    found: &RecognizedAttributes,
    measurements: &[(String, f64)],
    kind: SpanType,
    failed: bool,
    dialect: &AttributeDialect,
) -> (Usage, Option<u64>) {
    let (mut counts, of_input, mut of_output) = as_sent(found, measurements, kind, failed, dialect);
    let usage = counts.settle_each(of_input, of_output);
    let Some(thought) = reasoning::in_total(&usage, kind, found) else { return (usage, None) };
    (counts.reasoning, of_output) = (Some(thought), TokenCountConvention::Exclusive);
    (counts.settle_each(of_input, of_output), Some(thought))
}

/// Returns the counts as sent, and the conventions of their source for input and output.
pub(super) fn as_sent(
    found: &RecognizedAttributes,
    measurements: &[(String, f64)],
    kind: SpanType,
    failed: bool,
    dialect: &AttributeDialect,
) -> (ReportedTokenCounts, TokenCountConvention, TokenCountConvention) {
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
        images: None,
    };
    counts = counts.or(beside(found));
    if let Some(hour) = counts.cache_write_1h {
        // Attributes contain the sum of cache writes, and the part that is for an hour.
        counts.cache_write_5m = counts.cache_write_5m.map(|written| written.saturating_sub(hour));
    }
    let (mut of_input, mut of_output) = (dialect.input, dialect.output);
    if let Some(details) = found.object(SpanField::UsageDetails) {
        // One object is consistent in itself, so it takes precedence over single attributes.
        let (detailed, own) = ReportedTokenCounts::of_details(&details);
        (counts, of_input, of_output) = (detailed.or(counts), own, own);
    }
    if let Some((told, own)) = found.object(SpanField::ProviderMetadata).and_then(|told| ReportedTokenCounts::of_provider_metadata(&told)) {
        if told.input.is_some() {
            // The provider's own counts. Vercel's total may belong to counts of another convention.
            counts = ReportedTokenCounts { total: told.total, ..told.or(counts) };
            (of_input, of_output) = (own, own);
        } else if counts.cache_read.is_none() && counts.cache_write_5m.is_none() {
            counts = counts.or(told);
            of_input = own;
        }
    }
    for (name, number) in measurements {
        let number = usage::whole(*number);
        match attribute_names::lookup(name) {
            Some((SpanField::InputTokens, _)) => counts.input = counts.input.or(number),
            Some((SpanField::OutputTokens, _)) => counts.output = counts.output.or(number),
            Some((SpanField::TotalTokens, _)) => counts.total = counts.total.or(number),
            _ => {}
        }
    }
    if kind == SpanType::Embedding && (counts.input.is_some() || counts.total.is_some()) {
        // An embedding has no output, so its total is its input.
        counts.output = Some(counts.output.unwrap_or(0));
        counts.input = counts.input.or(counts.total);
    }
    let streamed = || found.flag(SpanField::Streaming).or_else(|| in_pieces(found)) == Some(true);
    if kind == SpanType::Llm && !failed && counts.are_zero() && streamed() {
        // No call has an empty input: the client initializes its counts with zeros until the provider reports usage, which it does in
        // streams only on request.
        counts = ReportedTokenCounts { web_searches: counts.web_searches, images: counts.images, ..ReportedTokenCounts::default() };
    }
    (counts, of_input, of_output)
}

/// Returns how the counts of a stored span were interpreted; `None` for a count with only one interpretation.
pub(crate) fn taken(span: &Span, dialect: &AttributeDialect) -> (Option<TokenCountInterpretation>, Option<TokenCountInterpretation>) {
    let found = RecognizedAttributes::new(&span.attributes, dialect);
    let (mut counts, of_input, mut of_output) = as_sent(&found, &[], span.kind, span.status != SpanStatus::Ok, dialect);
    if span.reading.iter().any(|read| read.source == FieldSource::RestOfTotal) {
        (counts.reasoning, of_output) = (span.usage.reasoning, TokenCountConvention::Exclusive);
    }
    let usage = counts.settle_each(of_input, of_output);
    counts.taken(&usage, of_input, of_output)
}

/// Returns the counts that objects contain in addition to the attributes.
pub(super) fn beside(found: &RecognizedAttributes) -> ReportedTokenCounts {
    let listed = found.str(SpanField::BuiltInTools).map(|tools| tools.split(',').filter(|tool| tool.trim() == "web_search").count() as u64);
    let tools = ReportedTokenCounts { web_searches: listed.filter(|searches| *searches > 0), ..ReportedTokenCounts::default() };
    let of_each = |metadata: &Map<String, Value>| {
        metadata.values().find_map(|one| Some(ReportedTokenCounts::of_provider(one.get("usage")?.as_object()?)))
    };
    let metadata = found.object(SpanField::ProviderMetadata).as_ref().and_then(of_each).unwrap_or_default();
    let openinference = found.object(SpanField::Metadata).as_ref().map(ReportedTokenCounts::of_provider).unwrap_or_default();
    tools.or(metadata).or(openinference)
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

/// Returns whether a part is OpenAI's item for a web search. Its other actions (opening a page, searching within it) are not billed.
pub(super) fn is_web_search(part: &MessagePart) -> bool {
    match part {
        MessagePart::ToolCall { name, arguments, .. } if name == "web_search_call" => {
            let action: Value = crate::lenient_json::value(arguments).unwrap_or_default();
            action["type"].as_str().is_none_or(|action| action == "search")
        }
        _ => false,
    }
}
