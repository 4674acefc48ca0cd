//! Roles of groups.

use hinomi_tables::metadata::AccessGrant;

use crate::config::GroupRole;

/// Returns the roles of a member of these groups: in each place, the highest one of all groups.
pub fn roles_of_groups(group_roles: &[GroupRole], groups: &[String]) -> AccessGrant {
    let mut grant = AccessGrant::default();
    for GroupRole { role, project, .. } in group_roles.iter().filter(|known| groups.contains(&known.group)) {
        match project {
            None => grant.server = grant.server.max(Some(*role)),
            Some(project) => {
                let held = grant.projects.entry(*project).or_insert(*role);
                *held = (*held).max(*role);
            }
        }
    }
    grant
}

#[cfg(test)]
mod tests {
    use hinomi_tables::metadata::AccountRole;

    use super::*;

    #[test]
    fn highest_role_of_all_groups_counts() {
        let group = |group: &str, role, project| GroupRole { group: group.into(), role, project };
        let roles = [
            group("staff", AccountRole::Viewer, None),
            group("ops", AccountRole::Admin, None),
            group("app", AccountRole::Member, Some(2)),
            group("lead", AccountRole::Admin, Some(2)),
        ];
        let of = |groups: &[&str]| {
            let grant = roles_of_groups(&roles, &groups.iter().map(ToString::to_string).collect::<Vec<_>>());
            (grant.server, grant.projects.get(&2).copied())
        };
        assert_eq!(of(&["ops", "staff"]), (Some(AccountRole::Admin), None));
        assert_eq!(of(&["lead", "app", "staff"]), (Some(AccountRole::Viewer), Some(AccountRole::Admin)));
        assert_eq!(of(&["Ops", "other"]), (None, None));
    }
}
