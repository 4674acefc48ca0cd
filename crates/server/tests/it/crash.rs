//! `kill -9` under load, repeatedly: everything that was acknowledged is stored exactly once.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::envelopes::call;
use crate::server::{KEY, Server};

const ROUNDS: u64 = 5;
const SENDERS: usize = 4;

#[test]
fn acknowledged_data_survives_kills() {
    let mut server = Server::start();
    let next = AtomicU64::new(1);
    let acknowledged = Mutex::new(BTreeSet::new());
    let sent = Mutex::new(BTreeSet::new());
    for round in 0..ROUNDS {
        let killed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| {
                    while !killed.load(Ordering::Relaxed) {
                        let trace = next.fetch_add(1, Ordering::Relaxed);
                        sent.lock().unwrap().insert(trace);
                        let body = call(u128::from(trace), "q", "a").into_bytes();
                        let answer = server.try_send("POST", &format!("/api/1/envelope/?sentry_key={KEY}"), &[], body);
                        if answer.is_ok_and(|answer| answer.status == 200) {
                            acknowledged.lock().unwrap().insert(trace);
                        }
                    }
                });
            }
            // Each round kills the server at another moment of its work.
            std::thread::sleep(Duration::from_millis(150 + 170 * round));
            server.kill_now();
            killed.store(true, Ordering::Relaxed);
        });
        server.restart();
        let mut shown = BTreeSet::new();
        let mut cursor = String::new();
        loop {
            let page = server.ask(&format!("/spans?q=op:gen_ai.chat&limit=1000{cursor}"));
            for span in page["spans"].as_array().unwrap() {
                let trace = u64::from_str_radix(&span["trace_id"].as_str().unwrap()[16..], 16).unwrap();
                assert!(shown.insert(trace), "trace {trace} is there twice");
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let acknowledged = acknowledged.lock().unwrap();
        assert!(!acknowledged.is_empty());
        let lost: Vec<_> = acknowledged.difference(&shown).collect();
        assert!(lost.is_empty(), "round {round}: {} of {} are lost: {lost:?}", lost.len(), acknowledged.len());
        assert!(shown.is_subset(&sent.lock().unwrap()));
        let calls = server.ask("/summary")["llm_calls"].as_u64().unwrap();
        assert_eq!(calls, shown.len() as u64);
    }
}
