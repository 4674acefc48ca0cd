//! The texts within a column of messages.

use std::borrow::Cow;

/// Calls `each` with every text in a row's messages: texts, names, arguments, results and contents. `json` is the content of the row's
/// column.
pub fn each_text(json: &str, mut each: impl FnMut(&str)) {
    let Ok(messages) = serde_json::from_str::<Vec<MessageTexts>>(json) else { return };
    for part in messages.iter().flat_map(|message| &message.parts) {
        [&part.text, &part.name, &part.arguments, &part.result, &part.content].into_iter().flatten().for_each(|text| each(text));
    }
}

#[derive(serde::Deserialize)]
struct MessageTexts<'a> {
    #[serde(borrow, default)]
    parts: Vec<MessagePartTexts<'a>>,
}

#[derive(serde::Deserialize)]
struct MessagePartTexts<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    arguments: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    result: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<Cow<'a, str>>,
}
