//! Roles, kinds and states of accounts, and the access that roles give.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Role of an account or API token, in one project or on the whole server. Each role includes the permissions of the roles before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountRole {
    /// Reads.
    Viewer,
    /// Works with rules, budgets, incidents, scores and pins.
    Member,
    /// Changes settings, keys, prices and members, and deletes data.
    Admin,
    /// Is an admin who can also appoint and remove owners.
    Owner,
}

/// Kind of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// A person, who signs in.
    Person,
    /// A program, which uses API tokens and cannot sign in.
    Service,
}

/// State of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// The person has not accepted the invitation yet.
    Invited,
    /// The account can be used.
    Active,
    /// The account cannot be used. What it did remains.
    Deactivated,
}

/// Stores an enum under the names of its values.
macro_rules! stored_by_name {
    ($name:ident { $($value:ident = $text:literal),* $(,)? }) => {
        impl $name {
            /// Returns the name in the database and in the API.
            pub fn name(self) -> &'static str {
                match self { $($name::$value => $text),* }
            }

            /// Returns the value with a name; `None` if there is none.
            pub fn from_name(name: &str) -> Option<$name> {
                match name { $($text => Some($name::$value),)* _ => None }
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(self.name().into())
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<$name> {
                $name::from_name(value.as_str()?).ok_or(rusqlite::types::FromSqlError::InvalidType)
            }
        }
    };
}
pub(in crate::metadata) use stored_by_name;

stored_by_name!(AccountRole { Viewer = "viewer", Member = "member", Admin = "admin", Owner = "owner" });
stored_by_name!(AccountKind { Person = "person", Service = "service" });
stored_by_name!(AccountState { Invited = "invited", Active = "active", Deactivated = "deactivated" });

/// Roles of an account or token, for the whole server and by project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AccessGrant {
    /// Role on the server, and in every project; `None` for no access beyond `projects`.
    pub server: Option<AccountRole>,
    /// Roles in single projects, by ID of the project.
    pub projects: BTreeMap<u64, AccountRole>,
}

impl AccessGrant {
    /// Returns the role in a project, the higher one of server and project; `None` for no access.
    pub fn role_in(&self, project: u64) -> Option<AccountRole> {
        self.server.max(self.projects.get(&project).copied())
    }

    /// Returns the highest role of all; `None` for no access at all.
    pub fn highest_role(&self) -> Option<AccountRole> {
        self.server.max(self.projects.values().max().copied())
    }

    /// Returns the part of this access that a token has: at most its role, in its project or in all projects.
    pub fn limit_to(&self, role: AccountRole, project: Option<u64>) -> AccessGrant {
        if let Some(project) = project {
            let projects = self.role_in(project).map(|own| (project, own.min(role))).into_iter().collect();
            return AccessGrant { server: None, projects };
        }
        let projects = self.projects.iter().map(|(project, own)| (*project, (*own).min(role))).collect();
        AccessGrant { server: self.server.map(|own| own.min(role)), projects }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_role() -> impl Strategy<Value = AccountRole> {
        prop::sample::select(vec![AccountRole::Viewer, AccountRole::Member, AccountRole::Admin, AccountRole::Owner])
    }

    fn any_access() -> impl Strategy<Value = AccessGrant> {
        (prop::option::of(any_role()), prop::collection::btree_map(1..4_u64, any_role(), 0..3))
            .prop_map(|(server, projects)| AccessGrant { server, projects })
    }

    #[test]
    fn names_are_those_of_the_api() {
        for role in [AccountRole::Viewer, AccountRole::Member, AccountRole::Admin, AccountRole::Owner] {
            assert_eq!(AccountRole::from_name(role.name()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        assert_eq!(AccountRole::from_name("Owner"), None);
        assert!(AccountRole::Owner > AccountRole::Admin && AccountRole::Member > AccountRole::Viewer);
    }

    proptest! {
        #[test]
        fn token_never_exceeds_its_account_its_role_or_its_project(
            access in any_access(), role in any_role(), project in prop::option::of(1..4_u64), seen in 1..4_u64,
        ) {
            let limited = access.limit_to(role, project);
            prop_assert!(limited.role_in(seen) <= access.role_in(seen));
            prop_assert!(limited.role_in(seen) <= Some(role));
            prop_assert!(limited.server <= access.server);
            match project {
                Some(project) if project != seen => prop_assert_eq!(limited.role_in(seen), None),
                _ => prop_assert_eq!(limited.role_in(seen), access.role_in(seen).map(|own| own.min(role))),
            }
            if project.is_some() {
                prop_assert_eq!(limited.server, None);
            }
        }
    }
}
