//! Whom a project hides messages from.

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::accounts::AccountRole;

/// Whom a project hides the bodies of messages from: prompts, answers, tool arguments and results, attributes, error texts, local variables,
/// log lines and media.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageHiding {
    /// Everybody with a role in the project sees messages.
    #[default]
    Nobody,
    /// Messages are hidden from callers with the role `viewer`.
    Viewer,
    /// Messages are hidden from all callers of the API.
    All,
}

impl MessageHiding {
    /// Returns the name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            MessageHiding::Nobody => "nobody",
            MessageHiding::Viewer => "viewer",
            MessageHiding::All => "all",
        }
    }

    /// Returns whether messages are hidden from callers with a role.
    pub fn hides_from(self, role: AccountRole) -> bool {
        match self {
            MessageHiding::Nobody => false,
            MessageHiding::Viewer => role <= AccountRole::Viewer,
            MessageHiding::All => true,
        }
    }
}

impl ToSql for MessageHiding {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for MessageHiding {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<MessageHiding> {
        // A later version may know more values. Hiding too much is safer than too little.
        Ok(match value.as_str()? {
            "nobody" => MessageHiding::Nobody,
            "viewer" => MessageHiding::Viewer,
            _ => MessageHiding::All,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_hides_from_its_roles() {
        let hidden_from = |hiding: MessageHiding| {
            [AccountRole::Viewer, AccountRole::Member, AccountRole::Admin, AccountRole::Owner].map(|role| hiding.hides_from(role))
        };
        assert_eq!(hidden_from(MessageHiding::Nobody), [false; 4]);
        assert_eq!(hidden_from(MessageHiding::Viewer), [true, false, false, false]);
        assert_eq!(hidden_from(MessageHiding::All), [true; 4]);
    }
}
