//! Infers the provider if the client does not send it: from the suffix of the op, the origin or the instrumentation scope.

/// Parts of origins, scopes and ops that imply a provider. Frameworks that support many providers are not among them.
const INTEGRATIONS: &[(&str, &str)] = &[
    ("openai", "openai"),
    ("openai_agents", "openai"),
    ("anthropic", "anthropic"),
    ("google_genai", "google"),
    ("google-genai", "google"),
    ("gemini-cli", "google"),
    ("google_generativeai", "google"),
    ("vertexai", "google"),
    ("cohere", "cohere"),
    ("huggingface_hub", "huggingface"),
    ("mistralai", "mistral"),
    ("bedrock", "aws.bedrock"),
    ("groq", "groq"),
    ("ollama", "ollama"),
    ("together", "together"),
];

/// Returns the provider that an op (`ai.chat_completions.create.openai`), an origin (`auto.ai.anthropic`) or a scope
/// (`opentelemetry.instrumentation.openai.v1`) implies.
pub fn of_instrumentation(op: &str, origin: Option<&str>) -> Option<&'static str> {
    let by_op = op.strip_prefix("ai.").and_then(|op| op.rsplit('.').next()).and_then(of_integration);
    by_op.or_else(|| origin.and_then(|origin| origin.split(['.', '/', ':', '@']).rev().find_map(of_integration)))
}

fn of_integration(word: &str) -> Option<&'static str> {
    INTEGRATIONS.iter().find(|(known, _)| *known == word).map(|(_, provider)| *provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_op_origin_and_scope() {
        assert_eq!(of_instrumentation("ai.chat_completions.create.openai", None), Some("openai"));
        assert_eq!(of_instrumentation("ai.embeddings.create.cohere", Some("auto.ai.cohere")), Some("cohere"));
        assert_eq!(of_instrumentation("gen_ai.chat", Some("auto.ai.huggingface_hub")), Some("huggingface"));
        assert_eq!(of_instrumentation("", Some("opentelemetry.instrumentation.anthropic")), Some("anthropic"));
        assert_eq!(of_instrumentation("ai.chat_completions.create.langchain", Some("auto.ai.langchain")), None);
        assert_eq!(of_instrumentation("gen_ai.chat", Some("manual")), None);
    }
}
