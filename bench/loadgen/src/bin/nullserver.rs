//! Upper bounds. --level null: read the body, decompress it, reply 200. --level decode: also decode
//! it (prost for OTLP, serde_json per envelope item). --level durable: also append it to a file and
//! reply only after an fdatasync that covers it (group commit). --zstd N compresses each commit
//! group before it is written. --port 0 with --port-file F takes any free port and writes it there.
//! gRPC (HTTP/2 in the clear) is told from HTTP by its content type.
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn, HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hinomi_loadgen::otlp::ExportTraceServiceRequest;
use prost::Message;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{mpsc, Arc};
use tokio::sync::oneshot;

fn arg(name: &str) -> Option<String> {
    let a: Vec<String> = std::env::args().collect();
    a.iter().position(|x| x == name).and_then(|p| a.get(p + 1).cloned())
}
type Job = (Bytes, oneshot::Sender<()>);
struct St {
    decode: bool,
    spans: AtomicU64,
    commits: AtomicU64,
    written: AtomicU64,
    wal: Option<mpsc::Sender<Job>>,
}

fn decode_envelope(b: &[u8]) -> Result<u64, String> {
    let nl = |b: &[u8]| b.iter().position(|c| *c == b'\n').unwrap_or(b.len());
    let h = nl(b);
    serde_json::from_slice::<serde_json::Value>(&b[..h]).map_err(|e| e.to_string())?;
    let mut rest = &b[(h + 1).min(b.len())..];
    let mut n = 0;
    while !rest.is_empty() {
        let e = nl(rest);
        let ih: serde_json::Value = serde_json::from_slice(&rest[..e]).map_err(|e| e.to_string())?;
        rest = &rest[(e + 1).min(rest.len())..];
        let len = ih["length"].as_u64().map(|l| l as usize).unwrap_or_else(|| nl(rest)).min(rest.len());
        let v: serde_json::Value = serde_json::from_slice(&rest[..len]).map_err(|e| e.to_string())?;
        n += match ih["type"].as_str() {
            Some("transaction") => 1 + v["spans"].as_array().map(|a| a.len()).unwrap_or(0) as u64,
            Some("span") => v["items"].as_array().map(|a| a.len()).unwrap_or(0) as u64,
            Some("event") => 1,
            _ => 0,
        };
        rest = &rest[len.min(rest.len())..];
        if rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
    }
    Ok(n)
}

type Answer = http_body_util::Either<Full<Bytes>, BoxedTrailers>;
type BoxedTrailers = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

/// An empty message and the status that says that all went well.
fn grpc_ok() -> Response<Answer> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(std::future::ready(Some(Ok(trailers))));
    Response::builder().header("content-type", "application/grpc").body(http_body_util::Either::Right(body.boxed())).unwrap()
}

async fn answer(req: Request<Incoming>, st: Arc<St>) -> Result<Response<Answer>, hyper::Error> {
    let grpc = req.headers().get("content-type").is_some_and(|v| v == "application/grpc");
    let answer = handle(req, st, grpc).await?;
    Ok(if grpc && answer.status() == 200 { grpc_ok() } else { answer.map(http_body_util::Either::Left) })
}

async fn handle(req: Request<Incoming>, st: Arc<St>, grpc: bool) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if req.uri().path() == "/count" {
        let t = format!("{{\"spans\":{},\"commits\":{},\"written\":{}}}", st.spans.load(Relaxed), st.commits.load(Relaxed), st.written.load(Relaxed));
        return Ok(Response::new(Full::new(Bytes::from(t))));
    }
    let gz = req.headers().get("content-encoding").map(|v| v == "gzip").unwrap_or(false);
    let otlp = grpc || req.uri().path().ends_with("/traces");
    let mut body = req.into_body().collect().await?.to_bytes();
    if grpc {
        body = body.slice(5.min(body.len())..);
    }
    if gz {
        let mut o = Vec::with_capacity(body.len() * 4);
        if GzDecoder::new(&body[..]).read_to_end(&mut o).is_err() {
            return Ok(Response::builder().status(400).body(Full::default()).unwrap());
        }
        body = Bytes::from(o);
    }
    if st.decode {
        let n = if otlp {
            match ExportTraceServiceRequest::decode(&body[..]) {
                Ok(m) => m.resource_spans.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len() as u64).sum(),
                Err(_) => return Ok(Response::builder().status(400).body(Full::default()).unwrap()),
            }
        } else {
            match decode_envelope(&body) {
                Ok(n) => n,
                Err(_) => return Ok(Response::builder().status(400).body(Full::default()).unwrap()),
            }
        };
        st.spans.fetch_add(n, Relaxed);
    }
    if let Some(w) = &st.wal {
        let (tx, rx) = oneshot::channel();
        w.send((body, tx)).ok();
        if rx.await.is_err() {
            return Ok(Response::builder().status(503).body(Full::default()).unwrap());
        }
    }
    Ok(Response::new(Full::new(Bytes::new())))
}

fn main() {
    let port: u16 = arg("--port").and_then(|p| p.parse().ok()).unwrap_or(9900);
    let level = arg("--level").unwrap_or("null".into());
    let threads: usize = arg("--threads").and_then(|p| p.parse().ok()).unwrap_or(2);
    let zl: i32 = arg("--zstd").and_then(|p| p.parse().ok()).unwrap_or(0);
    let st = Arc::new_cyclic(|weak: &std::sync::Weak<St>| {
        let wal = if level == "durable" {
            let (tx, rx) = mpsc::channel::<Job>();
            let path = arg("--file").expect("--file for --level durable");
            let weak = weak.clone();
            std::thread::spawn(move || {
                let mut f = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
                let mut buf = Vec::new();
                while let Ok(first) = rx.recv() {
                    let mut jobs = vec![first];
                    while jobs.len() < 4096 {
                        match rx.try_recv() {
                            Ok(j) => jobs.push(j),
                            Err(_) => break,
                        }
                    }
                    buf.clear();
                    for (b, _) in &jobs {
                        buf.extend_from_slice(&(b.len() as u32).to_le_bytes());
                        buf.extend_from_slice(b);
                    }
                    let z;
                    let out: &[u8] = if zl > 0 {
                        z = zstd::bulk::compress(&buf, zl).unwrap();
                        &z
                    } else {
                        &buf
                    };
                    f.write_all(out).unwrap();
                    f.sync_data().unwrap();
                    if let Some(s) = weak.upgrade() {
                        s.commits.fetch_add(1, Relaxed);
                        s.written.fetch_add(out.len() as u64, Relaxed);
                    }
                    for (_, t) in jobs {
                        let _ = t.send(());
                    }
                }
            });
            Some(tx)
        } else {
            None
        };
        St { decode: level != "null", spans: AtomicU64::new(0), commits: AtomicU64::new(0), written: AtomicU64::new(0), wal }
    });
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    rt.block_on(async {
        let l = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        if let Some(file) = arg("--port-file") {
            std::fs::write(file, l.local_addr().unwrap().port().to_string()).unwrap();
        }
        loop {
            let (s, _) = l.accept().await.unwrap();
            s.set_nodelay(true).ok();
            let st = st.clone();
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(s), service_fn(move |r| answer(r, st.clone()))).await;
            });
        }
    });
}
