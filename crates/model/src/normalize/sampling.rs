//! Sample rate of the client, if the span itself contains it.
//!
//! Sentry's SDKs send it once per envelope, in its header; others send it with each span, in the attributes of the table below.

use serde_json::Value;

use crate::span::Attributes;

/// Attribute that contains the trace state of W3C Trace Context, to which OpenTelemetry's samplers write.
pub(crate) const TRACE_STATE_ATTRIBUTE: &str = "otel.trace_state";

/// Format of a sample rate.
#[derive(Debug, Clone, Copy)]
enum SampleRateFormat {
    /// Fraction: 0.25.
    Part,
    /// The inverse of the sample rate, such as 4 for one out of four.
    OneOf,
    /// Percentage: 25.
    Percent,
    /// OpenTelemetry's entry of the trace state: `ot=th:c`.
    TraceState,
}

/// Attributes that contain the sample rate, the best first.
const SAMPLE_RATE_ATTRIBUTES: &[(&str, SampleRateFormat)] = &[
    (TRACE_STATE_ATTRIBUTE, SampleRateFormat::TraceState),
    ("sentry.sample_rate", SampleRateFormat::Part),
    ("logfire.sample_rate", SampleRateFormat::Part),
    ("sampling.probability", SampleRateFormat::Part),
    // Honeycomb, spelled as its SDKs and its proxy do. Other spellings are about audio.
    ("SampleRate", SampleRateFormat::OneOf),
    // Azure Monitor.
    ("_MS.sampleRate", SampleRateFormat::Percent),
    ("microsoft.sample_rate", SampleRateFormat::Percent),
];

/// Returns the sample rate, above 0 and up to 1, and the attribute that contains it.
pub(crate) fn sample_rate(attributes: &Attributes) -> Option<(&'static str, f64)> {
    SAMPLE_RATE_ATTRIBUTES.iter().find_map(|(name, form)| {
        let rate = form.read(attributes.get(*name)?)?;
        (rate > 0.0 && rate <= 1.0).then_some((*name, rate))
    })
}

/// Returns whether an attribute may contain the sample rate.
pub(crate) fn is_rate_attribute(name: &str) -> bool {
    SAMPLE_RATE_ATTRIBUTES.iter().any(|(known, _)| *known == name)
}

impl SampleRateFormat {
    fn read(self, value: &Value) -> Option<f64> {
        let number = || value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        match self {
            SampleRateFormat::Part => number(),
            SampleRateFormat::OneOf => Some(1.0 / number()?),
            SampleRateFormat::Percent => Some(number()? / 100.0),
            SampleRateFormat::TraceState => of_trace_state(value.as_str()?),
        }
    }
}

/// Returns the probability of OpenTelemetry's consistent sampling. `th` is the threshold that the randomness of the trace had to reach,
/// out of 2^56, without trailing zeros. Its predecessor `p` is the negative power of two.
/// <https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/>
fn of_trace_state(state: &str) -> Option<f64> {
    let entry = state.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
    let told = |name: &str| entry.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix(':'));
    if let Some(threshold) = told("th") {
        let digits = u32::try_from(threshold.len()).ok().filter(|digits| (1..=14).contains(digits))?;
        let is_hex = threshold.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let threshold = u64::from_str_radix(threshold, 16).ok().filter(|_| is_hex)? << (4 * (14 - digits));
        // Subtracted as integers: a floating-point number has fewer digits than a threshold.
        return Some(((1u64 << 56) - threshold) as f64 / (1u64 << 56) as f64);
    }
    let power: u32 = told("p")?.parse().ok()?;
    (power < 63).then(|| 1.0 / (1u64 << power) as f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(attributes: Value) -> Option<f64> {
        sample_rate(attributes.as_object().unwrap()).map(|(_, rate)| rate)
    }

    #[test]
    fn thresholds_of_opentelemetry() {
        for (state, expected) in [
            ("ot=th:0", Some(1.0)),
            ("ot=th:c", Some(0.25)),
            ("ot=th:c;rv:d29d6a7215ced0", Some(0.25)),
            ("ot=rv:d29d6a7215ced0;th:8", Some(0.5)),
            ("congo=t61rcWkgMzE, ot=th:fd70a4,rojo=00f067", Some(0.009_999_990_463)),
            ("ot=th:ffffffffffffff", Some(1.387_778_780_781_445_7e-17)),
            ("ot=p:2;r:5", Some(0.25)),
            ("ot=p:63", None),
            ("ot=rv:d29d6a7215ced0", None),
            ("ot=th:C", None),
            ("ot=th:", None),
            ("ot=th:+c", None),
            ("ot=th:0123456789abcdef", None),
            ("th:c", None),
        ] {
            let got = read(json!({ TRACE_STATE_ATTRIBUTE: state }));
            let same = got.zip(expected).map_or(got == expected, |(got, expected)| (got - expected).abs() <= expected * 1e-6);
            assert!(same, "{state}: {got:?}");
        }
    }

    #[test]
    fn sample_rates_under_other_names() {
        assert_eq!(read(json!({ "SampleRate": 20 })), Some(0.05));
        assert_eq!(read(json!({ "sampling.probability": "0.1" })), Some(0.1));
        assert_eq!(read(json!({ "_MS.sampleRate": 25.0 })), Some(0.25));
        assert_eq!(
            read(json!({ "logfire.sample_rate": 0.5, TRACE_STATE_ATTRIBUTE: "ot=th:c" })),
            Some(0.25),
            "what the sampler itself says comes first"
        );
        for nothing in [
            json!({ "SampleRate": 0 }),
            json!({ "sentry.sample_rate": 0 }),
            json!({ "sampling.probability": 20 }),
            json!({ "SampleRate": "many" }),
        ] {
            assert_eq!(read(nothing.clone()), None, "{nothing}");
        }
    }
}
