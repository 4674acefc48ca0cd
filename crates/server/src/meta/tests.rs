use super::*;

fn meta() -> (tempfile::TempDir, Meta) {
    let dir = tempfile::tempdir().unwrap();
    let meta = Meta::open(dir.path()).unwrap();
    (dir, meta)
}

#[test]
fn project_1_is_there_and_gets_one_first_key() {
    let (dir, meta) = meta();
    assert_eq!(meta.directory().projects[&1].name, "Default");
    let text = "0123456789ABCDEF0123456789abcdef";
    meta.first_key(Some(text)).unwrap();
    meta.first_key(None).unwrap();
    assert_eq!(meta.directory().first_key(1).unwrap().public_key, text.to_ascii_lowercase());
    assert_eq!(meta.directory().keys.len(), 1);
    assert!(meta.first_key(Some("short")).is_err());
    drop(meta);
    let again = Meta::open(dir.path()).unwrap();
    assert_eq!(again.directory().keys.len(), 1);
}

#[test]
fn another_process_is_seen_at_once() {
    let (dir, meta) = meta();
    let beside = Meta::open(dir.path()).unwrap();
    let project = beside.create_project("Shop", false).unwrap();
    let key = beside.directory().first_key(project.id).unwrap().public_key.clone();
    assert_eq!(meta.key(&key).map(|key| key.project), Some(project.id));
    let token = beside.create_token("ci", Token { project: Some(project.id), admin: false }).unwrap();
    assert_eq!(meta.token(&token).unwrap(), Some(Token { project: Some(2), admin: false }));
    assert_eq!(meta.token("hnm_no").unwrap(), None);
}

#[test]
fn a_sign_in_works_once() {
    let (_dir, meta) = meta();
    let link = meta.create_sign_in().unwrap();
    let session = meta.sign_in(&link).unwrap().unwrap();
    assert!(meta.session(&session).unwrap());
    assert_eq!(meta.sign_in(&link).unwrap(), None);
    meta.sign_out(&session).unwrap();
    assert!(!meta.session(&session).unwrap());
}

#[test]
fn keys_come_and_go() {
    let (_dir, meta) = meta();
    let key = meta.create_key(1, " second ").unwrap();
    assert_eq!((key.name.as_str(), key.public_key.len()), ("second", 32));
    meta.delete_key(1, key.id).unwrap();
    assert!(meta.key(&key.public_key).is_none());
    assert!(matches!(meta.delete_key(1, key.id), Err(MetaError::NoKey { .. })));
    assert!(matches!(meta.create_key(9, "x"), Err(MetaError::NoProject(9))));
}

#[test]
fn a_project_changes_only_to_what_can_be() {
    let (_dir, meta) = meta();
    let currency = Some(Some(Currency { code: "jpy".into(), rate: 150.0 }));
    let changed = meta.update_project(1, &Patch { retention_days: Some(7), currency, ..Patch::default() }).unwrap();
    assert_eq!(changed.retention_days, Some(7));
    assert_eq!(changed.currency, Some(Currency { code: "JPY".into(), rate: 150.0 }));
    let wrong = [
        Patch { name: Some(" ".into()), ..Patch::default() },
        Patch { retention_days: Some(0), ..Patch::default() },
        Patch { currency: Some(Some(Currency { code: "JPY".into(), rate: f64::NAN })), ..Patch::default() },
    ];
    for patch in wrong {
        assert!(matches!(meta.update_project(1, &patch), Err(MetaError::Invalid(_))), "{patch:?}");
    }
    assert_eq!(meta.update_project(1, &Patch { currency: Some(None), ..Patch::default() }).unwrap().currency, None);
}

#[test]
fn a_newer_database_is_left_alone() {
    let (dir, meta) = meta();
    meta.lock().pragma_update(None, "user_version", 99).unwrap();
    drop(meta);
    assert!(matches!(Meta::open(dir.path()), Err(MetaError::Open(crate::sqlite::SqliteError::Newer { found: 99, .. }))));
}
