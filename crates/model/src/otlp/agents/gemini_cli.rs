//! Gemini CLI. A call is a record and a span; only the record has all tokens. Each span of a call or a tool is a trace of its own, so the
//! records of a prompt form a separate trace.

use super::{AgentEventRole, AgentFamily};
use crate::normalize::attribute_names::{AttributeDialect, SpanField};
use crate::usage::TokenCountConvention;

pub(super) const FAMILY: AgentFamily = AgentFamily {
    prefix: "gemini_cli.",
    scope: "gemini-cli",
    steps: &[
        ("gemini_cli.user_prompt", AgentEventRole::Prompt),
        ("gemini_cli.api_response", AgentEventRole::Call),
        ("gemini_cli.api_error", AgentEventRole::FailedCall),
        ("gemini_cli.api_request", AgentEventRole::Step),
        ("gemini_cli.tool_call", AgentEventRole::Tool),
        ("gemini_cli.config", AgentEventRole::Ignored),
        ("gemini_cli.startup_stats", AgentEventRole::Ignored),
        ("gemini_cli.extension_install", AgentEventRole::Ignored),
        ("gemini_cli.extension_uninstall", AgentEventRole::Ignored),
        ("gemini_cli.extension_enable", AgentEventRole::Ignored),
        ("gemini_cli.extension_disable", AgentEventRole::Ignored),
        ("gemini_cli.extension_update", AgentEventRole::Ignored),
        ("gemini_cli.ide_connection", AgentEventRole::Ignored),
        // Spans
        ("llm_call", AgentEventRole::Repeat),
        ("tool_call", AgentEventRole::Tool),
        ("schedule_tool_calls", AgentEventRole::Step),
    ],
    others: AgentEventRole::Step,
    dialect: AttributeDialect {
        names: &[
            ("model", Some(SpanField::RequestModel)),
            ("input_token_count", Some(SpanField::InputTokens)),
            ("output_token_count", Some(SpanField::OutputTokens)),
            ("cached_content_token_count", Some(SpanField::CacheRead)),
            ("thoughts_token_count", Some(SpanField::Reasoning)),
            ("total_token_count", Some(SpanField::TotalTokens)),
            ("finish_reasons", Some(SpanField::FinishReasons)),
            ("prompt", Some(SpanField::Input)),
            ("request_text", Some(SpanField::Input)),
            ("response_text", Some(SpanField::Output)),
            ("function_name", Some(SpanField::Tool)),
            ("function_args", Some(SpanField::ToolArguments)),
            ("success", Some(SpanField::Success)),
            ("error", Some(SpanField::StatusMessage)),
            ("error_type", Some(SpanField::ErrorType)),
            ("status_code", Some(SpanField::HttpStatus)),
            ("gen_ai.tool.call_id", Some(SpanField::ToolCallId)),
            // A turn of the user, and not a prompt template as elsewhere.
            ("gen_ai.prompt.name", None),
            // The version of Node.
            ("service.version", None),
            ("user.email", Some(SpanField::User)),
        ],
        // Google's convention: input includes cached tokens, output excludes reasoning.
        input: TokenCountConvention::Inclusive,
        output: TokenCountConvention::Exclusive,
    },
    prompt_id: Some("prompt_id"),
    one_trace: false,
    turn: "gemini_cli.prompt",
};
