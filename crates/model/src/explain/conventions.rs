//! Assigns attribute names to conventions.

/// A naming convention of a family of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamingConvention {
    /// Readable name.
    name: &'static str,
    /// Prefixes of the attribute names. The longest match decides.
    prefixes: &'static [&'static str],
}

const fn convention(name: &'static str, prefixes: &'static [&'static str]) -> NamingConvention {
    NamingConvention { name, prefixes }
}

/// All known conventions. Names that several share belong to the one that introduced them.
const CONVENTIONS: &[NamingConvention] = &[
    convention("OpenTelemetry GenAI", &["gen_ai."]),
    convention(
        "OpenTelemetry GenAI, older names",
        &[
            "gen_ai.system",
            "gen_ai.prompt",
            "gen_ai.completion",
            "gen_ai.usage.prompt_tokens",
            "gen_ai.usage.completion_tokens",
            "gen_ai.content.",
            "gen_ai.openai.",
        ],
    ),
    convention("OpenTelemetry GenAI", &["gen_ai.system_instructions"]),
    convention(
        "Sentry",
        &[
            "sentry.",
            "gen_ai.request.messages",
            "gen_ai.request.available_tools",
            "gen_ai.response.text",
            "gen_ai.response.tool_calls",
            "gen_ai.usage.input_tokens.",
            "gen_ai.usage.output_tokens.",
            "gen_ai.pipeline.",
            "gen_ai.cost.",
            "gen_ai.operation.type",
            "gen_ai.tool.input",
            "gen_ai.tool.output",
        ],
    ),
    convention(
        "Sentry, older names",
        &[
            "ai.input_messages",
            "ai.responses",
            "ai.streaming",
            "ai.model_id",
            "ai.pipeline.",
            "ai.prompt_tokens.",
            "ai.completion_tokens.",
            "ai.total_tokens.",
            "ai_prompt_tokens_used",
            "ai_completion_tokens_used",
            "ai_total_tokens_used",
            "ai.tools",
            "ai.tool_calls",
            "ai.preamble",
            "ai.texts",
            "ai.documents",
            "ai.finish_reason",
            "ai.generation_id",
            "ai.total_cost",
            "ai.function_call",
        ],
    ),
    convention(
        "Vercel AI SDK",
        &[
            "vercel.ai.",
            "ai.operationId",
            "ai.model.",
            "ai.prompt",
            "ai.response.",
            "ai.result.",
            "ai.usage.",
            "ai.settings.",
            "ai.telemetry.",
            "ai.toolCall",
            "ai.stream.",
            "ai.value",
            "ai.request.",
            "ai.embedding",
            "operation.name",
            "resource.name",
        ],
    ),
    convention(
        "OpenLLMetry",
        &["traceloop.", "llm.request.", "llm.response.", "llm.usage.", "llm.is_streaming", "llm.user", "llm.headers", "llm.top_k"],
    ),
    convention(
        "OpenInference",
        &[
            "openinference.",
            "llm.model_name",
            "llm.provider",
            "llm.system",
            "llm.token_count.",
            "llm.input_messages",
            "llm.output_messages",
            "llm.invocation_parameters",
            "llm.tools",
            "llm.cost.",
            "llm.prompt",
            "llm.finish_reason",
            "input.",
            "output.",
            "embedding.",
            "reranker.",
            "retrieval.",
            "tool_call.",
            "tool.",
        ],
    ),
    convention("Langfuse", &["langfuse."]),
    convention(
        "Logfire and Pydantic AI",
        &["logfire.", "pydantic_ai.", "all_messages_events", "final_result", "agent_name", "model_request_parameters"],
    ),
    convention("Laminar", &["lmnr."]),
    convention("MLflow", &["mlflow."]),
    convention("Genkit", &["genkit:"]),
    convention("Mastra", &["aisdk.", "mastra."]),
    convention("LangWatch", &["langwatch."]),
    convention("Braintrust", &["braintrust."]),
    convention("Weave", &["weave.", "wandb."]),
    convention("Future AGI", &["fi."]),
    convention("Respan", &["respan."]),
    convention("Confident AI", &["confident."]),
    convention("HoneyHive", &["honeyhive."]),
    convention("Datadog", &["dd."]),
    convention("Netra", &["netra."]),
    convention("AgentOps", &["agentops."]),
    convention("Agenta", &["ag."]),
    convention("NeMo Agent Toolkit", &["nat."]),
    convention("Langtrace", &["langtrace."]),
    convention("TrueFoundry", &["tfy."]),
    convention("Monocle", &["monocle.", "monocle_apptrace.", "entity.1.", "entity.2.", "entity.3."]),
    convention("OpenClaw", &["openclaw."]),
    convention("Flue", &["flue."]),
    convention("LiveKit", &["lk."]),
    convention("LangSmith", &["langsmith."]),
    convention("Spring AI", &["spring.ai."]),
    convention("Google ADK", &["gcp.vertex."]),
    convention("MCP", &["mcp."]),
];

/// Returns the convention of an attribute name; `None` for names that any program may use.
pub(super) fn of_name(name: &str) -> Option<&'static str> {
    let fitting = CONVENTIONS.iter().flat_map(|convention| convention.prefixes.iter().map(move |prefix| (convention.name, *prefix)));
    fitting.filter(|(_, prefix)| name.starts_with(prefix)).max_by_key(|(_, prefix)| prefix.len()).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_prefix_selects_the_convention() {
        for (name, expected) in [
            ("gen_ai.request.model", Some("OpenTelemetry GenAI")),
            ("gen_ai.system", Some("OpenTelemetry GenAI, older names")),
            ("gen_ai.system_instructions", Some("OpenTelemetry GenAI")),
            ("gen_ai.usage.input_tokens", Some("OpenTelemetry GenAI")),
            ("gen_ai.usage.input_tokens.cached", Some("Sentry")),
            ("ai.prompt_tokens.used", Some("Sentry, older names")),
            ("ai.prompt.messages", Some("Vercel AI SDK")),
            ("llm.token_count.prompt", Some("OpenInference")),
            ("llm.request.type", Some("OpenLLMetry")),
            ("langfuse.observation.input", Some("Langfuse")),
            ("thread.id", None),
        ] {
            assert_eq!(of_name(name), expected, "{name}");
        }
    }
}
