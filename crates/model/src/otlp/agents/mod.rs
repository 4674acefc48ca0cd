//! Coding agents, which tell of their calls of models by log records.
//!
//! What their events are and what their attributes mean stands in one table for each family. Where an agent sends no traces, its
//! records are given one: all of one prompt hang below one span that the first of them announces, and that has the prompt and the
//! answer.

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

/// A family of agents that name things alike.
pub(super) struct AgentFamily {
    /// What the names of its events begin with.
    prefix: &'static str,
    /// What the names of its instrumentation scopes begin with.
    scope: &'static str,
    /// What its events and spans are, by their names; events of several sorts as `name sort`.
    steps: &'static [(&'static str, AgentEventRole)],
    /// What events are that do not stand there.
    others: AgentEventRole,
    /// What its attributes mean.
    dialect: AttributeDialect,
    /// The attribute that tells one prompt of a session from the next.
    prompt_id: Option<&'static str>,
    /// Whether all of a prompt is one trace of its own spans. Where it is not, records do not follow the span that they were written in,
    /// but stand together.
    one_trace: bool,
    /// What the span above all records of a prompt is called.
    turn: &'static str,
}

/// What an event or a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AgentEventRole {
    /// An agent's turn.
    Agent,
    /// A call of a model.
    Call,
    /// A call of a model, if it has token counts; else it repeats one that has.
    CountedCall,
    /// A call of a model that failed.
    FailedCall,
    /// A request to a model, of whose answer another record tells: a call of its own only if it failed.
    Attempt,
    /// A span of a call that a record tells of too, with all of its tokens.
    Repeat,
    /// A call of a tool.
    Tool,
    /// What the user asked.
    Prompt,
    /// What a model answered.
    Answer,
    /// Anything else that is worth seeing: a decision, a retry, a compaction.
    Step,
    /// Internals of the program.
    Ignored,
}

impl AgentEventRole {
    fn is_call(self) -> bool {
        matches!(self, AgentEventRole::Call | AgentEventRole::CountedCall | AgentEventRole::FailedCall)
    }

    /// The op that says the same to the tables of kinds.
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

const FAMILIES: &[&AgentFamily] = &[&claude_code::FAMILY, &codex::FAMILY, &gemini_cli::FAMILY];

/// The family whose spans are of that instrumentation scope.
pub(super) fn of_scope(scope: &str) -> Option<&'static AgentFamily> {
    FAMILIES.iter().copied().find(|family| scope.starts_with(family.scope))
}

/// The family that wrote a record, and the whole name of its event.
pub(super) fn of_record(record: &DecodedLogRecord, around: &ResourceScope) -> Option<(&'static AgentFamily, String)> {
    let by_name = record.names().find_map(|name| {
        let family = FAMILIES.iter().copied().find(|family| name.starts_with(family.prefix))?;
        // A body may be any text that a program logs, so it must be a name that is known.
        let is_name = record.body.as_str() != Some(name) || family.known_role(name).is_some();
        is_name.then(|| (family, name.to_owned()))
    });
    by_name.or_else(|| {
        let family = of_scope(&around.scope_name)?;
        let name = record.attributes.get("event.name")?.as_str()?;
        Some((family, format!("{}{name}", family.prefix)))
    })
}

/// The family that a stored span is of.
pub(super) fn of_span(span: &Span) -> Option<&'static AgentFamily> {
    let by_scope = span.origin.as_deref().and_then(of_scope);
    by_scope.or_else(|| FAMILIES.iter().copied().find(|family| span.name.starts_with(family.prefix)))
}

impl AgentFamily {
    /// What its attributes mean.
    pub(super) fn dialect(&self) -> &AttributeDialect {
        &self.dialect
    }

    /// Its name, for a person.
    pub(super) fn name(&self) -> &'static str {
        self.turn.split(['.', ' ']).next().unwrap_or(self.turn)
    }

    /// The canonical span of one of the family's.
    pub(super) fn canonical(&self, mut raw: RawSpan, book: &PriceBook) -> Span {
        let role = self.known_role(&raw.name).filter(|_| raw.op.is_empty());
        if let Some(role) = role {
            raw.op = role.op().into();
        }
        let mut span = normalize::canonical_of(raw, &self.dialect, book);
        if role == Some(AgentEventRole::Repeat) {
            span.counted = false;
            // A log record reports the same call, with all of its tokens.
            span.exclusion = Some(Exclusion::DuplicateReport { span_id: None });
        }
        span
    }

    fn known_role(&self, name: &str) -> Option<AgentEventRole> {
        self.steps.iter().find(|(known, _)| *known == name).map(|(_, role)| *role)
    }

    /// What the event of a record is; `None` for what is not kept.
    fn role(&self, name: &str, record: &DecodedLogRecord) -> Option<AgentEventRole> {
        let sort = record.attributes.get("event.kind").and_then(Value::as_str);
        let of_sort = sort.and_then(|sort| self.known_role(&format!("{name} {sort}")));
        let role = of_sort.or_else(|| self.known_role(name)).unwrap_or(self.others);
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
            // The span of the tool says the same.
            AgentEventRole::Tool if self.one_trace && record.trace().is_some() => Some(AgentEventRole::Step),
            // Belongs to no prompt: the program has started, or looked for an update.
            AgentEventRole::Step if self.is_alone(record) => None,
            role => Some(role),
        }
    }

    /// Whether nothing tells which prompt a record belongs to, although others say so.
    fn is_alone(&self, record: &DecodedLogRecord) -> bool {
        self.prompt_id.is_some() && self.prompt_id(record).is_none() && record.trace().is_none()
    }

    /// The attribute of a record that tells a field.
    fn value<'a>(&self, record: &'a DecodedLogRecord, field: SpanField) -> Option<&'a Value> {
        let meant = record.attributes.iter().filter_map(|(name, value)| {
            let (known, rank, _) = self.dialect.lookup(name)?;
            (known == field).then_some((rank, value))
        });
        meant.min_by_key(|(rank, _)| *rank).map(|(_, value)| value)
    }

    /// The same, where it is a text and says something.
    fn text<'a>(&self, record: &'a DecodedLogRecord, field: SpanField) -> Option<&'a str> {
        self.value(record, field)?.as_str().filter(|text| !text.trim().is_empty())
    }

    fn prompt_id<'a>(&self, record: &'a DecodedLogRecord) -> Option<&'a str> {
        record.attributes.get(self.prompt_id?)?.as_str().filter(|id| !id.is_empty())
    }
}
