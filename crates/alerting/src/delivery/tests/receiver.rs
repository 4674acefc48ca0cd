//! A receiver of notifications that responds as a test requires.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Response of the receiver.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// This status.
    Status(u16),
    /// This status first, then 200.
    Once(u16),
    /// A redirect to this URL.
    Redirect(&'static str),
    /// A body of one megabyte.
    Much,
    /// No response.
    Hang,
}

/// A request that was received.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) body: Value,
}

#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) url: String,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    pub(super) fn start(answer: Answer) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = told.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, stream) = (kept.clone(), stream.unwrap());
                std::thread::spawn(move || serve(stream, answer, &kept));
            }
        });
        Receiver { url, told }
    }

    pub(super) fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    /// Waits until this many requests were received.
    pub(super) fn wait(&self, count: usize) -> Vec<Told> {
        let started = Instant::now();
        while self.told().len() < count {
            assert!(started.elapsed() < Duration::from_secs(30), "told {} of {count} times", self.told().len());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.told()
    }
}

fn serve(mut stream: TcpStream, answer: Answer, told: &Mutex<Vec<Told>>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 65_536];
    let (head, length) = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").parse::<usize>().unwrap();
            if bytes.len() >= head.len() + 4 + length {
                break (head.to_owned(), length);
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    };
    let body = serde_json::from_slice(&bytes[head.len() + 4..head.len() + 4 + length]).unwrap();
    let count = {
        let mut told = told.lock().unwrap();
        told.push(Told { id: header(&head, "webhook-id"), body });
        told.len()
    };
    let (status, extra, text) = match answer {
        Answer::Status(status) => (status, String::new(), "ok".to_owned()),
        Answer::Once(status) => (if count == 1 { status } else { 200 }, String::new(), "ok".to_owned()),
        Answer::Redirect(to) => (302, format!("location: {to}\r\n"), String::new()),
        Answer::Much => (200, String::new(), "x".repeat(1 << 20)),
        Answer::Hang => {
            std::thread::sleep(Duration::from_secs(60));
            return;
        }
    };
    let answer = format!("HTTP/1.1 {status} x\r\n{extra}content-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
    let _ = stream.write_all(answer.as_bytes());
}

fn header(head: &str, name: &str) -> String {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
    line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
