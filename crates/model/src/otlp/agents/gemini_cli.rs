//! Gemini CLI. Its records are written within its spans, whose calls have no tokens of their own.

use super::{Family, Role};
use crate::names::{Dialect, Field};
use crate::usage::Convention;

pub(super) const FAMILY: Family = Family {
    prefix: "gemini_cli.",
    scope: "gemini-cli",
    steps: &[
        ("gemini_cli.user_prompt", Role::Prompt),
        ("gemini_cli.api_response", Role::Call),
        ("gemini_cli.api_error", Role::FailedCall),
        ("gemini_cli.api_request", Role::Step),
        ("gemini_cli.tool_call", Role::Tool),
        ("gemini_cli.config", Role::Step),
        ("gemini_cli.startup_stats", Role::Ignored),
        ("gemini_cli.extension_install", Role::Ignored),
        ("gemini_cli.extension_uninstall", Role::Ignored),
        ("gemini_cli.extension_enable", Role::Ignored),
        ("gemini_cli.extension_disable", Role::Ignored),
        ("gemini_cli.extension_update", Role::Ignored),
        ("gemini_cli.ide_connection", Role::Ignored),
    ],
    others: Role::Step,
    dialect: Dialect {
        names: &[
            ("model", Some(Field::RequestModel)),
            ("input_token_count", Some(Field::InputTokens)),
            ("output_token_count", Some(Field::OutputTokens)),
            ("cached_content_token_count", Some(Field::CacheRead)),
            ("thoughts_token_count", Some(Field::Reasoning)),
            ("total_token_count", Some(Field::TotalTokens)),
            ("finish_reasons", Some(Field::FinishReasons)),
            ("prompt", Some(Field::Input)),
            ("request_text", Some(Field::Input)),
            ("response_text", Some(Field::Output)),
            ("function_name", Some(Field::Tool)),
            ("function_args", Some(Field::ToolArguments)),
            ("success", Some(Field::Success)),
            ("error", Some(Field::StatusMessage)),
            ("error_type", Some(Field::ErrorType)),
            ("status_code", Some(Field::HttpStatus)),
        ],
        // As Google counts: cached input is in the input, thoughts stand beside the output.
        input: Convention::Inclusive,
        output: Convention::Exclusive,
    },
    prompt_id: Some("prompt_id"),
    turn: "gemini_cli.prompt",
};
