//! Closed-loop (or, with --rate, scheduled) load generator. All requests are built before the clock
//! starts; one keep-alive HTTP/1.1 connection per --connections, with --mode grpc one of HTTP/2.
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hinomi_loadgen::gen::*;
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn arg(name: &str) -> Option<String> {
    let a: Vec<String> = std::env::args().collect();
    a.iter().position(|x| x == name).and_then(|p| a.get(p + 1).cloned())
}
fn num<T: std::str::FromStr>(name: &str, d: T) -> T {
    arg(name).and_then(|x| x.parse().ok()).unwrap_or(d)
}
fn flag(name: &str) -> bool {
    std::env::args().any(|x| x == name)
}
fn cpu_s() -> f64 {
    unsafe {
        let mut u: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut u);
        (u.ru_utime.tv_sec + u.ru_stime.tv_sec) as f64 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) as f64 / 1e6
    }
}

/// CPU seconds that the whole machine has spent busy (not idle, not waiting for a disk)
fn machine_busy() -> f64 {
    let t = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let v: Vec<f64> = t.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|x| x.parse().ok()).collect();
    if v.len() < 8 {
        return 0.0;
    }
    (v[..8].iter().sum::<f64>() - v[3] - v[4]) / unsafe { libc::sysconf(libc::_SC_CLK_TCK) as f64 }
}

struct Shared {
    reqs: Vec<Req>,
    next: usize,
    hist: Histogram<u64>,
    acked_spans: u64,
    acked_reqs: u64,
    bytes: u64,
    raw_bytes: u64,
    refused: BTreeMap<String, u64>,
    lost_spans: u64,
    retries: u64,
    last_ack: Instant,
}

enum Connection {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    async fn open(addr: &str, http2: bool) -> Result<Connection, String> {
        let s = tokio::net::TcpStream::connect(addr).await.map_err(|e| e.to_string())?;
        s.set_nodelay(true).ok();
        if http2 {
            let (tx, conn) = http2::handshake(TokioExecutor::new(), TokioIo::new(s)).await.map_err(|e| e.to_string())?;
            tokio::task::spawn_local(conn);
            return Ok(Connection::Http2(tx));
        }
        let (tx, conn) = http1::handshake(TokioIo::new(s)).await.map_err(|e| e.to_string())?;
        tokio::task::spawn_local(conn);
        Ok(Connection::Http1(tx))
    }

    async fn send(&mut self, req: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Connection::Http1(tx) => {
                tx.ready().await?;
                tx.send_request(req).await
            }
            Connection::Http2(tx) => {
                tx.ready().await?;
                tx.send_request(req).await
            }
        }
    }
}

fn main() {
    let mode = match arg("--mode").as_deref().unwrap_or("otlp") {
        "otlp" => Mode::Otlp,
        "grpc" => Mode::Grpc,
        "tx" => Mode::Tx,
        "tx-inline" => Mode::TxInline,
        "err" => Mode::Err,
        m => panic!("unknown --mode {m}"),
    };
    let url = arg("--url").expect("--url http://host:port/path");
    let rest = url.strip_prefix("http://").expect("only http://");
    let (host, path) = rest.split_once('/').map(|(h, p)| (h.to_string(), format!("/{p}"))).unwrap_or((rest.to_string(), "/".into()));
    let conns: usize = num("--connections", 8);
    let rate: f64 = num("--rate", 0.0);
    let max_retry: u32 = num("--retries", 0);
    let max_s: f64 = num("--max-seconds", 0.0);
    let timeout_s: f64 = num("--timeout-s", 60.0);
    let is_env = !matches!(mode, Mode::Otlp | Mode::Grpc);
    let is_grpc = mode == Mode::Grpc;
    let gzip = if flag("--gzip") || is_env { Some(num("--gzip-level", if is_env { 9 } else { 6 })) } else { None };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let cfg = Cfg {
        mode,
        dialect: match arg("--dialect").as_deref().unwrap_or("genai") {
            "genai" => Dialect::GenAi,
            "openinference" => Dialect::OpenInference,
            "both" => Dialect::Both,
            d => panic!("unknown --dialect {d}"),
        },
        spans: num("--spans", 60_000),
        batch: num("--batch", if is_env { SPANS_PER_TRACE } else { 100 }),
        seed: num("--seed", 1),
        gzip,
        t_end: num("--t-end", now - 5),
        spread_s: num("--spread-s", 3600),
        service: arg("--service").unwrap_or("shop-assistant".into()),
        public_key: arg("--key").unwrap_or("abcdef0123456789abcdef0123456789".into()),
        project_attr: arg("--project-attr"),
        root_first: flag("--root-first"),
        agents: num("--agents", 0),
    };
    let t0 = Instant::now();
    let (reqs, facts) = build(&cfg);
    let build_s = t0.elapsed().as_secs_f64();
    let total = reqs.len();
    let pool_bytes: u64 = reqs.iter().map(|r| r.body.len() as u64).sum();
    let offered: u64 = reqs.iter().map(|r| r.spans as u64).sum();
    if let Some(p) = arg("--dump-first") {
        std::fs::write(p, &reqs[0].body).unwrap();
    }
    let mut headers: Vec<(String, String)> = vec![];
    let ct = if is_env {
        "application/x-sentry-envelope"
    } else if is_grpc {
        "application/grpc"
    } else {
        "application/x-protobuf"
    };
    headers.push(("content-type".into(), ct.into()));
    if is_grpc {
        headers.push(("te".into(), "trailers".into()));
        if cfg.gzip.is_some() {
            headers.push(("grpc-encoding".into(), "gzip".into()));
        }
    } else if cfg.gzip.is_some() {
        headers.push(("content-encoding".into(), "gzip".into()));
    }
    if !is_grpc {
        headers.push(("host".into(), host.clone()));
    }
    headers.push(("user-agent".into(), if is_env { "sentry.python/2.75.0".into() } else { "OTel-OTLP-Exporter-Python/1.38.0".into() }));
    if is_env {
        headers.push(("x-sentry-auth".into(), format!("Sentry sentry_key={}, sentry_version=7, sentry_client=sentry.python/2.75.0", cfg.public_key)));
    }
    let av: Vec<String> = std::env::args().collect();
    for (p, a) in av.iter().enumerate() {
        if a == "--header" {
            let (k, v) = av[p + 1].split_once(':').expect("--header 'k: v'");
            headers.push((k.trim().to_lowercase(), v.trim().into()));
        }
    }
    let sh = Rc::new(RefCell::new(Shared {
        reqs,
        next: 0,
        hist: Histogram::new_with_bounds(1, 600_000_000, 3).unwrap(),
        acked_spans: 0,
        acked_reqs: 0,
        bytes: 0,
        raw_bytes: 0,
        refused: BTreeMap::new(),
        lost_spans: 0,
        retries: 0,
        last_ack: Instant::now(),
    }));
    let (cpu0, busy0) = (cpu_s(), machine_busy());
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let wall0 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let start = Instant::now();
    let headers = Rc::new(headers);
    local.block_on(&rt, async {
        let mut hs = vec![];
        for _ in 0..conns {
            let (sh, host, path, headers) = (sh.clone(), host.clone(), path.clone(), headers.clone());
            hs.push(tokio::task::spawn_local(async move {
                let mut tx = match Connection::open(&host, is_grpc).await {
                    Ok(t) => t,
                    Err(e) => {
                        *sh.borrow_mut().refused.entry(format!("connect: {e}")).or_default() += 1;
                        return;
                    }
                };
                loop {
                    if max_s > 0.0 && start.elapsed().as_secs_f64() > max_s {
                        return;
                    }
                    let (k, body, n, raw) = {
                        let mut s = sh.borrow_mut();
                        if s.next >= total {
                            return;
                        }
                        let k = s.next;
                        s.next += 1;
                        (k, s.reqs[k].body.clone(), s.reqs[k].spans, s.reqs[k].raw_len)
                    };
                    let mut sched = Instant::now();
                    if rate > 0.0 {
                        // open loop: the latency is counted from the scheduled time
                        let before = k as f64 * if mode == Mode::Err { 1.0 } else { cfg.batch.max(1) as f64 };
                        sched = start + Duration::from_secs_f64(before / rate);
                        tokio::time::sleep_until(sched.into()).await;
                    }
                    let mut tries = 0;
                    loop {
                        let mut b = if is_grpc { Request::post(format!("http://{host}{path}")) } else { Request::post(&path) };
                        for (k, v) in headers.iter() {
                            b = b.header(k.as_str(), v.as_str());
                        }
                        let req = b.body(Full::new(body.clone())).unwrap();
                        let res = match tokio::time::timeout(Duration::from_secs_f64(timeout_s), tx.send(req)).await {
                            Ok(r) => r.map_err(|e| e.to_string()),
                            Err(_) => Err(format!("no reply in {timeout_s} s")),
                        };
                        let (why, again) = match res {
                            Ok(r) => {
                                let mut st = r.status().as_u16();
                                let mut grpc_status = r.headers().get("grpc-status").cloned();
                                let close = r.headers().get("connection").map(|v| v.as_bytes().eq_ignore_ascii_case(b"close")).unwrap_or(false);
                                let body_read = r.into_body().collect().await;
                                let ok = body_read.is_ok();
                                if let Ok(trailers) = &body_read {
                                    grpc_status = grpc_status.or_else(|| trailers.trailers()?.get("grpc-status").cloned());
                                }
                                if is_grpc && grpc_status.is_none_or(|status| status != "0") {
                                    st = 500;
                                }
                                if close {
                                    if let Ok(t) = Connection::open(&host, is_grpc).await {
                                        tx = t;
                                    }
                                }
                                if ok && (200..300).contains(&st) {
                                    let mut s = sh.borrow_mut();
                                    let us = sched.elapsed().as_micros() as u64;
                                    s.hist.saturating_record(us.max(1));
                                    s.acked_spans += n as u64;
                                    s.acked_reqs += 1;
                                    s.bytes += body.len() as u64;
                                    s.raw_bytes += raw as u64;
                                    s.last_ack = Instant::now();
                                    break;
                                }
                                (format!("http {st}"), st == 429 || st == 503)
                            }
                            Err(e) => {
                                match Connection::open(&host, is_grpc).await {
                                    Ok(t) => tx = t,
                                    Err(_) => {
                                        tokio::time::sleep(Duration::from_millis(50)).await;
                                    }
                                }
                                (format!("io: {e}"), true)
                            }
                        };
                        let mut s = sh.borrow_mut();
                        *s.refused.entry(why).or_default() += 1;
                        if again && tries < max_retry {
                            tries += 1;
                            s.retries += 1;
                            drop(s);
                            tokio::time::sleep(Duration::from_millis((20u64 << tries.min(6)).min(1000))).await;
                            continue;
                        }
                        s.lost_spans += n as u64;
                        break;
                    }
                }
            }));
        }
        for h in hs {
            let _ = h.await;
        }
    });
    let busy1 = machine_busy();
    let s = sh.borrow();
    let wall = s.last_ack.duration_since(start).as_secs_f64().max(1e-9);
    let q = |p: f64| s.hist.value_at_quantile(p) as f64 / 1000.0;
    let out = json!({
        "mode": format!("{mode:?}"), "dialect": format!("{:?}", cfg.dialect), "connections": conns, "batch": cfg.batch,
        "rate_cap": rate, "seed": cfg.seed, "gzip": cfg.gzip, "offered_spans": offered, "offered_requests": total,
        "acked_spans": s.acked_spans, "acked_requests": s.acked_reqs, "not_acked_spans": offered - s.acked_spans, "retries": s.retries,
        "refusals": s.refused, "start_unix": wall0, "wall_s": wall, "spans_per_s": s.acked_spans as f64 / wall, "requests_per_s": s.acked_reqs as f64 / wall,
        "wire_bytes": s.bytes, "raw_bytes": s.raw_bytes, "wire_MB_per_s": s.bytes as f64 / 1e6 / wall, "raw_bytes_per_span": s.raw_bytes as f64 / s.acked_spans.max(1) as f64,
        "wire_bytes_per_span": s.bytes as f64 / s.acked_spans.max(1) as f64,
        "ack_ms": {"p50": q(0.5), "p95": q(0.95), "p99": q(0.99), "max": s.hist.max() as f64/1000.0, "mean": s.hist.mean()/1000.0},
        "generator": {"build_s": build_s, "pool_bytes": pool_bytes, "cpu_s_while_sending": cpu_s() - cpu0, "cpu_s_total": cpu_s(), "machine_busy_s_while_sending": busy1 - busy0},
        "facts": {"traces": facts.traces, "llm_spans": facts.llm_spans, "input_tokens": facts.input_tokens, "output_tokens": facts.output_tokens,
            "cost_usd_list_price": facts.cost_usd, "needle": NEEDLE, "needle_spans": facts.needles, "failed_traces": facts.error_spans, "sessions": facts.sessions.len(),
            "per_model": facts.per_model, "sample_trace_ids": facts.sample_trace_ids, "last_trace_id": facts.last_trace_id,
            "t_end": cfg.t_end, "spread_s": cfg.spread_s, "service": cfg.service}
    });
    let txt = serde_json::to_string_pretty(&out).unwrap();
    match arg("--out") {
        Some(p) => std::fs::write(p, txt).unwrap(),
        None => println!("{txt}"),
    }
}
