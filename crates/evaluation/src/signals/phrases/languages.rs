//! Names of languages and words of translation, by which a message asks for an answer in a certain language.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{automaton, folded};
use crate::signals::text::{prefix, suffix};

/// Number of bytes at each end of a message that are read.
const MESSAGE_BYTES: usize = 8 * 1024;

/// Names of languages and words of translation.
#[rustfmt::skip]
const LANGUAGE_WORDS: &[&str] = &[
    "translat", "english", "japanese", "german", "french", "chinese", "mandarin", "spanish", "italian", "portuguese", "korean", "russian",
    "dutch", "arabic", "turkish", "vietnamese", "hindi", "swedish", "polish", "thai", "indonesian", "locali", "subtitle", "lang:",
    "language:", "language code", "locale", "en-us", "ja-jp", "bilingual", "翻訳", "和訳", "英訳", "訳して", "訳し", "英語", "日本語",
    "ドイツ語", "フランス語", "中国語", "韓国語", "スペイン語", "イタリア語", "ロシア語", "独訳", "仏訳", "言語で", "英作文", "英文",
    "übersetz", "deutsch", "englisch", "französisch", "japanisch", "chinesisch", "spanisch", "italienisch", "russisch", "koreanisch",
    "tradui", "traduction", "anglais", "français", "allemand", "japonais", "chinois", "espagnol", "italien", "russe", "翻译", "翻譯",
    "译成", "译为", "英文", "英语", "中文", "汉语", "日语", "日文", "德语", "德文", "法语", "法文", "韩语", "西班牙语", "俄语", "traduc",
    "traduz", "tradur", "inglés", "inglese", "inglês", "alemán", "tedesco", "alemão", "francés", "francese", "francês", "español",
    "japonés", "giapponese", "japonês", "chino", "번역", "영어", "한국어", "일본어", "перевод", "перевед", "английск", "русск", "японск",
];

static LANGUAGE_AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| automaton(LANGUAGE_WORDS));

/// Returns true if a message names a language or asks for a translation. Reads 8 KiB of each end.
pub(crate) fn names_language(message: &str) -> bool {
    let is_named = |text: &str| LANGUAGE_AUTOMATON.is_match(folded(text).as_str());
    is_named(prefix(message, MESSAGE_BYTES)) || (message.len() > MESSAGE_BYTES && is_named(suffix(message, MESSAGE_BYTES)))
}
