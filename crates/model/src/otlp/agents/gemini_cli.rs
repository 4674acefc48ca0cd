//! Gemini CLI. A call is reported both as a log record and as a span; only the record has all tokens. Each span of a call or a tool is a
//! trace of its own, so the records of a prompt form a separate trace.
//!
//! Qwen Code is a fork of Gemini CLI. Its spans have the attribute names of the conventions and all tokens, but no messages. Its records
//! are in the trace of the span in which they were written.

use super::{AgentEventRole, AgentFamily};
use crate::normalize::attribute_names::{AttributeDialect, SpanField};
use crate::usage::TokenCountConvention;

pub(super) const FAMILY: AgentFamily = AgentFamily {
    prefix: "gemini_cli.",
    scope: "gemini-cli",
    event_roles: &[
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
    other_role: AgentEventRole::Step,
    dialect: DIALECT,
    prompt_id: Some("prompt_id"),
    is_one_trace: false,
    turn_span_name: "gemini_cli.prompt",
};

/// Meaning of the attributes of Gemini CLI and its descendants.
const DIALECT: AttributeDialect = AttributeDialect {
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
        ("call_id", Some(SpanField::ToolCallId)),
        ("response_id", Some(SpanField::ResponseId)),
        // A turn of the user, and not a prompt template as elsewhere.
        ("gen_ai.prompt.name", None),
        // The version of Node.
        ("service.version", None),
        ("user.email", Some(SpanField::User)),
    ],
    // Google's convention: input includes cached tokens, output excludes reasoning.
    input: TokenCountConvention::Inclusive,
    output: TokenCountConvention::Exclusive,
};

pub(super) const QWEN_CODE: AgentFamily = AgentFamily {
    prefix: "qwen-code.",
    scope: "qwen-code",
    event_roles: &[
        ("qwen-code.user_prompt", AgentEventRole::Prompt),
        ("qwen-code.api_response", AgentEventRole::Call),
        ("qwen-code.api_error", AgentEventRole::FailedCall),
        ("qwen-code.api_request", AgentEventRole::Step),
        ("qwen-code.tool_call", AgentEventRole::Tool),
        ("qwen-code.config", AgentEventRole::Ignored),
        ("qwen-code.auth", AgentEventRole::Ignored),
        ("qwen-code.ripgrep_fallback", AgentEventRole::Ignored),
        // Spans
        ("qwen-code.interaction", AgentEventRole::Agent),
        ("qwen-code.llm_request", AgentEventRole::Call),
        ("qwen-code.tool", AgentEventRole::Tool),
        ("qwen-code.tool.execution", AgentEventRole::Step),
        ("qwen-code.hook", AgentEventRole::Step),
    ],
    other_role: AgentEventRole::Step,
    dialect: DIALECT,
    prompt_id: Some("prompt_id"),
    is_one_trace: true,
    turn_span_name: "qwen-code.prompt",
};
