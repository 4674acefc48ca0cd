use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::metadata::{AccountPatch, ApiTokenDraft, LinkPurpose, SessionOrigin};

fn draft(user_name: &str) -> ProvisionedUserDraft {
    ProvisionedUserDraft {
        user_name: user_name.into(),
        email: user_name.into(),
        name: "Ann".into(),
        external_id: Some("00u1".into()),
        attributes: r#"{"displayName":"Ann"}"#.into(),
        is_active: true,
    }
}

fn store() -> MetadataStore {
    MetadataStore::open_in_memory().unwrap()
}

fn group(name: &str, members: &[i64]) -> ProvisionedGroupDraft {
    ProvisionedGroupDraft { name: name.into(), external_id: None, members: members.iter().copied().collect() }
}

#[test]
fn deactivated_user_loses_sessions_tokens_and_links_at_once() {
    let meta = store();
    let user = meta.create_provisioned_user(&draft("Ann@example.com")).unwrap();
    let id = user.account.id;
    assert_eq!((user.user_name.as_str(), user.account.email.as_deref()), ("Ann@example.com", Some("ann@example.com")));
    assert_eq!(user.account.state, AccountState::Invited);
    let link = meta.create_link(id, LinkPurpose::Invitation).unwrap();
    let (_, session) = meta.set_password_with_link(&link, "correct horse battery", SessionOrigin::default()).unwrap().unwrap();
    let token = meta
        .create_token(&ApiTokenDraft {
            account: id,
            lifetime: Some(Duration::from_secs(60)),
            ..ApiTokenDraft::of_operator("t", AccountRole::Viewer, None)
        })
        .unwrap();
    let inactive = ProvisionedUserDraft { is_active: false, ..draft("ann@example.com") };
    assert_eq!(meta.replace_provisioned_user(id, &inactive).unwrap().account.state, AccountState::Deactivated);
    assert_eq!((meta.session(&session).unwrap(), meta.token(&token).unwrap()), (None, None));
    assert_eq!(meta.replace_provisioned_user(id, &draft("ann@example.com")).unwrap().account.state, AccountState::Active);
    assert_eq!(meta.session(&session).unwrap(), None, "an ended session stays ended");
}

#[test]
fn removed_user_is_hidden_and_gets_the_same_account_again() {
    let meta = store();
    let id = meta.create_provisioned_user(&draft("ann@example.com")).unwrap().account.id;
    let staff = meta.create_provisioned_group(&group("Staff", &[id])).unwrap();
    meta.set_member(1, id, AccountRole::Admin).unwrap();
    meta.remove_provisioned_user(id).unwrap();
    assert_eq!(meta.account_access(id).unwrap().highest_role(), None, "whoever returns begins without access");
    assert!(matches!(meta.provisioned_user(id), Err(MetadataError::NoAccount(_))));
    assert_eq!(meta.account(id).unwrap().state, AccountState::Deactivated);
    assert_eq!(meta.provisioned_group(staff.id).unwrap().members, []);
    assert!(matches!(meta.replace_provisioned_group(staff.id, &group("Staff", &[id])), Err(MetadataError::Invalid(_))));
    let again = meta.create_provisioned_user(&draft("ann@example.com")).unwrap();
    assert_eq!((again.account.id, again.account.state), (id, AccountState::Invited));
}

#[test]
fn names_and_addresses_are_unique() {
    let meta = store();
    meta.create_provisioned_user(&draft("ann@example.com")).unwrap();
    let bob = meta.create_provisioned_user(&draft("bob@example.com")).unwrap().account.id;
    for taken in [draft("ANN@example.com"), ProvisionedUserDraft { email: "ann@example.com".into(), ..draft("other") }] {
        assert!(matches!(meta.create_provisioned_user(&taken), Err(MetadataError::Taken(_))), "{taken:?}");
        assert!(matches!(meta.replace_provisioned_user(bob, &taken), Err(MetadataError::Taken(_))), "{taken:?}");
    }
    meta.create_provisioned_group(&group("Staff", &[bob])).unwrap();
    assert!(matches!(meta.create_provisioned_group(&group("staff", &[])), Err(MetadataError::Taken(_))));
    assert!(matches!(meta.create_provisioned_user(&draft("not an address")), Err(MetadataError::Invalid(_))));
}

#[test]
fn last_owner_stays() {
    let meta = store();
    let ids: Vec<i64> = ["ann@example.com", "bob@example.com"]
        .map(|email| {
            let id = meta.create_provisioned_user(&draft(email)).unwrap().account.id;
            let link = meta.create_link(id, LinkPurpose::Invitation).unwrap();
            meta.set_password_with_link(&link, "correct horse battery", SessionOrigin::default()).unwrap();
            let owner = AccountPatch { server_role: Some(Some(AccountRole::Owner)), ..AccountPatch::default() };
            meta.update_account(id, &owner).unwrap();
            id
        })
        .to_vec();
    meta.remove_provisioned_user(ids[0]).unwrap();
    assert!(matches!(meta.remove_provisioned_user(ids[1]), Err(MetadataError::LastOwner(_))));
    let inactive = ProvisionedUserDraft { is_active: false, ..draft("bob@example.com") };
    assert!(matches!(meta.replace_provisioned_user(ids[1], &inactive), Err(MetadataError::LastOwner(_))));
    assert_eq!(meta.apply_group_roles(&[ids[1]], |_| AccessGrant::default()).unwrap(), []);
    assert_eq!(meta.account(ids[1]).unwrap().server_role, Some(AccountRole::Owner));
}

#[test]
fn groups_give_roles_and_take_them_away() {
    let meta = store();
    let id = meta.create_provisioned_user(&draft("ann@example.com")).unwrap().account.id;
    let staff = meta.create_provisioned_group(&group("Staff", &[id])).unwrap();
    let roles_of = |groups: &[String]| match groups {
        [] => AccessGrant::default(),
        _ => AccessGrant { server: None, projects: BTreeMap::from([(1, AccountRole::Member), (99, AccountRole::Admin)]) },
    };
    let changed = meta.apply_group_roles(&meta.accounts_in_groups().unwrap(), roles_of).unwrap();
    assert_eq!((changed.len(), changed[0].before.highest_role()), (1, None));
    let access = meta.account_access(id).unwrap();
    assert_eq!((access.role_in(1), access.role_in(99)), (Some(AccountRole::Member), None), "there is no project 99");
    assert_eq!(meta.apply_group_roles(&[id], roles_of).unwrap(), [], "nothing has changed");
    let (before, after) = meta.replace_provisioned_group(staff.id, &group("Staff", &[])).unwrap();
    assert_eq!((before.members.len(), after.members.len()), (1, 0));
    meta.apply_group_roles(&[id], roles_of).unwrap();
    assert_eq!(meta.account_access(id).unwrap().highest_role(), None);
    assert_eq!(meta.delete_provisioned_group(staff.id).unwrap().name, "Staff");
    assert!(matches!(meta.provisioned_group(staff.id), Err(MetadataError::NoGroup(_))));
}

#[test]
fn token_of_a_provider_is_of_its_own_kind() {
    let meta = store();
    let secret = meta.create_scim_token("idp", 1, None).unwrap();
    assert_eq!(meta.token(&secret).unwrap(), None, "it has no access to the API");
    assert_eq!(meta.scim_token(&secret).unwrap().unwrap().account.id, 1);
    let api = meta.create_token(&ApiTokenDraft::of_operator("t", AccountRole::Owner, None)).unwrap();
    assert_eq!(meta.scim_token(&api).unwrap(), None);
    let listed = meta.tokens().unwrap();
    assert_eq!(
        listed.iter().map(|token| token.kind).collect::<Vec<_>>(),
        [crate::metadata::ApiTokenKind::Scim, crate::metadata::ApiTokenKind::Api]
    );
    meta.revoke_token(listed[0].id, None).unwrap();
    assert_eq!(meta.scim_token(&secret).unwrap(), None);
}
