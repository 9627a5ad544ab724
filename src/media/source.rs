//! A file that is read at any place.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::MediaError;

/// Most bytes read at once.
const MOST: u64 = 64 << 20;

/// Where the bytes of a file come from.
pub trait Source {
    /// Size in bytes.
    fn size(&self) -> u64;
    /// Fills the buffer from a place on; answers how much there was.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize>;
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let found = self.get(from..).unwrap_or_default();
        let count = found.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), found.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl Source for File {
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |about| about.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

/// Just these bytes, all of them.
pub(super) fn exactly(source: &dyn Source, from: u64, to: u64) -> Result<Vec<u8>, MediaError> {
    let size = to.checked_sub(from).filter(|size| *size <= MOST && to <= source.size());
    let size = size.ok_or(MediaError::Damaged("a part reaches beyond its end"))?;
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    if source.read_at(from, &mut bytes)? == bytes.len() {
        Ok(bytes)
    } else {
        Err(MediaError::Damaged("the file ends early"))
    }
}

/// Numbers in network order out of a slice; `None` beyond its end.
pub(super) fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let found = bytes.get(at..at.checked_add(width)?)?;
    Some(found.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}
