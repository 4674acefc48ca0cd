//! `exact`, `contains`, `regex` and `edit_distance`: the answer compared with configured texts.

use regex::{Regex, RegexBuilder};

use super::config::{ConfigFields, EvaluatorConfigError, invalid};
use super::input::answers;
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason};

/// Sizes of compiled patterns in bytes, each with the number of bytes of an answer that such a pattern searches. In the worst case a
/// search takes time in proportion to both, about a second; most patterns and texts take a hundredth of it. The size is the one without
/// Unicode, because the tables of classes such as `\w` are large and fast.
const PATTERN_SIZES: [(usize, usize); 4] = [(8 << 10, 1 << 20), (32 << 10, 256 << 10), (128 << 10, 64 << 10), (1 << 20, 16 << 10)];
/// Maximum size of a compiled pattern in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// Number of bytes of an answer that are searched for texts and patterns.
const SEARCHED_BYTES: usize = 4 << 20;
/// Number of characters of each text whose edit distance is computed. It is divided by the square root of the number of answers, since the
/// time grows with its square.
const COMPARED_CHARACTERS: usize = 5_000;

/// Returns a result about the first bytes of all answers: false with the reason of the first answer that fails.
fn all_pass(
    input: &EvaluationInput,
    searched_bytes: usize,
    passed: &str,
    fault: impl Fn(&str) -> Option<String>,
) -> Result<EvaluationResult, NotApplicableReason> {
    let answers = answers(input)?;
    let is_partial = answers.iter().any(|answer| answer.len() > searched_bytes);
    let prefix = |answer: &'_ str| fault(&answer[..answer.floor_char_boundary(searched_bytes.min(answer.len()))]);
    let failed = answers.iter().enumerate().find_map(|(at, answer)| prefix(answer).map(|reason| (at, reason)));
    let mut result = match failed {
        None => EvaluationResult::boolean(true, passed),
        Some((_, reason)) if answers.len() == 1 => EvaluationResult::boolean(false, reason),
        Some((at, reason)) => EvaluationResult::boolean(false, format!("Answer {} of {}: {reason}", at + 1, answers.len())),
    };
    if is_partial {
        result.is_partial = true;
        result.explanation.push_str(&format!(" Only the first {} KiB of an answer were searched.", searched_bytes >> 10));
    }
    Ok(result)
}

/// The answer equals a text.
#[derive(Debug)]
pub(super) struct ExactMatch {
    expected: String,
    ignores_case: bool,
    trims: bool,
}

impl ExactMatch {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<ExactMatch, EvaluatorConfigError> {
        let expected = fields.required_text("expected")?;
        let (ignores_case, trims) = (fields.boolean("ignore_case", false)?, fields.boolean("trim", true)?);
        Ok(ExactMatch { expected: plain(expected, ignores_case, trims), ignores_case, trims })
    }
}

fn plain(text: &str, ignores_case: bool, trims: bool) -> String {
    let text = if trims { text.trim() } else { text };
    if ignores_case { text.to_lowercase() } else { text.to_owned() }
}

impl EvaluatorMethod for ExactMatch {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        all_pass(input, SEARCHED_BYTES, "The answer equals the expected text.", |answer| {
            let differs = plain(answer, self.ignores_case, self.trims) != self.expected;
            differs.then(|| "The answer differs from the expected text.".to_owned())
        })
    }
}

/// The answer contains texts, or does not contain them.
#[derive(Debug)]
pub(super) struct ContainsMatch {
    any: Vec<String>,
    all: Vec<String>,
    none: Vec<String>,
    ignores_case: bool,
}

impl ContainsMatch {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<ContainsMatch, EvaluatorConfigError> {
        let (any, all, none) = (fields.texts("any")?, fields.texts("all")?, fields.texts("none")?);
        let ignores_case = fields.boolean("ignore_case", true)?;
        if any.is_empty() && all.is_empty() && none.is_empty() {
            return Err(invalid("any", "list at least one text in any, all or none"));
        }
        Ok(ContainsMatch { any, all, none, ignores_case })
    }
}

impl EvaluatorMethod for ContainsMatch {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        all_pass(input, SEARCHED_BYTES, "The answer contains what it must contain, and nothing that it must not contain.", |answer| {
            let answer = plain(answer, self.ignores_case, false);
            let contains = |text: &&String| answer.contains(&plain(text, self.ignores_case, false));
            if let Some(text) = self.none.iter().find(contains) {
                return Some(format!("The answer contains {text:?}."));
            }
            if let Some(text) = self.all.iter().find(|text| !contains(text)) {
                return Some(format!("The answer does not contain {text:?}."));
            }
            let lacks_any = !self.any.is_empty() && !self.any.iter().any(|text| contains(&text));
            lacks_any.then(|| "The answer contains none of the listed texts.".to_owned())
        })
    }
}

/// The answer matches a regular expression, or does not match it.
#[derive(Debug)]
pub(super) struct RegexMatch {
    pattern: Regex,
    searched_bytes: usize,
    must_match: bool,
}

impl RegexMatch {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<RegexMatch, EvaluatorConfigError> {
        let (pattern, must_match) = (fields.required_text("pattern")?, fields.boolean("must_match", true)?);
        let ignores_case = fields.boolean("ignore_case", false)?;
        let built = RegexBuilder::new(pattern).case_insensitive(ignores_case).size_limit(MAX_PATTERN_BYTES).build();
        let compiled = built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => invalid("pattern", "the pattern is too large; use shorter repetitions"),
            error => invalid("pattern", format!("the pattern is not valid: {error}")),
        })?;
        Ok(RegexMatch { pattern: compiled, searched_bytes: searched_bytes(pattern, ignores_case), must_match })
    }
}

impl EvaluatorMethod for RegexMatch {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let passed = if self.must_match { "The answer matches the pattern." } else { "The answer does not match the pattern." };
        all_pass(input, self.searched_bytes, passed, |answer| {
            let found = self.pattern.find(answer);
            match (self.must_match, found) {
                (true, None) => Some("The answer does not match the pattern.".to_owned()),
                (false, Some(found)) => {
                    Some(format!("The answer matches the pattern at character {}.", answer[..found.start()].chars().count() + 1))
                }
                _ => None,
            }
        })
    }
}

/// Returns how many bytes of an answer a pattern searches.
fn searched_bytes(pattern: &str, ignores_case: bool) -> usize {
    let fits = |size: usize, has_unicode: bool| {
        let mut builder = regex::bytes::RegexBuilder::new(pattern);
        builder.unicode(has_unicode).case_insensitive(ignores_case).size_limit(size).build()
    };
    // Classes such as \p{Han} exist with Unicode only.
    let needs_unicode = matches!(fits(MAX_PATTERN_BYTES, false), Err(regex::Error::Syntax(_)));
    let found = PATTERN_SIZES.into_iter().find(|(size, _)| fits(*size, needs_unicode).is_ok());
    found.unwrap_or(PATTERN_SIZES[PATTERN_SIZES.len() - 1]).1
}

/// Similarity of the answer to a text.
#[derive(Debug)]
pub(super) struct EditDistance {
    expected: String,
    normalizes: bool,
}

impl EditDistance {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<EditDistance, EvaluatorConfigError> {
        let (expected, normalizes) = (fields.required_text("expected")?, fields.boolean("normalize", true)?);
        Ok(EditDistance { expected: expected.to_owned(), normalizes })
    }

    /// Returns the compared part of a text, and whether it is not the whole text. Normalization ignores case and the number of spaces.
    fn compared(&self, text: &str, characters: usize) -> (String, bool) {
        let part: String = text.chars().take(characters).collect();
        let is_partial = part.len() < text.len();
        let text = if self.normalizes { part.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ") } else { part };
        (text, is_partial)
    }
}

impl EvaluatorMethod for EditDistance {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Number
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let answers = answers(input)?;
        let characters = (COMPARED_CHARACTERS as f64 / (answers.len() as f64).sqrt()) as usize;
        let (expected, mut is_partial) = self.compared(&self.expected, characters);
        let mut sum = 0.0;
        for answer in &answers {
            let (answer, is_part) = self.compared(answer, characters);
            is_partial |= is_part;
            sum += strsim::normalized_levenshtein(&answer, &expected);
        }
        let mean = sum / answers.len() as f64;
        let of = if answers.len() == 1 { "The answer".to_owned() } else { format!("The mean of {} answers", answers.len()) };
        let mut result = EvaluationResult::number(mean, format!("{of} has a similarity of {mean:.2} to the expected text."));
        if is_partial {
            result.is_partial = true;
            result.explanation.push_str(&format!(" Only the first {characters} characters of each text were compared."));
        }
        Ok(result)
    }
}
