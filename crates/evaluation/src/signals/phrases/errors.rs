//! Phrases of failures: in results of tools, in answers that mention a failure, and in messages about limits of runs.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use serde_json::Value;

use super::{automaton, folded};
use crate::signals::finding::RunLimitKind;
use crate::signals::text::{prefix, suffix};

/// Number of bytes of a result that are read to see whether it is an error.
const RESULT_BYTES: usize = 8 * 1024;

/// Starts of results that are errors.
#[rustfmt::skip]
const ERROR_STARTS: &[&str] = &[
    "error:", "error -", "error executing", "error calling", "error in ", "error while", "error (", "error code", "error[",
    "an error occurred", "[error]", "<error>", "exception:", "exception in", "traceback (most recent", "failed:", "failed to", "failure:",
    "tool error", "tool failed", "tool execution failed", "command failed", "request failed", "fatal:", "fatal error", "unknown tool",
    "invalid tool", "no such tool", "http error", "http 4", "http 5", "エラー", "失敗", "例外", "fehler:", "erreur", "错误", "出错",
    "执行失败", "调用失败", "오류",
];

/// Returns the text of a tool's result if it reports a failure of the tool itself. Reads the first 8 KiB.
pub(crate) fn error_text(result: &str) -> Option<&str> {
    let result = result.trim_start();
    let text = prefix(result, RESULT_BYTES);
    if text.starts_with(['{', '[']) {
        return is_json_error(text).then_some(text);
    }
    let start = folded(prefix(text, 64));
    let start = start.trim_start_matches(['"', '\'', '❌', '⚠', '\u{fe0f}', ' ']);
    let named = || {
        let name = start.split([':', '(']).next().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default();
        name.len() < start.len() && !name.contains(' ') && (name.ends_with("error") || name.ends_with("exception"))
    };
    (ERROR_STARTS.iter().any(|phrase| start.starts_with(phrase)) || named()).then_some(text)
}

/// Returns true for JSON that reports an error at its top, as MCP and usual APIs do.
fn is_json_error(text: &str) -> bool {
    let start = prefix(text, 2048);
    if !["rror", "\"success\"", "\"ok\""].iter().any(|word| start.contains(word)) {
        return false;
    }
    let Ok(value) = serde_json::from_str::<Value>(text) else { return start.starts_with("{\"error\":") };
    let object = match &value {
        Value::Array(items) if items.len() == 1 => &items[0],
        value => value,
    };
    let is_set = |name: &str| match object.get(name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Bool(true)) => true,
    };
    let is_false = |name: &str| object.get(name) == Some(&Value::Bool(false));
    let is_error_status = || ["status", "type", "level"].iter().any(|name| object.get(*name).and_then(Value::as_str) == Some("error"));
    let inner =
        || object.get("text").and_then(Value::as_str).is_some_and(|text| !text.starts_with(['{', '[']) && error_text(text).is_some());
    ["error", "errors", "isError", "is_error", "errorMessage", "error_message"].iter().any(|name| is_set(name))
        || is_false("success")
        || is_false("ok")
        || is_error_status()
        || inner()
}

/// Words of an answer that admit a failure or that something is missing.
#[rustfmt::skip]
const FAILURE_MENTIONS: &[&str] = &[
    "error", "fail", "couldn't", "could not", "unable", "wasn't able", "was not able", "weren't able", "not able to", "cannot", "can't",
    "can not", "unavailable", "not available", "isn't available", "timed out", "timeout", "time-out", "did not respond", "didn't respond",
    "not responding", "no response", "issue", "problem", "trouble", "difficult", "didn't work", "did not work", "doesn't work",
    "not working", "went wrong", "try again", "retry", "unfortunately", "sorry", "apolog", "unreachable", "unsuccessful", "rejected",
    "denied", "not permitted", "not found", "no access", "don't have access", "lack access", "didn't find", "did not find", "not exist",
    "doesn't exist", "no result", "no data", "no record", "no such", "offline", "outage", "out of service", "is down", "was down",
    "are down", "hiccup", "glitch", "malfunction", "broken", "interrupted", "blocked", "incomplete", "without the", "without being able",
    "without access", "missing", "refused", "crashed", "outdated", "may not be current", "not up to date", "not current", "no reply",
    "no answer", "no luck", "did not", "didn't", "isn't", "is not ", "wasn't", "was not ", "aren't", "hasn't", "haven't", "only a guess",
    "a guess", "assum", "from yesterday", "from last", "locked", "from memory", "general knowledge", "my own knowledge", "unverified",
    "not verified", "couldn't verify", "has not been", "have not been", "hasn't been", "not been able", "did not go through",
    "didn't go through", "not completed", "エラー", "失敗", "できません", "できなかった", "できず", "出来ません", "出来なかった",
    "利用できない", "使えません", "使えなかった", "問題", "不具合", "障害", "申し訳", "すみません", "残念", "見つかりません",
    "見つからな", "タイムアウト", "応答がな", "応答しな", "応答なし", "接続でき", "つながりません", "繋がりません", "ありませんでした",
    "得られません", "取得でき", "至りません", "再試行", "もう一度お試し", "後ほど", "停止", "中断", "拒否", "アクセスでき", "限られ",
    "確認でき", "動作しな", "うまくいき", "fehler", "fehlgeschlagen", "nicht möglich", "nicht verfügbar", "nicht abrufen",
    "nicht erreichbar", "nicht erreichen", "konnte nicht", "konnte leider", "konnten nicht", "konnte ich nicht", "leider", "problem",
    "störung", "kann nicht", "nicht finden", "nicht gefunden", "schiefgegangen", "entschuldig", "nicht geklappt", "nicht funktioniert",
    "nicht geantwortet", "gescheitert", "zeitüberschreitung", "erreur", "échou", "échec", "impossible", "n'ai pas pu", "n'a pas pu",
    "n'ai pas réussi", "indisponible", "malheureusement", "désolé", "problème", "pas disponible", "ne répond pas", "n'a pas répondu",
    "pas fonctionné", "panne", "introuvable", "excus", "错误", "失败", "无法", "不能", "没能", "未能", "抱歉", "对不起", "问题", "不可用",
    "超时", "没有响应", "没有找到", "未找到", "故障", "出错", "异常", "遗憾", "不成功", "稍后再试", "錯誤", "失敗", "無法", "no pude",
    "no se pudo", "no he podido", "no fue posible", "falló", "fallo", "lamentablemente", "lo siento", "desafortunadamente",
    "no disponible", "problema", "non è stato possibile", "purtroppo", "errore", "não foi possível", "infelizmente", "erro ", "오류",
    "실패", "없습니다", "죄송", "못했", "ошибк", "не удалось", "к сожалению", "недоступ",
];

static FAILURE_MENTION_AUTOMATON: LazyLock<AhoCorasick> = LazyLock::new(|| automaton(FAILURE_MENTIONS));

/// Number of bytes of an answer, at its start and at its end, in which a mention of a failure is looked for.
const ANSWER_BYTES: usize = 8 * 1024;

/// Returns true if an answer mentions that something failed or is missing, or repeats a word of the error. Reads 8 KiB of each end.
pub(crate) fn mentions_failure(answer: &str, failure: &str) -> bool {
    let answer = both_ends(answer);
    FAILURE_MENTION_AUTOMATON.is_match(answer.as_str()) || has_split_negation(&answer) || repeats_error(&answer, failure)
}

/// Verbs and negations that surround the object of a German or French sentence: "konnte den Termin nicht eintragen".
const SPLIT_NEGATIONS: &[(&str, &[&str])] = &[
    ("", &[" nicht ", " nicht,", "kenne ich", " ist weg"]),
    ("konnte", &[" kein"]),
    ("kann ", &[" kein"]),
    ("n'ai ", &[" pas "]),
    ("n'a ", &[" pas "]),
    ("n'est ", &[" pas "]),
    ("ne ", &[" pas "]),
    // Japanese negations, except in questions and politeness.
    ("", &["ていません", "できておりません", "でませんでした", "りませんでした", "ませんでした"]),
    ("", &["没有", "沒有", "尚未", "暂时"]),
];

fn has_split_negation(answer: &str) -> bool {
    answer.split(['.', '!', '?', '\n']).any(|sentence| {
        SPLIT_NEGATIONS.iter().any(|(verb, negations)| {
            sentence.find(verb).is_some_and(|at| negations.iter().any(|negation| sentence[at..].contains(negation)))
        })
    })
}

fn both_ends(text: &str) -> String {
    if text.len() <= 2 * ANSWER_BYTES {
        folded(text)
    } else {
        folded(&format!("{} {}", prefix(text, ANSWER_BYTES), suffix(text, ANSWER_BYTES)))
    }
}

/// Returns true if an answer contains a code of the error, such as 503 or ECONNREFUSED.
fn repeats_error(answer: &str, failure: &str) -> bool {
    let failure = prefix(failure, 400);
    let is_code = |word: &&str| {
        (word.len() == 3 && word.starts_with(['4', '5']) && word.bytes().all(|byte| byte.is_ascii_digit()))
            || (word.len() >= 6 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
    };
    failure.split(|c: char| !c.is_alphanumeric() && c != '_').filter(is_code).any(|code| answer.contains(&code.to_lowercase()))
}

/// Questions that only offer more help.
#[rustfmt::skip]
const COURTESIES: &[&str] = &[
    "anything else", "something else", "any other question", "further question", "more help", "further assistance", "help you with",
    "else i can", "else you", "more details?", "more information?", "interested in", "would you like me to also", "want me to also",
    "他に", "ほかに", "その他", "何かございますか", "noch etwas", "sonst noch", "weitere fragen", "weiterhelfen", "autre chose",
    "d'autres questions", "vous aider", "其他", "还有什么", "别的", "algo más",
];

/// Phrases that ask the user for something without a question mark.
#[rustfmt::skip]
const REQUESTS: &[&str] = &[
    "please provide", "please confirm", "please tell me", "please share", "please check", "please specify", "could you provide",
    "could you confirm", "can you confirm", "let me know how you", "let me know whether", "let me know which",
    "let me know if you want me to", "tell me how you", "教えてください", "お知らせください", "ご確認ください", "ご指定ください",
    "お聞かせください", "ご提供ください", "bitte geben sie", "bitte teilen sie", "bitte bestätigen", "veuillez", "merci de me", "请提供",
    "请告诉我", "请确认", "por favor,",
];

/// Returns true if an answer asks the user how to go on. Offers of more help are not such questions.
pub(crate) fn asks_user(answer: &str) -> bool {
    let end = folded(suffix(answer, 600));
    if REQUESTS.iter().any(|phrase| end.contains(phrase)) {
        return true;
    }
    let sentences = end.split_inclusive(['.', '!', '?', '。', '！', '？', '\n']);
    let questions = sentences.filter(|sentence| {
        sentence.ends_with(['?', '？']) || ["ですか。", "ますか。", "でしょうか。"].iter().any(|end| sentence.ends_with(end))
    });
    questions.into_iter().any(|question| !COURTESIES.iter().any(|courtesy| question.contains(courtesy)))
}

/// Words of errors by which a tool or a framework rejects arguments.
#[rustfmt::skip]
pub(crate) const INVALID_ARGUMENTS: &[&str] = &[
    "invalid argument", "invalid arguments", "invalid parameter", "invalid params", "invalid input", "invalid tool argument",
    "invalid_argument", "invalid type", "invalid value for", "invalid function argument", "-32602", "validation error", "validationerror",
    "schema validation", "does not match schema", "did not match schema", "not match the schema", "failed to parse arguments",
    "failed to parse tool", "could not parse arguments", "missing required", "missing 1 required", "missing 2 required",
    "missing argument", "missing parameter", "required parameter", "required argument", "required property", "required field",
    "field required", "is a required", "unexpected keyword argument", "unexpected argument", "unexpected parameter", "unknown parameter",
    "unrecognized argument", "unrecognized_keys", "additional properties", "zoderror", "jsondecodeerror", "malformed arguments",
    "bad arguments", "expected string, received", "expected number, received", "input should be", "toolinputvalidation",
    "invalidtoolarguments", "invalidtoolinput", "引数が不正", "引数が無効", "不正な引数", "無効な引数", "必須パラメータ", "必須項目",
    "パラメータが不正", "パラメーターが無効", "参数错误", "参数无效", "缺少参数", "缺少必需", "ungültige parameter",
    "ungültiges argument", "paramètre invalide", "argument invalide",
];

/// Words of errors and of answers by which frameworks report that a run reached its limit.
pub(crate) const RUN_LIMITS: &[(&str, RunLimitKind)] = &[
    ("graphrecursionerror", RunLimitKind::Recursion),
    ("graph_recursion_limit", RunLimitKind::Recursion),
    ("recursion limit", RunLimitKind::Recursion),
    ("recursion_limit", RunLimitKind::Recursion),
    ("maxturnsexceeded", RunLimitKind::Turns),
    ("max turns", RunLimitKind::Turns),
    ("max_turns", RunLimitKind::Turns),
    ("maximum turns", RunLimitKind::Turns),
    ("maximum number of turns", RunLimitKind::Turns),
    ("turn limit", RunLimitKind::Turns),
    ("最大ターン", RunLimitKind::Turns),
    ("ターン数の上限", RunLimitKind::Turns),
    ("iteration limit or time limit", RunLimitKind::Iterations),
    ("iteration limit", RunLimitKind::Iterations),
    ("limit of iterations", RunLimitKind::Iterations),
    ("max iterations", RunLimitKind::Iterations),
    ("max_iterations", RunLimitKind::Iterations),
    ("maxiterations", RunLimitKind::Iterations),
    ("max iteration", RunLimitKind::Iterations),
    ("maximum iterations", RunLimitKind::Iterations),
    ("maximum number of iterations", RunLimitKind::Iterations),
    ("max steps", RunLimitKind::Iterations),
    ("max_steps", RunLimitKind::Iterations),
    ("maxsteps", RunLimitKind::Iterations),
    ("maximum number of steps", RunLimitKind::Iterations),
    ("maximum steps", RunLimitKind::Iterations),
    ("step limit", RunLimitKind::Iterations),
    ("step budget", RunLimitKind::Iterations),
    ("need more steps to process", RunLimitKind::Iterations),
    ("max rounds", RunLimitKind::Turns),
    ("max_round", RunLimitKind::Turns),
    ("maximum number of rounds", RunLimitKind::Turns),
    ("max consecutive auto", RunLimitKind::Turns),
    ("maximum_consecutive_auto_reply", RunLimitKind::Turns),
    ("反復回数の上限", RunLimitKind::Iterations),
    ("ステップ数の上限", RunLimitKind::Iterations),
    ("最大反復", RunLimitKind::Iterations),
    ("最大ステップ", RunLimitKind::Iterations),
    ("最大步数", RunLimitKind::Iterations),
    ("最大迭代", RunLimitKind::Iterations),
    ("usagelimitexceeded", RunLimitKind::Budget),
    ("request_limit", RunLimitKind::Budget),
    ("tool_calls_limit", RunLimitKind::Budget),
    ("max_llm_calls", RunLimitKind::Budget),
    ("llmcallslimitexceeded", RunLimitKind::Budget),
    ("max number of llm calls", RunLimitKind::Budget),
    ("limit of llm calls", RunLimitKind::Budget),
    ("maximum number of tool calls", RunLimitKind::Budget),
    ("max tool calls", RunLimitKind::Budget),
    ("time limit", RunLimitKind::Time),
    ("max execution time", RunLimitKind::Time),
    ("max_execution_time", RunLimitKind::Time),
    ("maximum execution time", RunLimitKind::Time),
    ("run timed out", RunLimitKind::Time),
    ("run time limit", RunLimitKind::Time),
    ("agent timed out", RunLimitKind::Time),
    ("workflow timed out", RunLimitKind::Time),
    ("workflow timeout", RunLimitKind::Time),
    ("operation timed out after", RunLimitKind::Time),
    ("exceeded the time budget", RunLimitKind::Time),
    ("実行時間の上限", RunLimitKind::Time),
    ("制限時間", RunLimitKind::Time),
];
