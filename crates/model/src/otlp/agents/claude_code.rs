//! Claude Code. Events have short names in `event.name` and full names as the body. Traces (a beta feature) report the same calls again,
//! with the same request IDs.

use super::{AgentEventRole, AgentFamily};
use crate::normalize::attribute_names::{AttributeDialect, SpanField};
use crate::usage::TokenCountConvention;

pub(super) const FAMILY: AgentFamily = AgentFamily {
    prefix: "claude_code.",
    scope: "com.anthropic.claude_code",
    event_roles: &[
        // Events
        ("claude_code.user_prompt", AgentEventRole::Prompt),
        ("claude_code.assistant_response", AgentEventRole::Answer),
        ("claude_code.api_request", AgentEventRole::Call),
        ("claude_code.api_error", AgentEventRole::FailedCall),
        ("claude_code.tool_result", AgentEventRole::Tool),
        ("claude_code.tool_decision", AgentEventRole::Step),
        ("claude_code.auth", AgentEventRole::Ignored),
        ("claude_code.managed_settings_resolved", AgentEventRole::Ignored),
        ("claude_code.plugin_installed", AgentEventRole::Ignored),
        ("claude_code.plugin_loaded", AgentEventRole::Ignored),
        ("claude_code.hook_registered", AgentEventRole::Ignored),
        ("claude_code.hook_plugin_metrics", AgentEventRole::Ignored),
        ("claude_code.feedback_survey", AgentEventRole::Ignored),
        // Spans
        ("claude_code.interaction", AgentEventRole::Agent),
        ("claude_code.llm_request", AgentEventRole::Call),
        ("claude_code.tool", AgentEventRole::Tool),
        // The part of the tool's span without waiting.
        ("claude_code.tool.execution", AgentEventRole::Step),
        ("claude_code.tool.blocked_on_user", AgentEventRole::Step),
        ("claude_code.hook", AgentEventRole::Step),
    ],
    other_role: AgentEventRole::Step,
    dialect: AttributeDialect {
        names: &[
            ("model", Some(SpanField::RequestModel)),
            ("request_id", Some(SpanField::ResponseId)),
            ("input_tokens", Some(SpanField::InputTokens)),
            ("output_tokens", Some(SpanField::OutputTokens)),
            ("cache_read_tokens", Some(SpanField::CacheRead)),
            ("cache_creation_tokens", Some(SpanField::CacheWrite)),
            ("cache_creation_1h_tokens", Some(SpanField::CacheWrite1h)),
            // The account, if the developer is signed in. Otherwise `user.id` identifies the installation.
            ("user.email", Some(SpanField::User)),
            ("ttft_ms", Some(SpanField::FirstTokenMillis)),
            ("stop_reason", Some(SpanField::FinishReasons)),
            ("prompt", Some(SpanField::Input)),
            ("user_prompt", Some(SpanField::Input)),
            ("response", Some(SpanField::Output)),
            ("tool_name", Some(SpanField::Tool)),
            ("tool_use_id", Some(SpanField::ToolCallId)),
            ("tool_input", Some(SpanField::ToolArguments)),
            ("tool_parameters", Some(SpanField::ToolArguments)),
            ("full_command", Some(SpanField::ToolArguments)),
            ("success", Some(SpanField::Success)),
            ("error", Some(SpanField::StatusMessage)),
            ("error_type", Some(SpanField::ErrorType)),
            ("status_code", Some(SpanField::HttpStatus)),
            // A turn of the user, and not a prompt template as elsewhere.
            ("prompt.id", None),
        ],
        // Anthropic's convention: input excludes cached tokens.
        input: TokenCountConvention::Exclusive,
        output: TokenCountConvention::Inclusive,
    },
    prompt_id: Some("prompt.id"),
    is_one_trace: true,
    turn_span_name: "claude_code.interaction",
};
