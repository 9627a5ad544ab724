//! Content in a folder: `blobs/ab/cd/<sha-256>`, what was made of it in `derived/`.
//!
//! A file is written elsewhere on the same disk, synced, renamed, and its folder synced: what was answered
//! survives a crash, and a name never stands for half a file. Keeping and collecting exclude each other by
//! a lock on a file, also between processes.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{BlobError, BlobId, BlobRead, BlobStore, Listed, private};

#[derive(Debug)]
pub(super) struct LocalStore {
    root: PathBuf,
}

struct LocalFile {
    file: File,
    size: u64,
}

impl BlobRead for LocalFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, BlobError> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }
}

impl LocalStore {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn folder(&self, area: &str, id: &BlobId) -> PathBuf {
        let [first, second, ..] = id.bytes();
        self.root.join(area).join(format!("{first:02x}")).join(format!("{second:02x}"))
    }

    fn path(&self, id: &BlobId) -> PathBuf {
        self.folder("blobs", id).join(id.to_string())
    }

    fn derived_path(&self, id: &BlobId, name: &str) -> PathBuf {
        self.folder("derived", id).join(format!("{id}-{name}"))
    }

    /// Held by those who keep (together) or by the one who removes (alone).
    fn lock(&self, is_alone: bool) -> Result<File, BlobError> {
        fs::create_dir_all(&self.root)?;
        let path = self.root.join(".lock");
        let file = private(&mut File::options()).create(true).truncate(false).write(true).open(path)?;
        if is_alone {
            file.lock()?
        } else {
            file.lock_shared()?
        }
        Ok(file)
    }

    /// Puts a file under a name so that it is there after a crash.
    fn place(&self, from: &Path, to: &Path) -> Result<(), BlobError> {
        let folder = to.parent().unwrap_or(&self.root);
        let is_new = !folder.is_dir();
        fs::create_dir_all(folder)?;
        fs::rename(from, to)?;
        File::open(folder)?.sync_all()?;
        if is_new {
            // The names of new folders are in the folders above.
            for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(&self.root)) {
                File::open(above)?.sync_all()?;
            }
        }
        Ok(())
    }
}

/// Files two folders below, a folder at a time.
fn each_folder(area: &Path, each: &mut dyn FnMut(&Path) -> Result<(), BlobError>) -> Result<(), BlobError> {
    for outer in entries(area)? {
        for inner in entries(&outer)? {
            each(&inner)?;
        }
    }
    Ok(())
}

/// What is in a folder, in order; nothing when there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, BlobError> {
    let found = match fs::read_dir(folder) {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut paths = found.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort_unstable();
    Ok(paths)
}

impl BlobStore for LocalStore {
    fn put(&self, id: &BlobId, file: &Path) -> Result<(), BlobError> {
        let _lock = self.lock(false)?;
        let path = self.path(id);
        if let Ok(there) = File::options().write(true).open(&path)
            && there.metadata()?.len() == fs::metadata(file)?.len()
        {
            there.set_modified(SystemTime::now())?;
            return Ok(());
        }
        self.place(file, &path)
    }

    fn open(&self, id: &BlobId) -> Result<Box<dyn BlobRead>, BlobError> {
        let file = File::open(self.path(id)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => BlobError::Missing(*id),
            _ => error.into(),
        })?;
        let size = file.metadata()?.len();
        Ok(Box::new(LocalFile { file, size }))
    }

    fn list(&self, each: &mut dyn FnMut(&[Listed]) -> Result<(), BlobError>) -> Result<(), BlobError> {
        each_folder(&self.root.join("blobs"), &mut |folder| {
            let mut listed = Vec::new();
            for path in entries(folder)? {
                let name = path.file_name().and_then(|name| name.to_str()).and_then(BlobId::parse);
                // One that vanished meanwhile is not there.
                if let (Some(id), Ok(about)) = (name, fs::metadata(&path)) {
                    listed.push(Listed { id, size: about.len(), modified: about.modified()? });
                }
            }
            each(&listed)
        })
    }

    fn remove_unused(
        &self,
        id: &BlobId,
        older_than: SystemTime,
        is_used: &mut dyn FnMut() -> Result<bool, BlobError>,
    ) -> Result<bool, BlobError> {
        let _lock = self.lock(true)?;
        let path = self.path(id);
        let Ok(about) = fs::metadata(&path) else { return Ok(false) };
        if about.modified()? >= older_than || is_used()? {
            return Ok(false);
        }
        fs::remove_file(path)?;
        Ok(true)
    }

    fn derived(&self, id: &BlobId, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        match fs::read(self.derived_path(id, name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn put_derived(&self, id: &BlobId, name: &str, bytes: &[u8]) -> Result<(), BlobError> {
        let tmp = self.root.join("tmp");
        fs::create_dir_all(&tmp)?;
        let draft = tmp.join(uuid::Uuid::now_v7().simple().to_string());
        private(&mut File::options()).write(true).create_new(true).open(&draft)?.write_all(bytes)?;
        let path = self.derived_path(id, name);
        // It can be made again: no need to wait for the disk.
        fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        fs::rename(draft, path)?;
        Ok(())
    }

    fn tidy_derived(&self) -> Result<u64, BlobError> {
        let mut removed = 0;
        each_folder(&self.root.join("derived"), &mut |folder| {
            for path in entries(folder)? {
                let source = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.get(..64));
                if source.and_then(BlobId::parse).is_some_and(|id| !self.path(&id).exists()) {
                    fs::remove_file(path)?;
                    removed += 1;
                }
            }
            Ok(())
        })?;
        Ok(removed)
    }
}
