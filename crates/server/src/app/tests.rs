use super::*;

#[test]
fn paths_are_normalized() {
    let path = |base: &str, uri: &str| {
        let request = Request::builder().uri(uri).body(axum::body::Body::empty()).unwrap();
        normalize_path(base, request).uri().to_string()
    };
    assert_eq!(path("", "/api/1/envelope/?a=b"), "/api/1/envelope?a=b");
    assert_eq!(path("", "//api///1/envelope//"), "/api/1/envelope");
    assert_eq!(path("/base", "/base/api/1/store/"), "/api/1/store");
    assert_eq!(path("/base", "/api/1/store"), "/api/1/store");
    assert_eq!(path("/base", "/baseline"), "/baseline");
    assert_eq!(path("/base", "/base"), "/");
    assert_eq!(path("", "/"), "/");
}

#[test]
fn cookies_of_servers_are_distinct() {
    let names = [
        ("http://127.0.0.1:8119", "hinomi_session_8119"),
        ("http://[::1]:8120", "hinomi_session_8120"),
        ("http://[::1]", "hinomi_session"),
        ("http://hinomi.example", "hinomi_session"),
        ("http://hinomi.example:81/a/b;c", "hinomi_session_81_a_b-c"),
        ("https://hinomi.example", "__Host-hinomi_session"),
        ("https://hinomi.example:8443", "__Host-hinomi_session_8443"),
        ("https://hinomi.example/team", "__Host-hinomi_session_team"),
    ];
    for (public_url, name) in names {
        assert_eq!(cookie_name(public_url), name, "{public_url}");
    }
}

#[test]
fn files_are_written_atomically() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("port");
    for text in ["1", "22"] {
        write_atomically(&path, text).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    assert!(write_atomically(&dir.path().join("none/port"), "1").is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside");
}

#[test]
fn host_of_the_url_is_used() {
    let request = |uri: &str| Request::builder().uri(uri).header("host", "localhost").body(axum::body::Body::empty()).unwrap();
    assert_eq!(normalize_path("", request("/v1/traces")).headers()["host"], "localhost");
    assert_eq!(normalize_path("", request("http://evil.example//v1/traces")).headers()["host"], "evil.example");
}
