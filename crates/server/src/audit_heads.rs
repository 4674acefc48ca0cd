//! Sends the head of the audit log to a place outside of the data directory, where it shows later whether the log was cut or rewritten.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hinomi_alerting::delivery::outbound_http::{HttpPostRequest, OutboundHttpClient};
use hinomi_alerting::delivery::{AllowedNetworks, TrustedCertificates};
use hinomi_tables::audit_log::AuditHead;
use serde_json::{Map, Value, json};

/// Maximum duration of a request to a webhook.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Facility `authpriv`, severity `notice`.
const SYSLOG_PRIORITY: u8 = 10 * 8 + 5;
/// Port of syslog over UDP.
const SYSLOG_PORT: u16 = 514;

/// Where the heads are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditHeadTarget {
    /// Appends a line to a file, best on a disk that the server can only append to.
    File(PathBuf),
    /// The syslog of this machine.
    LocalSyslog,
    /// A syslog server over UDP, as `HOST:PORT`.
    RemoteSyslog(String),
    /// A `POST` request with the head as JSON.
    Webhook(String),
}

impl AuditHeadTarget {
    /// Reads the value of the setting `audit.head_to`. Returns `None` for an empty text.
    pub fn parse(text: &str) -> Option<AuditHeadTarget> {
        let text = text.trim();
        Some(match text {
            "" => return None,
            "syslog" => AuditHeadTarget::LocalSyslog,
            _ if text.starts_with("https://") || text.starts_with("http://") => AuditHeadTarget::Webhook(text.to_owned()),
            _ => match text.strip_prefix("syslog://") {
                Some(host) if has_port(host) => AuditHeadTarget::RemoteSyslog(host.to_owned()),
                Some(host) => AuditHeadTarget::RemoteSyslog(format!("{host}:{SYSLOG_PORT}")),
                None => AuditHeadTarget::File(PathBuf::from(text)),
            },
        })
    }
}

fn has_port(host: &str) -> bool {
    let after_brackets = host.rfind(']').map_or(0, |at| at + 1);
    host[after_brackets..].contains(':')
}

/// Does not show the URL of a webhook, which may be a secret.
impl fmt::Display for AuditHeadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditHeadTarget::File(path) => write!(f, "file {}", path.display()),
            AuditHeadTarget::LocalSyslog => f.write_str("syslog"),
            AuditHeadTarget::RemoteSyslog(host) => write!(f, "syslog server {host}"),
            AuditHeadTarget::Webhook(_) => f.write_str("webhook"),
        }
    }
}

/// Sends heads to a target.
#[derive(Debug)]
pub struct AuditHeadSender {
    target: AuditHeadTarget,
    client: OutboundHttpClient,
    /// Base URL of this server, by which a receiver distinguishes servers.
    server: String,
}

impl AuditHeadSender {
    /// Creates a sender. A webhook must be at a public address or in one of the allowed networks.
    pub fn new(target: AuditHeadTarget, allowed: &AllowedNetworks, trust: &TrustedCertificates, server: String) -> AuditHeadSender {
        AuditHeadSender { target, client: OutboundHttpClient::new(allowed, trust, WEBHOOK_TIMEOUT), server }
    }

    /// Returns the target.
    pub fn target(&self) -> &AuditHeadTarget {
        &self.target
    }

    /// Sends a head. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// A description without the URL when the target cannot be reached or rejects the head.
    pub fn send(&self, head: &AuditHead) -> Result<(), String> {
        let line = json!({
            "event": "audit.head", "server": self.server, "time": jiff::Timestamp::now().to_string(),
            "sequence": head.sequence, "hash": head.hash,
        })
        .to_string();
        match &self.target {
            AuditHeadTarget::File(path) => append_line(path, &line).map_err(|error| error.to_string()),
            AuditHeadTarget::LocalSyslog => send_to_local_syslog(&line).map_err(|error| error.to_string()),
            AuditHeadTarget::RemoteSyslog(host) => send_to_syslog(host, &line).map_err(|error| error.to_string()),
            AuditHeadTarget::Webhook(url) => {
                let headers = vec![("content-type".into(), "application/json".to_owned())];
                let answer = self.client.post(&HttpPostRequest { url: url.clone(), headers, body: line.into_bytes() })?;
                if (200..300).contains(&answer.status) { Ok(()) } else { Err(format!("HTTP {}", answer.status)) }
            }
        }
    }
}

fn append_line(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    // In one call, so that lines of several servers do not mix.
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

#[cfg(unix)]
fn send_to_local_syslog(line: &str) -> std::io::Result<()> {
    let path = if cfg!(target_os = "macos") { "/var/run/syslog" } else { "/dev/log" };
    let time = jiff::ZonedDateTime::now().strftime("%b %e %H:%M:%S").to_string();
    let text = format!("<{SYSLOG_PRIORITY}>{time} hinomi[{}]: {line}", std::process::id());
    std::os::unix::net::UnixDatagram::unbound()?.send_to(text.as_bytes(), path).map(drop)
}

#[cfg(not(unix))]
fn send_to_local_syslog(_: &str) -> std::io::Result<()> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "this system has no syslog; use syslog://HOST"))
}

/// Sends a message in the form of RFC 5424.
fn send_to_syslog(host: &str, line: &str) -> std::io::Result<()> {
    let text = format!("<{SYSLOG_PRIORITY}>1 {} - hinomi {} audit-head - {line}", jiff::Timestamp::now(), std::process::id());
    use std::net::ToSocketAddrs;
    let address = host.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
    let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    UdpSocket::bind(local)?.send_to(text.as_bytes(), address).map(drop)
}

/// Reads the heads of a text: lines of `hinomi audit head`, of a file or a syslog that heads were sent to, of bodies that a webhook received,
/// or of the server's log. Lines without a head are skipped.
pub fn read_heads(text: &str) -> Vec<AuditHead> {
    text.lines().filter_map(|line| head_of_json(line).or_else(|| head_of_log_line(line))).collect()
}

/// Reads a head from the first JSON object of a line. It may be nested, as in a wrapper of a log collector.
fn head_of_json(line: &str) -> Option<AuditHead> {
    let object = &line[line.find('{')?..];
    let parsed: Value = serde_json::Deserializer::from_str(object).into_iter().next()?.ok()?;
    head_of_object(parsed.as_object()?, 0)
}

fn head_of_object(object: &Map<String, Value>, depth: usize) -> Option<AuditHead> {
    const MAX_DEPTH: usize = 4;
    let own = object.get("sequence").and_then(Value::as_u64).zip(object.get("hash").and_then(Value::as_str));
    if let Some((sequence, hash)) = own {
        return head(sequence, hash);
    }
    if depth == MAX_DEPTH {
        return None;
    }
    object.values().find_map(|value| match value {
        Value::Object(inner) => head_of_object(inner, depth + 1),
        Value::String(text) if depth == 0 => head_of_json(text).or_else(|| head_of_log_line(text)),
        _ => None,
    })
}

/// Reads `audit.head.reached sequence=5 hash=…` of the server's log as text.
fn head_of_log_line(line: &str) -> Option<AuditHead> {
    let (_, fields) = line.split_once("audit.head.reached")?;
    let field = |name: &str| fields.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    head(field("sequence")?.parse().ok()?, field("hash")?)
}

fn head(sequence: u64, hash: &str) -> Option<AuditHead> {
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| AuditHead { sequence, hash: hash.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    #[test]
    fn targets_are_read() {
        let cases = [
            ("", None),
            ("syslog", Some(AuditHeadTarget::LocalSyslog)),
            ("syslog://logs.example", Some(AuditHeadTarget::RemoteSyslog("logs.example:514".into()))),
            ("syslog://logs.example:1514", Some(AuditHeadTarget::RemoteSyslog("logs.example:1514".into()))),
            ("syslog://[::1]", Some(AuditHeadTarget::RemoteSyslog("[::1]:514".into()))),
            ("https://hooks.example/x", Some(AuditHeadTarget::Webhook("https://hooks.example/x".into()))),
            ("/mnt/heads.jsonl", Some(AuditHeadTarget::File("/mnt/heads.jsonl".into()))),
        ];
        for (text, target) in cases {
            assert_eq!(AuditHeadTarget::parse(text), target, "{text}");
        }
        assert!(!AuditHeadTarget::Webhook("https://hooks.example/secret".into()).to_string().contains("secret"));
    }

    #[test]
    fn heads_are_read_from_all_places_that_they_are_sent_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("heads.jsonl");
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (allowed, trust) = (AllowedNetworks::parse("").unwrap(), TrustedCertificates::default());
        let sent = AuditHead { sequence: 7, hash: hash('a') };
        for target in [AuditHeadTarget::File(path.clone()), AuditHeadTarget::RemoteSyslog(udp.local_addr().unwrap().to_string())] {
            AuditHeadSender::new(target, &allowed, &trust, "http://h".into()).send(&sent).unwrap();
        }
        let mut bytes = [0; 2000];
        let length = udp.recv(&mut bytes).unwrap();
        let datagram = String::from_utf8_lossy(&bytes[..length]).into_owned();
        assert!(datagram.starts_with("<85>1 "), "{datagram}");
        let (a, b) = (hash('a'), hash('b'));
        let lines = [
            std::fs::read_to_string(&path).unwrap().trim().to_owned(),
            datagram,
            format!(r#"{{"sequence":7,"hash":"{a}"}}"#),
            format!(r#"Nov 30 10:00:00 host hinomi[5]: {{"sequence":7,"hash":"{a}"}}"#),
            format!("2026-11-30T10:00:00Z  INFO hinomi: audit.head.reached sequence=7 hash={a}"),
            format!(r#"{{"timestamp":"x","message":"audit.head.reached","sequence":7,"hash":"{a}"}}"#),
            format!(r#"{{"stream":"stderr","log":"INFO audit.head.reached sequence=7 hash={a}"}}"#),
            format!(r#"{{"fields":{{"sequence":7,"hash":"{a}"}}}}"#),
        ];
        for line in &lines {
            assert_eq!(read_heads(line), [AuditHead { sequence: 7, hash: a.clone() }], "{line}");
        }
        let text = format!("unrelated\n\n{{\"sequence\":8,\"hash\":\"{b}\"}}\n{{}}\n");
        assert_eq!(read_heads(&text).iter().map(|head| head.sequence).collect::<Vec<_>>(), [8]);
        for wrong in ["", "3 aa", "{}", r#"{"sequence":3,"hash":"aa"}"#, "{\"sequence\":", "日本 {"] {
            assert_eq!(read_heads(wrong), [], "{wrong:?}");
        }
    }
}
