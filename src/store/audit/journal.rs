//! The journal: what was written down and is not in the tables yet. Files that only grow, a record after a record.
//!
//! A record is there once `write` returned: it survives the end of this process, however that comes. Its file is
//! removed when the tables have all of it.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::seal::Hash;

/// A file of more bytes is followed by another.
const FULL: u64 = 16 << 20;
/// Bytes that are tried.
const PROBE: usize = 64 << 10;
/// Longest record that is believed when a file is read.
const LONGEST: usize = 64 << 20;

/// A row on its way into the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) hash: Hash,
    pub(super) content: Vec<u8>,
}

impl Row {
    /// About the memory it takes while it waits.
    pub(super) fn size(&self) -> usize {
        self.content.len() + 128
    }
}

#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    file: File,
    path: PathBuf,
    length: u64,
    /// Files before this one, and the last row in each.
    full: Vec<(PathBuf, i64)>,
    /// A write failed half way and could not be taken back: nothing is written behind it.
    is_broken: bool,
}

fn encode(row: &Row, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(row.content.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&row.seq.to_be_bytes());
    out.extend_from_slice(&row.hash);
    out.extend_from_slice(&row.content);
}

/// The records of a file; what is not whole at its end was never answered.
fn decode(bytes: &[u8]) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut rest = bytes;
    while let Some((head, tail)) = rest.split_at_checked(44) {
        let (Some(length), Some(seq), Some(hash)) = (
            head.get(..4).and_then(|part| part.try_into().ok()).map(u32::from_be_bytes),
            head.get(4..12).and_then(|part| part.try_into().ok()).map(i64::from_be_bytes),
            head.get(12..44).and_then(|part| Hash::try_from(part).ok()),
        ) else {
            break;
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some((content, after)) = tail.split_at_checked(length).filter(|_| length <= LONGEST) else { break };
        rows.push(Row { seq, hash, content: content.to_vec() });
        rest = after;
    }
    rows
}

/// The journals of a folder, oldest first.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "journal") {
            all.push(path);
        }
    }
    all.sort();
    Ok(all)
}

impl Journal {
    /// All rows that are still in the folder, and their files.
    pub(super) fn left(folder: &Path) -> std::io::Result<(Vec<Row>, Vec<PathBuf>)> {
        let paths = files(folder)?;
        let mut rows = Vec::new();
        for path in &paths {
            let mut bytes = Vec::new();
            File::open(path)?.read_to_end(&mut bytes)?;
            rows.extend(decode(&bytes));
        }
        Ok((rows, paths))
    }

    /// Begins a file for the rows from `seq` on.
    pub(super) fn begin(folder: &Path, seq: i64) -> std::io::Result<Self> {
        let path = folder.join(format!("{seq:020}.journal"));
        let file = File::options().create(true).append(true).open(&path)?;
        // What an earlier process left under this name is in the tables.
        file.set_len(0)?;
        Ok(Self { folder: folder.to_owned(), file, path, length: 0, full: Vec::new(), is_broken: false })
    }

    /// Writes rows, all or none.
    pub(super) fn write(&mut self, rows: &[Row]) -> std::io::Result<()> {
        if self.is_broken {
            return Err(std::io::Error::other("an earlier write failed half way"));
        }
        let mut bytes = Vec::with_capacity(rows.iter().map(|row| row.content.len() + 44).sum());
        for row in rows {
            encode(row, &mut bytes);
        }
        if let Err(error) = self.file.write_all(&bytes) {
            self.is_broken = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += bytes.len() as u64;
        if self.length > FULL
            && let Some(last) = rows.last()
        {
            // When no other file can be made this one goes on.
            if let Ok(next) = Self::begin(&self.folder, last.seq + 1) {
                let old = std::mem::replace(self, next);
                self.full = old.full;
                self.full.push((old.path, last.seq));
            }
        }
        Ok(())
    }

    /// Whether there is room for another row: writes as many bytes as a row may have, and takes them back.
    pub(super) fn probe(&mut self) -> std::io::Result<()> {
        if self.is_broken {
            // What stands half written at the end of the file is taken back now, if that works.
            self.file.set_len(self.length)?;
            self.is_broken = false;
        }
        let written = self.file.write_all(&[0; PROBE]);
        self.is_broken = self.file.set_len(self.length).is_err();
        written
    }

    /// Removes the files whose rows are all in the tables.
    pub(super) fn settled(&mut self, seq: i64) {
        self.full.retain(|(path, last)| *last > seq || std::fs::remove_file(path).is_err());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: i64, content: &[u8]) -> Row {
        Row { seq, hash: [7; 32], content: content.to_vec() }
    }

    #[test]
    fn what_was_written_is_read_and_a_torn_end_is_nothing() {
        let folder = std::env::temp_dir().join(format!("renraku-journal-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut journal = Journal::begin(&folder, 1).unwrap();
        let rows = [row(1, b"a"), row(2, b""), row(3, "三".as_bytes())];
        journal.write(&rows).unwrap();
        let path = journal.path.clone();
        File::options().append(true).open(&path).unwrap().write_all(b"half a record").unwrap();
        assert_eq!(Journal::left(&folder).unwrap().0, rows);
        // A file that is full is followed by another, and goes when its rows are in the tables.
        let mut journal = Journal::begin(&folder, 4).unwrap();
        journal.write(&[row(4, &vec![b'x'; 17 << 20])]).unwrap();
        journal.write(&[row(5, b"b")]).unwrap();
        assert_eq!(Journal::left(&folder).unwrap().0.len(), 5);
        journal.settled(3);
        assert_eq!(Journal::left(&folder).unwrap().0.len(), 5);
        journal.settled(4);
        let left: Vec<i64> = Journal::left(&folder).unwrap().0.iter().map(|row| row.seq).collect();
        assert_eq!(left, [1, 2, 3, 5]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
