//! Infers the provider if the client does not send it: from the suffix of the op, the origin or the instrumentation scope.

/// Parts of origins, scopes and ops that imply a provider. Frameworks that support many providers are not among them.
const PROVIDERS_BY_INTEGRATION: &[(&str, &str)] = &[
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

/// Suffixes of the hosts of providers' APIs.
const HOSTS: &[(&str, &str)] = &[
    ("api.openai.com", "openai"),
    (".openai.azure.com", "azure"),
    (".cognitiveservices.azure.com", "azure"),
    (".services.ai.azure.com", "azure"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "google"),
    ("aiplatform.googleapis.com", "google"),
    (".amazonaws.com", "aws.bedrock"),
    ("openrouter.ai", "openrouter"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral"),
    ("api.deepseek.com", "deepseek"),
    ("api.x.ai", "x-ai"),
    ("api.together.xyz", "together"),
    ("api.together.ai", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.cohere.com", "cohere"),
    ("api.cohere.ai", "cohere"),
    ("api.perplexity.ai", "perplexity"),
    ("api.cerebras.ai", "cerebras"),
    ("api.voyageai.com", "voyageai"),
];

/// Returns the provider whose API a host serves.
pub fn of_host(host: &str) -> Option<&'static str> {
    let host = host.trim_start_matches("https://").split(['/', ':']).next().unwrap_or(host).to_ascii_lowercase();
    // AWS serves much more than models.
    let serves_models = !host.ends_with(".amazonaws.com") || host.starts_with("bedrock");
    HOSTS.iter().filter(|_| serves_models).find(|(suffix, _)| host.ends_with(suffix)).map(|(_, provider)| *provider)
}

/// Returns the provider that an op (`ai.chat_completions.create.openai`), an origin (`auto.ai.anthropic`) or a scope
/// (`opentelemetry.instrumentation.openai.v1`) implies.
pub fn of_instrumentation(op: &str, origin: Option<&str>) -> Option<&'static str> {
    let by_op = op.strip_prefix("ai.").and_then(|op| op.rsplit('.').next()).and_then(of_integration);
    by_op.or_else(|| origin.and_then(|origin| origin.split(['.', '/', ':', '@']).rev().find_map(of_integration)))
}

fn of_integration(word: &str) -> Option<&'static str> {
    PROVIDERS_BY_INTEGRATION.iter().find(|(known, _)| *known == word).map(|(_, provider)| *provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_host() {
        assert_eq!(of_host("api.openai.com"), Some("openai"));
        assert_eq!(of_host("my-deployment.openai.azure.com"), Some("azure"));
        assert_eq!(of_host("https://openrouter.ai/api/v1"), Some("openrouter"));
        assert_eq!(of_host("bedrock-runtime.us-east-1.amazonaws.com"), Some("aws.bedrock"));
        assert_eq!(of_host("s3.eu-west-1.amazonaws.com"), None);
        assert_eq!(of_host("127.0.0.1:8080"), None);
    }

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
