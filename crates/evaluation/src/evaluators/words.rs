//! Words and sentences of texts in any language.

/// A word in lower case, or one character of a script without spaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Token {
    pub(super) text: String,
    /// True for a Chinese or Japanese character.
    pub(super) is_wide: bool,
}

fn is_wide(character: char) -> bool {
    matches!(u32::from(character), 0x3040..=0x30ff | 0x3400..=0x9fff | 0xf900..=0xfaff | 0xff66..=0xff9d)
}

/// Returns the first words and characters of a text, without punctuation, and whether there are more.
pub(super) fn tokens(text: &str, max_tokens: usize) -> (Vec<Token>, bool) {
    let mut tokens: Vec<Token> = Vec::new();
    let mut word = String::new();
    let end_word = |word: &mut String, tokens: &mut Vec<Token>| {
        if !word.is_empty() {
            tokens.push(Token { text: std::mem::take(word), is_wide: false });
        }
    };
    for character in text.chars() {
        if tokens.len() >= max_tokens {
            return (tokens, true);
        }
        if is_wide(character) {
            end_word(&mut word, &mut tokens);
            tokens.push(Token { text: character.to_string(), is_wide: true });
        } else if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        } else {
            end_word(&mut word, &mut tokens);
        }
    }
    end_word(&mut word, &mut tokens);
    (tokens, false)
}

/// Returns the first sentences of a text. A line break and the marks of other languages end a sentence, too.
pub(super) fn sentences(text: &str, max_sentences: usize) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let end = at + character.len_utf8();
        let is_wide_mark = matches!(character, '。' | '！' | '？' | '\n' | '।');
        let is_mark = matches!(character, '.' | '!' | '?') && characters.peek().is_none_or(|(_, next)| next.is_whitespace());
        if is_wide_mark || is_mark {
            sentences.push(text[start..end].trim());
            start = end;
        }
        if sentences.len() > max_sentences * 2 {
            break;
        }
    }
    sentences.push(text[start..].trim());
    sentences.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    sentences.truncate(max_sentences);
    sentences
}

/// Returns what carries the content of a text: words of at least four letters or with digits, pairs of Chinese or Japanese characters, and
/// the first two syllables of Korean words, whose ends change with their role.
pub(super) fn content_words(text: &str) -> Vec<String> {
    let (tokens, _) = tokens(text, usize::MAX);
    let pairs = tokens.windows(2).filter(|pair| pair.iter().all(|token| token.is_wide));
    let mut words: Vec<String> = pairs.map(|pair| format!("{}{}", pair[0].text, pair[1].text)).collect();
    words.extend(tokens.into_iter().filter(|token| !token.is_wide).filter_map(|token| content_word(token.text)));
    words
}

fn content_word(word: String) -> Option<String> {
    if word.starts_with(|character| matches!(character, '가'..='힣')) {
        let stem: String = word.chars().take(2).collect();
        return (stem.chars().count() == 2).then_some(stem);
    }
    let is_content = word.chars().nth(3).is_some() || word.chars().any(|character| character.is_ascii_digit());
    is_content.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_marks_of_all_languages_but_not_within_numbers() {
        assert_eq!(sentences("It costs 3.5 dollars. Really? Yes", 9), ["It costs 3.5 dollars.", "Really?", "Yes"]);
        assert_eq!(sentences("東京は首都です。大阪は違います！", 9), ["東京は首都です。", "大阪は違います！"]);
        assert_eq!(sentences("- one\n- two\n\n---", 9), ["- one", "- two"]);
    }

    #[test]
    fn words_without_spaces_are_pairs_of_characters() {
        assert_eq!(content_words("The Tower of 1889"), ["tower", "1889"]);
        assert_eq!(content_words("東京都"), ["東京", "京都"]);
        assert_eq!(content_words("서울은 한국의 수도"), ["서울", "한국", "수도"]);
    }
}
