//! WAL frames: the spans of one request, and the decisions about them.
//!
//! The caller serializes and compresses the spans before the request is queued. The commit thread adds which spans were already stored, and
//! the decisions about the traces. Replay applies these decisions without evaluating the rules again, so a restart produces the same rows
//! even if the rules have changed.

use std::cell::RefCell;

use hinomi_model::dedup::SpanDecision;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::span::Span;
use serde::{Deserialize, Serialize};

/// Level 1 takes a third of the time of level 3 for a tenth more bytes, and the WAL is short-lived.
const COMPRESSION_LEVEL: i32 = 1;

/// The part of a frame before the spans.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct WalFramePreamble {
    /// Project that received the spans.
    pub(crate) project: u64,
    /// Time of arrival in microseconds since the Unix epoch.
    pub(crate) received_us: i64,
    /// Length of the spans before compression in bytes.
    pub(crate) raw_len: u32,
    /// Indices of spans that are not stored, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) dropped: Vec<u32>,
    /// Indices of spans that replace the stored span of the same ID, because they were joined with it or revised; ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) joined: Vec<u32>,
    /// Stored spans that are removed because their data was moved into spans of this request, under the right trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) moved: Vec<(TraceId, SpanId)>,
    /// Time of arrival of the spans that were only revised, by index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) received: Vec<(u32, i64)>,
    /// Decisions about spans of this request, by index, where they differ from the decision from the span alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) decided: Vec<(u32, SpanDecision)>,
    /// New decisions about spans that were stored earlier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) corrections: Vec<DecisionCorrection>,
}

/// A new decision for a stored span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DecisionCorrection {
    /// Trace of the span, in the frame's project.
    pub(crate) trace: TraceId,
    /// ID of the span.
    pub(crate) span: SpanId,
    /// The new decision.
    pub(crate) decision: SpanDecision,
}

/// Serialized and compressed spans.
#[derive(Debug)]
pub(crate) struct CompressedSpans {
    pub(crate) raw_len: u32,
    pub(crate) compressed: Vec<u8>,
}

/// Serializes and compresses the spans of a request. Field names are included so that later versions can read them.
pub(crate) fn compress_spans(spans: &[Span]) -> Result<CompressedSpans, String> {
    thread_local! {
        static COMPRESSOR: RefCell<SpanCompressor> = RefCell::default();
    }
    COMPRESSOR.with_borrow_mut(|packer| packer.compress_spans(spans))
}

/// Buffers that each thread keeps: a compressor's tables are larger than a typical request, and allocating memory costs more than using
/// it.
#[derive(Default)]
struct SpanCompressor {
    compressor: Option<zstd::bulk::Compressor<'static>>,
    raw: Vec<u8>,
    compressed: Vec<u8>,
}

impl SpanCompressor {
    /// Bytes of capacity that a thread keeps for the next request.
    const MAX_RETAINED_BYTES: usize = 1 << 20;

    fn compress_spans(&mut self, spans: &[Span]) -> Result<CompressedSpans, String> {
        self.raw.clear();
        rmp_serde::encode::write_named(&mut self.raw, spans).map_err(|error| error.to_string())?;
        let raw_len = u32::try_from(self.raw.len()).map_err(|_| format!("{} bytes in one request", self.raw.len()))?;
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(self.raw.len()));
        let blob = self.compress().map(|()| CompressedSpans { raw_len, compressed: self.compressed.as_slice().into() });
        for buffer in [&mut self.raw, &mut self.compressed] {
            buffer.clear();
            buffer.shrink_to(Self::MAX_RETAINED_BYTES);
        }
        blob.map_err(|error| error.to_string())
    }

    fn compress(&mut self) -> std::io::Result<()> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            None => self.compressor.insert(zstd::bulk::Compressor::new(COMPRESSION_LEVEL)?),
        };
        compressor.compress_to_buffer(&self.raw, &mut self.compressed).map(drop)
    }
}

/// Returns the payload of a frame: length of the preamble, preamble, spans.
pub(crate) fn encode_payload(head: &WalFramePreamble, compressed: &[u8]) -> Vec<u8> {
    let head = rmp_serde::to_vec_named(head).expect("integers, texts and lists have a MessagePack form");
    let mut payload = Vec::with_capacity(4 + head.len() + compressed.len());
    payload.extend_from_slice(&(head.len() as u32).to_le_bytes());
    payload.extend_from_slice(&head);
    payload.extend_from_slice(compressed);
    payload
}

/// Reads a payload.
///
/// # Errors
///
/// Returns an error if the bytes are not the output of [`encode_payload`]; the message says what is wrong. This function never panics, and
/// does not allocate more memory than the frame declares.
pub(crate) fn decode_payload(payload: &[u8]) -> Result<(WalFramePreamble, Vec<Span>), String> {
    let (length, rest) = payload.split_first_chunk::<4>().ok_or("the frame is shorter than its length field")?;
    let length = u32::from_le_bytes(*length) as usize;
    let (head, compressed) = rest.split_at_checked(length).ok_or("the head is longer than the frame")?;
    let head: WalFramePreamble = rmp_serde::from_slice(head).map_err(|error| format!("head: {error}"))?;
    if compressed.is_empty() {
        return Ok((head, Vec::new()));
    }
    let raw = zstd::bulk::decompress(compressed, head.raw_len as usize).map_err(|error| format!("compression: {error}"))?;
    let spans = rmp_serde::from_slice(&raw).map_err(|error| format!("spans: {error}"))?;
    Ok((head, spans))
}

#[cfg(test)]
mod tests {
    use hinomi_model::dedup::exclusion::Exclusion;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::tests::any_span::any_span;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn spans_come_back_as_they_were(spans in proptest::collection::vec(any_span(), 0..4), numbers in any::<(u64, i64)>()) {
            let blob = compress_spans(&spans).unwrap();
            let decision = SpanDecision { counted: false, exclusion: Some(Exclusion::SumOfCalls), is_run: true, ..SpanDecision::default() };
            let correction = DecisionCorrection { trace: TraceId(u128::MAX), span: SpanId(1), decision: decision.clone() };
            let head = WalFramePreamble {
                project: numbers.0,
                received_us: numbers.1,
                raw_len: blob.raw_len,
                dropped: vec![1, 2],
                joined: vec![0],
                moved: vec![(TraceId(9), SpanId(8))],
                received: vec![(0, 7)],
                decided: vec![(0, decision)],
                corrections: vec![correction],
            };
            prop_assert_eq!(decode_payload(&encode_payload(&head, &blob.compressed)).unwrap(), (head, spans));
        }
    }

    #[test]
    fn frames_of_earlier_versions_are_read() {
        let spans = json!([{
            "trace_id": TraceId(1), "span_id": SpanId(2), "kind": "llm", "counted": false,
            "not_counted_because": "another report of the call of span 0000000000000003 of trace 00000000000000000000000000000004",
            "reading": [{"field": "provider", "from": "the vendor of the model"}, {"field": "user_id", "from": "user.id"}],
        }]);
        let raw = rmp_serde::to_vec_named(&spans).unwrap();
        let because = "the same response as span 0000000000000005";
        let decision = json!({"counted": false, "not_counted_because": because, "pipeline": null, "is_run": false});
        let head = json!({
            "project": 1, "received_us": 2, "raw_len": raw.len(), "decided": [[0, decision]],
            "corrections": [{"trace": TraceId(6), "span": SpanId(7), "decision": {"counted": true, "not_counted_because": null}}],
        });
        let head = rmp_serde::to_vec_named(&head).unwrap();
        let mut frame = (head.len() as u32).to_le_bytes().to_vec();
        frame.extend_from_slice(&head);
        frame.extend_from_slice(&zstd::bulk::compress(&raw, COMPRESSION_LEVEL).unwrap());

        let (head, spans) = decode_payload(&frame).unwrap();
        assert_eq!(spans[0].exclusion, Some(Exclusion::ReportedElsewhere { trace_id: TraceId(4), span_id: SpanId(3) }));
        let sources: Vec<&str> = spans[0].reading.iter().map(|read| read.source.kind()).collect();
        assert_eq!(sources, ["model_vendor", "attribute"]);
        assert_eq!(head.decided[0].1.exclusion, Some(Exclusion::SameResponse { span_id: SpanId(5) }));
        assert_eq!((head.corrections[0].decision.counted, head.corrections[0].decision.exclusion), (true, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_payload(&bytes);
        }
    }
}
