//! `wrong_language`: the answer is in another language than the question.
//!
//! The check is conservative: texts that are short, mixed, mostly code, names or numbers give no finding, nor does any mention of a
//! language in the system prompt or in a message of the user. It reads the first 4,000 bytes of the question and of the answer.

use whatlang::Lang;

use super::finding::{FindingExplanation, FindingSeverity, SignalFinding};
use super::phrases::names_language;
use super::run::AnalyzedRun;
use super::text::{prefix, texts};

/// Number of bytes of a text from which its language is determined.
pub(crate) const TEXT_BYTES: usize = 4_000;
/// Shortest question and answer in letters of an alphabet, and in Chinese or Japanese characters or Korean syllables.
const MIN_QUESTION: (usize, usize) = (16, 6);
const MIN_ANSWER: (usize, usize) = (40, 14);
/// Share of its main script that a text needs.
const MIN_SHARE: f64 = 0.8;
/// Shortest text in letters whose language is told from another of the same alphabet, and the fewest words of it.
const MIN_SAME_ALPHABET: (usize, usize) = (24, 4);
/// Number of Chinese characters without kana from which a text is Chinese.
const MIN_CHINESE: usize = 12;
/// Maximum number of messages that are searched for the name of a language.
const MAX_MESSAGES: usize = 50;

/// Writing system of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Hebrew,
    Thai,
    Devanagari,
    Hangul,
    Han,
    Japanese,
}

impl Script {
    /// Returns the ISO code of the language, or of the script if it has several languages.
    fn code(self) -> &'static str {
        match self {
            Script::Latin => "Latn",
            Script::Cyrillic => "Cyrl",
            Script::Greek => "ell",
            Script::Arabic => "Arab",
            Script::Hebrew => "heb",
            Script::Thai => "tha",
            Script::Devanagari => "Deva",
            Script::Hangul => "kor",
            Script::Han => "cmn",
            Script::Japanese => "jpn",
        }
    }

    fn is_east_asian(self) -> bool {
        matches!(self, Script::Hangul | Script::Han | Script::Japanese)
    }
}

/// Finds an answer in another language.
pub(super) fn find(run: &AnalyzedRun, findings: &mut Vec<SignalFinding>) {
    let Some(answer) = run.final_answer() else { return };
    let Some(question) = run.question(answer) else { return };
    if answer.text.starts_with(['{', '[', '<']) || question.starts_with(['{', '[', '<']) {
        return;
    }
    let Some((asked, answered)) = are_different_languages(question, answer.text) else { return };
    let messages = answer.span.input_messages.iter().chain(run.root().into_iter().flat_map(|root| &root.input_messages));
    let asks = |role: &str| matches!(role, "system" | "user" | "developer");
    let mut asking = messages.filter(|message| asks(&message.role)).take(MAX_MESSAGES).flat_map(texts);
    if names_language(question) || asking.any(names_language) {
        return;
    }
    let explanation = FindingExplanation::OtherLanguage { asked, answered };
    findings.push(SignalFinding::new(FindingSeverity::Warning, 0.85, vec![answer.span.span_id], explanation).with_evidence(answer.text));
}

/// Returns the ISO 639-3 code of the language of a text; `None` if it cannot be told.
pub(crate) fn language_of(text: &str) -> Option<&'static str> {
    let text = prose(prefix(text, TEXT_BYTES));
    match main_script(&text, MIN_QUESTION)? {
        Script::Latin | Script::Cyrillic | Script::Arabic | Script::Devanagari => reliable_language(&text).map(|language| language.code()),
        script => Some(script.code()),
    }
}

/// Returns true if a text whose language was found to be one may be in the other: languages that detectors confuse, and a few Chinese
/// characters, which may be Japanese. The languages are ISO 639-3 codes.
pub(crate) fn are_confusable(text: &str, found: &str, other: &str) -> bool {
    if (found, other) == (Script::Han.code(), Script::Japanese.code()) {
        let letters = prose(prefix(text, TEXT_BYTES)).chars().filter(|c| c.is_alphabetic()).take(MIN_CHINESE).count();
        return letters < MIN_CHINESE;
    }
    matches!((Lang::from_code(found), Lang::from_code(other)), (Some(found), Some(other)) if are_close(found, other))
}

/// Returns the languages of a question and an answer if they certainly differ.
pub(crate) fn are_different_languages(question: &str, answer: &str) -> Option<(String, String)> {
    let (question, answer) = (prose(prefix(question, TEXT_BYTES)), prose(prefix(answer, TEXT_BYTES)));
    let asked = main_script(&question, MIN_QUESTION)?;
    let answered = main_script(&answer, MIN_ANSWER)?;
    if asked != answered {
        // A few Chinese characters may be Japanese.
        let is_unsure =
            |text: &str, script: Script| script == Script::Han && text.chars().filter(|c| c.is_alphabetic()).count() < MIN_CHINESE;
        let is_japanese_or_chinese =
            [Script::Han, Script::Japanese].contains(&asked) && [Script::Han, Script::Japanese].contains(&answered);
        if is_japanese_or_chinese && (is_unsure(&question, asked) || is_unsure(&answer, answered)) {
            return None;
        }
        return Some((code_of(&question, asked), code_of(&answer, answered)));
    }
    if !matches!(asked, Script::Latin | Script::Cyrillic) || !is_long(&question) || !is_long(&answer) {
        return None;
    }
    if asked == Script::Latin && whichlang::detect_language(&question) == whichlang::detect_language(&answer) {
        return None;
    }
    let (asked, answered) = (reliable_language(&question)?, reliable_language(&answer)?);
    (asked != answered && !are_close(asked, answered)).then(|| (asked.code().to_owned(), answered.code().to_owned()))
}

fn is_long(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    letters >= MIN_SAME_ALPHABET.0 && text.split_whitespace().count() >= MIN_SAME_ALPHABET.1
}

fn code_of(text: &str, script: Script) -> String {
    let language = if script == Script::Latin { reliable_language(text) } else { None };
    language.map_or(script.code(), |language| language.code()).to_owned()
}

/// Returns the language of a text in which two detectors agree, where both know it.
fn reliable_language(text: &str) -> Option<Lang> {
    let info = whatlang::detect(text)?;
    let guess = whichlang::detect_language(text).three_letter_code();
    let agrees = info.lang().code() == guess;
    let is_sure = if agrees { info.confidence() >= 0.05 } else { info.is_reliable() && info.confidence() >= 0.95 };
    is_sure.then(|| info.lang())
}

/// Returns true for languages that detectors confuse.
fn are_close(left: Lang, right: Lang) -> bool {
    let groups: &[&[Lang]] = &[
        &[Lang::Spa, Lang::Por, Lang::Cat, Lang::Ita],
        &[Lang::Swe, Lang::Nob, Lang::Dan],
        &[Lang::Nld, Lang::Afr, Lang::Deu],
        &[Lang::Ces, Lang::Slk, Lang::Pol, Lang::Slv, Lang::Hrv],
        &[Lang::Rus, Lang::Ukr, Lang::Bel, Lang::Bul, Lang::Mkd, Lang::Srp],
        &[Lang::Est, Lang::Fin],
        &[Lang::Ind, Lang::Jav, Lang::Tgl],
        &[Lang::Tur, Lang::Aze, Lang::Tuk, Lang::Uzb],
    ];
    groups.iter().any(|group| group.contains(&left) && group.contains(&right))
}

/// Returns a text without code, quotations, addresses and identifiers.
fn prose(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            continue;
        }
        if is_code || line.trim_start().starts_with(['>', '|', '$', '#']) && line.len() < 4 {
            continue;
        }
        let mut quote = None;
        let mut plain = String::with_capacity(line.len());
        for character in line.chars() {
            match (quote, character) {
                (Some(end), c) if c == end => quote = None,
                (Some(_), _) => {}
                (None, '`') => quote = Some('`'),
                (None, '"') => quote = Some('"'),
                (None, '「') => quote = Some('」'),
                (None, '『') => quote = Some('』'),
                (None, '“') => quote = Some('”'),
                (None, '«') => quote = Some('»'),
                (None, '„') => quote = Some('“'),
                (None, c) => plain.push(c),
            }
        }
        // Japanese and Chinese sentences have no spaces: they are words that contain digits and brackets.
        let is_plain = |word: &str| {
            let is_symbol = |c: char| matches!(c, '/' | '\\' | '_' | '@' | '=' | '{' | '}' | '<' | '>' | '(' | ')') || c.is_ascii_digit();
            !word.contains("://") && !word.contains(is_symbol)
        };
        let is_word = |word: &&str| is_plain(word) || word.chars().filter(|c| *c > '\u{2e7f}').count() > 3;
        for word in plain.split_whitespace().filter(is_word) {
            prose.push_str(word);
            prose.push(' ');
        }
        prose.push('\n');
    }
    prose
}

/// Returns the script of a text; `None` if it is too short or mixed.
fn main_script(text: &str, (min_letters, min_east_asian): (usize, usize)) -> Option<Script> {
    let mut counts = [0usize; 10];
    for character in text.chars().filter(|c| c.is_alphabetic()) {
        let script = match u32::from(character) {
            0x41..=0x24f | 0x1e00..=0x1eff => Script::Latin,
            0x370..=0x3ff => Script::Greek,
            0x400..=0x52f => Script::Cyrillic,
            0x590..=0x5ff => Script::Hebrew,
            0x600..=0x6ff => Script::Arabic,
            0x900..=0x97f => Script::Devanagari,
            0xe00..=0xe7f => Script::Thai,
            0x3040..=0x30ff | 0xff66..=0xff9d => Script::Japanese,
            0x3400..=0x9fff => Script::Han,
            0xac00..=0xd7a3 | 0x1100..=0x11ff => Script::Hangul,
            _ => continue,
        };
        counts[script as usize] += 1;
    }
    // A text with some kana is Japanese, kanji included.
    let kana = counts[Script::Japanese as usize];
    let han = counts[Script::Han as usize];
    if kana > 0 && kana * 12 >= han {
        counts[Script::Japanese as usize] += std::mem::take(&mut counts[Script::Han as usize]);
    }
    let scripts = [
        Script::Latin,
        Script::Cyrillic,
        Script::Greek,
        Script::Arabic,
        Script::Hebrew,
        Script::Thai,
        Script::Devanagari,
        Script::Hangul,
        Script::Han,
        Script::Japanese,
    ];
    let main = scripts.into_iter().max_by_key(|script| weight(*script, counts[*script as usize]))?;
    let count = counts[main as usize];
    let total: usize = scripts.iter().map(|script| weight(*script, counts[*script as usize])).sum();
    let minimum = if main.is_east_asian() { min_east_asian } else { min_letters };
    (count >= minimum && weight(main, count) as f64 >= MIN_SHARE * total as f64).then_some(main)
}

/// Returns the length of letters compared with those of an alphabet.
fn weight(script: Script, count: usize) -> usize {
    if script.is_east_asian() { 3 * count } else { count }
}
