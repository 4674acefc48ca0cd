//! `repetition`: the part of the answer that repeats earlier parts of it.

use std::collections::HashMap;

use super::config::{ConfigFields, EvaluatorConfigError};
use super::input::answers;
use super::words::{Token, tokens};
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason, evidence};

/// Number of successive words that count as repeated if they occur again. A Chinese or Japanese character counts as half a word.
const WORDS: usize = 4;
const CHARACTERS: usize = 8;
/// Shortest answer in words or characters.
const MIN_TOKENS: usize = 20;
/// Maximum number of words or characters that are read.
const MAX_TOKENS: usize = 20_000;

/// Share of the answer that repeats earlier parts.
#[derive(Debug)]
pub(super) struct Repetition;

impl Repetition {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<Repetition, EvaluatorConfigError> {
        // The server reads it: from this share on, a score is bad.
        fields.number("max_share", 0.0..=1.0)?;
        Ok(Repetition)
    }
}

/// Returns the share of tokens in sequences that occurred before, and the first tokens of the sequence that occurs most often.
fn repeated_share(tokens: &[Token]) -> (f64, Option<String>) {
    let is_wide = tokens.iter().filter(|token| token.is_wide).count() * 2 > tokens.len();
    let length = if is_wide { CHARACTERS } else { WORDS };
    let mut seen: HashMap<&[Token], usize> = HashMap::new();
    let mut is_repeated = vec![false; tokens.len()];
    for (at, sequence) in tokens.windows(length).enumerate() {
        let count = seen.entry(sequence).or_default();
        if *count > 0 {
            is_repeated[at..at + length].fill(true);
        }
        *count += 1;
    }
    let share = is_repeated.iter().filter(|is_repeated| **is_repeated).count() as f64 / tokens.len() as f64;
    let most = seen.into_iter().filter(|(_, count)| *count > 1).max_by_key(|(sequence, count)| (*count, std::cmp::Reverse(*sequence)));
    let joined = |sequence: &[Token]| {
        let words: Vec<&str> = sequence.iter().map(|token| token.text.as_str()).collect();
        words.join(if is_wide { "" } else { " " })
    };
    (share, most.map(|(sequence, _)| joined(sequence)))
}

impl EvaluatorMethod for Repetition {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Number
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let texts: Vec<(Vec<Token>, bool)> = answers(input)?.iter().map(|answer| tokens(answer, MAX_TOKENS)).collect();
        let is_partial = texts.iter().any(|(_, is_partial)| *is_partial);
        let shares: Vec<(f64, Option<String>)> =
            texts.iter().filter(|(tokens, _)| tokens.len() >= MIN_TOKENS).map(|(tokens, _)| repeated_share(tokens)).collect();
        if shares.is_empty() {
            return Err(NotApplicableReason::TextTooShort);
        }
        let mean = shares.iter().map(|(share, _)| share).sum::<f64>() / shares.len() as f64;
        let mut explanation = format!("{:.0} % of the answer repeats earlier parts of it.", mean * 100.0);
        if shares.len() > 1 {
            explanation.push_str(&format!(" The value is the mean of {} answers.", shares.len()));
        }
        if is_partial {
            explanation.push_str(" Only the first 20,000 words or characters were read.");
        }
        let repeated = evidence(shares.iter().filter_map(|(_, sequence)| sequence.as_deref()));
        Ok(EvaluationResult { evidence: repeated, is_partial, ..EvaluationResult::number(mean, explanation) })
    }
}
