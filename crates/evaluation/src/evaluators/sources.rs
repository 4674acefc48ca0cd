//! `overlap` and `numbers`: the answer compared with what the model could know from its sources.

use std::collections::{BTreeSet, HashSet};

use hinomi_model::span::{ChatMessage, MessagePart, Span, SpanType};

use super::config::{ConfigFields, EvaluatorConfigError, invalid};
use super::input::{answers, spans};
use super::words::{content_words, sentences};
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason, evidence};

/// Maximum number of bytes of all sources that are read.
const MAX_SOURCE_BYTES: usize = 2 << 20;
/// Maximum number of words or characters of one text that are read.
const MAX_TOKENS: usize = 400_000;
/// Maximum number of sentences of an answer that are compared.
const MAX_SENTENCES: usize = 500;
/// Share of the content words of a sentence that must occur in the sources.
const SUPPORTED_SHARE: f64 = 0.6;
/// Smallest number of content words of a sentence that is compared.
const MIN_WORDS: usize = 3;
/// Maximum number of bytes of an answer whose numbers are compared.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Adds the texts of a message.
fn add_texts<'a>(message: &'a ChatMessage, sources: &mut Vec<&'a str>) {
    sources.extend(message.parts.iter().filter_map(|part| match part {
        MessagePart::Text { text } => Some(text.as_str()),
        MessagePart::ToolResult { result, .. } => Some(result.as_str()),
        MessagePart::Other { content } => Some(content.as_str()),
        _ => None,
    }));
}

/// Returns the documents that the target retrieved: outputs of retrievers, rerankers and tools, and results of tools in inputs.
fn retrieved<'a>(spans: &[&'a Span]) -> Vec<&'a str> {
    let mut sources = Vec::new();
    for span in spans {
        if matches!(span.kind, SpanType::Retriever | SpanType::Reranker | SpanType::Tool) {
            span.output_messages.iter().for_each(|message| add_texts(message, &mut sources));
        }
        sources.extend(span.input_messages.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
            MessagePart::ToolResult { result, .. } => Some(result.as_str()),
            _ => None,
        }));
    }
    sources
}

/// Returns the texts of the inputs of calls.
fn inputs<'a>(spans: &[&'a Span]) -> Vec<&'a str> {
    let mut sources = Vec::new();
    let calls = spans.iter().filter(|span| span.is_call());
    // Answers of the model are no source for its later answers.
    let messages = calls.flat_map(|span| &span.input_messages).filter(|message| message.role != "assistant");
    messages.for_each(|message| add_texts(message, &mut sources));
    sources
}

/// Returns the first bytes of all texts, each text once, and whether some were left out.
fn limited(texts: Vec<&str>) -> (Vec<&str>, bool) {
    let texts: BTreeSet<&str> = texts.into_iter().collect();
    let mut rest = MAX_SOURCE_BYTES;
    let mut is_partial = false;
    let mut kept = Vec::new();
    for text in texts {
        let part = &text[..text.floor_char_boundary(rest.min(text.len()))];
        is_partial |= part.len() < text.len();
        rest -= part.len();
        kept.push(part);
    }
    (kept, is_partial)
}

/// Share of the sentences of the answer whose words occur in the sources.
#[derive(Debug)]
pub(super) struct SourceOverlap {
    uses_inputs: bool,
}

impl SourceOverlap {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<SourceOverlap, EvaluatorConfigError> {
        // The server reads it: up to this share, a score is bad.
        fields.number("min_overlap", 0.0..=1.0)?;
        let uses_inputs = match fields.text("sources")? {
            None | Some("retrieved") => false,
            Some("input") => true,
            Some(_) => return Err(invalid("sources", "use retrieved or input")),
        };
        Ok(SourceOverlap { uses_inputs })
    }
}

impl EvaluatorMethod for SourceOverlap {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Number
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let (answers, spans) = (answers(input)?, spans(input));
        let texts = if self.uses_inputs { [retrieved(&spans), inputs(&spans)].concat() } else { retrieved(&spans) };
        let (sources, is_partial) = limited(texts);
        let known: HashSet<String> = sources.iter().flat_map(|source| content_words(source, MAX_TOKENS)).collect();
        if known.is_empty() {
            return Err(NotApplicableReason::NoSources);
        }
        let (mut compared, mut unsupported) = (0usize, Vec::new());
        for sentence in answers.iter().flat_map(|answer| sentences(answer, MAX_SENTENCES)) {
            let words = content_words(sentence, MAX_TOKENS);
            if words.len() < MIN_WORDS {
                continue;
            }
            compared += 1;
            let found = words.iter().filter(|word| known.contains(*word)).count();
            if (found as f64) < SUPPORTED_SHARE * words.len() as f64 {
                unsupported.push(sentence);
            }
        }
        if compared == 0 {
            return Err(NotApplicableReason::TextTooShort);
        }
        let supported = compared - unsupported.len();
        let mut explanation = format!("The words of {supported} of {compared} sentences occur in the sources.");
        if is_partial {
            explanation.push_str(" Only the first 2 MiB of the sources were read.");
        }
        let value = supported as f64 / compared as f64;
        Ok(EvaluationResult { evidence: evidence(unsupported), is_partial, ..EvaluationResult::number(value, explanation) })
    }
}

/// Every number of the answer occurs in the input or the sources.
#[derive(Debug)]
pub(super) struct SourcedNumbers;

/// Returns the numbers of a text without grouping: `1,000.50` is `1000.5`. Numbers of list items and single digits are left out.
fn numbers(text: &str) -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    let is_part = |character: char| character.is_ascii_digit() || matches!(character, ',' | '.');
    for piece in text.split(|character: char| !is_part(character)) {
        let number: String = piece.trim_matches([',', '.']).chars().filter(|character| *character != ',').collect();
        let is_number = number.chars().filter(|character| *character == '.').count() <= 1;
        let plain = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
        if is_number && plain.len() > 1 {
            numbers.insert(plain.trim_start_matches('0').to_owned());
        }
    }
    numbers
}

impl EvaluatorMethod for SourcedNumbers {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let (answers, spans) = (answers(input)?, spans(input));
        let (sources, is_partial) = limited([retrieved(&spans), inputs(&spans)].concat());
        if sources.is_empty() {
            return Err(NotApplicableReason::NoInput);
        }
        let known: BTreeSet<String> = sources.iter().flat_map(|source| numbers(source)).collect();
        let prefix = |answer: &&'_ str| numbers(&answer[..answer.floor_char_boundary(MAX_ANSWER_BYTES.min(answer.len()))]);
        let said: BTreeSet<String> = answers.iter().flat_map(prefix).collect();
        let unknown: Vec<&str> = said.difference(&known).map(String::as_str).collect();
        let explanation = match unknown.len() {
            0 => format!("All {} numbers of the answer occur in the input or the sources.", said.len()),
            n => format!("{n} of {} numbers of the answer do not occur in the input or the sources.", said.len()),
        };
        let is_partial = is_partial || answers.iter().any(|answer| answer.len() > MAX_ANSWER_BYTES);
        Ok(EvaluationResult {
            evidence: evidence(unknown.iter().copied()),
            is_partial,
            ..EvaluationResult::boolean(unknown.is_empty(), explanation)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_without_grouping() {
        let of = |text: &str| numbers(text).into_iter().collect::<Vec<_>>();
        assert_eq!(of("1,000.50 yen, 7 days, 2026."), ["1000.5", "2026"]);
        assert_eq!(of("1. one 2. two v1.2.3"), [""; 0]);
    }
}
