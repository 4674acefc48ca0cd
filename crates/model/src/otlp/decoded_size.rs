//! Computes the memory that a protobuf message takes when decoded, before it is decoded: an empty message is two bytes on the wire and a
//! hundred in memory.

use std::mem::size_of;

use super::proto::{OtlpAnyValue, OtlpKeyValue, OtlpResource, OtlpResourceGroup, OtlpScope, OtlpScopeGroup, OtlpSpanEvent, OtlpSpanLink};
use crate::decode_budget;

/// Layout of a message type: which fields contain messages, and how much memory each of them takes.
pub(super) struct ProtobufLayout {
    fields: &'static [(u64, ProtobufFieldLayout)],
}

enum ProtobufFieldLayout {
    /// A message of this many bytes, with its layout.
    Message(usize, &'static ProtobufLayout),
    /// Bytes that are kept as sent.
    Bytes(usize),
    /// Packed numbers, each of which may take one byte on the wire and then [`NUMBER_BYTES`] bytes. In other message types the field contains a
    /// message.
    NumbersOr(&'static ProtobufLayout),
}

use ProtobufFieldLayout::{Bytes, Message, NumbersOr};

/// Bytes of a number in a growing list.
const NUMBER_BYTES: usize = 16;

/// Bytes of a map's member, after the message was converted.
const PAIR_BYTES: usize = 2 * size_of::<OtlpKeyValue>() + 128;
const ANY_VALUE_BYTES: usize = 2 * size_of::<OtlpAnyValue>() + decode_budget::ELEMENT_BYTES;

static EMPTY_LAYOUT: ProtobufLayout = ProtobufLayout { fields: &[] };
static VALUE: ProtobufLayout = ProtobufLayout { fields: &[(5, Message(0, &ARRAY)), (6, Message(0, &PAIRS))] };
static ARRAY: ProtobufLayout = ProtobufLayout { fields: &[(1, Message(ANY_VALUE_BYTES, &VALUE))] };
static PAIRS: ProtobufLayout = ProtobufLayout { fields: &[(1, Message(PAIR_BYTES, &KEY_VALUE))] };
static KEY_VALUE: ProtobufLayout = ProtobufLayout { fields: &[(2, Message(0, &VALUE))] };
static RESOURCE: ProtobufLayout = ProtobufLayout { fields: &[(1, Message(PAIR_BYTES, &KEY_VALUE))] };
static SCOPE: ProtobufLayout = ProtobufLayout { fields: &[(3, Message(PAIR_BYTES, &KEY_VALUE))] };
static EVENT: ProtobufLayout = ProtobufLayout { fields: &[(3, Message(PAIR_BYTES, &KEY_VALUE))] };
static LINK: ProtobufLayout = ProtobufLayout { fields: &[(4, Message(PAIR_BYTES, &KEY_VALUE))] };
static SCOPE_GROUP: ProtobufLayout =
    ProtobufLayout { fields: &[(1, Message(size_of::<OtlpScope>(), &SCOPE)), (2, Bytes(2 * size_of::<bytes::Bytes>()))] };
static RESOURCE_GROUP: ProtobufLayout = ProtobufLayout {
    fields: &[(1, Message(size_of::<OtlpResource>(), &RESOURCE)), (2, Message(2 * size_of::<OtlpScopeGroup>() + 256, &SCOPE_GROUP))],
};

/// Layout of a request of any signal, down to its spans, log records and metrics.
pub(super) static REQUEST: ProtobufLayout = ProtobufLayout { fields: &[(1, Message(2 * size_of::<OtlpResourceGroup>(), &RESOURCE_GROUP))] };
/// Layout of a span.
pub(super) static SPAN: ProtobufLayout = ProtobufLayout {
    fields: &[
        (9, Message(PAIR_BYTES, &KEY_VALUE)),
        (11, Message(2 * size_of::<OtlpSpanEvent>() + 256, &EVENT)),
        (13, Message(2 * size_of::<OtlpSpanLink>() + 64, &LINK)),
    ],
};
/// Layout of a log record.
pub(super) static RECORD: ProtobufLayout = ProtobufLayout { fields: &[(5, Message(0, &VALUE)), (6, Message(PAIR_BYTES, &KEY_VALUE))] };
/// Layout of a metric. All kinds of points have the same relevant layout.
pub(super) static METRIC: ProtobufLayout = ProtobufLayout {
    fields: &[
        (5, Message(0, &POINTS)),
        (7, Message(0, &POINTS)),
        (9, Message(0, &POINTS)),
        (10, Message(0, &POINTS)),
        (11, Message(0, &POINTS)),
    ],
};
static POINTS: ProtobufLayout = ProtobufLayout { fields: &[(1, Message(1024, &POINT))] };
/// Layout of a point. Attributes are in field 1, 7 or 9.
static POINT: ProtobufLayout = ProtobufLayout {
    fields: &[
        (1, Message(PAIR_BYTES, &KEY_VALUE)),
        (6, NumbersOr(&EMPTY_LAYOUT)),
        (7, Message(PAIR_BYTES, &KEY_VALUE)),
        (8, Message(0, &HISTOGRAM_SIDE)),
        (9, Message(PAIR_BYTES, &HISTOGRAM_SIDE)),
    ],
};
/// Layout of one side of an exponential histogram, or of an attribute.
static HISTOGRAM_SIDE: ProtobufLayout = ProtobufLayout { fields: &[(2, NumbersOr(&VALUE))] };

/// Maximum nesting depth. The decoder rejects deeper messages.
const MAX_DEPTH: usize = 100;

/// Upper limit of the memory per byte of a message. The maximum is an empty metric point, which has two bytes: half of the 1,024 in
/// [`POINTS`].
const MAX_GROWTH_PER_BYTE: usize = 1024;

/// Returns whether the memory that decoding a message takes fits into the budget. Nothing stays charged. Nearly every message is so small
/// that it fits with any content. Such a message is not examined.
pub(super) fn fits_in_budget(message: &[u8], kind: &ProtobufLayout) -> bool {
    message.len().saturating_mul(MAX_GROWTH_PER_BYTE) <= decode_budget::remaining_bytes()
        || decode_budget::with_refund(|| charge(message, kind))
}

/// Charges the memory that decoding a message takes. For invalid protobuf, only the part before the error is charged, since nothing is
/// built from the rest. Returns false if the budget does not suffice.
pub(super) fn charge(message: &[u8], kind: &ProtobufLayout) -> bool {
    // Texts are copied once, and again if they are repaired.
    let mut bytes = 2 * message.len();
    add_memory(message, kind, decode_budget::remaining_bytes(), &mut bytes, MAX_DEPTH);
    decode_budget::charge(bytes)
}

/// Adds the memory of a message to `bytes`. Returns false if it exceeds `max_bytes`.
fn add_memory(mut rest: &[u8], kind: &ProtobufLayout, max_bytes: usize, weight: &mut usize, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    while let Some((tag, value)) = varint(rest) {
        let end = match tag & 7 {
            0 => {
                *weight += NUMBER_BYTES;
                varint(value).map(|(_, end)| end)
            }
            1 => value.get(8..),
            2 => {
                let content = varint(value).and_then(|(length, content)| content.split_at_checked(usize::try_from(length).ok()?));
                let Some((content, end)) = content else { return true };
                match kind.fields.iter().find(|(known, _)| *known == tag >> 3).map(|(_, field)| field) {
                    Some(Message(bytes, inner)) => {
                        *weight += bytes;
                        if *weight <= max_bytes && !add_memory(content, inner, max_bytes, weight, depth) {
                            return false;
                        }
                    }
                    Some(NumbersOr(inner)) => {
                        *weight += NUMBER_BYTES * content.len();
                        if *weight <= max_bytes && !add_memory(content, inner, max_bytes, weight, depth) {
                            return false;
                        }
                    }
                    Some(Bytes(bytes)) => *weight += bytes,
                    None => {}
                }
                Some(end)
            }
            // Groups, which nobody sends: their content counts as if it were outside.
            3 | 4 => Some(value),
            5 => value.get(4..),
            _ => None,
        };
        if *weight > max_bytes {
            return false;
        }
        let Some(end) = end else { return true };
        rest = end;
    }
    true
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded_bytes(message: &[u8], kind: &ProtobufLayout) -> usize {
        let mut bytes = 2 * message.len();
        add_memory(message, kind, usize::MAX, &mut bytes, MAX_DEPTH);
        bytes
    }

    proptest! {
        #[test]
        fn memory_per_byte_stays_below_the_limit(
            // Tags of messages and short lengths, so that messages are deeply nested.
            message in prop::collection::vec(prop_oneof![Just(0), Just(0x0a), Just(0x2a), Just(0x12), Just(0x32), Just(0x3a), Just(0x4a), any::<u8>()], 0..200)
        ) {
            for kind in [&REQUEST, &SPAN, &RECORD, &METRIC] {
                prop_assert!(decoded_bytes(&message, kind) <= MAX_GROWTH_PER_BYTE * message.len());
            }
        }
    }

    #[test]
    fn densest_message_stays_below_the_limit() {
        // A metric whose sum contains only empty points.
        let points: Vec<u8> = [0x0a, 0].repeat(60);
        let metric = [vec![0x3a, points.len() as u8], points].concat();
        assert!(decoded_bytes(&metric, &METRIC) > MAX_GROWTH_PER_BYTE / 3 * metric.len());
        assert!(decoded_bytes(&metric, &METRIC) <= MAX_GROWTH_PER_BYTE * metric.len());
    }
}
