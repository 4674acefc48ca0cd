//! Inflating request bodies, with a cap on what comes out: 4 KB on the wire may well be 440 KB, or a bomb.

use std::io::Read;

/// Why a body cannot be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// An encoding that is not known: status 415.
    #[error("content encoding {0:?} is not supported; use gzip, deflate, br or zstd")]
    Encoding(String),
    /// More than `limit` bytes after inflating: status 413.
    #[error("the body is larger than {limit} bytes after inflating")]
    TooLarge {
        /// Bytes allowed.
        limit: usize,
    },
    /// Not what its encoding says: status 400.
    #[error("the body is not valid {0}")]
    Damaged(&'static str),
}

/// The body as it was before compression.
///
/// `encoding` is the value of `Content-Encoding`; several are undone from the last to the first. Empty ones, `identity` and
/// `utf-8` (which some old SDKs send) mean none.
pub fn inflate(body: Vec<u8>, encoding: &str, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = body;
    for name in encoding.rsplit(',') {
        bytes = match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "utf-8" => bytes,
            "gzip" | "x-gzip" => read(flate2::bufread::MultiGzDecoder::new(&bytes[..]), bytes.len(), "gzip", limit)?,
            "deflate" => read(flate2::bufread::ZlibDecoder::new(&bytes[..]), bytes.len(), "deflate", limit)?,
            "br" => read(brotli::Decompressor::new(&bytes[..], 4096), bytes.len(), "br", limit)?,
            "zstd" => match zstd::stream::read::Decoder::new(&bytes[..]) {
                Ok(decoder) => read(decoder, bytes.len(), "zstd", limit)?,
                Err(_) => return Err(BodyError::Damaged("zstd")),
            },
            other => return Err(BodyError::Encoding(other.to_owned())),
        };
    }
    if bytes.len() > limit { Err(BodyError::TooLarge { limit }) } else { Ok(bytes) }
}

/// Reads one byte past the limit at most, so that a bomb costs no more than a good body.
fn read(decoder: impl Read, compressed: usize, name: &'static str, limit: usize) -> Result<Vec<u8>, BodyError> {
    // Telemetry shrinks to a quarter or less; a good first size saves copies as the text grows.
    let mut bytes = Vec::with_capacity(compressed.saturating_mul(4).min(limit));
    let allowed = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(allowed).read_to_end(&mut bytes).map_err(|_| BodyError::Damaged(name))?;
    if bytes.len() > limit { Err(BodyError::TooLarge { limit }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_encoding_gives_the_text_back() {
        let text = b"{}\n{\"type\":\"span\"}\n".to_vec();
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).unwrap();
        let mut br = Vec::new();
        brotli::CompressorWriter::new(&mut br, 4096, 4, 20).write_all(&text).unwrap();
        let cases = [
            ("", text.clone()),
            ("UTF-8", text.clone()),
            ("gzip", gzip(&text)),
            ("deflate", zlib.finish().unwrap()),
            ("br", br),
            ("zstd", zstd::encode_all(&text[..], 3).unwrap()),
            ("gzip, zstd", zstd::encode_all(&gzip(&text)[..], 3).unwrap()),
        ];
        for (encoding, body) in cases {
            assert_eq!(inflate(body, encoding, 1000).as_deref(), Ok(&text[..]), "{encoding}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_refused_or_inflated_below_the_limit(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            encoding in proptest::sample::select(vec!["gzip", "deflate", "br", "zstd", "br, gzip"]),
        ) {
            if let Ok(body) = inflate(bytes, encoding, 1000) {
                proptest::prop_assert!(body.len() <= 1000);
            }
        }
    }

    #[test]
    fn bombs_lies_and_strangers_are_refused() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(inflate(bomb, "gzip", 1000), Err(BodyError::TooLarge { limit: 1000 }));
        assert_eq!(inflate(vec![1; 11], "", 10), Err(BodyError::TooLarge { limit: 10 }));
        for encoding in ["gzip", "deflate", "br", "zstd"] {
            assert!(matches!(inflate(b"not compressed".to_vec(), encoding, 1000), Err(BodyError::Damaged(_))), "{encoding}");
        }
        assert_eq!(inflate(vec![], "lzma", 10), Err(BodyError::Encoding("lzma".into())));
    }
}
