//! Captured requests with values and bytes that a broken, old or hostile client may send never panic.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn small_bodies() -> Vec<Vec<u8>> {
    cases().iter().filter(|case| of_sentry(case)).flat_map(|case| bodies(case)).filter(|body| body.len() < 20_000).collect()
}

/// Returns OTLP requests in JSON with their signals.
fn small_otlp_bodies() -> Vec<(OtlpSignal, Value)> {
    let all = cases().into_iter().filter(|case| !of_sentry(case)).flat_map(|case| requests(&case));
    let read = |folder: PathBuf| {
        let body = std::fs::read(folder.join("body.decoded")).unwrap();
        let body: Value = serde_json::from_slice(&body).ok().filter(|_| body.len() < 50_000)?;
        let has = |name| body.get(name).is_some();
        let signal = match (has("resourceLogs"), has("resourceMetrics")) {
            (true, _) => OtlpSignal::Logs,
            (_, true) => OtlpSignal::Metrics,
            _ => OtlpSignal::Traces,
        };
        Some((signal, body))
    };
    all.filter_map(read).collect()
}

/// Values that a broken, old or hostile client may send anywhere.
fn strange_value() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.1),
        json!(""),
        json!("NaN"),
        json!("1e400"),
        json!("a\u{0}b"),
        json!("[[[[[[[["),
        json!("9999-12-31T23:59:60Z"),
        json!([]),
        json!({}),
        json!([[[[null]]]]),
        json!({"value": null, "type": "integer"}),
        json!({"value": "x", "type": "string[]"}),
    ])
}

/// Replaces the value at an index, counted in the order of writing.
fn replace(value: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, at, with)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, at, with)),
        _ => {}
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

proptest! {
    // `make fuzz` runs many more cases.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(300)))]

    #[test]
    fn strange_values_in_otlp_never_panic(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        strange in strange_value(),
    ) {
        let bodies = small_otlp_bodies();
        let (signal, mut body) = bodies[which.index(bodies.len())].clone();
        let mut at = at.index(count(&body));
        replace(&mut body, &mut at, &strange);
        let _ = otlp::decode(body.to_string().into(), signal, OtlpEncoding::Json, &context());
    }

    #[test]
    fn strange_values_never_panic(
        which in any::<prop::sample::Index>(),
        line in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), strange_value()), 1..6),
    ) {
        static BODIES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(small_bodies);
        let mut lines: Vec<Vec<u8>> = which.get(&BODIES).split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        let line = line.index(lines.len());
        let Ok(mut value) = serde_json::from_slice::<Value>(&lines[line]) else { return Ok(()) };
        for (at, with) in &changes {
            let mut at = at.index(count(&value));
            replace(&mut value, &mut at, with);
        }
        lines[line] = value.to_string().into_bytes();
        // The previous line contains the length of the item.
        if let Some(before) = line.checked_sub(1)
            && let Ok(Value::Object(mut header)) = serde_json::from_slice(&lines[before])
            && header.remove("length").is_some()
        {
            lines[before] = Value::Object(header).to_string().into_bytes();
        }
        let _ = decode(&lines.join(&b'\n'), &context());
    }

    #[test]
    fn damaged_envelopes_never_panic(which in any::<prop::sample::Index>(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), cut in any::<prop::sample::Index>()) {
        static BODIES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(small_bodies);
        let mut body = which.get(&BODIES).clone();
        for (at, byte) in &damage {
            let at = at.index(body.len());
            body[at] = *byte;
        }
        let _ = decode(&body, &context());
        body.truncate(cut.index(body.len()));
        let _ = decode(&body, &context());
    }

    #[test]
    fn damaged_payloads_do_not_affect_others(which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        static BODIES: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(small_bodies);
        let body = which.get(&BODIES);
        let mut damaged = body.clone();
        let at = at.index(body.len());
        damaged[at] = byte;
        let whole = decode(body, &context()).unwrap();
        if let Ok(decoded) = decode(&damaged, &context()) {
            let accounted = decoded.spans.len() + decoded.errors.len() + decoded.lines.len() + decoded.outcomes.len();
            prop_assert!(accounted > 0 || whole.spans.is_empty() && whole.lines.is_empty());
        }
    }
}
