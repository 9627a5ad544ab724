//! Where the resources to check come from: files, folders, NDJSON.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use super::super::Failure;

/// Largest resource.
const MAX_SIZE: u64 = 1 << 30;

/// A resource as it was read.
#[derive(Debug)]
pub(super) struct Resource {
    /// Counted from 0, over all files.
    pub(super) number: usize,
    /// The file.
    pub(super) name: String,
    /// Its line, in NDJSON.
    pub(super) line: Option<usize>,
    pub(super) is_xml: bool,
    pub(super) text: Vec<u8>,
}

/// The files meant: of a folder those whose names say that they hold resources.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let refuse = |error: std::io::Error| Failure::new(2, format!("{}: {error}", path.display()));
        if path.metadata().map_err(refuse)?.is_dir() {
            below(path, &mut files, 0)?;
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        return Err(Failure::new(2, "there are no .json, .xml or .ndjson files there"));
    }
    Ok(files)
}

fn below(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<(), Failure> {
    let refuse = |error: std::io::Error| Failure::new(2, format!("{}: {error}", folder.display()));
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(refuse)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(refuse)?;
    entries.sort();
    for path in entries {
        // A link to a folder above would never end.
        if path.is_dir() && !path.is_symlink() && depth < 32 {
            below(&path, files, depth + 1)?;
        } else if path.is_file() && (is_named(&path, "json") || is_named(&path, "xml") || is_lines(&path)) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_named(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension))
}

fn is_lines(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    [".ndjson", ".jsonl", ".ndjson.zst", ".jsonl.zst"].iter().any(|end| name.ends_with(end))
}

/// Reads all files and hands their resources over, until nobody takes them.
pub(super) fn read(files: &[PathBuf], work: &SyncSender<Resource>, bytes: &AtomicU64) -> Result<(), Failure> {
    let mut number = 0;
    let mut hand_over = |name: &str, line: Option<usize>, is_xml: bool, text: Vec<u8>| {
        bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
        let sent = work.send(Resource { number, name: name.to_owned(), line, is_xml, text });
        number += 1;
        sent.is_ok()
    };
    for path in files {
        let name = path.display().to_string();
        let refuse = |error: std::io::Error| Failure::new(2, format!("{name}: {error}"));
        let file = File::open(path).map_err(refuse)?;
        if !is_lines(path) {
            let mut text = Vec::new();
            file.take(MAX_SIZE).read_to_end(&mut text).map_err(refuse)?;
            let is_xml = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<') || is_named(path, "xml");
            if !hand_over(&name, None, is_xml, text) {
                return Ok(());
            }
            continue;
        }
        let reader: Box<dyn BufRead> = if is_named(path, "zst") {
            Box::new(BufReader::new(zstd::stream::read::Decoder::new(file).map_err(refuse)?))
        } else {
            Box::new(BufReader::with_capacity(1 << 20, file))
        };
        for (index, line) in reader.split(b'\n').enumerate() {
            let line = line.map_err(refuse)?;
            if !line.iter().all(u8::is_ascii_whitespace) && !hand_over(&name, Some(index + 1), false, line) {
                return Ok(());
            }
        }
    }
    Ok(())
}
