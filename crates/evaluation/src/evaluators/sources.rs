//! `overlap` and `numbers`: the answer compared with what the model could know from its sources.

use std::borrow::Cow;
use std::collections::BTreeSet;

use hinomi_model::span::{ChatMessage, MessagePart, Span, SpanType};

use super::config::{ConfigFields, EvaluatorConfigError, invalid};
use super::input::traces;
use super::words::{content_words, sentences};
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason, evidence};
use crate::signals::{Set, question_and_answer};

/// Maximum number of bytes of all sources that are read.
const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Maximum number of sentences of an answer that are compared.
const MAX_SENTENCES: usize = 500;
/// Share of the content words of a sentence that must occur in the sources.
const SUPPORTED_SHARE: f64 = 0.6;
/// Smallest number of content words of a sentence that is compared.
const MIN_WORDS: usize = 3;
/// Maximum number of bytes of an answer that are compared.
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

/// Sources up to a turn of a conversation: an answer may use what an earlier one retrieved.
struct SourceReader<'a> {
    /// Sources that were read, with which a repeated one is recognized.
    read: Set<&'a str>,
    rest: usize,
    is_partial: bool,
}

impl<'a> SourceReader<'a> {
    fn new() -> SourceReader<'a> {
        SourceReader { read: Set::default(), rest: MAX_SOURCE_BYTES, is_partial: false }
    }

    /// Returns those of some texts that were not read before, up to the limit.
    fn read(&mut self, texts: Vec<&'a str>) -> Vec<&'a str> {
        let mut parts = Vec::new();
        for text in texts {
            if text.trim().is_empty() || !self.read.insert(text) {
                continue;
            }
            let part = &text[..text.floor_char_boundary(self.rest.min(text.len()))];
            self.is_partial |= part.len() < text.len();
            self.rest -= part.len();
            parts.push(part);
        }
        parts
    }
}

/// A sentence of an answer, and whether its words occur in the sources.
struct ComparedSentences {
    supported: usize,
    unsupported: Vec<String>,
    is_partial: bool,
}

/// Compares the sentences of an answer with known words.
fn compare_sentences(answer: &str, known: &Set<String>) -> ComparedSentences {
    let part = &answer[..answer.floor_char_boundary(MAX_ANSWER_BYTES.min(answer.len()))];
    let mut sentences = sentences(part, MAX_SENTENCES + 1);
    let is_partial = sentences.len() > MAX_SENTENCES || part.len() < answer.len();
    sentences.truncate(MAX_SENTENCES);
    let mut compared = ComparedSentences { supported: 0, unsupported: Vec::new(), is_partial };
    for sentence in sentences {
        let words = content_words(sentence);
        if words.len() < MIN_WORDS {
            continue;
        }
        let found = words.iter().filter(|word| known.contains(*word)).count();
        if (found as f64) < SUPPORTED_SHARE * words.len() as f64 {
            compared.unsupported.push(sentence.to_owned());
        } else {
            compared.supported += 1;
        }
    }
    compared
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
        let traces = traces(input);
        let (mut sources, mut known) = (SourceReader::new(), Set::default());
        let (mut shares, mut unsupported, mut sentences) = (Vec::new(), Vec::new(), 0);
        let (mut has_answer, mut is_partial) = (false, false);
        for spans in &traces {
            let texts = if self.uses_inputs { [retrieved(spans), inputs(spans)].concat() } else { retrieved(spans) };
            known.extend(sources.read(texts).into_iter().flat_map(content_words));
            let Some((_question, answer)) = question_and_answer(spans) else { continue };
            has_answer = true;
            if known.is_empty() {
                continue;
            }
            let compared = compare_sentences(&answer, &known);
            is_partial |= compared.is_partial;
            let count = compared.supported + compared.unsupported.len();
            if count > 0 {
                shares.push(compared.supported as f64 / count as f64);
                sentences += count;
                unsupported.extend(compared.unsupported);
            }
        }
        match () {
            () if !has_answer => return Err(NotApplicableReason::NoAnswer),
            () if known.is_empty() => return Err(NotApplicableReason::NoSources),
            () if shares.is_empty() => return Err(NotApplicableReason::TextTooShort),
            () => {}
        }
        let supported = sentences - unsupported.len();
        let mut explanation = format!("The words of {supported} of {sentences} sentences occur in the sources.");
        if shares.len() > 1 {
            explanation.push_str(&format!(" The value is the mean of {} answers.", shares.len()));
        }
        if sources.is_partial {
            explanation.push_str(" Only the first 1 MiB of the sources was read.");
        }
        if is_partial {
            explanation.push_str(" Only the first 500 sentences and 256 KiB of an answer were compared.");
        }
        let value = shares.iter().sum::<f64>() / shares.len() as f64;
        let evidence = evidence(unsupported.iter().map(String::as_str));
        Ok(EvaluationResult { evidence, is_partial: is_partial || sources.is_partial, ..EvaluationResult::number(value, explanation) })
    }
}

/// Every number of the answer occurs in the input or the sources.
#[derive(Debug)]
pub(super) struct SourcedNumbers;

/// Returns a text whose digits and marks of East Asian width are those of ASCII.
fn narrow(text: &str) -> Cow<'_, str> {
    let is_wide = |character: char| matches!(character, '０'..='９' | '，' | '．');
    if !text.contains(is_wide) {
        return Cow::Borrowed(text);
    }
    let narrow =
        |character: char| if is_wide(character) { char::from_u32(u32::from(character) - 0xfee0) } else { None }.unwrap_or(character);
    text.chars().map(narrow).collect()
}

/// Returns whether commas group the digits of a number by thousands, such as `12,345.6`.
fn is_grouped(piece: &str) -> bool {
    let mut groups = piece.split('.').next().unwrap_or_default().split(',');
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3)
}

/// Returns the numbers of a text without grouping: `1,000.50` is `1000.5`. Numbers of list items and single digits are left out.
fn numbers(text: &str) -> BTreeSet<String> {
    let mut numbers = BTreeSet::new();
    let is_part = |character: char| character.is_ascii_digit() || matches!(character, ',' | '.');
    for piece in narrow(text).split(|character: char| !is_part(character)) {
        let piece = piece.trim_matches([',', '.']);
        let is_one = is_grouped(piece);
        for number in piece.split(|character: char| character == ',' && !is_one) {
            let number = number.trim_matches('.').replace(',', "");
            let is_number = number.chars().filter(|character| *character == '.').count() <= 1;
            let plain = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
            let plain = plain.trim_start_matches('0');
            // 0.5 has two digits; 05 and 0.0 have one.
            let (zero, digits) = if plain.starts_with('.') { ("0", plain) } else { ("", plain) };
            if is_number && digits.len() > 1 {
                numbers.insert(format!("{zero}{digits}"));
            }
        }
    }
    numbers
}

impl EvaluatorMethod for SourcedNumbers {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let traces = traces(input);
        let (mut sources, mut known) = (SourceReader::new(), BTreeSet::new());
        let (mut said, mut unknown) = (0, BTreeSet::new());
        let (mut has_answer, mut is_partial) = (false, false);
        for spans in &traces {
            let texts = sources.read([retrieved(spans), inputs(spans)].concat());
            known.extend(texts.into_iter().flat_map(numbers));
            let Some((_question, answer)) = question_and_answer(spans) else { continue };
            has_answer = true;
            is_partial |= answer.len() > MAX_ANSWER_BYTES;
            let of_answer = numbers(&answer[..answer.floor_char_boundary(MAX_ANSWER_BYTES.min(answer.len()))]);
            said += of_answer.len();
            unknown.extend(of_answer.difference(&known).cloned());
        }
        match () {
            () if !has_answer => return Err(NotApplicableReason::NoAnswer),
            () if sources.read.is_empty() => return Err(NotApplicableReason::NoInput),
            () => {}
        }
        let mut explanation = match unknown.len() {
            0 => format!("All {said} numbers of the answer occur in the input or the sources."),
            n => format!("{n} of {said} numbers of the answer do not occur in the input or the sources."),
        };
        if sources.is_partial {
            explanation.push_str(" Only the first 1 MiB of the sources was read.");
        }
        if is_partial {
            explanation.push_str(" Only the first 256 KiB of an answer were read.");
        }
        Ok(EvaluationResult {
            evidence: evidence(unknown.iter().map(String::as_str)),
            is_partial: is_partial || sources.is_partial,
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
        assert_eq!(of("1. one 2. two v1.2.3, 00 and 0.0"), [""; 0]);
        assert_eq!(of("0.5 % of １，２００円, 10,20 and 30"), ["0.5", "10", "1200", "20", "30"]);
    }
}
