//! Words of questions: those without meaning of their own, those of complaints, and words of the same meaning.

/// Words of grammar, politeness, question frames and complaints, in lower case.
#[rustfmt::skip]
pub(super) const STOP_WORDS: &[&str] = &[
    // English
    "a", "an", "the", "is", "are", "was", "were", "be", "been", "am", "do", "does", "did", "done", "have", "has", "had", "can", "could",
    "would", "should", "will", "shall", "may", "might", "must", "i", "me", "my", "mine", "we", "us", "our", "you", "your", "yours", "it",
    "its", "it's", "this", "that", "that's", "these", "those", "there", "here", "what", "what's", "which", "who", "whom", "whose", "how",
    "how's", "when", "where", "why", "to", "of", "in", "on", "at", "for", "from", "by", "with", "about", "as", "into", "and", "or", "but",
    "so", "if", "then", "than", "not", "no", "please", "pls", "plz", "thanks", "thank", "hi", "hello", "hey", "ok", "okay", "just",
    "really", "actually", "again", "once", "more", "still", "already", "ask", "asked", "asking", "question", "answer", "answered",
    "answering", "didn't", "don't", "doesn't", "haven't", "isn't", "wasn't", "can't", "i'm", "i'd", "i've", "i'll", "repeat", "repeating",
    "said", "say", "saying", "mean", "meant", "tell", "let", "know", "explain", "want", "wanted", "need", "needed", "like", "would",
    "help", "give", "show", "see", "get", "go", "going", "way", "ways", "step", "steps", "process", "procedure", "method", "instructions",
    "possible", "exactly", "sorry", "sir", "well", "also", "any", "some", "one", "time", "second", "third", "wondering", "someone",
    "anyone", "supposed", "earlier", "before", "previous", "previously", "yet", "same", "understand", "now", "trying", "try", "able",
    "looking", "look", "wonder", "much", "many", "yes", "anybody", "kindly", "somehow", "doing", "quick", "simply",
    // German
    "der", "die", "das", "den", "dem", "des", "ein", "eine", "einen", "einem", "einer", "ist", "sind", "war", "wie", "was", "wer", "wo",
    "wann", "warum", "welche", "welcher", "welches", "ich", "mich", "mir", "mein", "meine", "meinen", "meinem", "meiner", "du", "dir",
    "sie", "ihnen", "ihr", "wir", "uns", "man", "es", "zu", "zum", "zur", "von", "vom", "mit", "für", "auf", "an", "im", "am", "bei",
    "und", "oder", "aber", "nicht", "kann", "kannst", "können", "könnten", "bitte", "nochmal", "noch", "mal", "einmal", "nochmals",
    "frage", "fragte", "gefragt", "antwort", "beantwortet", "habe", "hatte", "haben", "möchte", "will", "wollte", "wissen", "sagen",
    "sag", "denn", "doch", "ja", "also", "wieder", "genau", "danke", "hallo", "meine",
    // French
    "le", "la", "les", "un", "une", "des", "du", "de", "est", "sont", "ce", "que", "qu'est", "qui", "quoi", "quel", "quelle", "quels",
    "quelles", "comment", "quand", "où", "pourquoi", "je", "j'ai", "moi", "mon", "ma", "mes", "vous", "votre", "vos", "nous", "il",
    "elle", "on", "à", "au", "aux", "en", "dans", "pour", "par", "avec", "sur", "et", "ou", "mais", "ne", "pas", "peux", "puis", "peut",
    "pouvez", "s'il", "plaît", "encore", "fois", "question", "répété", "répète", "demandé", "demande", "dire", "dites", "savoir",
    "voudrais", "veux", "faire", "fait", "merci", "bonjour", "déjà", "réponse", "répondu", "toujours",
    // Spanish
    "el", "los", "las", "una", "es", "son", "qué", "cómo", "cuándo", "dónde", "por", "favor", "mi", "mis", "puedo", "puede", "quiero",
    "otra", "vez", "y", "con", "para", "lo", "pregunta", "pregunté",
    // Japanese
    "教", "聞", "質問", "回答", "答", "先", "程", "先程", "先ほど", "何", "方法", "手順", "方", "知", "言", "願", "下", "再度", "同",
    "今", "件", "度", "何度", "私", "時", "場合", "事", "見", "思", "一度", "説明", "欲", "以前", "前", "ヤリ", "誰", "早", "具体的",
    "違",
    // Chinese
    "告诉", "问题", "再说", "刚才", "刚刚", "已经", "想知道", "知道", "麻烦", "回答", "一遍", "一次", "还是", "谢谢", "说明", "解释",
    "步骤",
];

/// Characters of Chinese grammar that separate words.
pub(super) const STOP_CHARACTERS: &str =
    "问的了吗呢吧啊我你您请怎么样如何什是在把被就也都还再个这那有没和与跟给对为想要能可以会应该哪里多少";

/// Ends of Japanese and Chinese words that frame a question.
pub(super) const STOP_ENDINGS: &[&str] = &["方法", "手順", "手続", "仕方", "步骤", "流程", "办法"];

/// Words that say that a question was asked before or not answered.
#[rustfmt::skip]
pub(super) const COMPLAINTS: &[&str] = &[
    "again", "i asked", "i was asking", "my question", "didn't answer", "did not answer", "haven't answered", "not what i asked",
    "not what i meant", "once more", "i repeat", "as i said", "still don't know", "still haven't", "still need to know", "i meant",
    "doesn't answer", "let me rephrase", "rephrase", "asking how", "asking what", "asking about", "asking when", "asking where",
    "asking why", "もう一度", "先ほど", "さっき", "聞いて", "質問に答え", "答えに", "答えて", "ですから", "だから", "そうではなく",
    "何度も", "再度", "nochmal", "noch einmal", "meine frage", "nicht beantwortet", "ich fragte", "ich habe gefragt", "encore une fois",
    "ma question", "pas répondu", "je répète", "j'ai demandé", "再问", "再说一遍", "我问的是", "没有回答", "没回答", "刚才问", "otra vez",
    "mi pregunta", "pregunté",
];

/// Groups of words with the same meaning in questions to programs. The first one stands for all.
const SAME_MEANING: &[&[&str]] = &[
    &["cancel", "terminate", "unsubscribe", "cancelling", "canceling", "cancellation"],
    &["subscription", "plan", "membership"],
    &["password", "passcode", "passwort"],
    &["reset", "change", "resetting", "changing"],
    &["delete", "remove", "erase", "deleting", "removing", "deletion"],
    &["price", "cost", "costs", "pricing", "prices", "charge", "fee"],
    &["buy", "purchase", "purchasing", "buying"],
    &["refund", "money back", "reimbursement", "refunded"],
    &["fix", "repair", "resolve", "solve", "fixing"],
    &["begin", "start", "starting"],
    &["make", "create", "creating", "making", "generate"],
    &["package", "parcel", "shipment", "delivery", "order"],
    &["arrive", "arrival", "delivered", "come", "arriving"],
    &["ship", "shipping", "send", "sending"],
    &["open", "opening"],
    &["hours", "opening hours"],
    &["phone", "telephone"],
    &["email", "e-mail", "mail"],
    &["picture", "image", "photo"],
    &["install", "set up", "setup", "installing", "installation"],
    &["error", "problem", "issue"],
    &["bill", "invoice"],
    &["use", "using", "usage"],
    &["export", "download", "exporting", "downloading"],
];

/// Returns the word that stands for all words of the same meaning.
pub(super) fn canonical_word(word: &str) -> String {
    let group = SAME_MEANING.iter().find(|group| group.contains(&word));
    group.map_or(word, |group| group[0]).to_owned()
}
