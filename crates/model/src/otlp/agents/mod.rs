//! Coding agents, which report their calls of models by log records.
//!
//! One table per family defines its events and the meaning of its attributes. If an agent sends no traces, its records get a trace: all
//! records of a prompt are below one span, which has the prompt and the response. The first record of the prompt creates this span.

mod claude_code;
mod codex;
pub(super) mod event;
mod gemini_cli;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::log_record::DecodedLogRecord;
use super::span::ResourceScope;
use crate::dedup::exclusion::Exclusion;
use crate::normalize::RawSpan;
use crate::normalize::attribute_names::{AttributeDialect, SpanField};
use crate::price::PriceBook;
use crate::span::Span;
use crate::{normalize, usage};

/// A family of agents with the same names of events and attributes.
pub(super) struct AgentFamily {
    /// Prefix of the names of its events.
    prefix: &'static str,
    /// Prefix of the names of its instrumentation scopes.
    scope: &'static str,
    /// Roles of its events and spans by name; events of several kinds as `name kind`.
    event_roles: &'static [(&'static str, AgentEventRole)],
    /// Role of events that are not listed.
    other_role: AgentEventRole,
    /// Meaning of its attributes.
    dialect: AttributeDialect,
    /// Attribute that distinguishes the prompts of a session.
    prompt_id: Option<&'static str>,
    /// True if all spans of a prompt are in one trace. Otherwise the records of a prompt form a trace of their own, whatever span they
    /// were written in.
    is_one_trace: bool,
    /// Name of the span above all records of a prompt.
    turn_span_name: &'static str,
}

/// Role of an event or a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AgentEventRole {
    /// Turn of an agent.
    Agent,
    /// Call of a model.
    Call,
    /// Call of a model if it has token counts, otherwise a repeat of a record that has token counts.
    CountedCall,
    /// Failed call of a model.
    FailedCall,
    /// Request to a model whose response is another record. The request is a separate call only if it failed.
    Attempt,
    /// Span of a call that a log record also reports, with all tokens of the call.
    Repeat,
    /// Tool call.
    Tool,
    /// Prompt of the user.
    Prompt,
    /// Response of a model.
    Answer,
    /// Any other relevant event: a decision, a retry, a compaction.
    Step,
    /// Event about the internals of the program.
    Ignored,
}

impl AgentEventRole {
    fn is_call(self) -> bool {
        matches!(self, AgentEventRole::Call | AgentEventRole::CountedCall | AgentEventRole::FailedCall)
    }

    /// Returns the op with the same meaning, from which the kind of the span is determined.
    const fn op(self) -> &'static str {
        match self {
            AgentEventRole::Agent => "gen_ai.invoke_agent",
            AgentEventRole::Call | AgentEventRole::CountedCall | AgentEventRole::FailedCall | AgentEventRole::Repeat => "gen_ai.chat",
            AgentEventRole::Tool => "gen_ai.execute_tool",
            AgentEventRole::Prompt | AgentEventRole::Answer | AgentEventRole::Step | AgentEventRole::Attempt | AgentEventRole::Ignored => {
                "agent.event"
            }
        }
    }
}

const FAMILIES: &[&AgentFamily] = &[&claude_code::FAMILY, &codex::FAMILY, &gemini_cli::FAMILY, &gemini_cli::QWEN_CODE];

/// Returns the family with that instrumentation scope.
pub(super) fn family_of_scope(scope: &str) -> Option<&'static AgentFamily> {
    FAMILIES.iter().copied().find(|family| scope.starts_with(family.scope))
}

/// Returns the family that wrote a record, and the full name of its event.
pub(super) fn family_of_record(record: &DecodedLogRecord, scope: &ResourceScope) -> Option<(&'static AgentFamily, String)> {
    let by_name = record.names().find_map(|name| {
        let family = FAMILIES.iter().copied().find(|family| name.starts_with(family.prefix))?;
        // A body may be any text that a program logs, so only a known name counts.
        let is_name = record.body.as_str() != Some(name) || family.known_role(name).is_some();
        is_name.then(|| (family, name.to_owned()))
    });
    by_name.or_else(|| {
        let family = family_of_scope(&scope.scope_name)?;
        let name = record.attributes.get("event.name")?.as_str()?;
        Some((family, format!("{}{name}", family.prefix)))
    })
}

/// Returns the family that reported a stored span.
pub(super) fn of_span(span: &Span) -> Option<&'static AgentFamily> {
    let by_scope = span.origin.as_deref().and_then(family_of_scope);
    by_scope.or_else(|| FAMILIES.iter().copied().find(|family| span.name.starts_with(family.prefix)))
}

impl AgentFamily {
    /// Returns the meaning of the family's attributes.
    pub(super) fn dialect(&self) -> &AttributeDialect {
        &self.dialect
    }

    /// Returns the readable name.
    pub(super) fn name(&self) -> &'static str {
        self.turn_span_name.split(['.', ' ']).next().unwrap_or(self.turn_span_name)
    }

    /// Returns the canonical span of a raw span of the family.
    pub(super) fn canonical(&self, mut raw: RawSpan, book: &PriceBook) -> Span {
        let role = self.known_role(&raw.name).filter(|_| raw.op.is_empty());
        if let Some(role) = role {
            raw.op = role.op().into();
        }
        let mut span = normalize::canonical_span_of(raw, &self.dialect, book);
        if role == Some(AgentEventRole::Repeat) {
            span.counted = false;
            // A log record reports the same call, with all of its tokens.
            span.exclusion = Some(Exclusion::DuplicateReport { span_id: None });
        }
        span
    }

    fn known_role(&self, name: &str) -> Option<AgentEventRole> {
        self.event_roles.iter().find(|(known, _)| *known == name).map(|(_, role)| *role)
    }

    /// Returns the role of a record's event; `None` for an event that is not stored.
    fn role_of(&self, name: &str, record: &DecodedLogRecord) -> Option<AgentEventRole> {
        let sort = record.attributes.get("event.kind").and_then(Value::as_str);
        let of_sort = sort.and_then(|sort| self.known_role(&format!("{name} {sort}")));
        let role = of_sort.or_else(|| self.known_role(name)).unwrap_or(self.other_role);
        match role {
            AgentEventRole::Ignored => None,
            AgentEventRole::CountedCall => {
                let counted =
                    [SpanField::InputTokens, SpanField::OutputTokens].into_iter().any(|field| self.value(record, field).is_some());
                counted.then_some(role)
            }
            AgentEventRole::Attempt => {
                let refused = self.value(record, SpanField::HttpStatus).and_then(usage::count).is_some_and(|status| status >= 400);
                let failed = refused || self.text(record, SpanField::StatusMessage).is_some();
                Some(if failed { AgentEventRole::FailedCall } else { AgentEventRole::Step })
            }
            // The tool's span reports the same.
            AgentEventRole::Tool if self.is_one_trace && record.trace().is_some() => Some(AgentEventRole::Step),
            // Belongs to no prompt, such as the start of the program or a check for updates.
            AgentEventRole::Step if self.has_no_prompt(record) => None,
            role => Some(role),
        }
    }

    /// Returns whether a record belongs to no known prompt, although the records of this family name theirs.
    fn has_no_prompt(&self, record: &DecodedLogRecord) -> bool {
        self.prompt_id.is_some() && self.prompt_id(record).is_none() && record.trace().is_none()
    }

    /// Returns the best attribute of a record for a field.
    fn value<'a>(&self, record: &'a DecodedLogRecord, field: SpanField) -> Option<&'a Value> {
        let meant = record.attributes.iter().filter_map(|(name, value)| {
            let (known, rank, _) = self.dialect.lookup(name)?;
            (known == field).then_some((rank, value))
        });
        meant.min_by_key(|(rank, _)| *rank).map(|(_, value)| value)
    }

    /// Returns the best attribute of a record for a field if it is a text and not blank.
    fn text<'a>(&self, record: &'a DecodedLogRecord, field: SpanField) -> Option<&'a str> {
        self.value(record, field)?.as_str().filter(|text| !text.trim().is_empty())
    }

    fn prompt_id<'a>(&self, record: &'a DecodedLogRecord) -> Option<&'a str> {
        record.attributes.get(self.prompt_id?)?.as_str().filter(|id| !id.is_empty())
    }
}
