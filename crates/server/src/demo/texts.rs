//! Texts of the demo's users and models: `texts.json` with its slots filled.

use std::sync::LazyLock;

use serde_json::Value;

use super::random::DemoRng;

static TEXTS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("texts.json")).expect("the texts are part of the program and its tests read them"));

/// Returns a part of the texts, such as `planner`.
pub(super) fn of(part: &str) -> &'static Value {
    &TEXTS[part]
}

/// Returns a text of the file; empty if the value is not a text.
pub(super) fn text(value: &'static Value) -> &'static str {
    value.as_str().unwrap_or("")
}

/// Returns the rows of a list.
pub(super) fn rows(value: &'static Value) -> &'static [Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns a row in the language, or in any language if the list has no such row. The first field of each row is its language.
pub(super) fn in_language(dice: &mut DemoRng, list: &'static Value, language: &str) -> &'static Value {
    let fitting: Vec<&'static Value> = rows(list).iter().filter(|row| row[0] == language).collect();
    if fitting.is_empty() {
        return dice.pick(rows(list));
    }
    fitting[dice.between(0, fitting.len() as i64 - 1) as usize]
}

/// Values of the slots, the same throughout one trace.
#[derive(Debug, Clone)]
pub(super) struct TextSlots(Vec<(&'static str, String)>);

impl TextSlots {
    /// Creates the values of a trip: a city with its sights, prices that add up, references.
    pub(super) fn new(dice: &mut DemoRng) -> TextSlots {
        let city = dice.pick(rows(of("cities")));
        let (nights, fare, room) = (dice.between(1, 4), dice.between(180, 920) * 100, dice.between(82, 340) * 100);
        let total = fare + nights * room;
        let month = dice.between(1, 12);
        let month_en = ["January", "February", "March", "April", "May", "June", "July", "August"]
            .into_iter()
            .chain(["September", "October", "November", "December"])
            .nth(month as usize - 1)
            .unwrap_or("May");
        let at = |key: &str, place: usize| text(&city[key][place]).to_owned();
        TextSlots(vec![
            ("city", text(&city["ja"]).to_owned()),
            ("city_en", text(&city["en"]).to_owned()),
            ("code", text(&city["code"]).to_owned()),
            ("see", at("see", 0)),
            ("see2", at("see", 1)),
            ("see3", at("see", 2)),
            ("see_en", at("see_en", 0)),
            ("see2_en", at("see_en", 1)),
            ("see3_en", at("see_en", 2)),
            ("inn", text(&city["inn"]).to_owned()),
            ("sky", text(&city["sky"]).to_owned()),
            ("nights", nights.to_string()),
            ("month", month.to_string()),
            ("month_en", month_en.to_owned()),
            ("fare", thousands(fare)),
            ("room", thousands(room)),
            ("total", thousands(total)),
            ("budget", thousands(dice.between(6, 24) * 5_000)),
            ("diff", thousands(dice.between(8, 90) * 100)),
            ("booking", format!("TB-{}", dice.between(20_000, 99_999))),
            ("flight_ref", format!("FX-{}", dice.between(10_000, 49_999))),
            ("hotel_ref", format!("HT-{}", dice.between(50_000, 89_999))),
        ])
    }

    /// Creates an empty set of slots.
    pub(super) fn none() -> TextSlots {
        TextSlots(Vec::new())
    }

    /// Adds a slot.
    pub(super) fn with(mut self, name: &'static str, value: impl ToString) -> TextSlots {
        self.0.push((name, value.to_string()));
        self
    }

    /// Returns the value of a slot.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(slot, _)| *slot == name).map_or("", |(_, value)| value)
    }

    /// Fills the slots of a text. In English texts a city has its English name.
    pub(super) fn fill(&self, text: &str) -> String {
        let text = if text.is_ascii() { text.replace("{city}", "{city_en}") } else { text.to_owned() };
        self.0.iter().fold(text, |text, (slot, value)| if text.contains('{') { text.replace(&format!("{{{slot}}}"), value) } else { text })
    }
}

fn thousands(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Estimates the number of tokens of a text: a quarter of a token for an ASCII character, nearly one for a kanji or kana.
pub(super) fn tokens(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    let other = text.chars().filter(|c| !c.is_ascii()).count() as u64;
    ascii.div_ceil(4) + other * 9 / 10
}
