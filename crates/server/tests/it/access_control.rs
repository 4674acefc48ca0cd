//! Access control: what clients without a key, with a read-only token, and of other projects must not do.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::ingest::counted;
use crate::server::{Answer, KEY, Server};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Returns a span in OTLP.
fn span(number: u64) -> Vec<u8> {
    let start = (crate::envelopes::now() * 1e9) as u64;
    let span = json!({
        "traceId": format!("{number:032x}"), "spanId": format!("{number:016x}"), "name": "chat gpt-4o",
        "startTimeUnixNano": start.to_string(), "endTimeUnixNano": (start + 1_000_000).to_string(),
    });
    json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] }).to_string().into_bytes()
}

/// Sends a request without a key to each endpoint that may accept it. Returns the name of each with its response.
fn keyless(server: &Server, number: u64, headers: &[(&str, &str)]) -> Vec<(&'static str, Answer)> {
    let events = json!({ "batch": [{ "id": format!("e{number}"), "type": "trace-create", "timestamp": jiff::Timestamp::now().to_string(), "body": { "id": format!("t{number}") } }] });
    let score = json!({ "id": format!("s{number}"), "traceId": "t", "name": "n", "value": 1 });
    let grpc = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let of = |method: &str, path: &str, body: Vec<u8>| server.send(method, path, &[headers, &[JSON]].concat(), body);
    vec![
        ("otlp", of("POST", "/v1/traces", span(number))),
        ("otlp below a project", of("POST", "/api/1/integration/otlp/v1/traces", span(number + 1_000))),
        ("otlp as Langfuse has it", of("POST", "/api/public/otel/v1/traces", span(number + 2_000))),
        ("grpc", server.send("POST", grpc, &[headers, &[("content-type", "application/grpc")]].concat(), vec![0; 5])),
        ("langfuse", of("POST", "/api/public/ingestion", events.to_string().into_bytes())),
        ("scores", of("POST", "/api/public/scores", score.to_string().into_bytes())),
        ("projects", of("GET", "/api/public/projects", Vec::new())),
    ]
}

/// Returns whether the request was accepted. gRPC reports a rejection in a header.
fn is_taken(answer: &Answer) -> bool {
    answer.status < 300 && matches!(answer.header("grpc-status"), "" | "0")
}

#[test]
fn keyless_sending_is_limited_to_this_machine() {
    let server = Server::start();
    for (what, answer) in keyless(&server, 1, &[]) {
        assert!(is_taken(&answer), "{what}: {} {}", answer.status, answer.text);
    }
    let unrelated_projects = [
        ("x-forwarded-for", "203.0.113.9", "proxy_without_key"),
        ("x-forwarded-proto", "https", "proxy_without_key"),
        ("forwarded", "for=203.0.113.9", "proxy_without_key"),
        ("via", "1.1 proxy", "proxy_without_key"),
        ("x-real-ip", "203.0.113.9", "proxy_without_key"),
        ("host", "hinomi.example.com", "host_without_key"),
        ("origin", "https://evil.example", "page_without_key"),
        ("sec-fetch-site", "same-origin", "page_without_key"),
    ];
    for (number, (name, value, reason)) in (2..).zip(unrelated_projects) {
        let before = counted(&server, "refused", reason);
        for (what, answer) in keyless(&server, number, &[(name, value)]) {
            assert!(!is_taken(&answer), "{what} with {name}: {}", answer.text);
            assert!(!answer.text.contains("Default"), "{what} with {name}: {}", answer.text);
            let status = if what == "grpc" { 200 } else { 401 };
            assert_eq!(answer.status, status, "{what} with {name}: {}", answer.text);
        }
        assert_eq!(counted(&server, "refused", reason), before + 7, "{name}");
        let with_key = server.send("POST", "/v1/traces", &[JSON, (name, value), ("x-hinomi-key", KEY)], span(number + 3_000));
        assert_eq!(with_key.status, 200, "{name}: {}", with_key.text);
    }
    assert_eq!(server.ask("/summary")["spans"], 4 + unrelated_projects.len(), "one of each keyless address, and those with a key");
}

#[test]
fn public_url_or_setting_disables_keyless_sending() {
    let server = Server::start_with(&[("HINOMI_PUBLIC_URL", "https://hinomi.example.com")]);
    for (what, answer) in keyless(&server, 1, &[]) {
        assert!(!is_taken(&answer), "{what}: {}", answer.text);
    }
    assert_eq!(counted(&server, "refused", "missing_key"), 7);
    // An explicitly configured project accepts other host names too, but never requests through a proxy.
    let server = Server::start_with(&[("HINOMI_PUBLIC_URL", "https://hinomi.example.com"), ("HINOMI_INGEST_ANONYMOUS_PROJECT", "1")]);
    assert_eq!(server.send("POST", "/v1/traces", &[JSON, ("host", "hinomi:8119")], span(1)).status, 200);
    assert_eq!(server.send("POST", "/v1/traces", &[JSON, ("x-forwarded-for", "10.0.0.1")], span(2)).status, 401);
}

/// Sends a gRPC call as a client without a library would: HTTP/2 with prior knowledge and uncompressed headers.
fn grpc(server: &Server, authority: &str, extra: &[(&str, &str)], message: &[u8]) {
    let mut block = Vec::new();
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", authority)];
    for (name, value) in pseudo.iter().chain(&[("content-type", "application/grpc"), ("te", "trailers")]).chain(extra) {
        assert!(name.len() < 127 && value.len() < 127);
        block.extend([0, name.len() as u8]);
        block.extend(name.bytes());
        block.push(value.len() as u8);
        block.extend(value.bytes());
    }
    let frame = |kind: u8, flags: u8, stream: u8, body: &[u8]| {
        let length = (body.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream], body].concat()
    };
    let body = [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&[frame(4, 0, 0, &[]), frame(1, 4, 1, &block), frame(0, 1, 1, &body)].concat()).unwrap();
    // Reads until the last frame of the stream.
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let mut rest = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut rest).unwrap();
        if head[8] == 1 && head[4] & 1 == 1 {
            return;
        }
    }
}

/// Encodes a protobuf field of bytes.
fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
}

#[test]
fn grpc_names_its_host_in_the_address() {
    let server = Server::start();
    let span = |number: u8| {
        let start = [&[7 << 3 | 1][..], &((crate::envelopes::now() * 1e9) as u64).to_le_bytes()].concat();
        let span = [bytes(1, &[number; 16]), bytes(2, &[number; 8]), bytes(5, b"chat"), start].concat();
        bytes(1, &bytes(2, &bytes(2, &span)))
    };
    grpc(&server, "127.0.0.1:8119", &[], &span(1));
    grpc(&server, "evil.example", &[], &span(2));
    grpc(&server, "localhost", &[("x-forwarded-for", "203.0.113.9")], &span(3));
    grpc(&server, "evil.example", &[("x-hinomi-key", KEY)], &span(4));
    assert_eq!(server.ask("/summary")["spans"], 2);
    assert_eq!((counted(&server, "refused", "host_without_key"), counted(&server, "refused", "proxy_without_key")), (1, 1));
}

#[test]
fn unidentified_senders_do_not_affect_project_outcomes() {
    let server = Server::start();
    // More kinds of outcomes than a project distinguishes in a minute, in whichever minutes they fall.
    for number in 0..700 {
        let auth = format!("Sentry sentry_key={number:032x}, sentry_client=evil{number}/{number}");
        assert_eq!(server.send("POST", "/api/1/envelope/", &[("x-sentry-auth", &auth)], b"x".to_vec()).status, 401);
    }
    let auth = format!("Sentry sentry_key={KEY}, sentry_client=sentry.python/2.75.0");
    assert_eq!(
        server.send("POST", "/api/1/envelope/", &[("x-sentry-auth", &auth)], crate::envelopes::call(1, "a", "b").into()).status,
        200
    );
    assert_eq!(server.send("POST", "/api/1/envelope/", &[("x-sentry-auth", &auth)], b"nonsense".to_vec()).status, 400);
    let rows = server.ask("/outcomes")["outcomes"].as_array().unwrap().clone();
    let shown: Vec<_> = rows.iter().map(|row| (&row["outcome"], &row["reason"], &row["key"])).collect();
    let (accepted, refused) = (json!("accepted"), json!("refused"));
    let (stored, broken, key) = (json!("stored"), json!("invalid_envelope"), json!(KEY));
    assert!(shown.contains(&(&accepted, &stored, &key)) && shown.contains(&(&refused, &broken, &key)), "{rows:?}");
    assert_eq!(rows.len(), 2, "{rows:?}");
    let system = server.get("/api/v1/system").json();
    let refused = system["refused"].as_array().unwrap();
    assert!(refused.len() <= 2, "one row an hour: {refused:?}");
    assert_eq!(refused.iter().map(|row| row["quantity"].as_u64().unwrap()).sum::<u64>(), 700);
    assert_eq!((&refused[0]["reason"], &refused[0]["sdk"], &refused[0]["key"]), (&json!("unknown_key"), &Value::Null, &Value::Null));
    assert!(refused[0]["detail"].as_str().unwrap().contains("unknown key"), "{refused:?}");
}

#[test]
fn viewer_token_cannot_change_anything() {
    let server = Server::start();
    let reader = server.command(&["token", "create"]).0.trim().to_owned();
    let bearer = format!("Bearer {reader}");
    let description = server.get("/api/v1/openapi.json").json();
    let (mut asked, mut done) = (0, Vec::new());
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|method| ["post", "put", "patch", "delete"].contains(&method.as_str()))
        {
            // Signing in needs no token, a provider signs its own, a preview only computes, and a token has neither a password nor sessions.
            let exceptions =
                ["/session", "/back-channel-logout", "/preview", "/password", "/sessions/{session}", "/tokens", "/tokens/{token}"];
            if exceptions.iter().any(|end| path.ends_with(end)) {
                continue;
            }
            let filled: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
            let answer = server.send(&method.to_uppercase(), &filled.join("/"), &[("authorization", &bearer), JSON], b"{}".to_vec());
            if answer.status != 403 {
                done.push(format!("{method} {path}: {} {}", answer.status, answer.text));
            }
            asked += 1;
        }
    }
    assert!(done.is_empty(), "{done:#?}");
    assert!(asked > 30, "{asked}");
}

#[test]
fn scores_need_an_admin_or_a_key_of_the_project() {
    let server = Server::start();
    let other = server.command(&["project", "create", "Other"]).0;
    let key_of_other = other.trim().split("//").nth(1).unwrap().split('@').next().unwrap().to_owned();
    assert_eq!(server.send("POST", "/v1/traces", &[JSON, ("x-hinomi-key", KEY)], span(7)).status, 200);
    let trace = format!("{:032x}", 7);
    let score = |id: &str, value: f64| json!({ "trace_id": trace, "id": id, "name": "n", "value": value }).to_string().into_bytes();
    let post = |auth: (&str, &str), id: &str| server.send("POST", "/api/v1/projects/1/scores", &[auth, JSON], score(id, 1.0)).status;
    let bearer = |secret: &str| format!("Bearer {secret}");
    let reader = server.command(&["token", "create"]).0.trim().to_owned();
    for (who, auth, status) in [
        ("a reader", ("authorization", bearer(&reader)), 403),
        ("a stranger", ("authorization", bearer(&"f".repeat(32))), 401),
        ("a key of another project", ("x-hinomi-key", key_of_other), 404),
        ("nobody", ("x-nothing", String::new()), 401),
        ("an admin", ("authorization", bearer(&server.token)), 201),
        ("a key", ("authorization", bearer(KEY)), 201),
        ("a key in its own header", ("x-hinomi-key", KEY.to_owned()), 201),
    ] {
        assert_eq!(post((auth.0, &auth.1), who), status, "{who}");
    }
    let shown = server.ask(&format!("/traces/{trace}"));
    assert_eq!((shown["scores"].as_array().unwrap().len(), &shown["score_count"]), (3, &json!(3)));
}

/// Signs in and returns the session cookie, as a browser sends it.
fn signed_in(server: &Server) -> String {
    let link = server.command(&["login"]).0;
    let path = link.trim().strip_prefix(&server.url).unwrap();
    let answer = server.send("GET", path, &[("user-agent", "Firefox")], Vec::new());
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[test]
fn tokens_are_listed_and_revoked() {
    let server = Server::start();
    let token = server.command(&["token", "create", "--name", "ci", "--expires", "30d"]).0.trim().to_owned();
    assert_eq!(server.get_as("/api/v1/me", &token).status, 200);
    let (listed, error, status) = server.command(&["token", "list"]);
    assert_eq!((listed.lines().count(), status), (2, Some(0)), "{listed}{error}");
    assert!(!listed.contains("hnm_"), "{listed}");
    let line = listed.lines().find(|line| line.contains("\tci\t")).unwrap();
    assert!(line.contains("viewer of project 1") && line.contains("\texpires "), "{line}");
    let id = line.split('\t').next().unwrap();
    assert_eq!(server.get_as("/api/v1/tokens", &token).json()["tokens"], json!([]));
    let shown = server.get("/api/v1/tokens").json();
    let of_ci = shown["tokens"].as_array().unwrap().iter().find(|token| token["name"] == "ci").unwrap();
    assert_eq!((of_ci["id"].to_string().as_str(), &of_ci["project_id"], &of_ci["role"]), (id, &json!(1), &json!("viewer")));
    let (said, _, status) = server.command(&["token", "revoke", id]);
    assert_eq!((said.trim(), status), (format!("revoked token {id} (ci)").as_str(), Some(0)));
    assert_eq!(server.get_as("/api/v1/me", &token).status, 401, "a running server knows at once");
    let (_, error, status) = server.command(&["token", "revoke", id]);
    assert!(error.contains("not found") && status == Some(1), "{error}");
    let second = server.command(&["token", "create"]).0.trim().to_owned();
    let id = server.get("/api/v1/tokens").json()["tokens"][1]["id"].clone();
    let admin = format!("Bearer {}", server.token);
    let revoke = |path: &str| server.send("DELETE", path, &[("authorization", &admin)], Vec::new()).status;
    assert_eq!(
        (revoke(&format!("/api/v1/tokens/{id}")), revoke(&format!("/api/v1/tokens/{id}")), revoke("/api/v1/tokens/x")),
        (204, 404, 404)
    );
    assert_eq!(server.get_as("/api/v1/me", &second).status, 401);
}

#[test]
fn sessions_are_listed_and_ended() {
    let server = Server::start();
    let cookies = [signed_in(&server), signed_in(&server), signed_in(&server)];
    let me = |cookie: &str| server.send("GET", "/api/v1/me", &[("cookie", cookie)], Vec::new()).status;
    let listed = server.send("GET", "/api/v1/sessions", &[("cookie", &cookies[1])], Vec::new()).json();
    let current: Vec<_> = listed["sessions"].as_array().unwrap().iter().map(|session| session["current"].as_bool().unwrap()).collect();
    assert_eq!(current, [false, true, false]);
    assert_eq!(listed["sessions"][0]["client"], "Firefox");
    let path = format!("/api/v1/sessions/{}", listed["sessions"][0]["id"]);
    assert_eq!(server.send("DELETE", &path, &[("cookie", &cookies[1])], Vec::new()).status, 403, "only from the page");
    assert_eq!(server.send("DELETE", &path, &[("cookie", &cookies[1]), ("x-hinomi-page", "1")], Vec::new()).status, 204);
    assert_eq!((me(&cookies[0]), me(&cookies[1])), (401, 200));
    let (said, _, _) = server.command(&["session", "list"]);
    assert_eq!(said.lines().filter(|line| line.contains("Firefox")).count(), 2, "{said}");
    let id = said.lines().last().unwrap().split('\t').next().unwrap();
    assert_eq!(server.command(&["session", "revoke", id]).2, Some(0));
    assert_eq!((me(&cookies[1]), me(&cookies[2])), (200, 401));
    let link = server.command(&["login"]).0;
    assert_eq!(server.command(&["logout"]).2, Some(2), "it must be said that all are meant");
    assert_eq!(server.command(&["logout", "--all"]).2, Some(0));
    assert_eq!(me(&cookies[1]), 401);
    let path = link.trim().strip_prefix(&server.url).unwrap();
    assert_eq!(server.send("GET", path, &[], Vec::new()).header("location"), "/sign-in?error=expired");
    assert_eq!(server.get("/api/v1/me").status, 200, "tokens hold");
}

#[test]
fn link_preview_does_not_consume_a_sign_in_link() {
    let server = Server::start();
    let link = server.command(&["login"]).0;
    let path = link.trim().strip_prefix(&server.url).unwrap();
    let looks: [(&str, &[(&str, &str)]); 5] = [
        ("HEAD", &[]),
        ("GET", &[("purpose", "prefetch")]),
        ("GET", &[("sec-purpose", "prefetch;prerender")]),
        ("GET", &[("user-agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)")]),
        ("GET", &[("user-agent", "facebookexternalhit/1.1")]),
    ];
    for (method, headers) in looks {
        let answer = server.send(method, path, headers, Vec::new());
        assert_eq!((answer.status, answer.header("set-cookie")), (200, ""), "{method} {headers:?}");
    }
    let answer = server.send("GET", path, &[], Vec::new());
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
}

#[test]
fn responses_have_security_headers_and_are_not_cached() {
    let server = Server::start();
    assert_eq!(server.envelope(crate::envelopes::call(1, "q", "a")).status, 200);
    for path in ["/api/v1/me", "/api/v1/projects/1/spans", "/api/v1/nothing", "/api/v1/openapi.json", "/metrics", "/healthz", "/readyz"] {
        let answer = server.get(path);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    let export = server.get("/api/v1/projects/1/export?format=csv");
    assert_eq!((export.header("x-content-type-options"), export.header("cache-control")), ("nosniff", "no-store"));
    assert!(export.header("content-security-policy").starts_with("default-src 'none'"));
    for path in ["/", "/p/1/traces", "/mark.svg", "/theme.js", "/assets/nothing.js"] {
        let answer = server.send("GET", path, &[], Vec::new());
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
    // A browser shows its cached page under the policy of a response that reports no change.
    for path in ["/", "/p/1/traces", "/mark.svg"] {
        let first = server.send("GET", path, &[], Vec::new());
        let again = server.send("GET", path, &[("if-none-match", first.header("etag"))], Vec::new());
        assert_eq!(again.status, 304, "{path}");
        assert_eq!(again.header("content-security-policy"), first.header("content-security-policy"), "{path}");
    }
}

#[test]
fn server_metrics_are_limited_to_private_networks() {
    let server = Server::start();
    let metrics = |headers: &[(&str, &str)]| server.send("GET", "/metrics", headers, Vec::new()).status;
    assert_eq!(metrics(&[]), 200);
    assert_eq!((metrics(&[("x-forwarded-for", "203.0.113.9")]), metrics(&[("host", "hinomi.example.com")])), (401, 401));
    let reader = format!("Bearer {}", server.command(&["token", "create"]).0.trim());
    assert_eq!(metrics(&[("x-forwarded-for", "203.0.113.9"), ("authorization", &reader)]), 200);
    assert_eq!(metrics(&[("x-forwarded-for", "203.0.113.9"), ("authorization", "Bearer hnm_0")]), 401);
}

#[test]
fn repeated_measure_is_answered_once() {
    let server = Server::start();
    let answer = server.ask("/series?measure=calls,cost,calls");
    assert_eq!(answer["measures"].as_object().unwrap().len(), 2, "{answer}");
}

#[test]
fn command_session_is_only_sent_to_its_server() {
    let mut server = Server::start();
    let out = server.data().join("../x.jsonl");
    let export = |server: &Server, proxy: &str| {
        let mut command = crate::server::hinomi(&server.data());
        command.args(["export", "--force", "--out"]).arg(&out);
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env(name, proxy);
        }
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (status, said) = export(&server, &format!("http://{}", proxy.local_addr().unwrap()));
    assert_eq!(status, Some(0), "{said}");
    proxy.set_nonblocking(true).unwrap();
    assert!(proxy.accept().is_err(), "the proxy of the environment hears nothing");

    let port = server.url.rsplit(':').next().unwrap().to_owned();
    assert_eq!(server.stop(), Some(0));
    let impostor = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let heard = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let (mut stream, _) = impostor.accept().unwrap();
        let mut bytes = vec![0; 64 << 10];
        let length = stream.read(&mut bytes).unwrap();
        heard.extend_from_slice(&bytes[..length]);
        stream.write_all(b"HTTP/1.1 200 OK\r\nx-hinomi-proof: 00\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").unwrap();
        String::from_utf8_lossy(&heard).to_ascii_lowercase()
    });
    let (status, said) = export(&server, "");
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("is not the server of this data directory"), "{said}");
    let heard = heard.join().unwrap();
    assert!(heard.starts_with("get /healthz") && !heard.contains("cookie"), "{heard}");
}

/// Returns the operations of the OpenAPI document: method, path with numbers in place of its parameters, permission.
pub(crate) fn operations(server: &Server) -> Vec<(String, String, String)> {
    let description = server.get("/api/v1/openapi.json").json();
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(_, operation)| operation.get("responses").is_some()) {
            let permission = operation["x-permission"].as_str().unwrap_or_else(|| panic!("{method} {path} states no permission"));
            let path = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
            found.push((method.to_uppercase(), path, permission.to_owned()));
        }
    }
    assert!(found.len() > 60, "{} operations", found.len());
    found
}

#[test]
fn operations_that_change_something_need_more_than_a_viewer() {
    let server = Server::start();
    // Signing in and out, one's own password, sessions and tokens, and previews that store nothing.
    let exceptions = [
        "POST /api/v1/session",
        "DELETE /api/v1/session",
        "POST /api/v1/password",
        "PUT /api/v1/me/password",
        "DELETE /api/v1/sessions/1",
        "POST /api/v1/tokens",
        "DELETE /api/v1/tokens/1",
        "POST /api/v1/projects/1/alerts/preview",
        "POST /api/v1/projects/1/mapping/preview",
        "POST /auth/oidc/back-channel-logout",
    ];
    for (method, path, permission) in operations(&server) {
        let operation = format!("{method} {path}");
        let is_allowed = method == "GET" || exceptions.contains(&operation.as_str());
        assert!(
            is_allowed || matches!(permission.as_str(), "member" | "admin" | "owner" | "provisioning"),
            "{operation} only needs {permission}"
        );
    }
}

#[test]
fn each_operation_states_its_permission_and_keeps_it() {
    let server = Server::start();
    let reader = format!("Bearer {}", server.command(&["token", "create"]).0.trim());
    for (method, path, permission) in operations(&server) {
        let unknown = server.send(&method, &path, &[JSON], Vec::new());
        let what = format!("{method} {path} ({permission})");
        if path.ends_with("/live") {
            // The response has no end.
            assert_eq!(unknown.status, 401, "{what}: {}", unknown.text);
            continue;
        }
        let body = if matches!(method.as_str(), "GET" | "DELETE") { "" } else { "{}" };
        let known = server.send(&method, &path, &[JSON, ("authorization", &reader)], body.into());
        match permission.as_str() {
            "public" if path.starts_with("/api/v1/share/") => assert_eq!(unknown.status, 404, "{what}: {}", unknown.text),
            // Nothing is valid about the request, or the route reads nothing, or what it is for is not configured.
            "public" => assert!([200, 400, 404].contains(&unknown.status), "{what}: {} {}", unknown.status, unknown.text),
            "viewer" => {
                assert_eq!(unknown.status, 401, "{what}: {}", unknown.text);
                assert_ne!(known.status, 403, "{what}: {}", known.text);
            }
            "member" | "admin" | "provisioning" => {
                assert_eq!(unknown.status, 401, "{what}: {}", unknown.text);
                assert_eq!(known.status, 403, "{what}: {}", known.text);
            }
            other => panic!("{method} {path} asks for {other:?}"),
        }
    }
}
