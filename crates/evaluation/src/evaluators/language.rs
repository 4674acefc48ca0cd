//! `language`: the language of the answer.

use super::config::{ConfigFields, EvaluatorConfigError, invalid};
use super::input::answered;
use super::{EvaluationInput, EvaluationResult, EvaluationValueType, EvaluatorMethod, NotApplicableReason};
use crate::signals::{LANGUAGE_TEXT_BYTES, are_confusable, are_different_languages, language_of};

/// Codes of languages: of two letters (ISO 639-1), and of three (ISO 639-3).
#[rustfmt::skip]
const LANGUAGES: &[(&str, &str)] = &[
    ("ar", "ara"), ("bg", "bul"), ("cs", "ces"), ("da", "dan"), ("de", "deu"), ("el", "ell"), ("en", "eng"), ("es", "spa"),
    ("fa", "pes"), ("fi", "fin"), ("fr", "fra"), ("he", "heb"), ("hi", "hin"), ("hr", "hrv"), ("hu", "hun"), ("id", "ind"),
    ("it", "ita"), ("ja", "jpn"), ("ko", "kor"), ("nb", "nob"), ("nl", "nld"), ("no", "nob"), ("pl", "pol"), ("pt", "por"),
    ("ro", "ron"), ("ru", "rus"), ("sk", "slk"), ("sv", "swe"), ("th", "tha"), ("tr", "tur"), ("uk", "ukr"), ("vi", "vie"),
    ("zh", "cmn"),
];

/// The answer is in a language: a configured one, or the one of the question.
#[derive(Debug)]
pub(super) struct LanguageMatch {
    /// Code of two letters, and of three.
    expected: Option<(&'static str, &'static str)>,
}

impl LanguageMatch {
    pub(super) fn new(fields: &mut ConfigFields) -> Result<LanguageMatch, EvaluatorConfigError> {
        let Some(code) = fields.text("expected")? else { return Ok(LanguageMatch { expected: None }) };
        let found = LANGUAGES.iter().find(|(short, _)| *short == code).copied();
        let codes = || LANGUAGES.iter().map(|(short, _)| *short).collect::<Vec<_>>().join(", ");
        found.map(|found| LanguageMatch { expected: Some(found) }).ok_or_else(|| invalid("expected", format!("use one of {}", codes())))
    }

    /// Returns whether an answer is in the right language, and the explanation; `None` if its language cannot be told.
    fn check(&self, question: Option<&str>, answer: &str) -> Option<(bool, String)> {
        let short = |code: &str| LANGUAGES.iter().find(|(_, long)| *long == code).map_or(code.to_owned(), |(short, _)| (*short).to_owned());
        if let Some((wanted, code)) = self.expected {
            let found = language_of(answer)?;
            if found != code && are_confusable(answer, found, code) {
                return None;
            }
            return Some((found == code, format!("The answer is in {}, and {wanted} is expected.", short(found))));
        }
        let question = question?;
        if let Some((asked, answered)) = are_different_languages(question, answer) {
            return Some((false, format!("The question is in {}, and the answer is in {}.", short(&asked), short(&answered))));
        }
        let (asked, answered) = (language_of(question)?, language_of(answer)?);
        (asked == answered).then(|| (true, format!("Question and answer are in {}.", short(answered))))
    }
}

impl EvaluatorMethod for LanguageMatch {
    fn value_type(&self) -> EvaluationValueType {
        EvaluationValueType::Boolean
    }

    fn evaluate(&self, input: &EvaluationInput) -> Result<EvaluationResult, NotApplicableReason> {
        let answered = answered(input)?;
        if self.expected.is_none() && answered.iter().all(|(question, _)| question.is_none()) {
            return Err(NotApplicableReason::NoInput);
        }
        let checked: Vec<(bool, String)> = answered.iter().filter_map(|(question, answer)| self.check(*question, answer)).collect();
        let worst = checked.iter().find(|(is_right, _)| !is_right).or(checked.first());
        let (is_right, explanation) = worst.ok_or(NotApplicableReason::UnknownLanguage)?;
        let mut result = EvaluationResult::boolean(*is_right, explanation.clone());
        if answered.iter().any(|(_, answer)| answer.len() > LANGUAGE_TEXT_BYTES) {
            result.is_partial = true;
            result.explanation.push_str(" Only the first 4,000 bytes of an answer were read.");
        }
        Ok(result)
    }
}
