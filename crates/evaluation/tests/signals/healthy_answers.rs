//! Healthy runs whose answers look like those of faults.

use hinomi_model::span::{Span, SpanStatus, SpanType};
use serde_json::json;

use super::dice::SeededDice;
use super::planted::{question_and_answer, tool_name};
use super::script::{RunScript, done, failed, message};
use super::words::*;

pub(crate) fn no_limit(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = RunScript::new(dice);
    script.user(dice.phrase(NEUTRAL));
    match dice.number(0, 3) {
        // The answer speaks of limits.
        0 | 1 => {
            script.answer(dice.phrase(NOT_LIMITS));
        }
        // A tool reached a limit of its own.
        2 => {
            script.act(&[failed(tool_name(dice), json!({"n": 4}), "RecursionError: maximum recursion depth exceeded")]);
            script.answer(dice.phrase(ADMITTING));
        }
        // An agent inside reached its limit, and the program answered in another way.
        _ => {
            script.become_agent("inner");
            script.act(&[done("search", json!({"q": 1}), "nothing")]);
            let clock = script.clock;
            let inner = script.spans.iter().rposition(|span| span.kind == SpanType::Agent).unwrap();
            script.become_agent("fallback");
            script.answer(dice.phrase(ANSWERS_EN));
            let mut spans = script.end();
            let span = &mut spans[inner];
            (span.status, span.status_detail, span.end_us) = (SpanStatus::Error, Some("Max turns (5) exceeded".into()), clock);
            return spans;
        }
    }
    script.end()
}

pub(crate) fn right_language(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = RunScript::new(dice);
    let (question, answer) = match dice.number(0, 4) {
        0 => {
            let requests = [
                "Translate into French: the weather is nice today.",
                "次の文を英語に翻訳してください: 今日は天気がいいですね。",
                "Wie sagt man auf Japanisch, dass das Wetter gut ist?",
                "Write a friendly German e-mail to a customer, please.",
                "把这句话翻译成英文：今天天气很好，我们去公园吧。",
                "Please answer in Spanish from now on, I want to practise.",
            ];
            (requests[dice.number(0, 5) as usize].to_owned(), phrase_of_either(dice, ANSWERS_FR))
        }
        // The system prompt asks for a language.
        1 => {
            script.history.insert(
                0,
                message(
                    "system",
                    dice.phrase(&[
                        "Always answer in English.",
                        "Respond only in Japanese.",
                        "回答は必ず英語で行ってください。",
                        "Antworte immer auf Englisch.",
                    ]),
                ),
            );
            (dice.phrase(QUESTIONS).to_owned(), dice.phrase(ANSWERS_EN).to_owned())
        }
        // Code, names, numbers and short answers.
        2 => {
            let answers = [
                "```python\ndef add(first, second):\n    return first + second\n```",
                "SELECT name, total FROM orders WHERE total > 100",
                "OK",
                "Müller, Schmidt, Weber, Fischer",
                "https://example.com/orders/1001?view=full",
                "18 °C",
                "{\"celsius\": 18, \"sky\": \"clear\", \"wind\": \"south\"}",
                "git rebase --interactive HEAD~3",
            ];
            (dice.phrase(QUESTIONS).to_owned(), answers[dice.number(0, 7) as usize].to_owned())
        }
        // Mixed texts.
        3 => (
            "この英文のエラーは何ですか: TypeError: cannot read properties of undefined (reading 'map') at render".to_owned(),
            phrase_of_either(dice, ANSWERS_JA),
        ),
        _ => {
            let (question, answer) = question_and_answer(dice);
            (question.to_owned(), answer.to_owned())
        }
    };
    script.user(&question);
    script.answer(&answer);
    script.end()
}

pub(crate) fn no_refusal(dice: &mut SeededDice) -> Vec<Span> {
    let mut script = RunScript::new(dice);
    script.user(dice.phrase(NEUTRAL));
    script.answer(dice.phrase(NOT_REFUSALS));
    script.end()
}

fn phrase_of_either(dice: &mut SeededDice, table: &[&str]) -> String {
    let table = if dice.chance(50) { table } else { ANSWERS_EN };
    dice.phrase(table).to_owned()
}
