//! Accounts and roles: who can sign in, and what each role can do in its own and in other projects.

use serde_json::{Value, json};

use crate::access_control::operations;
use crate::server::{Answer, KEY, Server};

const JSON: (&str, &str) = ("content-type", "application/json");
const PAGE: (&str, &str) = ("x-hinomi-page", "1");
const PASSWORD: &str = "correct horse battery";

pub(crate) fn post(server: &Server, path: &str, cookie: &str, body: &Value) -> Answer {
    server.send("POST", path, &[JSON, PAGE, ("cookie", cookie)], body.to_string().into_bytes())
}

fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// Sets a password with a link. Returns the session cookie.
pub(crate) fn accept(server: &Server, link: &str) -> String {
    let (page, token) = link.trim().split_once("#token=").unwrap_or_else(|| panic!("{link} has no token"));
    assert_eq!(page, format!("{}/set-password", server.url));
    let answer = post(server, "/api/v1/password", "", &json!({ "token": token, "password": PASSWORD }));
    assert_eq!(answer.status, 204, "{}", answer.text);
    cookie_of(&answer)
}

/// Creates an account on the command line and accepts its invitation. Returns the session cookie.
pub(crate) fn join(server: &Server, email: &str, role: &str, project: Option<&str>) -> String {
    let place = project.map_or(Vec::new(), |project| vec!["--project", project]);
    let (link, error, status) = server.command(&[&["user", "create", email, "--role", role][..], &place].concat());
    assert_eq!(status, Some(0), "{error}");
    accept(server, &link)
}

pub(crate) fn sign_in(server: &Server, email: &str, password: &str) -> Answer {
    post(server, "/api/v1/session", "", &json!({ "email": email, "password": password }))
}

pub(crate) fn get(server: &Server, path: &str, cookie: &str) -> Answer {
    server.send("GET", path, &[("cookie", cookie)], Vec::new())
}

#[test]
fn invited_viewer_signs_in_and_sees_one_project() {
    let server = Server::start();
    server.command(&["project", "create", "Other"]);
    let cookie = join(&server, "ann@example.com", "viewer", Some("1"));
    let me = get(&server, "/api/v1/me", &cookie).json();
    assert_eq!(
        (&me["account"]["email"], &me["role"], &me["project_roles"]),
        (&json!("ann@example.com"), &Value::Null, &json!({ "1": "viewer" }))
    );
    assert_eq!(me["projects"].as_array().unwrap().len(), 1);
    assert_eq!(get(&server, "/api/v1/projects/1/summary", &cookie).status, 200);
    assert_eq!(get(&server, "/api/v1/projects/2/summary", &cookie).status, 404);
    assert_eq!(get(&server, "/api/v1/accounts", &cookie).status, 403);
    assert_eq!(get(&server, "/api/v1/jobs?project=2", &cookie).status, 404);
    let rename = server.send("PATCH", "/api/v1/projects/1", &[JSON, PAGE, ("cookie", &cookie)], b"{}".to_vec());
    assert_eq!(rename.status, 403, "{}", rename.text);
    let sessions = get(&server, "/api/v1/sessions", &cookie).json();
    let shown = &sessions["sessions"][0];
    assert_eq!(
        (sessions["sessions"].as_array().unwrap().len(), &shown["address"], &shown["current"]),
        (1, &json!("127.0.0.1"), &json!(true))
    );

    // The next day, with the password.
    assert_eq!(post(&server, "/api/v1/password", "", &json!({ "token": "0".repeat(64), "password": PASSWORD })).status, 401);
    let answer = sign_in(&server, " Ann@Example.COM", PASSWORD);
    assert_eq!((answer.status, get(&server, "/api/v1/me", &cookie_of(&answer)).status), (204, 200));
    let header = answer.header("set-cookie");
    assert!(header.contains("HttpOnly") && header.contains("SameSite=Lax"), "{header}");

    // A leaver.
    let (said, error, status) = server.command(&["user", "deactivate", "ann@example.com"]);
    assert_eq!((said.trim(), status), ("ann@example.com is deactivated", Some(0)), "{error}");
    assert_eq!(get(&server, "/api/v1/me", &cookie).status, 401);
    assert_eq!(sign_in(&server, "ann@example.com", PASSWORD).status, 401);
    let (_, error, status) = server.command(&["user", "deactivate", "1"]);
    assert!(status == Some(1) && error.contains("stays an active owner"), "{error}");
}

#[test]
fn failed_sign_ins_look_alike_and_are_limited() {
    let server = Server::start();
    join(&server, "ann@example.com", "member", None);
    let (wrong, unknown) = (sign_in(&server, "ann@example.com", "wrong password"), sign_in(&server, "bob@example.com", PASSWORD));
    assert_eq!((wrong.status, &wrong.text), (401, &unknown.text));
    assert_eq!(wrong.json()["error"]["code"], "wrong_password");
    for _ in 0..9 {
        assert_eq!(sign_in(&server, "ann@example.com", "wrong password").status, 401);
    }
    let limited = sign_in(&server, "ann@example.com", PASSWORD);
    assert_eq!(limited.status, 429, "{}", limited.text);
    let wait: u64 = limited.header("retry-after").parse().unwrap();
    assert!((800..=900).contains(&wait), "{wait}");
    let (link, _, _) = server.command(&["user", "link", "ann@example.com"]);
    accept(&server, &link);
    assert_eq!(sign_in(&server, "ann@example.com", PASSWORD).status, 204);
    for body in [json!({}), json!({ "email": "a@b.c" }), json!({ "token": "x", "password": "y" })] {
        assert_eq!(post(&server, "/api/v1/session", "", &body).status, 400, "{body}");
    }
    let log = server.log();
    assert!(!log.contains(PASSWORD) && !log.contains("wrong password"), "{log}");
}

#[test]
fn nobody_manages_a_role_above_their_own() {
    let server = Server::start();
    let admin = join(&server, "admin@example.com", "admin", None);
    let owner = join(&server, "owner@example.com", "owner", None);
    let id = |cookie: &str| get(&server, "/api/v1/me", cookie).json()["account"]["id"].clone();
    let change = |method: &str, path: &str, cookie: &str, body: Value| {
        server.send(method, path, &[JSON, PAGE, ("cookie", cookie)], body.to_string().into_bytes()).status
    };
    let of_owner = format!("/api/v1/accounts/{}", id(&owner));
    let refused = [
        ("POST", "/api/v1/accounts".to_owned(), json!({ "email": "x@example.com", "role": "owner" })),
        ("POST", "/api/v1/accounts/1/link".to_owned(), json!({})),
        ("POST", format!("{of_owner}/link"), json!({})),
        ("PATCH", of_owner.clone(), json!({ "deactivated": true })),
        ("PATCH", format!("/api/v1/accounts/{}", id(&admin)), json!({ "role": "owner" })),
        ("POST", "/api/v1/projects/1/members".to_owned(), json!({ "email": "x@example.com", "role": "owner" })),
    ];
    for (method, path, body) in refused {
        assert_eq!(change(method, &path, &admin, body.clone()), 403, "{method} {path} {body}");
    }
    assert_eq!(change("PATCH", &format!("/api/v1/accounts/{}", id(&admin)), &owner, json!({ "role": "viewer" })), 200);
    assert_eq!(get(&server, "/api/v1/accounts", &admin).status, 403, "at once");
    assert_eq!(change("PATCH", "/api/v1/accounts/1", &owner, json!({ "role": null })), 400);

    // An admin of a project invites others into it, and takes over no account.
    let lead = join(&server, "lead@example.com", "admin", Some("1"));
    let add = |email: &str, role: &str| post(&server, "/api/v1/projects/1/members", &lead, &json!({ "email": email, "role": role }));
    let invited = add("new@example.com", "member");
    assert_eq!(invited.status, 201, "{}", invited.text);
    let new = accept(&server, invited.json()["invitation_url"].as_str().unwrap());
    assert_eq!(get(&server, "/api/v1/me", &new).json()["project_roles"], json!({ "1": "member" }));
    let known = add("owner@example.com", "viewer");
    assert_eq!((known.status, &known.json()["invitation_url"]), (201, &Value::Null));
    assert_eq!(get(&server, "/api/v1/me", &owner).json()["role"], "owner", "the role on the server stays");
    let member = format!("/api/v1/projects/1/members/{}", id(&new));
    assert_eq!(change("PUT", &member, &lead, json!({ "role": "owner" })), 403);
    assert_eq!(change("PUT", &member, &lead, json!({ "role": "viewer" })), 200);
    assert_eq!(get(&server, "/api/v1/projects/1/members", &new).status, 403);
    assert_eq!(get(&server, "/api/v1/projects/1/members", &lead).json()["members"].as_array().unwrap().len(), 3);
    assert_eq!(change("DELETE", &member, &lead, json!({})), 204);
    assert_eq!(get(&server, "/api/v1/projects/1/summary", &new).status, 404);
    assert_eq!(change("DELETE", &member, &lead, json!({})), 404);
}

#[test]
fn changing_the_own_password_ends_other_sessions() {
    let server = Server::start();
    let first = join(&server, "ann@example.com", "viewer", None);
    let second = cookie_of(&sign_in(&server, "ann@example.com", PASSWORD));
    let change = |current: &str, new: &str| {
        let body = json!({ "current_password": current, "password": new }).to_string().into_bytes();
        server.send("PUT", "/api/v1/me/password", &[JSON, PAGE, ("cookie", &first)], body)
    };
    assert_eq!(change("wrong password", "another password").status, 401);
    assert_eq!(change(PASSWORD, "short").json()["error"]["code"], "invalid_value");
    assert_eq!(change(PASSWORD, "another password").status, 204);
    assert_eq!((get(&server, "/api/v1/me", &first).status, get(&server, "/api/v1/me", &second).status), (200, 401));
}

#[test]
fn token_of_an_account_has_at_most_its_access() {
    let server = Server::start();
    let (id, error, status) = server.command(&["user", "create-service", "CI", "--role", "member", "--project", "1"]);
    assert_eq!(status, Some(0), "{error}");
    let create = |role: &str| server.command(&["token", "create", "--account", id.trim(), "--role", role]).0.trim().to_owned();
    let me = |token: &str| server.get_as("/api/v1/me", token).json();
    assert_eq!(me(&create("viewer"))["project_roles"], json!({ "1": "viewer" }));
    let token = create("admin");
    assert_eq!((&me(&token)["project_roles"], &me(&token)["account"]["name"]), (&json!({ "1": "member" }), &json!("CI")));
    server.command(&["user", "role", id.trim(), "viewer", "--project", "1"]);
    assert_eq!(me(&token)["project_roles"], json!({ "1": "viewer" }));
    server.command(&["user", "deactivate", id.trim()]);
    assert_eq!(server.get_as("/api/v1/me", &token).status, 401);
    let (listed, _, _) = server.command(&["user", "list"]);
    assert!(listed.lines().any(|line| line.contains("\tCI\tdeactivated\t")), "{listed}");
}

#[test]
fn people_manage_their_own_tokens() {
    let server = Server::start();
    server.command(&["project", "create", "Other"]);
    let cookie = join(&server, "ann@example.com", "member", Some("1"));
    let create = |body: Value| post(&server, "/api/v1/tokens", &cookie, &body);
    let made = create(json!({ "name": "ci", "role": "member", "project_id": 1, "expires_in": "30d" }));
    assert_eq!(made.status, 201, "{}", made.text);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(server.get_as("/api/v1/me", &token).json()["project_roles"], json!({ "1": "member" }));
    let refused = [
        (json!({ "name": "x", "role": "admin", "project_id": 1 }), 403),
        (json!({ "name": "x", "role": "admin" }), 403),
        (json!({ "name": "x", "role": "viewer", "project_id": 2 }), 404),
        (json!({ "name": "", "role": "viewer" }), 400),
        (json!({ "name": "x", "role": "viewer", "expires_in": "soon" }), 400),
    ];
    for (body, status) in refused {
        assert_eq!(create(body.clone()).status, status, "{body}");
    }
    // A token creates no other token, and sees neither tokens nor sessions.
    let bearer = format!("Bearer {token}");
    let body = json!({ "name": "x", "role": "viewer" }).to_string().into_bytes();
    assert_eq!(server.send("POST", "/api/v1/tokens", &[JSON, ("authorization", &bearer)], body).json()["error"]["code"], "needs_session");
    assert_eq!(server.get_as("/api/v1/tokens", &token).json()["tokens"], json!([]));
    assert_eq!(server.get_as("/api/v1/sessions", &token).json()["sessions"], json!([]));

    let listed = get(&server, "/api/v1/tokens", &cookie).json()["tokens"].as_array().unwrap().clone();
    assert_eq!((listed.len(), &listed[0]["name"], &listed[0]["role"]), (1, &json!("ci"), &json!("member")));
    let of_server = server.get("/api/v1/tokens").json()["tokens"].as_array().unwrap().clone();
    let foreign = of_server.iter().find(|token| token["account"]["id"] == 1).unwrap()["id"].clone();
    let revoke = |id: &Value| server.send("DELETE", &format!("/api/v1/tokens/{id}"), &[PAGE, ("cookie", &cookie)], Vec::new()).status;
    assert_eq!((revoke(&foreign), revoke(&listed[0]["id"])), (404, 204));
    assert_eq!(server.get_as("/api/v1/me", &token).status, 401);
}

/// Returns the rank of a role or permission.
fn rank(name: &str) -> usize {
    ["viewer", "member", "admin", "owner"].iter().position(|role| *role == name).unwrap()
}

#[test]
fn every_operation_keeps_its_permission_for_every_role_and_project() {
    let server = Server::start();
    server.command(&["project", "create", "Other"]);
    let operations = operations(&server);
    for role in ["viewer", "member", "admin", "owner"] {
        let cookie = join(&server, &format!("{role}@example.com"), role, Some("2"));
        let account = format!("{role}@example.com");
        let token = server.command(&["token", "create", "--account", &account, "--role", role, "--project", "2"]).0.trim().to_owned();
        let bearer = format!("Bearer {token}");
        let credentials: [(&str, Vec<(&str, &str)>); 2] =
            [("session", vec![JSON, PAGE, ("cookie", &cookie)]), ("token", vec![JSON, ("authorization", &bearer)])];
        for (method, path, permission) in operations.iter().filter(|(_, _, permission)| permission != "public") {
            let own = path.strip_prefix("/api/v1/projects/1").map(|rest| format!("/api/v1/projects/2{rest}"));
            for (kind, headers) in &credentials {
                let ask = |path: &str| server.send(method, path, headers, if method == "GET" { Vec::new() } else { b"{}".to_vec() });
                let what = |path: &str| format!("{method} {path} ({permission}) as {role} with a {kind}");
                let Some(own) = &own else {
                    // Of the whole server: no role there.
                    if permission != "viewer" {
                        assert_eq!(ask(path).status, 403, "{}", what(path));
                    }
                    continue;
                };
                let other = ask(path);
                assert_eq!(other.status, 404, "{}: {}", what(path), other.text);
                let may = rank(role) >= rank(permission);
                if !may {
                    assert_eq!(ask(own).status, 403, "{}", what(own));
                } else if method == "GET" && !own.ends_with("/live") {
                    let answer = ask(own);
                    assert!(![401, 403].contains(&answer.status), "{}: {} {}", what(own), answer.status, answer.text);
                }
            }
        }
    }
    for (method, path, permission) in operations.iter().filter(|(_, _, permission)| permission != "public") {
        let is_for_keys = ["/scores", "/feedback"].iter().any(|end| path.ends_with(end)) && method == "POST";
        for headers in [
            vec![JSON],
            vec![JSON, ("x-hinomi-key", if is_for_keys { "f".repeat(32).leak() } else { KEY })],
            vec![JSON, ("authorization", "Bearer 0")],
            vec![JSON, ("cookie", "hinomi_session=0")],
        ] {
            assert_eq!(server.send(method, path, &headers, b"{}".to_vec()).status, 401, "{method} {path} ({permission}) with {headers:?}");
        }
    }
}
