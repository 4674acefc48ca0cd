//! Settings of signing in.

use hinomi_tables::metadata::AccountRole;
use serde::{Deserialize, Serialize};

/// Settings of signing in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignInConfig {
    /// Roles of the groups that the identity provider states. If there are any, they replace all other roles of the members.
    pub group_roles: Vec<GroupRole>,
}

/// Role of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRole {
    /// Name of the group at the provider.
    pub group: String,
    /// Role of its members.
    pub role: AccountRole,
    /// ID of the only project in which they have the role; left out for the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<u64>,
}

impl SignInConfig {
    /// Returns the name of a setting that cannot be used, and why.
    pub(super) fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let has_nameless = self.group_roles.iter().any(|role| role.group.trim().is_empty());
        has_nameless.then_some(("sign_in.group_roles", "each entry needs the name of a group"))
    }
}
