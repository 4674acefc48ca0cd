//! `question_repeated`: the user asks the same thing again within three turns.
//!
//! Two questions are the same if they have the same words that carry meaning: words of grammar, of politeness and of complaint aside, and
//! with typing errors and endings. Questions that differ in a name or a number are different. Reads the first 1,000 bytes of a message.

use hinomi_model::id::SpanId;
use hinomi_model::span::{ChatMessage, Span, SpanStatus};

use super::Set;
use super::finding::{FindingExplanation, FindingSeverity, SignalFinding};
use super::question_words::{COMPLAINTS, STOP_CHARACTERS, STOP_ENDINGS, STOP_WORDS, canonical_word};
use super::run::AnalyzedRun;
use super::text::{bigram_similarity, contains_any, prefix, text_hash, texts};

/// Number of turns within which a repeated question is a fault.
const MAX_TURNS: usize = 3;
/// Number of bytes of a message that are compared.
const QUESTION_BYTES: usize = 1_000;
/// Number of questions that are remembered. History is recognized by them.
const MAX_KNOWN_QUESTIONS: usize = 64;
/// Shortest question: its letters, Chinese and Japanese ones counted double.
const MIN_WIDTH: usize = 10;

/// A message of the user.
#[derive(Debug, Clone)]
struct Question {
    hash: u64,
    span_id: SpanId,
    content: QuestionContent,
}

/// What a question is about.
#[derive(Debug, Clone)]
struct QuestionContent {
    /// Words that carry meaning, sorted.
    words: Vec<String>,
    numbers: Vec<String>,
    width: usize,
    is_complaint: bool,
}

/// Questions of a conversation so far. Traces are added in order of time.
#[derive(Debug, Clone, Default)]
pub struct QuestionHistory {
    /// The last questions.
    questions: Vec<Question>,
    /// Number of earlier questions, which are no longer in `questions`.
    forgotten: usize,
    /// Number of the question that was last found to be repeated.
    last_found: Option<usize>,
}

impl QuestionHistory {
    /// Adds the questions of the spans of one trace, and returns those that repeat an earlier question. History that a client sends again is
    /// not a repetition.
    pub fn add_trace(&mut self, spans: &[&Span]) -> Vec<SignalFinding> {
        let run = AnalyzedRun::of(spans);
        let first = self.questions.len();
        let texts = add_questions(&run, self);
        // A program that sends a failed request again does not ask again.
        if run.has_failed() && run.calls.iter().all(|call| call.status == SpanStatus::Error) {
            self.questions.truncate(first);
        }
        let mut findings = Vec::new();
        for (at, text) in (first..self.questions.len()).zip(texts) {
            let earlier = (at.saturating_sub(MAX_TURNS)..at).rev();
            let earlier = earlier.into_iter().find(|earlier| is_repeated(&self.questions[*earlier], &self.questions[at]));
            let Some(earlier) = earlier else { continue };
            // One finding for a question that is asked three times.
            if self.last_found.replace(self.forgotten + at) == Some(self.forgotten + earlier) {
                continue;
            }
            let (asked, again) = (&self.questions[earlier], &self.questions[at]);
            let reworded = asked.hash != again.hash;
            let explanation = FindingExplanation::AskedAgain { turns_later: (at - earlier) as u64, reworded };
            let confidence = if reworded { 0.8 } else { 0.9 };
            let finding = SignalFinding::new(FindingSeverity::Info, confidence, vec![asked.span_id, again.span_id], explanation);
            findings.push(finding.with_evidence(text));
        }
        let surplus = self.questions.len().saturating_sub(MAX_KNOWN_QUESTIONS);
        self.questions.drain(..surplus);
        self.forgotten += surplus;
        findings
    }

    /// Returns how many messages at the start are history: the longest start that the known questions end with. A single message is new, as
    /// is the last message, unless the whole history is sent again.
    fn known_prefix(&self, hashes: &[u64]) -> usize {
        let longest = if hashes.len() > 1 { hashes.len().min(self.forgotten + self.questions.len()) } else { 0 };
        let ends_with = |length: usize| {
            let known = self.questions.iter().rev().map(|question| question.hash);
            known.zip(hashes[..length].iter().rev()).all(|(known, sent)| known == *sent)
        };
        (1..=longest).rev().find(|length| ends_with(*length)).unwrap_or(0)
    }
}

fn user_texts(messages: &[ChatMessage]) -> Vec<&str> {
    messages.iter().filter(|message| message.role == "user").filter_map(|message| texts(message).next_back()).collect()
}

/// Adds the questions of a run that are not history. Returns their texts.
fn add_questions<'a>(run: &AnalyzedRun<'a>, history: &mut QuestionHistory) -> Vec<&'a str> {
    // Calls of agents below a tool have tasks, not questions of the user.
    let Some(mut call) = run.calls.iter().copied().find(|call| !call.input_messages.is_empty()) else { return Vec::new() };
    let mut sent = user_texts(&call.input_messages);
    if let Some(root) = run.root().filter(|root| !root.is_call()) {
        let of_root = user_texts(&root.input_messages);
        if let [only] = of_root[..]
            && !only.starts_with(['{', '['])
            && !sent.contains(&only)
        {
            (call, sent) = (root, of_root);
        }
    }
    // A trace may have several turns: the longest history that begins in the same way.
    for later in &run.calls {
        let messages = &later.input_messages;
        if messages.iter().filter(|message| message.role == "user").count() > sent.len() {
            let texts = user_texts(messages);
            if texts.len() > sent.len() && texts.first() == sent.first() {
                (call, sent) = (later, texts);
            }
        }
    }
    let hashes: Vec<u64> = sent.iter().map(|text| text_hash(text)).collect();
    let known = history.known_prefix(&hashes);
    let new = |(text, hash): (&&str, &u64)| Question { hash: *hash, span_id: call.span_id, content: QuestionContent::of(text) };
    history.questions.extend(sent.iter().zip(&hashes).skip(known).map(new));
    sent.split_off(known)
}

fn is_repeated(first: &Question, again: &Question) -> bool {
    let (one, other) = (&first.content, &again.content);
    if one.width < MIN_WIDTH || other.words.is_empty() || one.words.is_empty() || one.numbers != other.numbers {
        return false;
    }
    if first.hash == again.hash {
        return true;
    }
    let missing = unmatched(&one.words, &other.words);
    let added = unmatched(&other.words, &one.words);
    let size = one.words.len();
    if missing == 0 && added == 0 {
        return true;
    }
    // A complaint may shorten the question, or add to it.
    other.is_complaint && (missing == 0 || (added == 0 && other.words.len() * 2 >= size)) && added <= 2
}

/// Returns the number of words that the other question does not have, neither alone nor as parts of compounds.
fn unmatched(words: &[String], others: &[String]) -> usize {
    let has = |word: &String| others.iter().any(|other| are_same(word, other) || is_part_of(word, other)) || is_compound(word, others);
    words.iter().filter(|word| !has(word)).count()
}

/// Shortest part of a compound in bytes.
const MIN_PART_BYTES: usize = 5;

fn is_part_of(word: &str, compound: &str) -> bool {
    word.len() >= MIN_PART_BYTES && word.len() < compound.len() && compound.contains(word)
}

/// Returns true for a word that consists of words of the other question: `zurücksetzen` of `setze` and `zurück`.
fn is_compound(word: &str, others: &[String]) -> bool {
    let mut rest = word.to_owned();
    for other in others.iter().filter(|other| is_part_of(other, word)) {
        rest = rest.replacen(other.as_str(), "", 1);
    }
    rest.len() < word.len() && (rest.chars().count() <= 1 || others.iter().any(|other| are_same(&rest, other)))
}

fn is_ideographic(word: &str) -> bool {
    word.chars().all(|c| c > '\u{2e7f}')
}

/// Returns true for forms of one word and for typing errors.
fn are_same(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    if is_ideographic(left) || is_ideographic(right) {
        return left.chars().count() > 3 && right.chars().count() > 3 && bigram_similarity(left, right) >= 0.8;
    }
    let shorter = left.len().min(right.len());
    let common = left.bytes().zip(right.bytes()).take_while(|(l, r)| l == r).count();
    let longest_end = left.len().max(right.len()) - common;
    (shorter >= 4 && common >= 4 && common + 2 >= shorter && longest_end <= 4) || (shorter >= 5 && is_typing_error(left, right))
}

/// Returns true if two words differ by one letter that is missing, doubled or replaced, or by two letters that are swapped.
fn is_typing_error(left: &str, right: &str) -> bool {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len().abs_diff(right.len()) > 1 {
        return false;
    }
    let start = left.iter().zip(&right).take_while(|(l, r)| l == r).count();
    let rest = |extra_left: usize, extra_right: usize| left.get(start + extra_left..) == right.get(start + extra_right..);
    // A replaced letter makes another name as often as a typing error, so that only longer words count.
    let is_replaced = left.len() >= 7 && rest(1, 1);
    let is_swapped =
        start + 1 < left.len().min(right.len()) && left[start] == right[start + 1] && left[start + 1] == right[start] && rest(2, 2);
    is_replaced || is_swapped || rest(1, 0) || rest(0, 1)
}

impl QuestionContent {
    fn of(text: &str) -> QuestionContent {
        let text = prefix(text, QUESTION_BYTES).to_lowercase().replace('’', "'");
        let mut width = 0;
        let mut pieces: Vec<String> = vec![String::new()];
        let mut last_class = CharacterClass::Separator;
        for character in text.chars() {
            let class = CharacterClass::of(character);
            if class != last_class {
                pieces.push(String::new());
                last_class = class;
            }
            if character.is_alphanumeric() {
                width += if character > '\u{2e7f}' { 2 } else { 1 };
            }
            if class != CharacterClass::Separator {
                pieces.last_mut().expect("there is a piece").push(character);
            }
        }
        let (mut words, mut numbers) = (Set::default(), Vec::new());
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            let ending = STOP_ENDINGS.iter().find(|ending| piece.ends_with(**ending));
            let piece = ending.map_or(piece.as_str(), |ending| &piece[..piece.len() - ending.len()]).to_owned();
            if piece.is_empty() {
                continue;
            }
            if piece.starts_with(|c: char| c.is_numeric()) {
                numbers.push(piece);
            } else if !STOP_WORDS.contains(&piece.as_str()) && (piece.chars().count() > 1 || is_ideographic(&piece)) {
                words.insert(canonical_word(&piece));
            }
        }
        let mut words: Vec<String> = words.into_iter().collect();
        words.sort_unstable();
        numbers.sort_unstable();
        QuestionContent { words, numbers, width, is_complaint: contains_any(&text, COMPLAINTS) }
    }
}

/// Class of characters between which words end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CharacterClass {
    Separator,
    Letter,
    Digit,
    Katakana,
    Ideograph,
}

impl CharacterClass {
    /// Returns the class of a character. Hiragana is grammar and separates words, as do frequent characters of Chinese grammar.
    fn of(character: char) -> CharacterClass {
        match character {
            '\u{3040}'..='\u{309f}' => CharacterClass::Separator,
            '\u{30a0}'..='\u{30ff}' => CharacterClass::Katakana,
            c if STOP_CHARACTERS.contains(c) => CharacterClass::Separator,
            '\u{3400}'..='\u{9fff}' => CharacterClass::Ideograph,
            '\'' => CharacterClass::Letter,
            c if c.is_numeric() => CharacterClass::Digit,
            c if c.is_alphabetic() => CharacterClass::Letter,
            _ => CharacterClass::Separator,
        }
    }
}
