//! Phrases of refusals.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::{automaton, folded};
use crate::signals::text::prefix;

/// Number of bytes at the start of an answer in which a refusal stands.
const START_BYTES: usize = 320;

/// Longest refusal in characters, Chinese and Japanese ones counted double. A longer answer gives something.
const MAX_WIDTH: usize = 900;

/// Words by which a model says that it does not do something.
#[rustfmt::skip]
const NEGATIONS: &[&str] = &[
    "i can't", "i cannot", "i can not", "i won't", "i will not", "i'm unable to", "i am unable to", "i'm not able to", "i am not able to",
    "i'm not going to", "i am not going to", "i must decline", "i have to decline", "i need to decline", "i'll have to decline",
    "i decline to", "i'd rather not", "i would rather not", "i refuse to", "i'm not comfortable", "i am not comfortable",
    "i'm not permitted to", "i'm not allowed to", "i am not allowed to", "i am not permitted to", "i don't feel comfortable",
    "not something i can", "not something i'm able to", "isn't something i can", "is not something i can", "beyond what i can",
    "i'm afraid i can't", "outside what i can", "i wouldn't be able to", "i won't be able to", "i'm prohibited from",
    "i am prohibited from", "i do not", "i don't think i should", "i really can't", "i really cannot", "i don't", "i'm not going to",
    "i should not", "i shouldn't", "i am not in a position to", "i'm not in a position to", "so i can't", "i'm not authorized to",
    "i am not authorized to", "i'm not qualified to", "i'd prefer not to", "i would prefer not to",
];

/// Words that follow such a negation in a refusal. "Find", "access" or "see" follow it where something failed.
#[rustfmt::skip]
const DECLINED_ACTS: &[&str] = &[
    "help", "assist", "provide", "comply", "fulfil", "answer", "respond", "discuss", "share", "generate", "create", "write", "produce",
    "offer", "support", "engage", "do that", "do this", "go along", "give you", "give out", "give instructions", "give advice",
    "give medical", "give legal", "facilitate", "participate", "advise", "talk about", "reveal", "disclose", "continue with",
    "proceed with", "accommodate", "carry out", "explain how", "tell you how", "teach", "translate", "process this request",
    "process that request", "complete this request", "complete that", "diagnose", "prescribe", "continue", "tell you", "say who",
    "say what", "speak", "do so", "encourage", "promote", "take part", "take a position", "take sides", "weigh in", "be involved",
    "be part of", "draft", "design", "describe", "walk you through", "evaluate", "judge", "make that", "make this", "speculate",
    "process that", "process this",
];

/// Words that follow a negation where something failed, or in a figure of speech.
#[rustfmt::skip]
const OTHER_ACTS: &[&str] = &[
    "find", "access", "see", "open", "locate", "reach", "reproduce", "read", "load", "connect", "verify", "log ", "wait", "recommend",
    "thank", "stress", "help but", "say for", "tell from", "be sure", "guarantee",
];

/// Number of words after a negation among which the declined act begins.
const MAX_WORDS_BEFORE_ACT: usize = 5;

/// Phrases that are refusals alone.
#[rustfmt::skip]
const REFUSALS: &[&str] = &[
    "against my guidelines", "violates my guidelines", "goes against our policy", "against our policies", "i must decline",
    "i have to decline", "i need to decline", "i'll have to decline", "my guidelines don't allow", "i respectfully decline",
    "can't comply with", "not comfortable helping", "not comfortable with", "not something i can help", "not something i can assist",
    "isn't something i can help", "i'm not comfortable", "outside the scope of what i can", "お手伝いできません",
    "お手伝いすることはできません", "お手伝いすることができません", "お答えできません", "お答えすることはできません",
    "お答えすることができません", "お答えしかねます", "対応できません", "対応することはできません", "対応いたしかねます",
    "対応しかねます", "お応えできません", "お応えすることはできません", "お応えしかねます", "提供できません", "提供することはできません",
    "ご提供できません", "提供することができません", "提供いたしかねます", "ご案内できません", "ご案内いたしかねます", "ご案内しかねます",
    "回答できません", "回答することはできません", "回答を控え", "お断り", "差し控え", "支援できません", "支援することはできません",
    "サポートできません", "従うことはできません", "応じることはできません", "応じられません", "応じかねます", "ご要望には",
    "ご協力できません", "協力できません", "協力することはできません", "作成できません", "作成することはできません", "作成いたしかねます",
    "お教えできません", "教えることはできません", "お伝えできません", "お伝えすることはできません", "kann ich nicht helfen",
    "kann ich ihnen nicht helfen", "kann ich dir nicht helfen", "nicht weiterhelfen", "nicht behilflich sein", "nicht beantworten",
    "nicht unterstützen", "kann ich nicht bereitstellen", "nicht zur verfügung stellen", "muss ich ablehnen", "ich darf nicht",
    "darf ich nicht", "darf ich keine", "nicht dabei helfen", "nicht damit helfen", "kann ich keine auskunft", "kann ich keine anleitung",
    "ich kann ihnen dabei nicht", "ich kann dir dabei nicht", "ich kann diese anfrage nicht", "ich kann diese bitte nicht",
    "kann ich nicht erfüllen", "kann ich nicht nachkommen", "je ne peux pas vous aider", "je ne peux pas t'aider", "je ne peux pas aider",
    "je ne peux pas répondre", "je ne peux pas fournir", "je ne peux pas vous fournir", "je ne suis pas en mesure de",
    "je ne peux pas accéder à cette demande", "je ne peux pas donner suite", "je refuse de", "je dois refuser", "je dois décliner",
    "je ne saurais", "je ne peux pas satisfaire", "je ne peux pas traiter cette demande", "je ne peux pas créer",
    "je ne peux pas rédiger", "je ne peux pas participer", "我无法提供", "我不能提供", "我无法帮助", "我不能帮助", "我无法协助",
    "我不能协助", "我无法回答", "我不能回答", "无法为您提供", "无法为你提供", "无法满足", "不能满足", "无法协助", "无法帮助", "无法帮您",
    "无法帮你", "不能帮您", "不能帮你", "我拒绝", "无法完成这个请求", "无法完成您的请求", "无法处理您的请求", "不便回答", "不方便回答",
    "無法提供", "無法協助", "無法回答", "no puedo ayudar", "no puedo proporcionar", "no puedo responder", "no puedo ofrecer",
    "no puedo cumplir", "no puedo asistir", "non posso aiutar", "non posso fornire", "não posso ajudar", "não posso fornecer",
    "도와드릴 수 없", "제공할 수 없", "답변할 수 없", "не могу помочь", "не могу предоставить", "against my policies",
    "against my principles", "against my programming", "violates my policies", "outside of my scope", "outside my scope",
    "beyond my scope", "out of scope for me", "i can only answer questions", "i can only help with", "i can only assist",
    "i'm only able to help", "i am only able to help", "pass on that one", "pass on this one", "respectfully decline", "お話しできません",
    "お話しすることはできません", "お受けできません", "お受けしかねます", "お引き受けできません", "帮不了", "无可奉告",
    "keine beratung geben", "keine medizinische beratung", "keine rechtsberatung", "i have to say no", "outside what i can",
    "can't do that.", "それはできません", "それは出来ません", "kann ich dazu nichts", "dazu nichts sagen", "gebe ich keine auskunft",
    "keine rechtlichen", "没法帮", "不予回答",
];

/// Grammar of refusals: a sentence that has a word of each group. The groups are who speaks or what cannot be done, the negation, and the
/// declined act.
const REFUSAL_SENTENCES: &[[&[&str]; 3]] = &[
    [
        &[
            "ich kann",
            "kann ich",
            "ich werde",
            "werde ich",
            "ich darf",
            "darf ich",
            "ich möchte",
            "ich erstelle",
            "erstelle ich",
            "wir können",
            "können wir",
        ],
        &[" nicht", " kein"],
        &[
            "helfen",
            "unterstützen",
            "beantworten",
            "bearbeiten",
            "erstell",
            "auskunft",
            "beratung",
            "bereitstellen",
            "anleitung",
            "weitergeben",
            "schreiben",
            "erfüllen",
            "nachkommen",
            "behilflich",
            "beitragen",
            "mitwirken",
            "äußern",
            "dazu sagen",
        ],
    ],
    [
        &["je ne ", "nous ne ", "je préfère ne", "je n'"],
        &[" pas", "refus"],
        &[
            "aider",
            "donner",
            "conseil",
            "faire cela",
            "faire ça",
            "répondre",
            "fourni",
            "satisfaire",
            "participer",
            "rédiger",
            "créer",
            "traiter",
            "partager",
            "donner suite",
            "assister",
            "écrire",
            "produire",
            "divulguer",
            "discuter",
        ],
    ],
    [
        &[
            "お手伝い",
            "お答え",
            "お応え",
            "お伝え",
            "お教え",
            "対応",
            "提供",
            "回答",
            "ご案内",
            "作成",
            "支援",
            "サポート",
            "協力",
            "応じ",
            "助言",
            "アドバイス",
            "お受け",
        ],
        &["できません", "できかね", "しかね", "出来ません", "できない", "控え", "お断り", "わけにはいきません", "られません"],
        &["申し訳", "恐れ入り", "恐縮", "残念", "ません", "かね", "控え", "断り"],
    ],
    [
        &["我", "很抱歉", "对不起", "抱歉", "此类", "这类", "这个请求", "该请求"],
        &["无法", "不能", "不便", "不方便", "没有办法", "没办法", "拒绝", "不会"],
        &["提供", "帮助", "协助", "回答", "满足", "讨论", "完成", "处理", "帮你", "帮您", "支持", "撰写", "生成", "透露", "分享", "参与"],
    ],
    [
        &["no puedo", "no podemos", "non posso", "não posso", "no voy a", "prefiero no"],
        &["no", "non", "não"],
        &[
            "ayudar",
            "proporcionar",
            "responder",
            "ofrecer",
            "cumplir",
            "asistir",
            "aiutar",
            "fornire",
            "rispondere",
            "ajudar",
            "fornecer",
            "escribir",
            "compartir",
        ],
    ],
];

/// Words of sentences that report a failed attempt. They are not refusals.
#[rustfmt::skip]
const FAILED_ATTEMPTS: &[&str] = &[
    "finden", "gefunden", "erreichen", "abrufen", "trouv", "joindre", "見つか", "取得", "接続", "確認できま", "找到", "查询", "连接",
    "访问", "encontr", "trova", "でした", "在庫",
];

fn has_refusal_sentence(start: &str) -> bool {
    let sentences = start.split(['.', '!', '?', ';', '。', '！', '？', '\n']);
    let is_refusal = |sentence: &str| {
        let has_any = |words: &[&str]| words.iter().any(|word| sentence.contains(word));
        REFUSAL_SENTENCES.iter().any(|groups| groups.iter().all(|group| has_any(group))) && !has_any(FAILED_ATTEMPTS)
    };
    sentences.take(3).any(is_refusal)
}

/// Words by which an answer goes on to give something.
#[rustfmt::skip]
const DELIVERIES: &[&str] = &[
    "here is", "here's", "here are", "here you go", "below is", "below are", "the following", "as follows", "in the meantime, ",
    "what i found", "i did find", "i found", "based on the ", "from what i", "that said, the", "in general, ", "generally, ",
    "typically, ", "```", "\n- ", "\n* ", "\n1.", "\n1)", "\n・", "is as follows", "step 1", "i have prepared", "i have drafted",
    "i have written", "i was able to", "however, the ", "but the ", "an estimate", "approximately", "以下", "次のとおり", "次の通り",
    "次の手順", "一般的には", "代わりに次", "こちらが", "こちらは", "分かった範囲", "わかった範囲", "の通りです", "のとおりです", "目安",
    "とはいえ", "hier ist", "hier sind", "folgend", "im allgemeinen", "allgemein gilt", "hier ein", "voici", "en général", "ci-dessous",
    "以下是", "如下", "一般来说", "通常", "这里是", "aquí tienes", "aquí está", "a continuación",
];

static NEGATION_AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| automaton(NEGATIONS));
static REFUSAL_AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| automaton(REFUSALS));

/// Returns true if an answer declines the request as a whole. Reads the first 320 bytes for the refusal; answers that are long or go on to
/// give something are not refusals.
pub(crate) fn declines(answer: &str) -> bool {
    let start = folded(prefix(answer.trim_start(), START_BYTES));
    let declines_act = || {
        NEGATION_AUTOMATON.find_iter(start.as_str()).any(|negation| {
            let rest = start[negation.end()..].trim_start();
            let words = rest.split_inclusive(' ').take(MAX_WORDS_BEFORE_ACT);
            let mut places = words.scan(0, |at, word| {
                let start = *at;
                *at += word.len();
                Some(start)
            });
            !OTHER_ACTS.iter().any(|act| rest.starts_with(act))
                && places.any(|at| DECLINED_ACTS.iter().any(|act| rest[at..].starts_with(act)))
        })
    };
    if !(REFUSAL_AUTOMATON.is_match(start.as_str()) || declines_act() || has_refusal_sentence(&start)) {
        return false;
    }
    let mut width = 0;
    for character in answer.chars() {
        width += if character > '\u{2e7f}' { 2 } else { 1 };
        if width > MAX_WIDTH {
            return false;
        }
    }
    let whole = folded(answer);
    !DELIVERIES.iter().any(|phrase| whole.contains(phrase))
}
