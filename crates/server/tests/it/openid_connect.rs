//! Signing in with an OpenID Connect provider.

use serde_json::{Value, json};

use crate::accounts::{get, join, post, sign_in as sign_in_with_password};
use crate::identity_provider::{IdentityProvider, LOGOUT_EVENT, TokenSignature, now_s};
use crate::server::{Answer, Server, hinomi};

/// Cookies as a browser keeps them, by name.
#[derive(Default, Clone)]
struct Browser(Vec<(String, String)>);

impl Browser {
    fn header(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn get(&mut self, server: &Server, path: &str) -> Answer {
        let answer = get(server, path, &self.header());
        for line in answer.headers.get_all("set-cookie") {
            let (name, value) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.0.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    /// Starts a sign-in. Returns the URL of the provider.
    fn start(&mut self, server: &Server, parameters: &str) -> url::Url {
        let answer = self.get(server, &format!("/auth/oidc/start{parameters}"));
        assert_eq!((answer.status, answer.header("cache-control")), (303, "no-store"), "{}", answer.text);
        answer.header("location").parse().unwrap_or_else(|error| panic!("{error}: {}", answer.header("location")))
    }

    /// Signs in as a person whom the provider knows by these claims. Returns where that leads.
    fn sign_in(&mut self, server: &Server, provider: &IdentityProvider, claims: &Value) -> String {
        let authorization = self.start(server, "?return=%2Fp%2F1%2Ftraces%3Fq%3Dx");
        let code = provider.approve(&authorization, claims);
        self.call_back(server, &authorization, &format!("code={code}"))
    }

    fn call_back(&mut self, server: &Server, authorization: &url::Url, response: &str) -> String {
        let answer = self.get(server, &callback_path(authorization, response));
        assert_eq!(answer.status, 303, "{}", answer.text);
        answer.header("location").to_owned()
    }

    fn me(&mut self, server: &Server) -> Answer {
        self.get(server, "/api/v1/me")
    }
}

fn callback_path(authorization: &url::Url, response: &str) -> String {
    let state = authorization.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    format!("/auth/oidc/callback?{response}&state={state}&session_state=ignored&scope=openid")
}

fn ann() -> Value {
    json!({ "sub": "ann-1", "email": "Ann@example.com", "email_verified": true, "name": "Ann Lee", "sid": "session-1" })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn start(provider: &IdentityProvider, more: &[(&str, &str)]) -> Server {
    Server::start_with(&[provider.settings().as_slice(), more].concat())
}

fn invite(server: &Server, email: &str) {
    let (_, error, status) = server.command(&["user", "create", email, "--role", "member"]);
    assert_eq!(status, Some(0), "{error}");
}

fn change_database(server: &Server, sql: &str) {
    let changed = rusqlite::Connection::open(server.data().join("hinomi.db")).unwrap().execute(sql, []).unwrap();
    assert!(changed > 0, "{sql}");
}

/// Returns the entries of the audit log with this action.
fn audited(server: &Server, action: &str) -> Vec<Value> {
    server.get(&format!("/api/v1/audit?action={action}")).json()["entries"].as_array().unwrap().clone()
}

const SIGNED_IN: &str = "/p/1/traces?q=x";

#[test]
fn invited_person_signs_in_and_out() {
    let provider = IdentityProvider::start();
    let server = start(&provider, &[("HINOMI_SIGN_IN_OPENID_CONNECT_LABEL", "Acme")]);
    let options = server.send("GET", "/api/v1/sign-in", &[], Vec::new()).json();
    assert_eq!(options, json!({ "passwords": true, "openid_connect": { "label": "Acme" } }));
    invite(&server, "ann@example.com");

    let mut browser = Browser::default();
    let authorization = browser.start(&server, "");
    let flow = browser.0[0].clone();
    assert!(flow.0.starts_with("hinomi_session_") && flow.0.contains("_oidc_"), "{}", flow.0);
    let code = provider.approve(&authorization, &ann());
    let answer = get(&server, &callback_path(&authorization, &format!("code={code}")), &browser.header());
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let lines: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("HttpOnly") && lines[0].contains("SameSite=Lax") && !lines[0].contains("_oidc_"), "{lines:?}");
    assert!(lines[1].starts_with(&format!("{}=; ", flow.0)) && lines[1].contains("Max-Age=0"), "{lines:?}");

    let mut browser = Browser::default();
    assert_eq!(browser.sign_in(&server, &provider, &ann()), SIGNED_IN);
    let me = browser.me(&server).json();
    assert_eq!((&me["account"]["email"], &me["role"]), (&json!("ann@example.com"), &json!("member")));
    let entries = audited(&server, "session.create");
    assert_eq!((&entries[0]["details"]["method"], &entries[0]["actor"]["name"]), (&json!("openid_connect"), &json!("ann@example.com")));

    let headers = [("x-hinomi-page", "1"), ("cookie", &browser.header())];
    let ended = server.send("DELETE", "/api/v1/session", &headers, Vec::new());
    assert_eq!(ended.status, 200);
    let url: url::Url = ended.json()["provider_sign_out_url"].as_str().unwrap().parse().unwrap();
    let parameters: Vec<_> = url.query_pairs().into_owned().collect();
    assert!(url.as_str().starts_with(&format!("{}/end?", provider.url)), "{url}");
    assert!(parameters.contains(&("post_logout_redirect_uri".into(), format!("{}/sign-in", server.url))), "{url}");
    assert!(parameters.iter().any(|(name, value)| name == "id_token_hint" && value.split('.').count() == 3), "{url}");
    assert_eq!(browser.me(&server).status, 401);
    let log = server.log();
    assert!(!log.contains("s3cret") && !log.contains(&code), "{log}");
}

#[test]
fn forged_and_foreign_tokens_are_rejected() {
    let provider = IdentityProvider::start();
    let server = start(&provider, &[]);
    invite(&server, "ann@example.com");
    let rejected = |claims: &Value| {
        let mut browser = Browser::default();
        let location = browser.sign_in(&server, &provider, claims);
        assert!(browser.0.is_empty() && browser.me(&server).status == 401, "{claims}");
        let url = url::Url::parse("http://x").unwrap().join(&location).unwrap();
        assert_eq!(url.path(), "/sign-in");
        url.query_pairs().find(|(name, _)| name == "error").unwrap().1.into_owned()
    };
    for (name, value, code) in [
        ("iss", json!("https://other.example"), "token_invalid"),
        ("aud", json!("other-client"), "token_invalid"),
        ("aud", json!(["hinomi-test", "other-client"]), "token_invalid"),
        ("azp", json!("other-client"), "token_invalid"),
        ("nonce", json!("other"), "token_invalid"),
        ("nonce", Value::Null, "token_invalid"),
        ("sub", Value::Null, "token_invalid"),
        ("exp", json!(now_s() - 600), "token_time"),
        ("iat", json!(now_s() + 600), "token_time"),
        ("email", Value::Null, "email_missing"),
        ("email", json!("nobody"), "email_missing"),
        ("email_verified", json!(false), "email_unverified"),
        ("email_verified", Value::Null, "email_unverified"),
        ("email", json!("eve@example.com"), "not_invited"),
    ] {
        assert_eq!(rejected(&with(ann(), name, value.clone())), code, "{name}: {value}");
    }
    for signature in [TokenSignature::OtherKey, TokenSignature::Absent, TokenSignature::PublicKeyAsSecret] {
        provider.sign_with(signature);
        assert_eq!(rejected(&ann()), "token_invalid", "{signature:?}");
    }
    let entries = audited(&server, "session.create.failed");
    assert_eq!((entries.len(), &entries[0]["details"]["reason"]), (17, &json!("token_invalid")));
    assert!(entries.iter().any(|entry| entry["details"]["email"] == "eve@example.com"));

    provider.sign_with(TokenSignature::Good);
    assert_eq!(Browser::default().sign_in(&server, &provider, &ann()), SIGNED_IN);
}

#[test]
fn new_keys_of_the_provider_are_read_at_a_limited_rate() {
    let provider = IdentityProvider::start();
    let server = start(&provider, &[]);
    invite(&server, "ann@example.com");
    assert_eq!(Browser::default().sign_in(&server, &provider, &ann()), SIGNED_IN);
    assert_eq!(Browser::default().sign_in(&server, &provider, &ann()), SIGNED_IN);
    assert_eq!(provider.key_reads(), 1);
    provider.rotate_key("key-2");
    assert_eq!(Browser::default().sign_in(&server, &provider, &ann()), SIGNED_IN);
    assert_eq!(provider.key_reads(), 2);
    provider.rotate_key("key-3");
    for _ in 0..5 {
        let location = Browser::default().sign_in(&server, &provider, &ann());
        assert!(location.starts_with("/sign-in?error=token_invalid"), "{location}");
    }
    assert_eq!(provider.key_reads(), 2, "anybody can cause unknown keys");
}

#[test]
fn response_belongs_to_the_browser_that_started_and_works_once() {
    let provider = IdentityProvider::start();
    let server = start(&provider, &[]);
    invite(&server, "ann@example.com");
    let mut browser = Browser::default();
    let authorization = browser.start(&server, "");
    let code = provider.approve(&authorization, &ann());
    let path = callback_path(&authorization, &format!("code={code}"));
    let rejected = |browser: &Browser, path: &str| {
        let answer = get(&server, path, &browser.header());
        assert_eq!((answer.status, answer.header("location")), (303, "/sign-in?error=state_invalid"), "{path}");
        assert!(answer.headers.get("set-cookie").is_none());
    };
    rejected(&Browser::default(), &path);
    let mut other = Browser::default();
    other.start(&server, "");
    rejected(&other, &path);
    rejected(&browser, &format!("/auth/oidc/callback?code={code}"));
    rejected(&browser, &format!("/auth/oidc/callback?code={code}&state=x"));
    // The cookie of another sign-in under the name that belongs to this one.
    let swapped = Browser(vec![(browser.0[0].0.clone(), other.0[0].1.clone())]);
    rejected(&swapped, &path);

    let before = browser.clone();
    assert_eq!(browser.call_back(&server, &authorization, &format!("code={code}")), "/");
    assert_eq!(browser.me(&server).status, 200);
    rejected(&browser, &path);
    rejected(&before, &path);

    // A session that somebody else has put into the browser does not become the one of this person.
    let link = server.command(&["login"]).0;
    let planted =
        get(&server, link.trim().strip_prefix(&server.url).unwrap(), "").header("set-cookie").split(';').next().unwrap().to_owned();
    let (name, value) = planted.split_once('=').unwrap();
    let mut victim = Browser(vec![(name.to_owned(), value.to_owned())]);
    victim.sign_in(&server, &provider, &ann());
    assert_eq!(victim.me(&server).json()["account"]["email"], "ann@example.com");
    assert_eq!(get(&server, "/api/v1/me", &planted).status, 401);
}

#[test]
fn sign_in_never_leads_to_another_site() {
    let provider = IdentityProvider::start();
    let server = start(&provider, &[]);
    invite(&server, "ann@example.com");
    for path in ["//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "/%09/evil.example", "/.//evil.example"] {
        let encoded: String =
            if path.contains('%') { path.into() } else { url::form_urlencoded::byte_serialize(path.as_bytes()).collect() };
        let mut browser = Browser::default();
        let authorization = browser.start(&server, &format!("?return={encoded}"));
        let code = provider.approve(&authorization, &ann());
        assert_eq!(browser.call_back(&server, &authorization, &format!("code={code}")), "/", "{path}");
    }
    assert_eq!(get(&server, "/auth/oidc/start?prompt=login", "").status, 400);
    assert_eq!(get(&server, "/auth/oidc/start?retrun=/p/1", "").status, 400);
}

#[test]
fn groups_decide_about_roles_at_each_sign_in() {
    let provider = IdentityProvider::start();
    let roles = "[{ group = 'ops', role = 'admin' }, { group = 'app', role = 'member', project = 1 }]";
    let server = start(
        &provider,
        &[
            ("HINOMI_SIGN_IN_ACCOUNTS", "first_sign_in"),
            ("HINOMI_SIGN_IN_GROUP_ROLES", roles),
            ("HINOMI_SIGN_IN_EMAIL_DOMAINS", "example.com"),
            ("HINOMI_SIGN_IN_OPENID_CONNECT_GROUPS_CLAIM", "realm.groups"),
        ],
    );
    let in_groups = |groups: &[&str]| with(ann(), "realm", json!({ "groups": groups }));
    let mut browser = Browser::default();
    assert!(browser.sign_in(&server, &provider, &in_groups(&["other"])).starts_with("/sign-in?error=no_role"));
    let elsewhere = with(in_groups(&["ops"]), "email", json!("ann@example.org"));
    assert!(browser.sign_in(&server, &provider, &elsewhere).starts_with("/sign-in?error=email_domain"));
    assert_eq!(browser.sign_in(&server, &provider, &in_groups(&["app", "x"])), SIGNED_IN);
    let me = browser.me(&server).json();
    assert_eq!((&me["account"]["name"], &me["role"], &me["project_roles"]), (&json!("Ann Lee"), &Value::Null, &json!({ "1": "member" })));
    assert_eq!(audited(&server, "session.create")[0]["details"]["account_created"], true);

    assert_eq!(browser.sign_in(&server, &provider, &in_groups(&["ops"])), SIGNED_IN);
    let me = browser.me(&server).json();
    assert_eq!((&me["role"], &me["project_roles"]), (&json!("admin"), &json!({})));
    assert_eq!(audited(&server, "session.renew")[0]["details"]["roles_changed"], true);

    // The groups come from the user info endpoint, about the same person only.
    let mut other = Browser::default();
    provider.state_in_user_info(json!({ "sub": "eve", "realm": { "groups": ["ops"] } }));
    assert!(other.sign_in(&server, &provider, &ann()).starts_with("/sign-in?error=provider_unavailable"));
    provider.state_in_user_info(json!({ "sub": "ann-1", "realm": { "groups": ["app"] } }));
    assert_eq!(other.sign_in(&server, &provider, &ann()), SIGNED_IN);
    assert_eq!(browser.me(&server).json()["role"], Value::Null, "a role that is gone ends at once in all sessions");

    provider.state_in_user_info(json!({ "sub": "ann-1" }));
    assert!(other.sign_in(&server, &provider, &ann()).starts_with("/sign-in?error=no_role"));
    assert_eq!((browser.me(&server).status, other.me(&server).status), (401, 401));
}

#[test]
fn address_takes_over_no_account_of_another_person() {
    let provider = IdentityProvider::start();
    let server = start(&provider, &[("HINOMI_SIGN_IN_ACCOUNTS", "first_sign_in"), ("HINOMI_SIGN_IN_DEFAULT_ROLE", "viewer")]);
    let mut browser = Browser::default();
    assert_eq!(browser.sign_in(&server, &provider, &ann()), SIGNED_IN);
    let own = browser.me(&server).json()["account"]["id"].clone();
    let renamed = with(ann(), "email", json!("ann.lee@example.com"));
    assert_eq!(browser.sign_in(&server, &provider, &renamed), SIGNED_IN);
    assert_eq!(browser.me(&server).json()["account"]["id"], own);
    let mut other = Browser::default();
    let recycled = with(ann(), "sub", json!("ann-2"));
    assert!(other.sign_in(&server, &provider, &recycled).starts_with("/sign-in?error=linked_to_another"));
    let (said, error, status) = server.command(&["user", "unlink", "ann@example.com"]);
    assert_eq!((said.trim(), status), ("Ann Lee was unlinked from 1 identity", Some(0)), "{error}");
    assert_eq!(browser.me(&server).status, 401);
    assert_eq!(other.sign_in(&server, &provider, &recycled), SIGNED_IN);
    assert_eq!(other.me(&server).json()["account"]["id"], own);

    server.command(&["user", "deactivate", "ann@example.com"]);
    assert_eq!(other.me(&server).status, 401);
    assert!(other.sign_in(&server, &provider, &recycled).starts_with("/sign-in?error=deactivated"));
}

#[test]
fn provider_confirms_each_session_again() {
    let provider = IdentityProvider::start();
    let server = start(&provider, &[]);
    invite(&server, "ann@example.com");
    let mut browser = Browser::default();
    browser.sign_in(&server, &provider, &ann());
    let sessions = browser.get(&server, "/api/v1/sessions").json();
    let ends: jiff::Timestamp = sessions["sessions"][0]["expires_at"].as_str().unwrap().parse().unwrap();
    assert!((3500..=3600).contains(&(ends.as_second() - now_s())), "{ends}");

    // An hour later.
    let due = "UPDATE sessions SET renew_us = 0 WHERE renew_us IS NOT NULL";
    change_database(&server, due);
    let answer = browser.me(&server);
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("renewal_required")));
    let authorization = browser.start(&server, "?prompt=none&return=/p/1");
    assert!(authorization.query_pairs().any(|(name, value)| name == "prompt" && value == "none"));
    let before = browser.clone();
    let code = provider.approve(&authorization, &ann());
    assert_eq!(browser.call_back(&server, &authorization, &format!("code={code}")), "/p/1");
    assert_eq!(browser.me(&server).status, 200);
    assert_eq!(get(&server, "/api/v1/me", &before.header()).json()["error"]["code"], "unauthorized");
    assert_eq!(audited(&server, "session.renew").len(), 1);

    // The person was removed at the provider.
    change_database(&server, due);
    let authorization = browser.start(&server, "?prompt=none&return=/p/1");
    let location = browser.call_back(&server, &authorization, "error=login_required");
    assert_eq!(location, "/sign-in?error=login_required&then=%2Fp%2F1");
    assert_eq!(browser.me(&server).status, 401);
    let authorization = browser.start(&server, "");
    assert!(browser.call_back(&server, &authorization, "error=access_denied").starts_with("/sign-in?error=declined"));
}

#[test]
fn tokens_of_somebody_who_does_not_sign_in_any_more_end() {
    let provider = IdentityProvider::start();
    let server = start(&provider, &[]);
    invite(&server, "ann@example.com");
    let mut browser = Browser::default();
    browser.sign_in(&server, &provider, &ann());
    let created = post(&server, "/api/v1/tokens", &browser.header(), &json!({ "name": "mine", "role": "viewer" }));
    let token = created.json()["token"].as_str().unwrap_or_else(|| panic!("{}", created.text)).to_owned();
    assert_eq!(server.get_as("/api/v1/me", &token).status, 200);
    let week_us = (now_s() - 8 * 86_400) * 1_000_000;
    change_database(&server, &format!("UPDATE provider_identities SET last_sign_in_us = {week_us}"));
    let answer = server.get_as("/api/v1/me", &token);
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!("unconfirmed_token")));
    assert_eq!(server.get("/api/v1/me").status, 200, "the operator's token");
    browser.sign_in(&server, &provider, &ann());
    assert_eq!(server.get_as("/api/v1/me", &token).status, 200);
}

#[test]
fn sign_out_at_the_provider_ends_sessions() {
    let provider = IdentityProvider::start();
    let server = start(&provider, &[]);
    invite(&server, "ann@example.com");
    let in_session = |sid: &str| {
        let mut browser = Browser::default();
        assert_eq!(browser.sign_in(&server, &provider, &with(ann(), "sid", json!(sid))), SIGNED_IN);
        browser
    };
    let (mut first, mut second, mut third) = (in_session("a"), in_session("b"), in_session("c"));
    let report = |token: &str| {
        let body = format!("logout_token={token}").into_bytes();
        server.send("POST", "/auth/oidc/back-channel-logout", &[("content-type", "application/x-www-form-urlencoded")], body)
    };
    let logout = |changes: Value| {
        let mut claims = json!({ "jti": format!("{changes}"), "sid": "a", "events": { LOGOUT_EVENT: {} } });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        claims
    };
    for wrong in [
        json!({ "events": null }),
        json!({ "nonce": "n" }),
        json!({ "aud": "other-client" }),
        json!({ "iss": "https://other.example" }),
        json!({ "exp": now_s() - 600 }),
        json!({ "sid": null }),
    ] {
        let answer = report(&provider.token(&logout(wrong.clone())));
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("invalid_request")), "{wrong}");
    }
    provider.sign_with(TokenSignature::Absent);
    assert_eq!(report(&provider.token(&logout(json!({})))).status, 400);
    provider.sign_with(TokenSignature::Good);
    assert_eq!(first.me(&server).status, 200);

    let token = provider.token(&logout(json!({})));
    let answer = report(&token);
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    assert_eq!((first.me(&server).status, second.me(&server).status), (401, 200));
    assert_eq!(report(&token).status, 400, "it works once");
    assert_eq!(report(&provider.token(&logout(json!({ "sid": null, "sub": "bob" })))).status, 200);
    assert_eq!((second.me(&server).status, third.me(&server).status), (200, 200));
    assert_eq!(report(&provider.token(&logout(json!({ "sid": null, "sub": "ann-1" })))).status, 200);
    assert_eq!((second.me(&server).status, third.me(&server).status), (401, 401));
    let entries = audited(&server, "session.delete");
    assert_eq!((entries.len(), &entries[0]["details"]["method"]), (2, &json!("back_channel_logout")));
}

#[test]
fn passwords_do_not_bypass_the_provider() {
    let provider = IdentityProvider::start();
    let mut server = start(&provider, &[]);
    let cookie = join(&server, "ann@example.com", "viewer", None);
    let password = |server: &Server| sign_in_with_password(server, "ann@example.com", "correct horse battery");
    assert_eq!(password(&server).status, 204);
    let mut browser = Browser::default();
    browser.sign_in(&server, &provider, &ann());
    let answer = password(&server);
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &json!("password_not_used")));
    assert!(answer.headers.get("set-cookie").is_none());
    let body = json!({ "current_password": "correct horse battery", "password": "another password" }).to_string();
    let headers = [("content-type", "application/json"), ("x-hinomi-page", "1"), ("cookie", &browser.header())];
    assert_eq!(server.send("PUT", "/api/v1/me/password", &headers, body.into()).status, 403);
    let (link, _, _) = server.command(&["user", "link", "ann@example.com"]);
    let token = link.trim().split_once("#token=").unwrap().1.to_owned();
    assert_eq!(post(&server, "/api/v1/password", "", &json!({ "token": token, "password": "another password" })).status, 403);
    assert_eq!(get(&server, "/api/v1/me", &cookie).status, 401, "a new password ends sessions, whatever comes of it");

    server.set("HINOMI_SIGN_IN_PASSWORDS", "false");
    server.restart();
    join_is_refused(&server);
    let link = server.command(&["login"]).0;
    assert_eq!(get(&server, link.trim().strip_prefix(&server.url).unwrap(), "").header("location"), "/");
}

fn join_is_refused(server: &Server) {
    let (link, _, _) = server.command(&["user", "create", "bob@example.com", "--role", "viewer"]);
    let token = link.trim().split_once("#token=").unwrap().1.to_owned();
    assert_eq!(post(server, "/api/v1/password", "", &json!({ "token": token, "password": "correct horse battery" })).status, 403);
    assert_eq!(sign_in_with_password(server, "bob@example.com", "correct horse battery").status, 403);
    let headers = [("authorization", &*format!("Bearer {}", server.token)), ("content-type", "application/json")];
    let invited = server.send("POST", "/api/v1/accounts", &headers, br#"{"email":"eve@example.com","role":"viewer"}"#.to_vec());
    assert_eq!((invited.status, &invited.json()["invitation_url"]), (201, &Value::Null));
    assert_eq!(server.send("GET", "/api/v1/sign-in", &[], Vec::new()).json()["passwords"], false);
}

#[test]
fn problems_with_the_provider_are_named() {
    let provider = IdentityProvider::start();
    let failure = |changed: &[(&str, &str)]| {
        let mut settings = provider.settings();
        for (name, value) in changed {
            settings.retain(|(known, _)| known != name);
            settings.push((name, value));
        }
        let server = Server::start_with(&settings);
        invite(&server, "ann@example.com");
        let mut browser = Browser::default();
        let answer = browser.get(&server, "/auth/oidc/start?return=/p/1");
        let mut location = answer.header("location").to_owned();
        if let Ok(authorization) = location.parse::<url::Url>() {
            let code = provider.approve(&authorization, &ann());
            location = browser.call_back(&server, &authorization, &format!("code={code}"));
        }
        (location, server.log())
    };
    let (location, log) = failure(&[("HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_SECRET", "another secret")]);
    assert!(location.starts_with("/sign-in?error=client_rejected"), "{location}");
    assert!(log.contains("check client_id, client_secret") && !log.contains("another secret"), "{log}");
    let (location, log) = failure(&[("HINOMI_SIGN_IN_OPENID_CONNECT_ISSUER", "http://127.0.0.1:1")]);
    assert_eq!(location, "/sign-in?error=provider_unavailable&then=%2Fp%2F1");
    assert!(log.contains("sign_in.openid_connect.failed") && log.contains("connection failed"), "{log}");
    let (location, log) = failure(&[("HINOMI_SIGN_IN_OPENID_CONNECT_ALLOW", "")]);
    assert!(location.starts_with("/sign-in?error=provider_unavailable"), "{location}");
    assert!(log.contains("allow it with the setting sign_in.openid_connect.allow"), "{log}");
    let slash = format!("{}/", provider.url);
    let (location, log) = failure(&[("HINOMI_SIGN_IN_OPENID_CONNECT_ISSUER", &slash)]);
    assert!(location.starts_with("/sign-in?error=provider_unavailable") && log.contains("to exactly this"), "{log}");
}

#[test]
fn server_without_a_provider_has_no_such_sign_in() {
    let server = Server::start();
    assert_eq!(get(&server, "/auth/oidc/start", "").status, 404);
    assert_eq!(get(&server, "/auth/oidc/callback?code=x&state=y", "").status, 404);
    assert_eq!(server.send("GET", "/api/v1/sign-in", &[], Vec::new()).json(), json!({ "passwords": true, "openid_connect": null }));
}

#[test]
fn proxy_header_counts_from_the_proxy_only() {
    let proxy = |addresses: &str| {
        Server::start_with(&[
            ("HINOMI_SIGN_IN_PROXY_HEADER_NAME", "x-forwarded-email"),
            ("HINOMI_SIGN_IN_PROXY_HEADER_GROUPS_NAME", "x-forwarded-groups"),
            ("HINOMI_SIGN_IN_PROXY_HEADER_ADDRESSES", addresses),
            ("HINOMI_SIGN_IN_PROXY_HEADER_SIGN_OUT_URL", "https://proxy.example/sign_out"),
            ("HINOMI_SIGN_IN_ACCOUNTS", "first_sign_in"),
            ("HINOMI_SIGN_IN_GROUP_ROLES", "[{ group = 'app', role = 'member' }]"),
        ])
    };
    let ann = [("x-forwarded-email", "Ann@example.com"), ("x-forwarded-groups", "other,app")];
    let server = proxy("10.0.0.5");
    let forged = [ann.as_slice(), &[("x-forwarded-for", "10.0.0.5"), ("forwarded", "for=10.0.0.5")]].concat();
    assert_eq!(server.send("GET", "/api/v1/me", &forged, Vec::new()).status, 401);
    drop(server);

    let server = proxy("127.0.0.0/8");
    let me = server.send("GET", "/api/v1/me", &ann, Vec::new());
    assert_eq!((&me.json()["account"]["email"], &me.json()["role"]), (&json!("ann@example.com"), &json!("member")));
    assert!(me.headers.get("set-cookie").is_none());
    for _ in 0..3 {
        server.send("GET", "/api/v1/projects/1/summary", &ann, Vec::new());
    }
    assert_eq!(audited(&server, "session.create").iter().filter(|entry| entry["details"]["method"] == "proxy_header").count(), 1);
    let create = |headers: &[(&str, &str)]| {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        server.send("POST", "/api/v1/tokens", &headers, br#"{"name":"x","role":"viewer"}"#.to_vec()).status
    };
    assert_eq!(create(&ann), 403, "a form of another site cannot send the page's header");
    assert_eq!(create(&[ann.as_slice(), &[("x-hinomi-page", "1")]].concat()), 201);
    assert_eq!(server.send("GET", "/api/v1/me", &[], Vec::new()).status, 401);
    assert_eq!(server.send("GET", "/api/v1/me", &[ann[0], ("x-forwarded-email", "eve@example.com")], Vec::new()).status, 401);

    for (email, groups, code) in [("bob@example.com", "other", "no_role"), ("bob", "app", "email_missing")] {
        let headers = [("x-forwarded-email", email), ("x-forwarded-groups", groups)];
        for _ in 0..2 {
            let answer = server.send("GET", "/api/v1/me", &headers, Vec::new());
            assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &json!(code)));
        }
    }
    assert_eq!(audited(&server, "session.create.failed").len(), 2, "each once");
    server.command(&["user", "deactivate", "ann@example.com"]);
    assert_eq!(server.send("GET", "/api/v1/me", &ann, Vec::new()).json()["error"]["code"], "deactivated");
    server.command(&["user", "activate", "ann@example.com"]);
    let ended = server.send("DELETE", "/api/v1/session", &[ann.as_slice(), &[("x-hinomi-page", "1")]].concat(), Vec::new());
    assert_eq!(ended.json()["provider_sign_out_url"], "https://proxy.example/sign_out");
}

#[test]
fn server_does_not_start_with_dangerous_settings() {
    let folder = tempfile::tempdir().unwrap();
    let said = |variables: &[(&str, &str)]| {
        let mut command = hinomi(&folder.path().join("data"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(said(&[("HINOMI_SIGN_IN_PROXY_HEADER_NAME", "x-email")]).contains("sign_in.proxy_header.addresses: must name"));
    let everybody = [("HINOMI_SIGN_IN_PROXY_HEADER_NAME", "x-email"), ("HINOMI_SIGN_IN_PROXY_HEADER_ADDRESSES", "0.0.0.0/0")];
    assert!(said(&everybody).contains("anybody could sign in as anybody"));
    let plain = [("HINOMI_SIGN_IN_OPENID_CONNECT_ISSUER", "http://login.example.com"), ("HINOMI_SIGN_IN_OPENID_CONNECT_CLIENT_ID", "x")];
    assert!(said(&plain).contains("sign_in.openid_connect.issuer: must be an https:// URL"));
}
