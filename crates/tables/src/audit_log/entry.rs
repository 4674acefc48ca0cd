//! Entries of the audit log.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditActor {
    /// ID of the account; `None` for a person who is not signed in, or for somebody with access to the data directory.
    pub account_id: Option<i64>,
    /// Name of the account, or another description.
    pub name: String,
    /// How the actor was authenticated, such as `session 3`, `token 7` or `command`; empty for no authentication.
    pub credential: String,
    /// Address from which the request came, or address of the last proxy.
    pub address: Option<IpAddr>,
}

/// An event to record.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    /// Who did it.
    pub actor: AuditActor,
    /// What was done, in words separated by dots, such as `keys.create`.
    pub action: String,
    /// Object of the action, such as `key 5`; empty if the action already names it.
    pub object: String,
    /// ID of the project; `None` for the whole server.
    pub project: Option<u64>,
    /// More about the action. Never contains secrets, messages or names of users of the monitored programs.
    pub details: BTreeMap<String, Value>,
}

impl AuditEvent {
    /// Returns an event without an object and details.
    pub fn new(actor: AuditActor, action: impl Into<String>) -> AuditEvent {
        AuditEvent { actor, action: action.into(), object: String::new(), project: None, details: BTreeMap::new() }
    }

    /// Adds a detail.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> AuditEvent {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn into_entry(self, sequence: u64, time_us: i64) -> AuditEntry {
        let AuditEvent { actor, action, object, project, details } = self;
        AuditEntry { sequence, time_us, actor, action, object, project_id: project, details }
    }
}

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Sequence number of the entry, from 1, without gaps.
    pub sequence: u64,
    /// Time in microseconds since the Unix epoch.
    pub time_us: i64,
    /// Who did it.
    pub actor: AuditActor,
    /// What was done.
    pub action: String,
    /// Object of the action; empty if the action already names it.
    pub object: String,
    /// ID of the project; `None` for the whole server.
    pub project_id: Option<u64>,
    /// More about the action.
    pub details: BTreeMap<String, Value>,
}

impl AuditEntry {
    /// Returns the text that is stored and hashed.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn from_text(text: &str) -> Option<AuditEntry> {
        serde_json::from_str(text).ok()
    }
}
