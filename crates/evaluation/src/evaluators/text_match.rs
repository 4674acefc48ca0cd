//! `exact`, `contains`, `regex` and `edit_distance`: the answer compared with configured texts.

use regex::{Regex, RegexBuilder};

use super::config::{ConfigFields, EvaluatorConfigError, invalid};
use super::input::answers;
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason};

/// Maximum size of a compiled pattern in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;
/// Number of bytes of an answer that are searched for texts and patterns.
const SEARCHED_BYTES: usize = 4 << 20;
/// Number of characters of each text whose edit distance is computed.
const COMPARED_CHARACTERS: usize = 5_000;

/// Answers of a target that are searched, and whether one of them was cut.
fn searched<'a>(input: &EvaluationInput<'a>) -> Result<(Vec<&'a str>, bool), NotApplicableReason> {
    let answers = answers(input)?;
    let is_partial = answers.iter().any(|answer| answer.len() > SEARCHED_BYTES);
    let prefix = |answer: &'a str| &answer[..answer.floor_char_boundary(SEARCHED_BYTES.min(answer.len()))];
    Ok((answers.into_iter().map(prefix).collect(), is_partial))
}

/// Returns a result about all answers: false with the reason of the first answer that fails.
fn all_pass(
    input: &EvaluationInput,
    passed: &str,
    fault: impl Fn(&str) -> Option<String>,
) -> Result<EvaluationResult, NotApplicableReason> {
    let (answers, is_partial) = searched(input)?;
    let failed = answers.iter().enumerate().find_map(|(at, answer)| fault(answer).map(|reason| (at, reason)));
    let mut result = match failed {
        None => EvaluationResult::boolean(true, passed),
        Some((_, reason)) if answers.len() == 1 => EvaluationResult::boolean(false, reason),
        Some((at, reason)) => EvaluationResult::boolean(false, format!("Answer {} of {}: {reason}", at + 1, answers.len())),
    };
    if is_partial {
        result.is_partial = true;
        result.explanation.push_str(" Only the first 4 MiB of the answer were searched.");
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
        all_pass(input, "The answer equals the expected text.", |answer| {
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
        all_pass(input, "The answer contains what it must contain, and nothing that it must not contain.", |answer| {
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
    must_match: bool,
}

impl RegexMatch {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<RegexMatch, EvaluatorConfigError> {
        let (pattern, must_match) = (fields.required_text("pattern")?, fields.boolean("must_match", true)?);
        let ignores_case = fields.boolean("ignore_case", false)?;
        let built = RegexBuilder::new(pattern).case_insensitive(ignores_case).size_limit(MAX_PATTERN_BYTES).build();
        let pattern = built.map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => invalid("pattern", "the pattern is too large; use shorter repetitions"),
            error => invalid("pattern", format!("the pattern is not valid: {error}")),
        })?;
        Ok(RegexMatch { pattern, must_match })
    }
}

impl EvaluatorMethod for RegexMatch {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let passed = if self.must_match { "The answer matches the pattern." } else { "The answer does not match the pattern." };
        all_pass(input, passed, |answer| {
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

/// Similarity of the answer to a text.
#[derive(Debug)]
pub(super) struct EditDistance {
    expected: String,
    normalizes: bool,
}

impl EditDistance {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<EditDistance, EvaluatorConfigError> {
        let (expected, normalizes) = (fields.required_text("expected")?, fields.boolean("normalize", true)?);
        Ok(EditDistance { expected: normalized(expected, normalizes).0, normalizes })
    }
}

/// Returns the compared part of a text, and whether it is not the whole text. Normalization ignores case and the number of spaces.
fn normalized(text: &str, normalizes: bool) -> (String, bool) {
    let part: String = text.chars().take(COMPARED_CHARACTERS).collect();
    let is_partial = part.len() < text.len();
    let text = if normalizes { part.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ") } else { part };
    (text, is_partial)
}

impl EvaluatorMethod for EditDistance {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Number
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let compared: Vec<(String, bool)> = answers(input)?.into_iter().map(|answer| normalized(answer, self.normalizes)).collect();
        let similarities = compared.iter().map(|(answer, _)| strsim::normalized_levenshtein(answer, &self.expected));
        let mean = similarities.sum::<f64>() / compared.len() as f64;
        let of = if compared.len() == 1 { "The answer".to_owned() } else { format!("The mean of {} answers", compared.len()) };
        let mut result = EvaluationResult::number(mean, format!("{of} has a similarity of {mean:.2} to the expected text."));
        if compared.iter().any(|(_, is_partial)| *is_partial) {
            result.is_partial = true;
            result.explanation.push_str(" Only the first 5,000 characters of the answer were compared.");
        }
        Ok(result)
    }
}
