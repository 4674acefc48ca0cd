//! Who may sign in with a provider or a proxy, and with which roles.

use hinomi_tables::metadata::{AccessGrant, AccountRole, ProviderRoles};

use super::{SignInFailure, roles_of_groups};
use crate::config::{AccountCreation, GroupRole, SignInConfig};

/// Policy for people who sign in with a provider or a proxy.
#[derive(Debug, Clone)]
pub struct AccountPolicy {
    /// True if a new account is created for everybody who has none.
    pub creates_accounts: bool,
    /// Allowed domains of e-mail addresses, in lower case; empty for any.
    domains: Vec<String>,
    default_role: Option<AccountRole>,
    group_roles: Vec<GroupRole>,
}

impl AccountPolicy {
    pub(super) fn new(config: &SignInConfig) -> AccountPolicy {
        let domains = config.email_domains.split(',').map(|domain| domain.trim().trim_start_matches('@').to_lowercase());
        AccountPolicy {
            creates_accounts: config.accounts == AccountCreation::FirstSignIn,
            domains: domains.filter(|domain| !domain.is_empty()).collect(),
            default_role: config.parsed_default_role(),
            group_roles: config.group_roles.clone(),
        }
    }

    /// Returns whether groups decide about roles.
    pub fn uses_groups(&self) -> bool {
        !self.group_roles.is_empty()
    }

    /// Checks that the domain of an e-mail address is allowed.
    ///
    /// # Errors
    ///
    /// When it is not, or the text is not an address.
    pub fn check_domain(&self, email: &str) -> Result<(), SignInFailure> {
        let (_, domain) = email.trim().rsplit_once('@').ok_or(SignInFailure::EmailMissing)?;
        let is_allowed = self.domains.is_empty() || self.domains.contains(&domain.to_lowercase());
        if is_allowed { Ok(()) } else { Err(SignInFailure::EmailDomain) }
    }

    /// Returns the roles of a person in these groups.
    pub fn roles(&self, groups: &[String]) -> ProviderRoles {
        if !self.uses_groups() {
            return ProviderRoles::OfNewAccount(AccessGrant { server: self.default_role, ..AccessGrant::default() });
        }
        let grant = roles_of_groups(&self.group_roles, groups);
        ProviderRoles::Exactly(AccessGrant { server: grant.server.max(self.default_role), ..grant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(group: &str, role: AccountRole, project: Option<u64>) -> GroupRole {
        GroupRole { group: group.into(), role, project }
    }

    fn roles_of(policy: &AccountPolicy, groups: &[&str]) -> ProviderRoles {
        policy.roles(&groups.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn highest_role_of_all_groups_counts() {
        let group_roles = vec![
            group("staff", AccountRole::Viewer, None),
            group("ops", AccountRole::Admin, None),
            group("app", AccountRole::Member, Some(2)),
            group("lead", AccountRole::Admin, Some(2)),
        ];
        let policy = AccountPolicy::new(&SignInConfig { group_roles, ..SignInConfig::default() });
        let of = |groups: &[&str]| match roles_of(&policy, groups) {
            ProviderRoles::Exactly(grant) => (grant.server, grant.projects.get(&2).copied()),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&["ops", "staff"]), (Some(AccountRole::Admin), None));
        assert_eq!(of(&["lead", "app", "staff"]), (Some(AccountRole::Viewer), Some(AccountRole::Admin)));
        assert_eq!(of(&["Ops", "other"]), (None, None));
    }

    #[test]
    fn without_group_roles_the_default_is_for_new_accounts() {
        let policy = AccountPolicy::new(&SignInConfig { default_role: "member".into(), ..SignInConfig::default() });
        let ProviderRoles::OfNewAccount(grant) = roles_of(&policy, &["ops"]) else { panic!("groups decide") };
        assert_eq!(grant.server, Some(AccountRole::Member));
    }

    #[test]
    fn domains_are_compared_whole() {
        let policy = AccountPolicy::new(&SignInConfig { email_domains: "Example.com, @b.example".into(), ..SignInConfig::default() });
        for (email, is_allowed) in [
            ("ann@example.com", true),
            ("ann@EXAMPLE.com", true),
            ("bob@b.example", true),
            ("eve@notexample.com", false),
            ("eve@example.com.evil.example", false),
            ("eve@evil.example@example.org", false),
            ("ann", false),
        ] {
            assert_eq!(policy.check_domain(email).is_ok(), is_allowed, "{email}");
        }
        assert!(AccountPolicy::new(&SignInConfig::default()).check_domain("ann@any.example").is_ok());
    }
}
