//! SCIM 2.0, with the requests that Okta and Microsoft Entra document.

use serde_json::{Value, json};

use crate::accounts::{accept, get, join, sign_in};
use crate::server::{Answer, Server};

const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const CONTENT_TYPE: (&str, &str) = ("content-type", "application/scim+json");

/// An identity provider with a token.
struct Provider<'a> {
    server: &'a Server,
    bearer: String,
}

impl Provider<'_> {
    fn of(server: &Server) -> Provider<'_> {
        let (token, error, status) = server.command(&["token", "create", "--scim", "--name", "idp"]);
        assert_eq!(status, Some(0), "{error}");
        Provider { server, bearer: format!("Bearer {}", token.trim()) }
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.server.send(method, &format!("/scim/v2{path}"), &[CONTENT_TYPE, ("authorization", &self.bearer)], body)
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.send("GET", path, &Value::Null);
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/scim+json"), "{path}: {}", answer.text);
        answer.json()
    }

    /// Creates a user as Okta does. Returns its ID.
    fn create_user(&self, user_name: &str) -> String {
        let answer = self.send("POST", "/Users", &okta_user(user_name));
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    fn create_group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<Value> = members.iter().map(|id| json!({ "value": id, "display": "x" })).collect();
        let body = json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": members });
        let answer = self.send("POST", "/Groups", &body);
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    fn patch(&self, path: &str, operations: Value) -> Answer {
        self.send("PATCH", path, &json!({ "schemas": [PATCH_SCHEMA], "Operations": operations }))
    }
}

/// Returns the body with which Okta creates a user.
fn okta_user(user_name: &str) -> Value {
    json!({
        "schemas": [USER_SCHEMA],
        "userName": user_name,
        "name": { "givenName": "Test", "familyName": "User" },
        "emails": [{ "primary": true, "value": user_name, "type": "work" }],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": true,
    })
}

/// Returns the body with which Entra creates a user.
fn entra_user() -> Value {
    json!({
        "schemas": [USER_SCHEMA, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "Test_User_ab6490ee-1e48-479e-a20b-2d77186b5dd1",
        "active": true,
        "emails": [{ "primary": true, "type": "work", "value": "Test_User_fd0ea19b@testuser.com" }],
        "meta": { "resourceType": "User" },
        "name": { "formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName" },
        "roles": [],
    })
}

fn error_of(answer: &Answer) -> (u16, Option<String>) {
    let body = answer.json();
    assert_eq!(body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]), "{}", answer.text);
    assert_eq!(body["status"], json!(answer.status.to_string()));
    (answer.status, body["scimType"].as_str().map(str::to_owned))
}

#[test]
fn okta_provisions_and_deprovisions_a_user() {
    let server = Server::start();
    let okta = Provider::of(&server);
    // Okta looks for the user first.
    let none = okta.get("/Users?filter=userName%20eq%20%22ann%40example.com%22&startIndex=1&count=100");
    assert_eq!((&none["totalResults"], &none["Resources"], &none["startIndex"]), (&json!(0), &json!([]), &json!(1)));
    let created = okta.send("POST", "/Users", &okta_user("ann@example.com"));
    assert_eq!(created.status, 201, "{}", created.text);
    let user = created.json();
    let id = user["id"].as_str().unwrap();
    assert_eq!(created.header("location"), format!("{}/scim/v2/Users/{id}", server.url));
    assert_eq!(
        (&user["userName"], &user["active"], &user["externalId"]),
        (&json!("ann@example.com"), &json!(true), &json!("00ujl29u0le5T6Aj10h7"))
    );
    assert!(!created.text.contains("1mz050nq"), "a password is not returned");
    assert_eq!(okta.get(&format!("/Users/{id}")), user);
    let found = okta.get("/Users?filter=userName%20eq%20%22ANN%40example.com%22");
    assert_eq!(found["Resources"], json!([user]));

    // The person signs in.
    let (link, error, _) = server.command(&["user", "link", "ann@example.com"]);
    assert!(error.is_empty(), "{error}");
    server.command(&["user", "role", "ann@example.com", "viewer"]);
    let (link_after_role, _, _) = server.command(&["user", "link", "ann@example.com"]);
    assert_ne!(link, link_after_role);
    let cookie = accept(&server, &link_after_role);
    let token = server.command(&["token", "create", "--account", "ann@example.com"]).0.trim().to_owned();
    assert_eq!((get(&server, "/api/v1/me", &cookie).status, server.get_as("/api/v1/me", &token).status), (200, 200));

    // Okta updates the profile with PUT, and deactivates with PATCH.
    let mut changed = okta_user("ann@example.com");
    changed["displayName"] = json!("Ann Lee");
    let replaced = okta.send("PUT", &format!("/Users/{id}"), &changed);
    assert_eq!((replaced.status, &replaced.json()["displayName"]), (200, &json!("Ann Lee")), "{}", replaced.text);
    assert_eq!(get(&server, "/api/v1/me", &cookie).json()["account"]["name"], "Ann Lee");
    let off = okta.patch(&format!("/Users/{id}"), json!([{ "op": "replace", "value": { "active": false } }]));
    assert_eq!((off.status, &off.json()["active"]), (200, &json!(false)), "{}", off.text);
    assert_eq!((get(&server, "/api/v1/me", &cookie).status, server.get_as("/api/v1/me", &token).status), (401, 401), "at once");
    assert_eq!(sign_in(&server, "ann@example.com", "correct horse battery").status, 401);
    let on = okta.patch(&format!("/Users/{id}"), json!([{ "op": "replace", "value": { "active": true } }]));
    assert_eq!(on.json()["active"], true);
    assert_eq!(sign_in(&server, "ann@example.com", "correct horse battery").status, 204);

    let actions = server.get("/api/v1/audit?action=scim").json();
    let entries = actions["entries"].as_array().unwrap();
    let states: Vec<&Value> = entries.iter().map(|entry| &entry["details"]["changes"]["state"]["after"]).collect();
    assert_eq!(states, [&json!("active"), &json!("deactivated"), &Value::Null, &Value::Null], "{actions}");
    assert!(entries.iter().all(|entry| entry["actor"]["name"] == "SCIM token idp"));
    assert_eq!(entries[2]["details"]["changes"]["name"], json!({ "before": "Test User", "after": "Ann Lee" }));
}

#[test]
fn entra_provisions_with_its_own_forms() {
    let server = Server::start();
    let entra = Provider::of(&server);
    let created = entra.send("POST", "/Users", &entra_user());
    assert_eq!(created.status, 201, "{}", created.text);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/Users/{id}");
    let filter = "/Users?filter=externalId%20eq%20%220a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef%22";
    assert_eq!(entra.get(filter)["totalResults"], 1);
    let patched = entra.patch(
        &path,
        json!([
            { "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "updatedEmail@microsoft.com" },
            { "op": "Replace", "path": "name.familyName", "value": "updatedFamilyName" },
            { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "Sales" },
        ]),
    );
    assert_eq!(patched.status, 200, "{}", patched.text);
    let user = patched.json();
    assert_eq!(
        (&user["emails"][0]["value"], &user["name"]["familyName"]),
        (&json!("updatedEmail@microsoft.com"), &json!("updatedFamilyName"))
    );
    let renamed = entra.patch(&path, json!([{ "op": "Replace", "path": "userName", "value": "5b50642d-79fc@testuser.com" }]));
    assert_eq!(renamed.json()["userName"], "5b50642d-79fc@testuser.com", "{}", renamed.text);
    let off = entra.patch(&path, json!([{ "op": "Replace", "path": "active", "value": "False" }]));
    assert_eq!((off.status, &off.json()["active"]), (200, &json!(false)), "{}", off.text);
    let accounts = server.get("/api/v1/accounts").json();
    let account =
        accounts["accounts"].as_array().unwrap().iter().find(|account| account["id"].as_i64() == id.parse().ok()).unwrap().clone();
    assert_eq!((&account["state"], &account["email"]), (&json!("deactivated"), &json!("updatedemail@microsoft.com")));
    assert_eq!(entra.patch(&path, json!([{ "op": "Replace", "path": "active", "value": "True" }])).json()["active"], true);

    // Groups, as Entra changes their members.
    let group = entra.send(
        "POST",
        "/Groups",
        &json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "displayName": "displayName", "meta": { "resourceType": "Group" },
        }),
    );
    assert_eq!(group.status, 201, "{}", group.text);
    let group = format!("/Groups/{}", group.json()["id"].as_str().unwrap());
    let members = || entra.get(&group)["members"].as_array().unwrap().len();
    assert_eq!(entra.patch(&group, json!([{ "op": "Add", "path": "members", "value": [{ "value": id }] }])).status, 204);
    assert_eq!(members(), 1);
    assert_eq!(entra.get(&path)["groups"][0]["display"], "displayName");
    assert!(entra.get(&format!("{group}?excludedAttributes=members")).get("members").is_none());
    let found = entra.get("/Groups?excludedAttributes=members&filter=displayName%20eq%20%22displayName%22");
    assert_eq!((&found["totalResults"], found["Resources"][0].get("members")), (&json!(1), None));
    assert_eq!(entra.patch(&group, json!([{ "op": "Remove", "path": "members", "value": [{ "value": id }] }])).status, 204);
    assert_eq!(members(), 0);
    entra.patch(&group, json!([{ "op": "Add", "path": "members", "value": [{ "value": id }] }]));
    assert_eq!(entra.patch(&group, json!([{ "op": "remove", "path": format!("members[value eq \"{id}\"]") }])).status, 204);
    assert_eq!(members(), 0);
    assert_eq!(entra.patch(&group, json!([{ "op": "Replace", "path": "displayName", "value": "new" }])).status, 204);
    assert_eq!(entra.get(&group)["displayName"], "new");
    assert_eq!(entra.send("DELETE", &group, &Value::Null).status, 204);
    assert_eq!(error_of(&entra.send("GET", &group, &Value::Null)), (404, None));

    // Deleted users are not found any more, and return with the same account.
    assert_eq!(entra.send("DELETE", &path, &Value::Null).status, 204);
    assert_eq!(error_of(&entra.send("GET", &path, &Value::Null)), (404, None));
    assert_eq!(entra.get(filter)["totalResults"], 0);
    let mut again = entra_user();
    again["emails"][0]["value"] = json!("updatedEmail@microsoft.com");
    assert_eq!(entra.send("POST", "/Users", &again).json()["id"], json!(id));
}

#[test]
fn groups_give_roles() {
    let roles = "[{ group = 'Ops', role = 'admin' }, { group = 'App', role = 'member', project = 1 }]";
    let server = Server::start_with(&[("HINOMI_SIGN_IN_GROUP_ROLES", roles)]);
    let provider = Provider::of(&server);
    let ann = provider.create_user("ann@example.com");
    let (ops, app) = (provider.create_group("Ops", &[&ann]), provider.create_group("App", &[]));
    let cookie = accept(&server, &server.command(&["user", "link", "ann@example.com"]).0);
    let me = || get(&server, "/api/v1/me", &cookie).json();
    assert_eq!((&me()["role"], &me()["project_roles"]), (&json!("admin"), &json!({})));
    assert_eq!(
        provider.patch(&format!("/Groups/{app}"), json!([{ "op": "add", "path": "members", "value": [{ "value": ann }] }])).status,
        204
    );
    assert_eq!(provider.send("DELETE", &format!("/Groups/{ops}"), &Value::Null).status, 204);
    assert_eq!((&me()["role"], &me()["project_roles"]), (&Value::Null, &json!({ "1": "member" })));
    let renamed = json!({ "displayName": "Other", "members": [{ "value": ann }] });
    assert_eq!(provider.send("PUT", &format!("/Groups/{app}"), &renamed).status, 200);
    assert_eq!(me()["project_roles"], json!({}));
    let audit = server.get("/api/v1/audit?action=accounts.role.update").json();
    assert_eq!(audit["entries"][0]["details"]["changes"]["before"]["project_roles"], json!({ "1": "member" }), "{audit}");
}

#[test]
fn mistakes_are_answered_in_the_form_of_scim() {
    let server = Server::start();
    let provider = Provider::of(&server);
    let id = provider.create_user("ann@example.com");
    let bob = provider.create_user("bob@example.com");
    let send = |method: &str, path: &str, body: Value| error_of(&provider.send(method, path, &body));
    let type_of = |scim_type: &str| Some(scim_type.to_owned());
    assert_eq!(send("POST", "/Users", okta_user("Ann@example.com")), (409, type_of("uniqueness")));
    assert_eq!(send("PUT", &format!("/Users/{bob}"), okta_user("ann@example.com")), (409, type_of("uniqueness")));
    assert_eq!(send("POST", "/Users", json!({ "schemas": [USER_SCHEMA] })), (400, type_of("invalidValue")));
    assert_eq!(send("POST", "/Users", json!({ "userName": "not an address" })), (400, type_of("invalidValue")));
    assert_eq!(send("GET", "/Users?filter=userName%20is%20%22x%22", Value::Null), (400, type_of("invalidFilter")));
    assert_eq!(send("GET", "/Users/999", Value::Null), (404, None));
    assert_eq!(send("GET", "/Users/abc", Value::Null), (404, None));
    assert_eq!(
        send("PATCH", &format!("/Users/{id}"), json!({ "Operations": [{ "op": "replace", "path": "id", "value": "9" }] })),
        (400, type_of("mutability"))
    );
    assert_eq!(
        send("PATCH", &format!("/Users/{id}"), json!({ "Operations": [{ "op": "replace", "path": "active", "value": "maybe" }] })),
        (400, type_of("invalidValue"))
    );
    assert_eq!(send("POST", "/Groups", json!({ "displayName": "g", "members": [{ "value": "999" }] })), (400, type_of("invalidValue")));
    let broken = server.send("POST", "/scim/v2/Users", &[CONTENT_TYPE, ("authorization", &provider.bearer)], b"{".to_vec());
    assert_eq!(error_of(&broken), (400, type_of("invalidSyntax")));

    // The last owner, and the account of the operator.
    server.command(&["user", "role", "ann@example.com", "owner"]);
    accept(&server, &server.command(&["user", "link", "ann@example.com"]).0);
    assert_eq!(send("DELETE", &format!("/Users/{id}"), Value::Null), (400, type_of("mutability")));
    assert_eq!(
        send("PATCH", &format!("/Users/{id}"), json!({ "Operations": [{ "op": "replace", "path": "active", "value": false }] })),
        (400, type_of("mutability"))
    );
    assert_eq!(provider.get(&format!("/Users/{id}"))["active"], true);
}

#[test]
fn discovery_describes_what_is_supported() {
    let server = Server::start();
    let provider = Provider::of(&server);
    let config = provider.get("/ServiceProviderConfig");
    assert_eq!((&config["patch"]["supported"], &config["bulk"]["supported"]), (&json!(true), &json!(false)));
    for list in ["/ResourceTypes", "/Schemas"] {
        let listed = provider.get(list);
        assert_eq!(listed["totalResults"], 2, "{listed}");
        for resource in listed["Resources"].as_array().unwrap() {
            assert_eq!(&provider.get(&format!("{list}/{}", resource["id"].as_str().unwrap())), resource);
        }
    }
}

#[test]
fn scim_tokens_are_of_their_own_kind() {
    let server = Server::start();
    let provider = Provider::of(&server);
    let token = provider.bearer.trim_start_matches("Bearer ").to_owned();
    assert_eq!(server.get_as("/api/v1/me", &token).status, 401, "it reads no data");
    let ask = |headers: &[(&str, &str)]| server.send("GET", "/scim/v2/Users", headers, Vec::new());
    assert_eq!(error_of(&ask(&[])), (401, None));
    assert_eq!(error_of(&ask(&[("authorization", &format!("Bearer {}", server.token))])), (403, None), "an owner's token is another kind");
    // Owners create such tokens on the page, admins do not.
    let create = |cookie: &str| {
        let body = json!({ "name": "idp", "role": "owner", "kind": "scim" }).to_string().into_bytes();
        server.send("POST", "/api/v1/tokens", &[("content-type", "application/json"), ("x-hinomi-page", "1"), ("cookie", cookie)], body)
    };
    let admin = join(&server, "admin@example.com", "admin", None);
    assert_eq!(create(&admin).status, 403);
    let owner = join(&server, "owner@example.com", "owner", None);
    let made = create(&owner);
    assert_eq!(made.status, 201, "{}", made.text);
    let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    assert_eq!(ask(&[("authorization", &bearer)]).status, 200);
    let listed = server.get("/api/v1/tokens").json();
    let kinds: Vec<&Value> = listed["tokens"].as_array().unwrap().iter().map(|token| &token["kind"]).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "scim").count(), 2, "{listed}");
    // A former owner's token ends.
    server.command(&["user", "role", "owner@example.com", "admin"]);
    assert_eq!(ask(&[("authorization", &bearer)]).status, 401);
    let (said, _, _) = server.command(&["token", "list"]);
    assert!(said.lines().any(|line| line.contains("\tidp\tSCIM\t")), "{said}");
}

#[test]
fn deactivated_user_loses_its_live_stream() {
    use std::io::Read;
    let server = Server::start();
    let provider = Provider::of(&server);
    let id = provider.create_user("ann@example.com");
    server.command(&["user", "role", "ann@example.com", "viewer"]);
    let cookie = accept(&server, &server.command(&["user", "link", "ann@example.com"]).0);
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let response = agent.get(format!("{}/api/v1/projects/1/live", server.url)).header("cookie", cookie).call().unwrap();
    assert_eq!(response.status(), 200);
    provider.patch(&format!("/Users/{id}"), json!([{ "op": "replace", "path": "active", "value": false }]));
    // It ends, or the test does not.
    let mut rest = String::new();
    let _ = response.into_body().into_reader().read_to_string(&mut rest);
    assert!(rest.starts_with(": hello"), "{rest}");
}
