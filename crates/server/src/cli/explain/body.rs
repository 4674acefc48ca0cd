//! Removes compression and gRPC framing from a body; detects both from the bytes.

use anyhow::bail;

use crate::ingest::decompress::decompress;

/// A body without compression and framing.
#[derive(Debug)]
pub(super) struct UnpackedBody {
    pub(super) bytes: Vec<u8>,
    /// Layers that were removed, the outermost first: `gzip`, `zstd`, `deflate`, `br`, `gRPC frame`.
    pub(super) removed_layers: Vec<&'static str>,
}

/// Maximum number of layers that are removed.
const MAX_LAYERS: usize = 3;

/// Removes compression and a gRPC frame, if they can be detected. Fails if the body is empty or cannot be decompressed.
pub(super) fn unpack(mut bytes: Vec<u8>, limit: usize) -> anyhow::Result<UnpackedBody> {
    let mut removed_layers = Vec::new();
    while removed_layers.len() < MAX_LAYERS {
        if let Some(message) = grpc_frame_header(&bytes) {
            bytes.drain(..message);
            removed_layers.push("gRPC frame");
        } else if let Some(encoding) = compression(&bytes) {
            bytes = decompress(bytes.into(), encoding, limit)?.into();
            removed_layers.push(encoding);
        } else {
            break;
        }
    }
    if bytes.is_empty() {
        bail!("the body is empty");
    }
    // Brotli has no magic number: if a body that is not JSON decompresses to JSON, it was Brotli.
    if removed_layers.is_empty()
        && !looks_like_text(&bytes)
        && let Ok(inflated) = decompress(bytes.clone().into(), "br", limit)
        && looks_like_text(&inflated)
    {
        return Ok(UnpackedBody { bytes: inflated.into(), removed_layers: vec!["br"] });
    }
    Ok(UnpackedBody { bytes, removed_layers })
}

/// Returns the length of a gRPC frame header, if its message is exactly the rest of the bytes.
fn grpc_frame_header(bytes: &[u8]) -> Option<usize> {
    let [flag, length @ ..] = bytes.first_chunk::<5>()?;
    (*flag <= 1 && u32::from_be_bytes(*length) as usize == bytes.len() - 5).then_some(5)
}

fn compression(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        // The header of zlib is a multiple of 31.
        [0x78, second, ..] if (0x7800 + u32::from(*second)).is_multiple_of(31) => Some("deflate"),
        _ => None,
    }
}

fn looks_like_text(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}
