//! Content in a bucket: `blobs/ab/cd/<sha-256>/<upload>`, what was made of it in `derived/`.
//!
//! What the service has acknowledged is durable and whole, under an object's name there is never half of it.
//! Several servers share a bucket without a lock: **an object is never written twice**. Who keeps content that is
//! there takes the object that was uploaded lately (within [`TRUST`]) and uploads another one otherwise; who collects removes
//! only those objects it has found old. So a removal cannot meet what somebody has just kept, and the time between
//! being kept and being held by a resource is the time of grace less `TRUST`. Surplus objects of one content are
//! removed by [`S3Store::tidy_derived`]; the youngest stays.
//!
//! All of it blocks: each call waits on a small runtime of its own, never on an async worker.

mod wire;

use std::fs::File;
use std::io::Read;
use std::path::Path as FilePath;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{
    BackoffConfig, GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig,
};

use super::place::Bucket;
use super::{BlobError, BlobId, BlobRead, BlobStore, Listed};

/// An object younger than this is as good as one that is uploaded now. The time of grace of a collection is an hour
/// at least, which leaves room for clocks that differ.
const TRUST: Duration = Duration::from_secs(600);
/// Content is sent in parts of this size; the services ask for 5 MiB at least and 10,000 parts at most.
const PART: usize = 8 << 20;
/// A reader asks for this much, twice as much each time it reads on, and for `WIDEST` at most: who wants the start
/// of a video gets no more, who wants all of it is not held up by questions.
const WINDOW: u64 = 1 << 20;
const WIDEST: u64 = 32 << 20;
/// How often a broken read is begun anew at its place.
const ATTEMPTS: u32 = 3;
/// Listed at once.
const PAGE: usize = 500;

#[derive(Debug)]
pub(super) struct S3Store {
    store: Arc<AmazonS3>,
    prefix: String,
}

/// Waits for the service.
fn wait<T>(future: impl Future<Output = object_store::Result<T>>) -> Result<T, BlobError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(future).map_err(BlobError::from)
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// `None` where there is no such object.
fn found<T>(result: object_store::Result<T>) -> object_store::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl S3Store {
    pub(super) fn new(bucket: &Bucket) -> Result<Self, BlobError> {
        let wrong = |why: String| BlobError::Io(format!("s3://{} cannot be used: {why}", bucket.name));
        let retry = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() },
            max_retries: 4,
            retry_timeout: Duration::from_secs(30),
        };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&bucket.name)
            .with_virtual_hosted_style_request(bucket.virtual_host)
            .with_disable_bulk_delete(true)
            .with_retry(retry)
            .with_http_connector(wire::Connector)
            .with_crypto_provider(Arc::new(wire::Crypto));
        if let Some(region) = &bucket.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &bucket.endpoint {
            if endpoint.contains('@') {
                return Err(wrong(
                    "s3_endpoint has a user or password in it; s3_credentials names a file with them".to_owned(),
                ));
            }
            if !endpoint.starts_with("https://") && !is_here(endpoint) && !bucket.allow_http {
                return Err(wrong(format!(
                    "{endpoint:?} is not a URL that begins with https:// (http:// is for this machine; s3_allow_http allows it elsewhere)"
                )));
            }
            builder = builder.with_endpoint(endpoint.trim_end_matches('/')).with_allow_http(true);
        }
        if let Some(file) = &bucket.credentials {
            let text = std::fs::read_to_string(file).map_err(|error| wrong(format!("{}: {error}", file.display())))?;
            let (id, secret, token) = credentials(&text).ok_or_else(|| {
                wrong(format!("{} needs the lines aws_access_key_id = … and aws_secret_access_key = …", file.display()))
            })?;
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            if let Some(token) = token {
                builder = builder.with_token(token);
            }
        }
        let store = builder.build().map_err(|error| wrong(error.to_string()))?;
        Ok(Self { store: Arc::new(store), prefix: bucket.prefix.clone() })
    }

    fn area(&self, area: &str) -> Path {
        Path::from_iter(self.prefix.split('/').chain([area]).filter(|part| !part.is_empty()))
    }

    fn folder(&self, area: &str, id: &BlobId) -> Path {
        let [first, second, ..] = id.bytes();
        self.area(area).join(format!("{first:02x}")).join(format!("{second:02x}"))
    }

    fn derived_path(&self, id: &BlobId, name: &str) -> Path {
        self.folder("derived", id).join(format!("{id}-{name}"))
    }

    /// The objects of some content, the youngest first.
    fn uploads(&self, id: &BlobId) -> Result<Vec<ObjectMeta>, BlobError> {
        let folder = self.folder("blobs", id).join(id.to_string());
        let mut uploads: Vec<ObjectMeta> = wait(self.store.list(Some(&folder)).try_collect())?;
        uploads.sort_by(|left, right| youth(right).cmp(&youth(left)));
        Ok(uploads)
    }

    fn send(&self, path: &Path, file: &mut File, size: u64) -> Result<(), BlobError> {
        if size <= PART as u64 {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(PART));
            file.read_to_end(&mut bytes)?;
            return wait(self.store.put(path, bytes.into())).map(|_| ());
        }
        let mut upload = wait(self.store.put_multipart(path))?;
        let sent = send_parts(&mut *upload, file).and_then(|()| wait(upload.complete()).map(|_| ()));
        if sent.is_err() {
            // What cannot be aborted now is for the bucket's own rule about unfinished uploads.
            let _ = wait(upload.abort());
        }
        sent
    }

    /// Walks over an area in the order of names, a page at a time.
    fn walk(
        &self,
        area: &str,
        each: &mut dyn FnMut(Vec<ObjectMeta>) -> Result<(), BlobError>,
    ) -> Result<(), BlobError> {
        let mut objects = self.store.list(Some(&self.area(area))).fuse();
        loop {
            let page: Vec<ObjectMeta> = wait(objects.by_ref().take(PAGE).try_collect())?;
            if page.is_empty() {
                return Ok(());
            }
            each(page)?;
        }
    }

    /// Walks over the contents: what there is of each, the youngest first.
    fn contents(
        &self,
        each: &mut dyn FnMut(BlobId, Vec<ObjectMeta>) -> Result<(), BlobError>,
    ) -> Result<(), BlobError> {
        let mut group: Option<(BlobId, Vec<ObjectMeta>)> = None;
        let mut give = |group: Option<(BlobId, Vec<ObjectMeta>)>| match group {
            Some((id, mut objects)) => {
                objects.sort_by(|left, right| youth(right).cmp(&youth(left)));
                each(id, objects)
            }
            None => Ok(()),
        };
        self.walk("blobs", &mut |page| {
            for object in page {
                let Some(id) = content_of(&object.location) else { continue };
                match &mut group {
                    Some((same, objects)) if *same == id => objects.push(object),
                    _ => give(group.replace((id, vec![object])))?,
                }
            }
            Ok(())
        })?;
        give(group)
    }

    fn remove(&self, path: &Path) -> Result<(), BlobError> {
        wait(async { found(self.store.delete(path).await) }).map(|_| ())
    }
}

fn send_parts(upload: &mut dyn MultipartUpload, file: &mut File) -> Result<(), BlobError> {
    loop {
        let mut part = Vec::with_capacity(PART);
        file.by_ref().take(PART as u64).read_to_end(&mut part)?;
        if part.is_empty() {
            return Ok(());
        }
        wait(upload.put_part(part.into()))?;
    }
}

/// Whether a URL is of this machine itself.
fn is_here(url: &str) -> bool {
    let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', ':']).next());
    matches!(host, Some("127.0.0.1" | "localhost"))
}

/// Key, secret and token of a file as Amazon's tools write it: its first profile.
fn credentials(text: &str) -> Option<(&str, &str, Option<&str>)> {
    let value = |name: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.find_map(|(key, value)| (key.trim() == name).then(|| value.trim().trim_matches('"')))
    };
    Some((value("aws_access_key_id")?, value("aws_secret_access_key")?, value("aws_session_token")))
}

fn modified(object: &ObjectMeta) -> SystemTime {
    object.last_modified.into()
}

/// Sorts by age; names tell apart what came in the same second.
fn youth(object: &ObjectMeta) -> (SystemTime, &str) {
    (modified(object), object.location.as_ref())
}

/// `…/<sha-256>/<upload>`
fn content_of(path: &Path) -> Option<BlobId> {
    let mut parts = path.as_ref().rsplit('/');
    parts.next()?;
    BlobId::parse(parts.next()?)
}

impl BlobStore for S3Store {
    fn put(&self, id: &BlobId, file: &FilePath) -> Result<(), BlobError> {
        let mut file = File::open(file)?;
        let size = file.metadata()?.len();
        let is_fresh = |object: &ObjectMeta| {
            object.size == size && SystemTime::now().duration_since(modified(object)).is_ok_and(|age| age < TRUST)
        };
        if self.uploads(id)?.first().is_some_and(is_fresh) {
            return Ok(());
        }
        let upload = uuid::Uuid::now_v7().simple().to_string();
        self.send(&self.folder("blobs", id).join(id.to_string()).join(upload), &mut file, size)
    }

    fn open(&self, id: &BlobId) -> Result<Box<dyn BlobRead>, BlobError> {
        let uploads = self.uploads(id)?;
        let object = uploads.into_iter().next().ok_or(BlobError::Missing(*id))?;
        let (store, size) = (Arc::clone(&self.store), object.size);
        Ok(Box::new(Remote { store, path: object.location, size, flow: Mutex::new(None) }))
    }

    fn list(&self, each: &mut dyn FnMut(&[Listed]) -> Result<(), BlobError>) -> Result<(), BlobError> {
        let mut listed = Vec::with_capacity(PAGE);
        self.contents(&mut |id, objects| {
            if let Some(youngest) = objects.first() {
                listed.push(Listed { id, size: youngest.size, modified: modified(youngest) });
            }
            if listed.len() == PAGE {
                each(&std::mem::take(&mut listed))?;
            }
            Ok(())
        })?;
        if listed.is_empty() { Ok(()) } else { each(&listed) }
    }

    fn remove_unused(
        &self,
        id: &BlobId,
        older_than: SystemTime,
        is_used: &mut dyn FnMut() -> Result<bool, BlobError>,
    ) -> Result<bool, BlobError> {
        // Those that were there before it is asked whether they are used: what is uploaded afterwards stays.
        let uploads = self.uploads(id)?;
        if uploads.first().is_none_or(|youngest| modified(youngest) >= older_than) || is_used()? {
            return Ok(false);
        }
        for upload in &uploads {
            self.remove(&upload.location)?;
        }
        Ok(true)
    }

    fn derived(&self, id: &BlobId, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        let path = self.derived_path(id, name);
        let bytes: Option<Bytes> = wait(async {
            match found(self.store.get(&path).await)? {
                Some(object) => Ok(Some(object.bytes().await?)),
                None => Ok(None),
            }
        })?;
        Ok(bytes.map(Vec::from))
    }

    fn put_derived(&self, id: &BlobId, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
        wait(self.store.put(&self.derived_path(id, name), bytes.to_vec().into())).map(|_| ())
    }

    fn tidy_derived(&self) -> Result<u64, BlobError> {
        let now = SystemTime::now();
        let mut there: Vec<BlobId> = Vec::new();
        self.contents(&mut |id, objects| {
            there.push(id);
            // A reader may have just opened what was the youngest: that stays for as long as it is trusted.
            let is_old = |object: &ObjectMeta| now.duration_since(modified(object)).is_ok_and(|age| age > TRUST);
            if objects.first().is_some_and(is_old) {
                for surplus in objects.iter().skip(1) {
                    self.remove(&surplus.location)?;
                }
            }
            Ok(())
        })?;
        // In order already, where the service lists in the order of names.
        there.sort_unstable();
        let mut removed = 0;
        self.walk("derived", &mut |page| {
            for object in page {
                let Some(id) = object.location.filename().and_then(|name| BlobId::parse(name.get(..64)?)) else {
                    continue;
                };
                if there.binary_search(&id).is_err() {
                    self.remove(&object.location)?;
                    removed += 1;
                }
            }
            Ok(())
        })?;
        Ok(removed)
    }

    fn check(&self) -> Result<(), BlobError> {
        wait(self.store.list(Some(&self.area("blobs"))).take(1).try_collect::<Vec<_>>()).map(|_| ())
    }
}

/// An object that is read: one answer of the service flows on while it is read in order.
struct Remote {
    store: Arc<AmazonS3>,
    path: Path,
    size: u64,
    flow: Mutex<Option<Flow>>,
}

struct Flow {
    at: u64,
    to: u64,
    width: u64,
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    left: Bytes,
}

impl Remote {
    /// An answer from a place on, wider than the one before when it goes on from there.
    fn begin(&self, at: u64, before: Option<&Flow>) -> Result<Flow, BlobError> {
        let width = before.filter(|flow| flow.at == at).map_or(WINDOW, |flow| (flow.width * 2).min(WIDEST));
        let to = at.saturating_add(width).min(self.size);
        let options = GetOptions { range: Some(GetRange::Bounded(at..to)), ..GetOptions::default() };
        let stream = wait(self.store.get_opts(&self.path, options))?.into_stream();
        Ok(Flow { at, to, width, stream, left: Bytes::new() })
    }
}

/// The next piece of an answer; `None` at its end.
fn next(stream: &mut (impl Stream<Item = object_store::Result<Bytes>> + Unpin)) -> Result<Option<Bytes>, BlobError> {
    wait(stream.try_next())
}

impl BlobRead for Remote {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, BlobError> {
        let mut flow = self.flow.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut done, mut broken) = (0, 0);
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset + done as u64;
            if at >= self.size {
                break;
            }
            let current = match &mut *flow {
                Some(current) if current.at == at && current.at < current.to => current,
                other => {
                    let begun = self.begin(at, other.as_ref())?;
                    other.insert(begun)
                }
            };
            if current.left.is_empty() {
                match next(&mut current.stream) {
                    Ok(Some(piece)) => current.left = piece,
                    ended => {
                        broken += 1;
                        *flow = None;
                        if broken == ATTEMPTS {
                            return Err(ended.err().unwrap_or_else(|| BlobError::Io("content ended early".to_owned())));
                        }
                        continue;
                    }
                }
            }
            let count = current.left.len().min(rest.len());
            let piece = current.left.split_to(count);
            if let Some(place) = rest.get_mut(..count) {
                place.copy_from_slice(&piece);
            }
            current.at += count as u64;
            done += count;
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests;
