//! The Parquet files of a scan as an object store of the query engine, which reads the files from the storage of the segments.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use futures::stream::{self, BoxStream, StreamExt};
use hinomi_store::segment_storage::SegmentObjectReader;
use hinomi_store::snapshot::Segment;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Name of this object store in errors.
const NAME: &str = "segments";

/// The segments of one scan.
#[derive(Debug, Default)]
pub(super) struct SegmentSource {
    segments: HashMap<Path, (Arc<Segment>, ObjectMeta)>,
}

impl SegmentSource {
    /// Adds a segment to the scan, and returns its file. The name of the file is unique in the process, so that cached footers of different
    /// files are not confused.
    pub(super) fn add(&mut self, segment: &Arc<Segment>) -> PartitionedFile {
        let file = PartitionedFile::new(segment.location.to_string_lossy(), segment.bytes);
        self.segments.insert(file.object_meta.location.clone(), (segment.clone(), file.object_meta.clone()));
        file
    }

    fn find(&self, location: &Path) -> Result<(Arc<Segment>, ObjectMeta)> {
        self.segments
            .get(location)
            .cloned()
            .ok_or_else(|| Error::NotFound { path: location.to_string(), source: "not in this scan".into() })
    }
}

/// Opens a segment and reads ranges of it on a thread that may block.
async fn read(segment: Arc<Segment>, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
    let read = move || {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound { path: segment.location.display().to_string(), source: error.into() },
            _ => Error::Generic { store: NAME, source: format!("{}: {error}", segment.location.display()).into() },
        };
        let file = segment.open().map_err(failed)?;
        ranges.into_iter().map(|range| read_range(&*file, range, segment.bytes).map_err(failed)).collect()
    };
    tokio::task::spawn_blocking(read).await.map_err(|source| Error::JoinError { source })?
}

fn read_range(file: &dyn SegmentObjectReader, range: Range<u64>, length: u64) -> std::io::Result<Bytes> {
    // A damaged footer may request any range.
    let is_inside = range.start <= range.end && range.end <= length;
    let size = usize::try_from(range.end.saturating_sub(range.start)).ok().filter(|_| is_inside);
    let mut bytes = vec![0; size.ok_or(std::io::ErrorKind::UnexpectedEof)?];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}

impl fmt::Display for SegmentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

/// Returns the error of an operation that scans do not use.
fn unused(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: NAME.to_owned() }
}

#[async_trait]
impl ObjectStore for SegmentSource {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (segment, meta) = self.find(location)?;
        let range = match options.range {
            Some(range) => range.as_range(meta.size).map_err(|error| Error::Generic { store: NAME, source: error.into() })?,
            None => 0..meta.size,
        };
        let bytes = if options.head { Vec::new() } else { read(segment, vec![range.clone()]).await? };
        let payload = GetResultPayload::Stream(stream::iter(bytes.into_iter().map(Ok)).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::default() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        read(self.find(location)?.0, ranges.to_vec()).await
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        Err(unused("put"))
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(unused("put"))
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::once(async { Err(unused("delete")) }).boxed()
    }

    fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::once(async { Err(unused("list")) }).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(unused("list"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        Err(unused("copy"))
    }
}
