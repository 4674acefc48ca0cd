use super::*;

#[test]
fn ops_of_all_sdk_versions() {
    for (op, expected) in [
        ("gen_ai.chat", SpanType::Llm),
        ("gen_ai.responses", SpanType::Llm),
        ("gen_ai.embeddings", SpanType::Embedding),
        ("gen_ai.invoke_agent", SpanType::Agent),
        ("gen_ai.handoff", SpanType::Handoff),
        ("ai.chat_completions.create.openai", SpanType::Llm),
        ("ai.embeddings.create.cohere", SpanType::Embedding),
        ("ai.pipeline", SpanType::Chain),
        ("ai.run", SpanType::Chain),
        ("ai.pipeline.langchain", SpanType::Chain),
        ("ai.tool.langchain", SpanType::Tool),
        ("ai.agent.langchain", SpanType::Agent),
        ("ai.pipeline.generate_text", SpanType::Agent),
        ("http.client", SpanType::Http),
        ("db.sql.query", SpanType::Db),
        ("function", SpanType::Function),
        ("task", SpanType::Other),
        ("", SpanType::Other),
    ] {
        assert_eq!(kind(&KindInferenceInputs { op, ..KindInferenceInputs::default() }), expected, "{op}");
    }
}

#[test]
fn operations_of_ops() {
    assert_eq!(operation_of_op("gen_ai.execute_tool"), Some("execute_tool"));
    assert_eq!(operation_of_op("ai.chat_completions.create.openai"), Some("chat"));
    assert_eq!(operation_of_op("ai.embeddings.create.cohere"), Some("embeddings"));
    assert_eq!(operation_of_op("http.client"), None);
}

#[test]
fn vercel_outer_spans_are_not_calls() {
    let of = |vercel| kind(&KindInferenceInputs { vercel: Some(vercel), op: "gen_ai.generate_text", ..KindInferenceInputs::default() });
    assert_eq!(of("ai.generateText"), SpanType::Agent);
    assert_eq!(of("ai.generateText.doGenerate"), SpanType::Llm);
    assert_eq!(of("ai.embed.doEmbed"), SpanType::Embedding);
    assert_eq!(of("ai.embedMany"), SpanType::Chain);
    assert_eq!(of("ai.generateImage.doGenerate"), SpanType::Other);
    assert_eq!(of("ai.transcribe.doTranscribe"), SpanType::Other);
    assert_eq!(of("ai.toolCall weather-bot"), SpanType::Tool);
    assert_eq!(of("checkout"), SpanType::Llm, "not Vercel's: the op decides");
}

#[test]
fn content_decides_the_kind_where_names_do_not() {
    let unnamed = KindInferenceInputs { op: "acompletion", ..KindInferenceInputs::default() };
    assert_eq!(kind(&KindInferenceInputs { has_tool: true, has_model: true, ..unnamed }), SpanType::Tool);
    assert_eq!(kind(&KindInferenceInputs { has_model: true, has_messages: true, ..unnamed }), SpanType::Llm);
    assert_eq!(kind(&KindInferenceInputs { operation: Some("chat"), ..unnamed }), SpanType::Llm);
    assert_eq!(kind(&KindInferenceInputs { has_usage: true, ..unnamed }), SpanType::Llm, "of an unknown model");
    assert_eq!(kind(&KindInferenceInputs { has_usage: true, has_http: true, ..unnamed }), SpanType::Http);
    assert_eq!(kind(&KindInferenceInputs { has_usage: true, has_agent: true, ..unnamed }), SpanType::Agent);
    assert_eq!(kind(&KindInferenceInputs { has_model: true, ..unnamed }), SpanType::Other, "a model alone is no call");
    let of_model = |model| kind(&KindInferenceInputs { has_model: true, has_usage: true, model, ..KindInferenceInputs::default() });
    assert_eq!(of_model("gpt-4o"), SpanType::Llm);
    assert_eq!(of_model("text-embedding-3-small"), SpanType::Embedding);
    assert_eq!(of_model("BAAI/bge-reranker-v2"), SpanType::Reranker);
    assert_eq!(of_model("gpt-4o-mini-tts"), SpanType::Other);
    assert_eq!(kind(&unnamed), SpanType::Other);
}

#[test]
fn a_kind_that_is_not_known_is_no_call() {
    let told = KindInferenceInputs {
        has_foreign_kind: true,
        has_model: true,
        has_messages: true,
        has_usage: true,
        ..KindInferenceInputs::default()
    };
    for unknown in ["TOKEN_COUNTER", "AUDIO", "USER", "JUDGE"] {
        assert_eq!(kind(&KindInferenceInputs { span_kind: Some(unknown), ..told }), SpanType::Other, "{unknown}");
    }
    for neutral in ["UNKNOWN", "span", "DEFAULT", "ai_client"] {
        assert_eq!(kind(&KindInferenceInputs { span_kind: Some(neutral), ..told }), SpanType::Llm, "{neutral}");
    }
    let of_any_program = KindInferenceInputs { span_kind: Some("web"), has_foreign_kind: false, ..told };
    assert_eq!(kind(&of_any_program), SpanType::Llm);
}

#[test]
fn operations_that_are_no_calls_and_judges_that_are() {
    let of = |operation, has_usage| {
        kind(&KindInferenceInputs { operation: Some(operation), has_model: true, has_usage, ..KindInferenceInputs::default() })
    };
    for operation in ["stt", "tts", "image_generation", "moderation", "count_tokens", "fetch_response", "search_memory"] {
        assert_eq!((of(operation, true), of(operation, false)), (SpanType::Other, SpanType::Other), "{operation}");
    }
    assert_eq!((of("evaluate", true), of("evaluate", false)), (SpanType::Llm, SpanType::Evaluator));
    assert_eq!((of("apply_guardrail", true), of("apply_guardrail", false)), (SpanType::Llm, SpanType::Guardrail));
    assert_eq!((of("self_check_input", true), of("self_check_input", false)), (SpanType::Llm, SpanType::Other));
}

#[test]
fn model_attributes_outweigh_a_request_op() {
    let of = |op, operation, span_kind| {
        kind(&KindInferenceInputs { op, operation, span_kind, has_model: true, has_http: true, ..KindInferenceInputs::default() })
    };
    assert_eq!(of("http.client", Some("chat"), None), SpanType::Llm);
    assert_eq!(of("http", Some("embeddings"), None), SpanType::Embedding);
    assert_eq!(of("http.client", None, Some("LLM")), SpanType::Llm);
    assert_eq!(of("http.client", Some("POST"), None), SpanType::Http, "no operation that is known");
    assert_eq!(of("http.client", None, None), SpanType::Http, "a model alone is what a gateway writes too");
    assert_eq!(of("http.server", Some("chat"), None), SpanType::Http, "who serves it does not ask");
    assert_eq!(of("db.query", Some("chat"), None), SpanType::Db);
}

#[test]
fn kinds_of_individual_frameworks() {
    let of = |span_kind, operation, name| kind(&KindInferenceInputs { span_kind, operation, name, ..KindInferenceInputs::default() });
    assert_eq!(of(Some("\"CHAT_MODEL\""), None, "MLflow"), SpanType::Llm);
    assert_eq!(of(Some("prompt"), Some("chat"), "LangSmith's template"), SpanType::Prompt);
    assert_eq!(of(Some("task"), Some("vector_db_retrieve"), "OpenLLMetry"), SpanType::Retriever);
    assert_eq!(of(Some("workflow"), Some("invoke_agent"), "OpenLLMetry"), SpanType::Chain);
    assert_eq!(of(Some("LLM"), None, "OpenAI._prepare_chat_with_tools"), SpanType::Chain, "LlamaIndex before the call");
    assert_eq!(of(None, Some("execute_event_loop_cycle"), "Strands"), SpanType::Chain);
    assert_eq!(of(None, Some("agent_handoff"), "OpenTelemetry for the Agents SDK"), SpanType::Handoff);
}
