//! Decompresses request bodies with a limit on the result: 4 KB on the wire may decompress to 440 KB, or may be a decompression bomb.

use std::io::{BufRead, BufReader, Read};

use axum::body::Bytes;

/// Reason why a body cannot be decompressed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Unknown content encoding: status 415.
    #[error("content encoding {0:?} is not supported; use gzip, deflate, br or zstd")]
    Encoding(String),
    /// Too many content encodings: status 415.
    #[error("more than {MAX_ENCODINGS} content encodings; compress the body once")]
    TooManyEncodings,
    /// More than `limit` bytes after decompression: status 413.
    #[error("the body is larger than {limit} bytes after decompression")]
    TooLarge {
        /// Allowed size in bytes.
        limit: usize,
    },
    /// Invalid data for the content encoding: status 400.
    #[error("the body is not valid {0}")]
    Damaged(&'static str),
}

/// Largest number of nested content encodings: more cost time and have no use.
const MAX_ENCODINGS: usize = 2;
/// Longest first line that [`first_line`] reads, in bytes.
const MAX_FIRST_LINE_BYTES: usize = 16 << 10;
/// Largest output of each decoder that [`first_line`] reads, in bytes.
const MAX_DECODER_OUTPUT_BYTES: u64 = 256 << 10;

/// A content encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContentEncoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl ContentEncoding {
    fn name(self) -> &'static str {
        match self {
            ContentEncoding::Gzip => "gzip",
            ContentEncoding::Deflate => "deflate",
            ContentEncoding::Brotli => "br",
            ContentEncoding::Zstd => "zstd",
        }
    }

    fn decoder<'a>(self, compressed: impl BufRead + 'a) -> Result<Box<dyn Read + 'a>, BodyError> {
        Ok(match self {
            ContentEncoding::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(compressed)),
            ContentEncoding::Deflate => Box::new(flate2::bufread::ZlibDecoder::new(compressed)),
            ContentEncoding::Brotli => Box::new(brotli::Decompressor::new(compressed, 4096)),
            ContentEncoding::Zstd => {
                Box::new(zstd::stream::read::Decoder::with_buffer(compressed).map_err(|_| BodyError::Damaged("zstd"))?)
            }
        })
    }
}

/// Returns the content encodings of a header value, the outermost first. Empty names, `identity` and `utf-8` (which some old SDKs send)
/// are ignored.
fn encodings(header: &str) -> Result<Vec<ContentEncoding>, BodyError> {
    let mut found = Vec::new();
    for name in header.rsplit(',') {
        found.push(match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" | "utf-8" => continue,
            "gzip" | "x-gzip" => ContentEncoding::Gzip,
            "deflate" => ContentEncoding::Deflate,
            "br" => ContentEncoding::Brotli,
            "zstd" => ContentEncoding::Zstd,
            other => return Err(BodyError::Encoding(other.chars().take(40).collect())),
        });
        if found.len() > MAX_ENCODINGS {
            return Err(BodyError::TooManyEncodings);
        }
    }
    Ok(found)
}

/// Returns whether a body is compressed according to its header.
pub fn is_compressed(encoding: &str) -> bool {
    encodings(encoding).map_or(true, |found| !found.is_empty())
}

/// Decompresses a body to at most `limit` bytes.
///
/// `encoding` is the value of `Content-Encoding`; two encodings are decoded from the last to the first.
pub fn decompress(body: Bytes, encoding: &str, limit: usize) -> Result<Bytes, BodyError> {
    let mut bytes = body;
    for encoding in encodings(encoding)? {
        let inflated = read_limited(encoding.decoder(&bytes[..])?, bytes.len(), encoding.name(), limit)?;
        bytes = inflated.into();
    }
    if bytes.len() > limit { Err(BodyError::TooLarge { limit }) } else { Ok(bytes) }
}

/// Returns the first line of a body, of which only the beginning may have arrived, without the line end. Returns `None` if the line end
/// has not arrived yet or the line is too long. Nothing after the line is decompressed.
pub fn first_line(beginning: &[u8], encoding: &str, is_whole: bool) -> Result<Option<Vec<u8>>, BodyError> {
    let mut reader: Box<dyn BufRead> = Box::new(beginning);
    for encoding in encodings(encoding)? {
        reader = Box::new(BufReader::new(encoding.decoder(reader)?.take(MAX_DECODER_OUTPUT_BYTES)));
    }
    let mut line = Vec::new();
    // A truncated body ends with an error; the bytes before it are in `line`.
    let ended = reader.take(MAX_FIRST_LINE_BYTES as u64).read_until(b'\n', &mut line).is_ok();
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Some(line));
    }
    let is_all = is_whole && ended && !line.is_empty() && line.len() < MAX_FIRST_LINE_BYTES;
    Ok(is_all.then_some(line))
}

/// Reads at most one byte beyond the limit, so that a decompression bomb costs no more than a valid body.
fn read_limited(decoder: impl Read, compressed: usize, name: &'static str, limit: usize) -> Result<Vec<u8>, BodyError> {
    // Telemetry compresses to a quarter or less; a good initial capacity saves copies while the buffer grows.
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
    fn every_encoding_is_decompressed() {
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
            let line = first_line(&body, encoding, true).unwrap();
            assert_eq!(line.as_deref(), Some(&b"{}"[..]), "{encoding}");
            assert_eq!(decompress(body.into(), encoding, 1000).as_deref(), Ok(&text[..]), "{encoding}");
        }
    }

    #[test]
    fn a_first_line_alone_is_inflated() {
        let long = [b"{\"dsn\":1}\n".to_vec(), vec![b'x'; 50_000_000]].concat();
        let bomb = gzip(&long);
        assert_eq!(first_line(&bomb, "gzip", true).unwrap().as_deref(), Some(&b"{\"dsn\":1}"[..]));
        // Also if only the beginning has arrived.
        assert_eq!(first_line(&bomb[..bomb.len() / 2], "gzip", false).unwrap().as_deref(), Some(&b"{\"dsn\":1}"[..]));
        assert_eq!(first_line(&bomb[..10], "gzip", false), Ok(None));
        assert_eq!(first_line(&gzip(&vec![b' '; 50_000_000]), "gzip", true), Ok(None));
        assert_eq!(first_line(&gzip(&gzip(&vec![b' '; 50_000_000])), "gzip, gzip", true), Ok(None));
    }

    #[test]
    fn more_than_two_encodings_are_rejected_before_decompression() {
        let thrice = gzip(&gzip(&gzip(b"{}")));
        assert_eq!(decompress(thrice.into(), "gzip, gzip, gzip", 1000), Err(BodyError::TooManyEncodings));
        assert_eq!(first_line(b"", "gzip,br,zstd", true), Err(BodyError::TooManyEncodings));
        assert_eq!(decompress(gzip(&gzip(b"{}")).into(), "identity, gzip, ,gzip, utf-8", 1000).as_deref(), Ok(&b"{}"[..]));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_rejected_or_decompressed_below_the_limit(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
            encoding in proptest::sample::select(vec!["gzip", "deflate", "br", "zstd", "br, gzip"]),
        ) {
            let _ = first_line(&bytes, encoding, true);
            if let Ok(body) = decompress(bytes.into(), encoding, 1000) {
                proptest::prop_assert!(body.len() <= 1000);
            }
        }
    }

    #[test]
    fn decompression_bombs_and_unknown_encodings_are_rejected() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(decompress(bomb.into(), "gzip", 1000), Err(BodyError::TooLarge { limit: 1000 }));
        assert_eq!(decompress(vec![1; 11].into(), "", 10), Err(BodyError::TooLarge { limit: 10 }));
        for encoding in ["gzip", "deflate", "br", "zstd"] {
            assert!(matches!(decompress(Bytes::from_static(b"not compressed"), encoding, 1000), Err(BodyError::Damaged(_))), "{encoding}");
        }
        assert_eq!(decompress(Bytes::new(), "lzma", 10), Err(BodyError::Encoding("lzma".into())));
    }
}
