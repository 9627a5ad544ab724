//! Removes content that no version of a resource holds, and checks what is there.
//!
//! Content is put before the resource that holds it is written, so what is young may be about to be used:
//! nothing younger than the time of grace is touched, and what is put again is young again. Whether it is
//! used is asked once more while nobody can put anything.

use std::path::Path;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::super::{Store, StoreError};
use super::{BlobError, BlobId, Blobs, uses};

/// What a collection found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Contents that are there.
    pub contents: u64,
    /// Contents that nothing holds and that were (or would be) removed.
    pub removed: Vec<BlobId>,
    /// Their size in bytes.
    pub bytes: u64,
    /// Contents that nothing holds, but too young to be removed.
    pub young: u64,
    /// Remains of uploads that were removed.
    pub remains: u64,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Contents that are what their names say.
    pub right: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Contents that are not what their names say.
    pub damaged: Vec<BlobId>,
    /// Contents that resources hold and that are not there.
    pub missing: Vec<BlobId>,
}

impl From<StoreError> for BlobError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Content(error) => error,
            other => Self::Io(other.to_string()),
        }
    }
}

impl Store {
    /// Removes what nothing holds and what is older than `grace`; `is_dry` only looks. Blocks.
    ///
    /// # Errors
    /// What the database or the content store says.
    pub fn collect_content(&self, grace: Duration, is_dry: bool) -> Result<Collected, StoreError> {
        let older_than = SystemTime::now().checked_sub(grace).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut collected = Collected::default();
        let store = &self.blobs().0.store;
        store.list(&mut |listed| {
            let ids: Vec<BlobId> = listed.iter().map(|found| found.id).collect();
            let used = uses::used(&mut *self.reader()?, &ids)?;
            collected.contents += listed.len() as u64;
            for found in listed.iter().filter(|found| !used.contains(&found.id)) {
                let is_old = found.modified < older_than;
                let mut is_used = || Ok(!uses::used(&mut *self.reader()?, &[found.id])?.is_empty());
                if is_old && (is_dry || store.remove_unused(&found.id, older_than, &mut is_used)?) {
                    collected.removed.push(found.id);
                    collected.bytes += found.size;
                } else {
                    collected.young += 1;
                }
            }
            Ok(())
        })?;
        if !is_dry {
            store.tidy_derived()?;
            collected.remains = remove_remains(&self.blobs().0.staging.join("tmp"), older_than)?;
        }
        Ok(collected)
    }

    /// Reads all content and compares it with its name; finds what resources hold and is not there. Blocks.
    ///
    /// # Errors
    /// What the database or the content store says.
    pub fn verify_content(&self) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        let blobs = self.blobs();
        blobs.0.store.list(&mut |listed| {
            for found in listed {
                if blobs.hash(&found.id)? == found.id {
                    verified.right += 1;
                    verified.bytes += found.size;
                } else {
                    verified.damaged.push(found.id);
                }
            }
            Ok(())
        })?;
        let mut after = None;
        loop {
            let used = uses::used_after(&mut *self.reader()?, after, 500)?;
            let Some(last) = used.last() else { return Ok(verified) };
            after = Some(*last);
            for id in used {
                match blobs.open(&id) {
                    Ok(_) => {}
                    Err(BlobError::Missing(_)) => verified.missing.push(id),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

impl Blobs {
    /// What the content under a name really hashes to.
    fn hash(&self, id: &BlobId) -> Result<BlobId, BlobError> {
        let content = self.open(id)?;
        let (mut digest, mut offset) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = content.read_at(offset, &mut buffer)?;
            let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
                return Ok(BlobId(digest.finalize().into()));
            };
            digest.update(read);
            offset += count as u64;
        }
    }
}

/// Files of uploads that broke off.
fn remove_remains(folder: &Path, older_than: SystemTime) -> Result<u64, BlobError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(0) };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        if entry.metadata().and_then(|about| about.modified()).is_ok_and(|modified| modified < older_than) {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}
