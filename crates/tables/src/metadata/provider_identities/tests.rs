use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::metadata::{AccountDraft, AccountPatch, AccountRole, AccountState, LinkPurpose, OPERATOR_ACCOUNT, SessionOrigin, now_us};

const ISSUER: &str = "https://login.example.com";

fn identity(subject: &str, email: &str) -> ProviderIdentity {
    ProviderIdentity { issuer: ISSUER.into(), subject: subject.into(), email: email.into(), name: "Ann Lee".into() }
}

fn grant(server: Option<AccountRole>, projects: &[(u64, AccountRole)]) -> AccessGrant {
    AccessGrant { server, projects: projects.iter().copied().collect() }
}

fn origin() -> SessionOrigin<'static> {
    SessionOrigin { client: "Firefox", address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) }
}

fn draft(seconds: i64) -> ProviderSessionDraft {
    ProviderSessionDraft { provider_session: Some("s1".into()), renew_us: now_us() + seconds * 1_000_000, replaced: None }
}

fn sign_in(meta: &MetadataStore, who: &ProviderIdentity, creates: bool, roles: ProviderRoles) -> Result<ProviderSignIn, IdentityRejection> {
    meta.sign_in_with_identity(who, creates, &roles, &draft(3600), origin()).unwrap()
}

fn viewer() -> ProviderRoles {
    ProviderRoles::OfNewAccount(grant(Some(AccountRole::Viewer), &[]))
}

fn invite(meta: &MetadataStore, email: &str) -> i64 {
    let draft = AccountDraft { email: Some(email.into()), name: String::new(), server_role: Some(AccountRole::Member), project_role: None };
    meta.create_account(&draft).unwrap().id
}

#[test]
fn only_invited_people_sign_in_unless_accounts_are_created() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let ann = identity("1", "Ann@Example.com");
    assert_eq!(sign_in(&meta, &ann, false, viewer()), Err(IdentityRejection::NotInvited));
    let invited = invite(&meta, "ann@example.com");
    let link = meta.create_link(invited, LinkPurpose::Invitation).unwrap();
    let signed_in = sign_in(&meta, &ann, false, viewer()).unwrap();
    assert_eq!((signed_in.account.id, signed_in.account.state, signed_in.is_new), (invited, AccountState::Active, false));
    assert_eq!(meta.set_password_with_link(&link, "correct horse battery", origin()).unwrap(), None, "the invitation is used up");
    let access = meta.session(&signed_in.secret).unwrap().unwrap();
    assert_eq!(access.access.server, Some(AccountRole::Member), "the role of the invitation stays");
    let bob = sign_in(&meta, &identity("2", "bob@example.com"), true, viewer()).unwrap();
    assert_eq!((bob.account.name.as_str(), bob.account.server_role, bob.is_new), ("Ann Lee", Some(AccountRole::Viewer), true));
}

#[test]
fn subject_decides_and_an_address_takes_over_no_account() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let ann = sign_in(&meta, &identity("1", "ann@example.com"), true, viewer()).unwrap().account;
    let moved = sign_in(&meta, &identity("1", "ann.lee@example.com"), true, viewer()).unwrap().account;
    assert_eq!((moved.id, moved.email.as_deref()), (ann.id, Some("ann@example.com")));
    let other = identity("2", "ann@example.com");
    assert_eq!(sign_in(&meta, &other, true, viewer()), Err(IdentityRejection::LinkedToAnother(ann.id)));
    let elsewhere = ProviderIdentity { issuer: "https://new.example.com".into(), ..other.clone() };
    assert_eq!(sign_in(&meta, &elsewhere, true, viewer()).unwrap().account.id, ann.id, "a new provider");
    assert_eq!(meta.unlink_identities(ann.id).unwrap(), 2);
    assert_eq!(sign_in(&meta, &other, true, viewer()).unwrap().account.id, ann.id);
    assert!(meta.sign_in_with_identity(&identity("3", "no address"), true, &viewer(), &draft(1), origin()).is_err());
}

#[test]
fn deactivated_account_stays_out() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let signed_in = sign_in(&meta, &identity("1", "ann@example.com"), true, viewer()).unwrap();
    let id = signed_in.account.id;
    meta.update_account(id, &AccountPatch { deactivated: Some(true), ..AccountPatch::default() }).unwrap();
    assert!(meta.session(&signed_in.secret).unwrap().is_none() && !meta.is_renewal_due(&signed_in.secret).unwrap());
    assert_eq!(sign_in(&meta, &identity("1", "ann@example.com"), true, viewer()), Err(IdentityRejection::Deactivated(id)));
}

#[test]
fn roles_follow_the_provider_if_it_decides() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let second = meta.create_project("Second", false).unwrap().id;
    let ann = identity("1", "ann@example.com");
    let exactly = |server, projects: &[(u64, AccountRole)]| ProviderRoles::Exactly(grant(server, projects));
    assert_eq!(sign_in(&meta, &ann, true, exactly(None, &[])), Err(IdentityRejection::NoRole));
    assert!(meta.account_by_email("ann@example.com").unwrap().is_none(), "nothing was created");
    let first = sign_in(&meta, &ann, true, exactly(None, &[(second, AccountRole::Admin), (99, AccountRole::Owner)])).unwrap();
    let access = || meta.account_access(first.account.id).unwrap();
    assert_eq!(access(), grant(None, &[(second, AccountRole::Admin)]), "project 99 does not exist");
    let same = sign_in(&meta, &ann, true, exactly(None, &[(second, AccountRole::Admin)])).unwrap();
    assert!(!same.has_new_roles);
    let changed = sign_in(&meta, &ann, true, exactly(Some(AccountRole::Viewer), &[])).unwrap();
    assert!(changed.has_new_roles);
    assert_eq!(access(), grant(Some(AccountRole::Viewer), &[]));
    assert_eq!(sign_in(&meta, &ann, true, exactly(None, &[])), Err(IdentityRejection::NoRole));
    assert_eq!(access(), AccessGrant { server: None, projects: BTreeMap::new() });
    assert!(meta.session(&changed.secret).unwrap().is_none() && meta.session(&first.secret).unwrap().is_none());
}

#[test]
fn account_1_stays_the_owner_whatever_the_provider_says() {
    let meta = MetadataStore::open_in_memory().unwrap();
    meta.update_account(OPERATOR_ACCOUNT, &AccountPatch { email: Some("root@example.com".into()), ..AccountPatch::default() }).unwrap();
    let none = ProviderRoles::Exactly(AccessGrant::default());
    let signed_in = sign_in(&meta, &identity("0", "root@example.com"), false, none).unwrap();
    assert_eq!((signed_in.account.id, signed_in.account.server_role), (OPERATOR_ACCOUNT, Some(AccountRole::Owner)));
}

#[test]
fn session_needs_a_renewal_which_replaces_it() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let ann = identity("1", "ann@example.com");
    let due = meta.sign_in_with_identity(&ann, true, &viewer(), &draft(-1), origin()).unwrap().unwrap();
    assert!(meta.session(&due.secret).unwrap().is_none() && meta.is_renewal_due(&due.secret).unwrap());
    assert!(meta.sessions().unwrap().is_empty());
    let renewal = ProviderSessionDraft { replaced: Some(due.secret.clone()), ..draft(3600) };
    let renewed = meta.sign_in_with_identity(&ann, true, &viewer(), &renewal, origin()).unwrap().unwrap();
    assert!(renewed.is_renewal && renewed.secret != due.secret);
    assert!(meta.session(&renewed.secret).unwrap().is_some() && !meta.is_renewal_due(&renewed.secret).unwrap());
    assert!(!meta.is_renewal_due(&due.secret).unwrap(), "it is gone");
    // A session of another kind needs none.
    let link = meta.create_sign_in().unwrap();
    let operator = meta.sign_in(&link, origin()).unwrap().unwrap();
    assert!(meta.session(&operator).unwrap().is_some() && !meta.is_renewal_due(&operator).unwrap());
}

#[test]
fn provider_ends_sessions_by_session_or_subject() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let open = |subject: &str, sid: &str| {
        let draft = ProviderSessionDraft { provider_session: Some(sid.into()), ..draft(3600) };
        let who = identity(subject, &format!("{subject}@example.com"));
        meta.sign_in_with_identity(&who, true, &viewer(), &draft, origin()).unwrap().unwrap()
    };
    let (first, second, other) = (open("1", "a"), open("1", "b"), open("2", "c"));
    let is_open = |signed_in: &ProviderSignIn| meta.session(&signed_in.secret).unwrap().is_some();
    assert_eq!(meta.end_provider_sessions(ISSUER, None, None).unwrap(), Vec::<i64>::new());
    assert_eq!(meta.end_provider_sessions("https://other.example.com", Some("1"), None).unwrap(), Vec::<i64>::new());
    assert_eq!(meta.end_provider_sessions(ISSUER, Some("2"), Some("a")).unwrap(), Vec::<i64>::new(), "both have to match");
    assert_eq!(meta.end_provider_sessions(ISSUER, None, Some("a")).unwrap(), [first.account.id]);
    assert_eq!((is_open(&first), is_open(&second), is_open(&other)), (false, true, true));
    assert_eq!(meta.end_provider_sessions(ISSUER, Some("1"), None).unwrap(), [first.account.id]);
    assert_eq!((is_open(&second), is_open(&other)), (false, true));
    let session = meta.session(&other.secret).unwrap().unwrap().session;
    let behind = meta.provider_session(session).unwrap().unwrap();
    assert_eq!((behind.subject.as_str(), behind.provider_session.as_deref()), ("2", Some("c")));
}

#[test]
fn requests_of_one_client_share_a_session() {
    let meta = MetadataStore::open_in_memory().unwrap();
    let ann = identity("1", "ann@example.com");
    assert!(meta.session_of_identity(ISSUER, "1", origin()).unwrap().is_none());
    let signed_in = sign_in(&meta, &ann, true, viewer()).unwrap();
    let found = meta.session_of_identity(ISSUER, "1", origin()).unwrap().unwrap();
    assert_eq!(found.account.id, signed_in.account.id);
    assert!(meta.session_of_identity(ISSUER, "1", SessionOrigin { client: "curl", ..origin() }).unwrap().is_none());
    assert!(meta.last_provider_sign_in_us(signed_in.account.id, ISSUER).unwrap().is_some());
    assert!(meta.last_provider_sign_in_us(OPERATOR_ACCOUNT, ISSUER).unwrap().is_none());
    assert!(meta.create_link(signed_in.account.id, LinkPurpose::Invitation).is_err(), "the account is active");
}
