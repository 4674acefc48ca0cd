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
/// Maximum number of turns of a conversation that are compared.
const MAX_CONVERSATION_TURNS: usize = 20_000;
/// Shortest question: its letters, Chinese and Japanese ones counted double.
const MIN_WIDTH: usize = 10;

/// A message of the user.
struct Question<'a> {
    text: &'a str,
    hash: u64,
    span_id: SpanId,
    content: QuestionContent,
}

/// What a question is about.
struct QuestionContent {
    /// Words that carry meaning, sorted.
    words: Vec<String>,
    numbers: Vec<String>,
    width: usize,
    is_complaint: bool,
}

/// Finds repeated questions in a conversation. Each element has the spans of one trace; the traces are in order of time.
pub(super) fn find(traces: &[&[&Span]], findings: &mut Vec<SignalFinding>) {
    let mut questions: Vec<Question> = Vec::new();
    for trace in traces {
        let run = AnalyzedRun::of(trace);
        let retry = run.has_failed().then_some(questions.len());
        add_questions(&run, &mut questions);
        // A program that sends a failed request again does not ask again.
        if let Some(first) = retry
            && run.calls.iter().all(|call| call.status == SpanStatus::Error)
        {
            questions.truncate(first);
        }
    }
    let mut last_found = None;
    for at in 1..questions.len().min(MAX_CONVERSATION_TURNS) {
        let earlier = (at.saturating_sub(MAX_TURNS)..at).rev().find(|earlier| is_repeated(&questions[*earlier], &questions[at]));
        let Some(earlier) = earlier else { continue };
        // One finding for a question that is asked three times.
        if last_found == Some(earlier) {
            last_found = Some(at);
            continue;
        }
        last_found = Some(at);
        let (first, again) = (&questions[earlier], &questions[at]);
        let reworded = first.hash != again.hash;
        let explanation = FindingExplanation::AskedAgain { turns_later: (at - earlier) as u64, reworded };
        let confidence = if reworded { 0.8 } else { 0.9 };
        let finding = SignalFinding::new(FindingSeverity::Info, confidence, vec![first.span_id, again.span_id], explanation);
        findings.push(finding.with_evidence(again.text));
    }
}

fn user_texts(messages: &[ChatMessage]) -> Vec<&str> {
    messages.iter().filter(|message| message.role == "user").filter_map(|message| texts(message).next_back()).collect()
}

/// Adds the questions of a run that are not history.
fn add_questions<'a>(run: &AnalyzedRun<'a>, questions: &mut Vec<Question<'a>>) {
    // Calls of agents below a tool have tasks, not questions of the user.
    let Some(mut call) = run.calls.iter().copied().find(|call| !call.input_messages.is_empty()) else { return };
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
    let known = known_prefix(questions, &hashes);
    for (text, hash) in sent.into_iter().zip(hashes).skip(known) {
        questions.push(Question { text, hash, span_id: call.span_id, content: QuestionContent::of(text) });
    }
}

/// Returns how many messages at the start are history: the longest start that the known questions end with. The last message is new, unless
/// the whole history is sent again.
fn known_prefix(questions: &[Question], hashes: &[u64]) -> usize {
    let ends_with = |start: &[u64]| {
        questions.len() >= start.len()
            && questions[questions.len() - start.len()..].iter().zip(start).all(|(known, hash)| known.hash == *hash)
    };
    let longest = if hashes.len() > 1 { hashes.len() } else { 0 };
    (0..=longest.min(questions.len()).min(200)).rev().find(|length| ends_with(&hashes[..*length])).unwrap_or(0)
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
