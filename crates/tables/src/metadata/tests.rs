use super::*;

const ORIGIN: SessionOrigin<'static> = SessionOrigin { client: "Firefox", address: None };

fn reader(name: &str) -> ApiTokenDraft {
    ApiTokenDraft::of_operator(name, AccountRole::Viewer, Some(1))
}

fn meta() -> (tempfile::TempDir, MetadataStore) {
    let dir = tempfile::tempdir().unwrap();
    let meta = MetadataStore::open(dir.path()).unwrap();
    (dir, meta)
}

#[test]
fn project_1_is_there_and_gets_one_first_key() {
    let (dir, meta) = meta();
    assert_eq!(meta.directory().projects[&1].name, "Default");
    let text = "0123456789ABCDEF0123456789abcdef";
    meta.create_first_key(Some(text)).unwrap();
    meta.create_first_key(None).unwrap();
    assert_eq!(meta.directory().first_key(1).unwrap().public_key, text.to_ascii_lowercase());
    assert_eq!(meta.directory().keys.len(), 1);
    assert!(meta.create_first_key(Some("short")).is_err());
    drop(meta);
    let again = MetadataStore::open(dir.path()).unwrap();
    assert_eq!(again.directory().keys.len(), 1);
}

#[test]
fn changes_of_another_process_are_visible() {
    let (dir, meta) = meta();
    let beside = MetadataStore::open(dir.path()).unwrap();
    let project = beside.create_project("Shop", false).unwrap();
    let key = beside.directory().first_key(project.id).unwrap().public_key.clone();
    assert_eq!(meta.key(&key).map(|key| key.project), Some(project.id));
    let token = beside.create_token(&ApiTokenDraft { project: Some(project.id), ..reader("ci") }).unwrap();
    assert_eq!(meta.token(&token).unwrap().unwrap().access.role_in(2), Some(AccountRole::Viewer));
    assert_eq!(meta.token("hnm_no").unwrap(), None);
}

#[test]
fn a_sign_in_works_once() {
    let (_dir, meta) = meta();
    let link = meta.create_sign_in().unwrap();
    let session = meta.sign_in(&link, ORIGIN).unwrap().unwrap();
    assert!(meta.session(&session).unwrap().is_some());
    assert_eq!(meta.sign_in(&link, ORIGIN).unwrap(), None);
    meta.sign_out(&session).unwrap();
    assert_eq!(meta.session(&session).unwrap(), None);
}

#[test]
fn tokens_are_listed_revoked_and_expire() {
    let (_dir, meta) = meta();
    let admin = ApiTokenDraft::of_operator("second", AccountRole::Admin, None);
    let first = meta.create_token(&reader("first")).unwrap();
    let second = meta.create_token(&ApiTokenDraft { lifetime: Some(Duration::from_secs(3600)), ..admin.clone() }).unwrap();
    let over = meta.create_token(&ApiTokenDraft { name: "over".into(), lifetime: Some(Duration::ZERO), ..admin }).unwrap();
    let access = meta.token(&second).unwrap().unwrap().access;
    assert_eq!((access.server, access.projects.len()), (Some(AccountRole::Admin), 0));
    assert_eq!(meta.token(&over).unwrap(), None);
    meta.write_credential_uses().unwrap();
    let listed = meta.tokens().unwrap();
    let shown: Vec<_> =
        listed.iter().map(|token| (token.name.as_str(), token.expires_us.is_some(), token.last_used_us.is_some())).collect();
    assert_eq!(shown, [("first", false, false), ("second", true, true), ("over", true, false)]);
    // The last use of a token is written at most once a minute.
    meta.token(&second).unwrap();
    meta.write_credential_uses().unwrap();
    assert_eq!(meta.tokens().unwrap(), listed);
    assert!(matches!(meta.revoke_token(listed[0].id, Some(2)), Err(MetadataError::NoToken(_))), "of another account");
    assert_eq!(meta.revoke_token(listed[0].id, Some(OPERATOR_ACCOUNT)).unwrap(), "first");
    assert_eq!(meta.token(&first).unwrap(), None);
    assert!(matches!(meta.revoke_token(listed[0].id, None), Err(MetadataError::NoToken(_))));
    // IDs are not reused.
    meta.revoke_token(listed[2].id, None).unwrap();
    meta.create_token(&reader("fourth")).unwrap();
    assert!(meta.tokens().unwrap().iter().all(|token| token.id != listed[2].id));
}

#[test]
fn sessions_end_when_they_are_not_used_and_in_any_case() {
    let (_dir, meta) = meta();
    let page = |client| meta.sign_in(&meta.create_sign_in().unwrap(), SessionOrigin { client, address: None }).unwrap().unwrap();
    let (used, idle) = (page("Firefox\n"), page(""));
    let old = meta.create_command_session("").unwrap();
    let listed = meta.sessions().unwrap();
    assert_eq!((listed.len(), listed[0].client.as_str()), (3, "Firefox"));
    assert_eq!(listed[0].expires_us - listed[0].created_us, 30 * 86_400_000_000);
    const DAY_US: i64 = 86_400_000_000;
    let set = |id: i64, sql: &str| meta.lock().execute(&format!("UPDATE sessions SET {sql} WHERE id = {id}"), []).unwrap();
    set(listed[0].id, &format!("created_us = created_us - 80 * {DAY_US}, ends_us = ends_us - 80 * {DAY_US}"));
    set(listed[1].id, &format!("last_used_us = last_used_us - 30 * {DAY_US}"));
    set(listed[2].id, "ends_us = created_us");
    let id = |secret: &str| meta.session(secret).unwrap().map(|session| session.session);
    assert_eq!((id(&used), id(&idle), id(&old)), (Some(listed[0].id), None, None));
    let left = meta.sessions().unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].expires_us - left[0].created_us, 90 * DAY_US);
    let link = meta.create_sign_in().unwrap();
    assert_eq!(meta.sign_out_all().unwrap(), 3);
    assert_eq!((meta.session(&used).unwrap(), meta.sign_in(&link, ORIGIN).unwrap()), (None, None));
}

#[test]
fn tokens_and_sessions_survive_a_migration() {
    let dir = tempfile::tempdir().unwrap();
    let connection = crate::database::open(&dir.path().join("hinomi.db"), &crate::metadata::schema::MIGRATIONS[..5]).unwrap();
    let later = now_us() + 86_400_000_000;
    connection.execute("INSERT INTO tokens VALUES (?1, 'ci', NULL, 1, 5)", [crate::metadata::access_secrets::hash("hnm_x")]).unwrap();
    connection
        .execute("INSERT INTO sessions VALUES (?1, ?2)", rusqlite::params![crate::metadata::access_secrets::hash("s"), later])
        .unwrap();
    connection
        .execute("INSERT INTO sessions VALUES (?1, ?2)", rusqlite::params![crate::metadata::access_secrets::hash("over"), now_us() - 1])
        .unwrap();
    connection.execute("INSERT INTO projects (id, name, created_us) VALUES (1, 'Default', 1)", []).unwrap();
    connection.execute("INSERT INTO tokens VALUES (?1, 'read', 1, 0, 6)", [crate::metadata::access_secrets::hash("hnm_y")]).unwrap();
    connection
        .execute("INSERT INTO sign_ins VALUES (?1, ?2)", rusqlite::params![crate::metadata::access_secrets::hash("link"), later])
        .unwrap();
    drop(connection);
    let meta = MetadataStore::open(dir.path()).unwrap();
    let (admin, reader) = (meta.token("hnm_x").unwrap().unwrap(), meta.token("hnm_y").unwrap().unwrap());
    assert_eq!((admin.access.server, admin.account.id), (Some(AccountRole::Admin), OPERATOR_ACCOUNT));
    assert_eq!((reader.access.server, reader.access.role_in(1), reader.access.role_in(2)), (None, Some(AccountRole::Viewer), None));
    let session = meta.session("s").unwrap().unwrap();
    assert_eq!((session.access.server, session.account.name.as_str()), (Some(AccountRole::Owner), "Owner"));
    assert!(meta.sign_in("link", ORIGIN).unwrap().is_some());
    assert_eq!(meta.session("over").unwrap(), None);
    assert_eq!(meta.sessions().unwrap()[0].expires_us, later);
}

#[test]
fn jobs_of_the_format_before_have_no_failed_attempts() {
    let dir = tempfile::tempdir().unwrap();
    let connection = crate::database::open(&dir.path().join("hinomi.db"), &crate::metadata::schema::MIGRATIONS[..7]).unwrap();
    let insert = "INSERT INTO jobs (project_id, kind, state, task, created_us) VALUES (1, 'export', 'running', '{}', 5)";
    connection.execute(insert, []).unwrap();
    drop(connection);
    let meta = MetadataStore::open(dir.path()).unwrap();
    let before = meta.unfinished_jobs().unwrap().remove(0);
    assert_eq!((before.state, before.attempts, before.retry_us), (JobState::Running, 0, None));
    let paused = JobRecord { state: JobState::Paused, attempts: 2, retry_us: Some(7), ..before };
    meta.update_job(&paused).unwrap();
    assert_eq!(meta.job(paused.id).unwrap(), paused);
}

#[test]
fn keys_are_created_and_deleted() {
    let (_dir, meta) = meta();
    let key = meta.create_key(1, " second ", &IngestKeyLimits::default()).unwrap();
    assert_eq!((key.name.as_str(), key.public_key.len()), ("second", 32));
    meta.delete_key(1, key.id).unwrap();
    assert!(meta.key(&key.public_key).is_none());
    assert!(matches!(meta.delete_key(1, key.id), Err(MetadataError::NoKey { .. })));
    assert!(matches!(meta.create_key(9, "x", &IngestKeyLimits::default()), Err(MetadataError::NoProject(9))));
}

#[test]
fn project_changes_are_validated() {
    let (_dir, meta) = meta();
    let currency = Some(Some(DisplayCurrency { code: "jpy".into(), rate: 150.0 }));
    let changed = meta.update_project(1, &ProjectPatch { retention_days: Some(7), currency, ..ProjectPatch::default() }).unwrap();
    assert_eq!(changed.retention_days, Some(7));
    assert_eq!(changed.currency, Some(DisplayCurrency { code: "JPY".into(), rate: 150.0 }));
    let wrong = [
        ProjectPatch { name: Some(" ".into()), ..ProjectPatch::default() },
        ProjectPatch { retention_days: Some(0), ..ProjectPatch::default() },
        ProjectPatch { currency: Some(Some(DisplayCurrency { code: "JPY".into(), rate: f64::NAN })), ..ProjectPatch::default() },
    ];
    for patch in wrong {
        assert!(matches!(meta.update_project(1, &patch), Err(MetadataError::Invalid(_))), "{patch:?}");
    }
    assert_eq!(meta.update_project(1, &ProjectPatch { currency: Some(None), ..ProjectPatch::default() }).unwrap().currency, None);
}

#[test]
fn newer_database_is_untouched() {
    let (dir, meta) = meta();
    meta.lock().pragma_update(None, "user_version", 99).unwrap();
    drop(meta);
    assert!(matches!(MetadataStore::open(dir.path()), Err(MetadataError::Open(crate::database::SqliteError::Newer { found: 99, .. }))));
}
