//! The page, and the health of the server.

use crate::server::Server;

#[test]
fn health() {
    let server = Server::start();
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.envelope(crate::envelopes::call(0xa1, "q", "a")).status, 200);
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("hinomi_spans_stored 3"), "{metrics}");
    assert!(metrics.contains("hinomi_outcomes_total"), "{metrics}");
}

#[test]
fn every_view_path_serves_the_page() {
    let server = Server::start();
    for path in ["/", "/p/1/traces", "/sign-in"] {
        let answer = server.send("GET", path, &[], Vec::new());
        assert_eq!((answer.status, answer.header("content-type").starts_with("text/html")), (200, true), "{path}");
    }
    assert_eq!(server.send("GET", "/assets/none.js", &[], Vec::new()).status, 404);
}
