use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::metadata::{ApiTokenDraft, LinkPurpose, SessionOrigin};

const PASSWORD: &str = "correct horse battery";

fn origin(last: u8) -> SessionOrigin<'static> {
    SessionOrigin { client: "Firefox", address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))) }
}

fn person(email: &str) -> AccountDraft {
    AccountDraft { email: Some(email.into()), name: String::new(), server_role: Some(AccountRole::Viewer), project_role: None }
}

/// Invites a person, who sets a password. Returns the account and its session.
fn joined(meta: &MetadataStore, draft: &AccountDraft) -> (AccountRecord, String) {
    let account = meta.create_account(draft).unwrap();
    let link = meta.create_link(account.id, LinkPurpose::Invitation).unwrap();
    meta.set_password_with_link(&link, PASSWORD, origin(1)).unwrap().unwrap()
}

fn session_of(signed_in: PasswordSignIn) -> String {
    match signed_in {
        PasswordSignIn::SignedIn(secret) => secret,
        other => panic!("{other:?}"),
    }
}

#[test]
fn invited_person_sets_a_password_and_signs_in_with_it() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let account = meta.create_account(&person(" Ann@Example.com ")).unwrap();
    assert_eq!((account.email.as_deref(), account.name.as_str()), (Some("ann@example.com"), "ann@example.com"));
    assert_eq!((account.state, account.has_password, account.last_sign_in_us), (AccountState::Invited, false, None));
    let link = meta.create_link(account.id, LinkPurpose::Invitation).unwrap();
    assert_eq!(meta.sign_in(&link, origin(1)).unwrap(), None, "an invitation does not sign in by itself");
    assert!(meta.set_password_with_link(&link, "short", origin(1)).is_err());
    let (joined, session) = meta.set_password_with_link(&link, PASSWORD, origin(1)).unwrap().unwrap();
    assert_eq!((joined.state, joined.has_password), (AccountState::Active, true));
    assert_eq!(meta.session(&session).unwrap().unwrap().access.server, Some(AccountRole::Viewer));
    assert_eq!(meta.set_password_with_link(&link, PASSWORD, origin(1)).unwrap(), None, "it works once");

    let sign_in = |email: &str, password: &str| meta.sign_in_with_password(email, password, origin(2)).unwrap();
    let second = session_of(sign_in("ANN@example.com", PASSWORD));
    assert_eq!(meta.session(&second).unwrap().unwrap().account.id, account.id);
    assert_eq!(sign_in("ann@example.com", "correct horse"), PasswordSignIn::Rejected);
    assert_eq!(sign_in("bob@example.com", PASSWORD), PasswordSignIn::Rejected);
    let addresses: Vec<_> = meta.sessions().unwrap().into_iter().map(|session| session.address).collect();
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn no_secret_is_stored_as_text() {
    let dir = tempfile::tempdir().unwrap();
    let meta = MetadataStore::open(dir.path()).unwrap();
    let (account, session) = joined(&meta, &person("ann@example.com"));
    let link = meta.create_link(account.id, LinkPurpose::Reset).unwrap();
    let token =
        meta.create_token(&ApiTokenDraft { account: account.id, ..ApiTokenDraft::of_operator("t", AccountRole::Viewer, None) }).unwrap();
    drop(meta);
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [PASSWORD, &session, &link, &token] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }
}

#[test]
fn reset_ends_sessions_and_earlier_links() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let (account, session) = joined(&meta, &person("ann@example.com"));
    let (earlier, link) =
        (meta.create_link(account.id, LinkPurpose::Reset).unwrap(), meta.create_link(account.id, LinkPurpose::Reset).unwrap());
    assert_eq!(meta.set_password_with_link(&earlier, "another password", origin(1)).unwrap(), None);
    let (_, fresh) = meta.set_password_with_link(&link, "another password", origin(1)).unwrap().unwrap();
    assert!(meta.session(&session).unwrap().is_none() && meta.session(&fresh).unwrap().is_some());
    let sign_in = |password: &str| meta.sign_in_with_password("ann@example.com", password, origin(1)).unwrap();
    assert_eq!(sign_in(PASSWORD), PasswordSignIn::Rejected);
    session_of(sign_in("another password"));
    assert!(meta.create_link(account.id, LinkPurpose::Invitation).is_err(), "she is active");
}

#[test]
fn repeated_wrong_passwords_have_to_wait_and_a_reset_link_ends_that() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let (account, _) = joined(&meta, &person("ann@example.com"));
    let sign_in = |email: &str, password: &str| meta.sign_in_with_password(email, password, origin(3)).unwrap();
    for _ in 0..10 {
        assert_eq!(sign_in("ann@example.com", "wrong password"), PasswordSignIn::Rejected);
    }
    for email in ["ann@example.com", " ANN@example.com"] {
        let PasswordSignIn::RetryAfter(wait) = sign_in(email, PASSWORD) else { panic!("even the right one waits") };
        assert!(wait <= Duration::from_secs(900) && wait > Duration::from_secs(800), "{wait:?}");
    }
    let link = meta.create_link(account.id, LinkPurpose::Reset).unwrap();
    meta.set_password_with_link(&link, PASSWORD, origin(3)).unwrap().unwrap();
    session_of(sign_in("ann@example.com", PASSWORD));
}

#[test]
fn changing_a_password_needs_the_current_one_and_keeps_one_session() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let (account, session) = joined(&meta, &person("ann@example.com"));
    let other = session_of(meta.sign_in_with_password("ann@example.com", PASSWORD, origin(1)).unwrap());
    let own = meta.session(&session).unwrap().unwrap().session;
    let change = |current: &str, new: &str| meta.change_password(account.id, current, new, own, origin(1));
    assert_eq!(change("wrong password", "another password").unwrap(), PasswordSignIn::Rejected);
    assert!(change(PASSWORD, "short").is_err());
    session_of(change(PASSWORD, "another password").unwrap());
    assert!(meta.session(&session).unwrap().is_some() && meta.session(&other).unwrap().is_none());
    assert!(meta.change_password(OPERATOR_ACCOUNT, "", PASSWORD, 0, origin(1)).is_err(), "it has no e-mail address");
    meta.update_account(OPERATOR_ACCOUNT, &AccountPatch { email: Some("root@example.com".into()), ..AccountPatch::default() }).unwrap();
    session_of(meta.change_password(OPERATOR_ACCOUNT, "", PASSWORD, 0, origin(1)).unwrap());
    let owner = session_of(meta.sign_in_with_password("root@example.com", PASSWORD, origin(1)).unwrap());
    assert_eq!(meta.session(&owner).unwrap().unwrap().access.server, Some(AccountRole::Owner));
}

#[test]
fn deactivation_ends_everything_at_once() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let (account, session) = joined(&meta, &person("ann@example.com"));
    let token =
        meta.create_token(&ApiTokenDraft { account: account.id, ..ApiTokenDraft::of_operator("ci", AccountRole::Admin, None) }).unwrap();
    assert_eq!(meta.token(&token).unwrap().unwrap().access.server, Some(AccountRole::Viewer), "no more than its account");
    let link = meta.create_link(account.id, LinkPurpose::SignIn).unwrap();
    let set =
        |deactivated| meta.update_account(account.id, &AccountPatch { deactivated: Some(deactivated), ..AccountPatch::default() }).unwrap();
    assert_eq!(set(true).state, AccountState::Deactivated);
    for _ in 0..2 {
        assert_eq!((meta.session(&session).unwrap(), meta.token(&token).unwrap()), (None, None));
        assert_eq!(meta.sign_in(&link, origin(1)).unwrap(), None);
        // What was ended stays ended.
        set(false);
    }
    set(true);
    assert_eq!(meta.sign_in_with_password("ann@example.com", PASSWORD, origin(1)).unwrap(), PasswordSignIn::Rejected);
    assert!(meta.create_link(account.id, LinkPurpose::Reset).is_err());
    assert_eq!(set(false).state, AccountState::Active);
    session_of(meta.sign_in_with_password("ann@example.com", PASSWORD, origin(1)).unwrap());
}

#[test]
fn account_1_stays_an_active_owner() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let wrong = [
        AccountPatch { deactivated: Some(true), ..AccountPatch::default() },
        AccountPatch { server_role: Some(None), ..AccountPatch::default() },
        AccountPatch { server_role: Some(Some(AccountRole::Admin)), ..AccountPatch::default() },
    ];
    for patch in wrong {
        assert!(meta.update_account(OPERATOR_ACCOUNT, &patch).is_err(), "{patch:?}");
    }
    let link = meta.create_sign_in().unwrap();
    let session = meta.sign_in(&link, origin(1)).unwrap().unwrap();
    assert_eq!(meta.session(&session).unwrap().unwrap().access.server, Some(AccountRole::Owner));
}

#[test]
fn roles_of_projects_are_separate_from_the_server() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let (second, third) = (meta.create_project("Second", false).unwrap().id, meta.create_project("Third", false).unwrap().id);
    let draft = AccountDraft { server_role: None, project_role: Some((second, AccountRole::Member)), ..person("ann@example.com") };
    let (account, session) = joined(&meta, &draft);
    let access = || meta.session(&session).unwrap().unwrap().access;
    let roles = || (access().server, access().role_in(1), access().role_in(second), access().role_in(third));
    assert_eq!(roles(), (None, None, Some(AccountRole::Member), None));
    meta.set_member(third, account.id, AccountRole::Viewer).unwrap();
    meta.set_member(third, account.id, AccountRole::Admin).unwrap();
    assert_eq!(roles(), (None, None, Some(AccountRole::Member), Some(AccountRole::Admin)));
    let token = meta
        .create_token(&ApiTokenDraft { account: account.id, ..ApiTokenDraft::of_operator("t", AccountRole::Member, Some(third)) })
        .unwrap();
    let of_token = || meta.token(&token).unwrap().unwrap().access;
    assert_eq!((of_token().role_in(second), of_token().role_in(third)), (None, Some(AccountRole::Member)));
    meta.remove_member(third, account.id).unwrap();
    assert_eq!((of_token().role_in(third), roles().3), (None, None));
    assert!(matches!(meta.remove_member(third, account.id), Err(MetadataError::NoAccount(_))));
    assert_eq!(
        meta.members(second).unwrap().iter().map(|member| (member.account.id, member.role)).collect::<Vec<_>>(),
        [(account.id, AccountRole::Member)]
    );
    meta.delete_project(second).unwrap();
    assert_eq!(access().projects.len(), 0);
    assert!(matches!(meta.set_member(second, account.id, AccountRole::Viewer), Err(MetadataError::NoProject(_))));
    assert!(matches!(meta.set_member(1, 99, AccountRole::Viewer), Err(MetadataError::NoAccount(99))));
}

#[test]
fn addresses_and_kinds_are_checked() {
    let meta = MetadataStore::open_in_memory().unwrap();
    for email in ["", "ann", "@example.com", "ann@", "a b@example.com", "a@b@c", "ann@exa\nmple.com"] {
        assert!(meta.create_account(&person(email)).is_err(), "{email:?}");
    }
    let ann = meta.create_account(&person("ann@example.com")).unwrap();
    assert!(meta.create_account(&person("ANN@example.com")).is_err(), "taken");
    let service = AccountDraft { email: None, name: "CI".into(), server_role: None, project_role: Some((1, AccountRole::Member)) };
    let service = meta.create_account(&service).unwrap();
    assert_eq!((service.kind, service.state), (AccountKind::Service, AccountState::Active));
    assert!(meta.create_link(service.id, LinkPurpose::SignIn).is_err(), "a program does not sign in");
    let patch = AccountPatch { email: Some("ci@example.com".into()), ..AccountPatch::default() };
    assert!(meta.update_account(service.id, &patch).is_err());
    let patch = AccountPatch { name: Some("Ann".into()), email: Some("ann@example.com".into()), ..AccountPatch::default() };
    assert_eq!(meta.update_account(ann.id, &patch).unwrap().name, "Ann");
    assert_eq!(meta.account_by_email("ann@EXAMPLE.com").unwrap().unwrap().id, ann.id);
    assert_eq!(meta.accounts().unwrap().iter().map(|account| account.id).collect::<Vec<_>>(), [1, ann.id, service.id]);
    assert!(matches!(meta.account(99), Err(MetadataError::NoAccount(99))));
}

#[test]
fn links_do_not_survive_a_new_role_membership_or_address() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let other = meta.create_project("Other", false).unwrap().id;
    let invited = AccountDraft { server_role: None, project_role: Some((1, AccountRole::Viewer)), ..person("ann@example.com") };
    let account = meta.create_account(&invited).unwrap().id;
    let role = AccountPatch { server_role: Some(Some(AccountRole::Owner)), ..AccountPatch::default() };
    let address = AccountPatch { email: Some("anne@example.com".into()), ..AccountPatch::default() };
    let changes: [&dyn Fn(); 4] = [
        &|| drop(meta.set_member(1, account, AccountRole::Admin).unwrap()),
        &|| drop(meta.set_member(other, account, AccountRole::Viewer).unwrap()),
        &|| drop(meta.update_account(account, &role).unwrap()),
        &|| drop(meta.update_account(account, &address).unwrap()),
    ];
    for (number, change) in changes.iter().enumerate() {
        let link = meta.create_link(account, LinkPurpose::Invitation).unwrap();
        change();
        assert_eq!(meta.set_password_with_link(&link, PASSWORD, origin(1)).unwrap(), None, "change {number}");
    }
    let link = meta.create_link(account, LinkPurpose::Invitation).unwrap();
    meta.update_account(account, &AccountPatch { name: Some("Ann".into()), ..role }).unwrap();
    assert!(meta.set_password_with_link(&link, PASSWORD, origin(1)).unwrap().is_some(), "a new name changes nothing else");
    let sign_in = meta.create_sign_in().unwrap();
    meta.update_account(OPERATOR_ACCOUNT, &AccountPatch { email: Some("owner@example.com".into()), ..AccountPatch::default() }).unwrap();
    assert!(meta.sign_in(&sign_in, origin(1)).unwrap().is_some());
}

#[test]
fn overlong_addresses_are_rejected_without_being_remembered() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let long = format!("{}@example.com", "a".repeat(1 << 20));
    for _ in 0..20 {
        assert_eq!(meta.sign_in_with_password(&long, PASSWORD, origin(9)).unwrap(), PasswordSignIn::Rejected);
    }
    joined(&meta, &person("ann@example.com"));
    session_of(meta.sign_in_with_password("ann@example.com", PASSWORD, origin(9)).unwrap());
}
