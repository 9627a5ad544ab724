//! The content store: bytes of photos, videos and large attachments, addressed by their SHA-256.
//!
//! The database holds resources; what is large in them lies here, and the stored JSON has a *hole* in its
//! place (`holes.rs`). Content comes in through an [`Incoming`], a temporary file that is hashed while it is
//! written, and is kept by [`Blobs::keep`]: scanned when a scanner is set, made durable, then named by its
//! hash, so that what is the same is there once. Nothing is ever changed under its name.
//!
//! What no version of a resource holds is removed by `collect.rs`, after a time of grace.

mod collect;
mod holes;
mod local;
mod place;
#[cfg(feature = "s3")]
mod s3;
mod scan;
mod uses;

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

pub use collect::{Collected, Verified};
pub use holes::{Chunks, Encoding, Hole, Part, Syntax};
pub use place::{Bucket, MediaPlace};
pub use scan::Scanner;
pub(super) use uses::record_uses;

use super::Database;
use super::cursor::CursorKey;

/// Data beyond this size moves to the content store unless told otherwise.
const DEFAULT_INLINE: usize = 64 << 10;
/// Smallest threshold: bodies below it are prepared where nothing may block.
const LEAST_INLINE: usize = 32 << 10;

/// Where content lies, and what happens on its way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaOptions {
    /// The store.
    pub place: MediaPlace,
    /// `Attachment.data` and `Binary.data` of more characters than this are moved to it.
    pub inline: usize,
    /// Asked before anything is kept.
    pub scanner: Option<Scanner>,
}

impl MediaOptions {
    /// Beside a SQLite file; for PostgreSQL a folder where the program was started.
    #[must_use]
    pub fn beside(database: &Database) -> Self {
        let folder = match database {
            Database::Sqlite(path) => path.with_extension("media"),
            Database::Postgres(_) => PathBuf::from("renraku.media"),
        };
        Self { place: MediaPlace::Folder(folder), inline: DEFAULT_INLINE, scanner: None }
    }
}

/// The SHA-256 of some content, which is its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId([u8; 32]);

impl BlobId {
    /// From 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            let digit = |letter: &u8| match letter {
                b'0'..=b'9' => Some(letter - b'0'),
                b'a'..=b'f' => Some(letter - b'a' + 10),
                _ => None,
            };
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(bytes))
    }

    /// The hash itself.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// Why the content store could not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The disk or the service refused.
    #[error("the content store reported: {0}")]
    Io(String),
    /// Content that a resource holds is not there.
    #[error("the content {0} is missing from the content store")]
    Missing(BlobId),
    /// The virus scanner found something.
    #[error("the virus scanner found {0}")]
    Infected(String),
    /// The virus scanner is set but does not answer.
    #[error("the virus scanner cannot be asked: {0}")]
    ScannerAway(String),
    /// More than may be held in memory.
    #[error("the content is too large for this")]
    TooLarge,
}

impl From<std::io::Error> for BlobError {
    #[allow(clippy::needless_pass_by_value)]
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// Content that can be read at any place.
pub trait BlobRead: Send {
    /// Size in bytes.
    fn size(&self) -> u64;
    /// Fills the buffer from `offset` on; answers how much there was.
    ///
    /// # Errors
    /// What the store says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, BlobError>;
}

/// Something found in a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    pub(super) id: BlobId,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// A place that keeps content by its hash. All of it blocks.
pub(super) trait BlobStore: Send + Sync + fmt::Debug {
    /// Takes a finished file over. What is there already is marked as new, so that it is not collected
    /// before the resource that holds it is stored.
    fn put(&self, id: &BlobId, file: &Path) -> Result<(), BlobError>;
    fn open(&self, id: &BlobId) -> Result<Box<dyn BlobRead>, BlobError>;
    /// Everything there is, a part at a time.
    fn list(&self, each: &mut dyn FnMut(&[Listed]) -> Result<(), BlobError>) -> Result<(), BlobError>;
    /// Removes content that is older than a time and, asked with nothing in between, in no use.
    fn remove_unused(
        &self,
        id: &BlobId,
        older_than: SystemTime,
        is_used: &mut dyn FnMut() -> Result<bool, BlobError>,
    ) -> Result<bool, BlobError>;
    /// What was made of some content, a small picture for instance.
    fn derived(&self, id: &BlobId, name: &str) -> Result<Option<Vec<u8>>, BlobError>;
    fn put_derived(&self, id: &BlobId, name: &str, bytes: &[u8]) -> Result<(), BlobError>;
    /// Removes what was made of content that is no longer there; answers how many.
    fn tidy_derived(&self) -> Result<u64, BlobError>;
    /// Whether the store can be reached at all.
    fn check(&self) -> Result<(), BlobError> {
        Ok(())
    }
}

struct Inner {
    store: Box<dyn BlobStore>,
    staging: PathBuf,
    inline: usize,
    key: CursorKey,
    scanner: Option<Scanner>,
}

/// The content store of a database. Cheap to clone.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

impl fmt::Debug for Blobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Blobs").field(&self.0.store).finish()
    }
}

/// Content that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub id: BlobId,
    /// Size in bytes.
    pub size: u64,
    /// SHA-1, as `Attachment.hash` wants it (FHIR R4 datatypes.html#Attachment).
    pub sha1: [u8; 20],
}

impl Blobs {
    pub(super) fn open_store(options: &MediaOptions, key: CursorKey) -> Result<Self, BlobError> {
        let (store, staging): (Box<dyn BlobStore>, PathBuf) = match &options.place {
            MediaPlace::Folder(root) => (Box::new(local::LocalStore::new(root.clone())), root.clone()),
            #[cfg(feature = "s3")]
            MediaPlace::Bucket(bucket) => (Box::new(s3::S3Store::new(bucket)?), bucket.staging.clone()),
            #[cfg(not(feature = "s3"))]
            MediaPlace::Bucket(bucket) => {
                return Err(BlobError::Io(format!(
                    "this program was built without S3, which s3://{} needs; build it with `cargo build --release --features s3`",
                    bucket.name
                )));
            }
        };
        Ok(Self(Arc::new(Inner {
            store,
            staging,
            inline: options.inline.max(LEAST_INLINE),
            key,
            scanner: options.scanner.clone(),
        })))
    }

    /// Whether the store can be reached at all. Blocks.
    ///
    /// # Errors
    /// What it says.
    pub fn check(&self) -> Result<(), BlobError> {
        self.0.store.check()
    }

    /// A folder beside the content for what is on its way, made when it is not there.
    ///
    /// # Errors
    /// What the disk says.
    pub fn staging(&self, name: &str) -> Result<PathBuf, BlobError> {
        let folder = self.0.staging.join(name);
        std::fs::create_dir_all(&folder)
            .map_err(|error| BlobError::Io(format!("cannot make the folder {}: {error}", folder.display())))?;
        Ok(folder)
    }

    /// Room for content that comes in. Blocks.
    ///
    /// # Errors
    /// What the disk says.
    pub fn receive(&self) -> Result<Incoming, BlobError> {
        Incoming::create(self.staging("tmp")?.join(uuid::Uuid::now_v7().simple().to_string()))
    }

    /// Makes content durable under its hash. Blocks.
    ///
    /// # Errors
    /// [`BlobError::Infected`], [`BlobError::ScannerAway`], or what the disk says; nothing is kept then.
    pub fn keep(&self, incoming: Incoming) -> Result<Kept, BlobError> {
        let mut incoming = incoming;
        incoming.id()?;
        if let Some(scanner) = &self.0.scanner {
            incoming.file.seek(SeekFrom::Start(0))?;
            scanner.scan(&mut incoming.file)?;
        }
        incoming.file.sync_all()?;
        let kept = incoming.name();
        self.0.store.put(&kept.id, &incoming.path)?;
        Ok(kept)
    }

    /// Keeps bytes that are at hand. Blocks.
    ///
    /// # Errors
    /// As [`Self::keep`].
    pub fn keep_bytes(&self, bytes: &[u8]) -> Result<Kept, BlobError> {
        let mut incoming = self.receive()?;
        incoming.write_all(bytes)?;
        self.keep(incoming)
    }

    /// Content by its name. Blocks.
    ///
    /// # Errors
    /// [`BlobError::Missing`], or what the disk says.
    pub fn open(&self, id: &BlobId) -> Result<Box<dyn BlobRead>, BlobError> {
        self.0.store.open(id)
    }

    /// What was made of some content before, by its name. Blocks.
    ///
    /// # Errors
    /// What the disk says.
    pub fn derived(&self, id: &BlobId, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        self.0.store.derived(id, name)
    }

    /// Remembers what was made of some content. Blocks.
    ///
    /// # Errors
    /// What the disk says.
    pub fn put_derived(&self, id: &BlobId, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
        self.0.store.put_derived(id, name, bytes)
    }
}

/// Content on its way in: a file that vanishes unless it is kept. Hashed while it is written.
pub struct Incoming {
    file: File,
    path: PathBuf,
    sha256: Sha256,
    sha1: sha1_smol::Sha1,
    size: u64,
    /// What was hashed is not what is there.
    is_stale: bool,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Incoming").field("path", &self.path).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Incoming {
    fn create(path: PathBuf) -> Result<Self, BlobError> {
        let file = private(&mut File::options()).read(true).write(true).create_new(true).open(&path)?;
        Ok(Self { file, path, sha256: Sha256::new(), sha1: sha1_smol::Sha1::new(), size: 0, is_stale: false })
    }

    /// Takes over a file that was written before.
    ///
    /// # Errors
    /// What the disk says.
    pub fn adopt(path: PathBuf) -> Result<Self, BlobError> {
        let file = File::options().read(true).write(true).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, path, sha256: Sha256::new(), sha1: sha1_smol::Sha1::new(), size, is_stale: true })
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The file, to look at.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// The file, to be changed in place.
    pub const fn changed_file(&mut self) -> &mut File {
        self.is_stale = true;
        &mut self.file
    }

    /// The SHA-256 of what came in.
    ///
    /// # Errors
    /// What the disk says.
    pub fn id(&mut self) -> Result<BlobId, BlobError> {
        if self.is_stale {
            self.hash_again()?;
        }
        Ok(self.name().id)
    }

    /// Reads everything anew.
    fn hash_again(&mut self) -> Result<(), BlobError> {
        (self.sha256, self.sha1, self.size, self.is_stale) = (Sha256::new(), sha1_smol::Sha1::new(), 0, false);
        self.file.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            let count = self.file.read(&mut buffer)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { return Ok(()) };
            self.sha256.update(read);
            self.sha1.update(read);
            self.size += read.len() as u64;
        }
    }

    fn name(&self) -> Kept {
        Kept { id: BlobId(self.sha256.clone().finalize().into()), size: self.size, sha1: self.sha1.digest().bytes() }
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        let done = bytes.get(..written).unwrap_or(bytes);
        self.sha256.update(done);
        self.sha1.update(done);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // One that was kept is there no longer.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Files that only their owner reads.
fn private(options: &mut std::fs::OpenOptions) -> &mut std::fs::OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
mod tests;
