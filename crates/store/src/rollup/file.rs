//! The sidecar file of a segment with its roll-up. All of its data is also in the segment, so a damaged file, or a file in the format of
//! another version, is rebuilt.
//!
//! ```text
//! magic "HINOHRS2"  length:u32 (of the content before compression)  content (MessagePack, zstd)  crc32c:u32 (of all before)
//! ```

use std::io;

use super::Rollup;

const MAGIC: &[u8; 8] = b"HINOHRS2";
/// Common prefix of the files of every version.
const MAGIC_PREFIX: &[u8] = b"HINOHRS";

/// Encodes a sidecar file.
pub(crate) fn encode(rollup: &Rollup) -> io::Result<Vec<u8>> {
    let content = rmp_serde::to_vec(rollup).map_err(io::Error::other)?;
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&zstd::bulk::compress(&content, 1)?);
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    Ok(bytes)
}

/// Decodes a sidecar file.
///
/// # Errors
///
/// Returns `InvalidData` if the content is not the output of [`encode`].
pub(crate) fn decode(bytes: &[u8]) -> io::Result<Rollup> {
    let damaged = || io::Error::from(io::ErrorKind::InvalidData);
    if bytes.starts_with(MAGIC_PREFIX) && !bytes.starts_with(MAGIC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "written in the format of another version"));
    }
    let (before, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
    let rest = before.strip_prefix(MAGIC).filter(|_| crc32c::crc32c(before) == u32::from_le_bytes(*crc)).ok_or_else(damaged)?;
    let (length, compressed) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    let content = zstd::bulk::decompress(compressed, u32::from_le_bytes(*length) as usize)?;
    rmp_serde::from_slice(&content).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
