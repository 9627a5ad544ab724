//! Where the lines of an import come from: files and standard input, read in chunks of bounded size.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use renraku::xml::parse_xml;

use super::super::Failure;
use super::super::progress::Counters;

/// A chunk ends after the line that reaches either.
const CHUNK_LINES: usize = 500;
const CHUNK_BYTES: usize = 512 << 10;
/// Longest line, and longest JSON over several lines.
const MAX_LINE: u64 = 1 << 30;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A line that holds something; JSON over several lines counts as one line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: u64,
    pub(super) text: Bytes,
}

/// Consecutive lines.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) lines: Vec<Line>,
}

/// A file or standard input, opened.
pub(super) struct Input {
    /// As messages name it.
    pub(super) name: String,
    /// Under what its progress is remembered, if at all.
    pub(super) key: Option<String>,
    /// Bytes, where known.
    pub(super) size: Option<u64>,
    pub(super) chunks: Chunks,
}

impl Input {
    pub(super) fn open(path: &Path, name: Option<&str>, counters: &Arc<Counters>) -> Result<Self, Failure> {
        let display = path.display().to_string();
        let refuse = |why: String| Failure::new(2, format!("{display}: {why}"));
        let (raw, size, key): (Box<dyn Read>, _, _) = if path == Path::new("-") {
            (Box::new(std::io::stdin()), None, None)
        } else {
            let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
            let metadata = file.metadata().map_err(|error| refuse(error.to_string()))?;
            if metadata.is_dir() {
                return Err(refuse("is a folder; name the files in it".to_owned()));
            }
            let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let whole = path.canonicalize().map_err(|error| refuse(error.to_string()))?;
            let key =
                format!("{}|{}|{}", whole.display(), metadata.len(), changed.map_or(0, |changed| changed.as_nanos()));
            // A pipe has no size, and what came through it cannot be read again.
            if metadata.is_file() {
                (Box::new(file), Some(metadata.len()), Some(key))
            } else {
                (Box::new(file), None, None)
            }
        };
        let key = name.map(str::to_owned).or(key);
        let mut reader = BufReader::with_capacity(1 << 20, Counted { raw, counters: Arc::clone(counters) });
        let start = reader.fill_buf().map_err(|error| refuse(error.to_string()))?;
        let reader: Box<dyn BufRead> = if start.starts_with(&GZIP) {
            Box::new(BufReader::with_capacity(1 << 20, flate2::bufread::MultiGzDecoder::new(reader)))
        } else if start.starts_with(&ZSTANDARD) {
            let decoder =
                zstd::stream::read::Decoder::with_buffer(reader).map_err(|error| refuse(error.to_string()))?;
            Box::new(BufReader::with_capacity(1 << 20, decoder))
        } else {
            Box::new(reader)
        };
        Ok(Self {
            chunks: Chunks { name: display.clone(), reader, number: 0, begun: false, ended: false },
            name: display,
            key,
            size,
        })
    }
}

/// Counts the bytes that are read, as they are in the file.
struct Counted {
    raw: Box<dyn Read>,
    counters: Arc<Counters>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.raw.read(buffer)?;
        self.counters.bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The chunks of an input.
pub(super) struct Chunks {
    name: String,
    reader: Box<dyn BufRead>,
    /// Lines read so far.
    number: u64,
    /// A line that holds something was read.
    begun: bool,
    ended: bool,
}

impl Iterator for Chunks {
    type Item = Result<Chunk, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let chunk = self.read();
        self.ended |= chunk.is_err();
        match chunk {
            Ok(chunk) if chunk.lines.is_empty() => None,
            chunk => Some(chunk),
        }
    }
}

impl Chunks {
    fn read(&mut self) -> Result<Chunk, Failure> {
        let mut text = Vec::with_capacity(CHUNK_BYTES + (64 << 10));
        let mut places = Vec::new();
        while places.len() < CHUNK_LINES && text.len() < CHUNK_BYTES {
            let start = text.len();
            if self.append(b'\n', &mut text)? == 0 {
                self.ended = true;
                break;
            }
            self.number += 1;
            let line = text.get(start..).unwrap_or_default();
            if line.iter().all(u8::is_ascii_whitespace) || line == b"\xef\xbb\xbf\n" {
                text.truncate(start);
                continue;
            }
            if !self.begun && is_xml(line) {
                self.append_rest(&mut text)?;
                self.ended = true;
                text = self.json_of(&text)?;
                places.push((self.number, 0..text.len()));
                break;
            }
            if !self.begun && is_unfinished(line) {
                // Not NDJSON but one value over several lines.
                self.append_rest(&mut text)?;
                self.ended = true;
            }
            self.begun = true;
            places.push((self.number, start..text.len()));
            if self.ended {
                break;
            }
        }
        let text = Bytes::from(text);
        let lines = places.into_iter().map(|(number, place)| Line { number, text: text.slice(place) }).collect();
        Ok(Chunk { lines })
    }

    /// A resource in XML as JSON.
    fn json_of(&self, xml: &[u8]) -> Result<Vec<u8>, Failure> {
        let xml = xml.strip_prefix(b"\xef\xbb\xbf").unwrap_or(xml);
        match parse_xml(xml) {
            Ok(resource) => Ok(resource.to_bytes()),
            Err(error) => Err(Failure::new(2, format!("{}: {error}", self.name))),
        }
    }

    fn append(&mut self, end: u8, text: &mut Vec<u8>) -> Result<usize, Failure> {
        let read = (&mut self.reader).take(MAX_LINE + 1).read_until(end, text);
        self.accept(read)
    }

    fn append_rest(&mut self, text: &mut Vec<u8>) -> Result<usize, Failure> {
        let read = (&mut self.reader).take(MAX_LINE + 1).read_to_end(text);
        self.accept(read)
    }

    fn accept(&self, read: std::io::Result<usize>) -> Result<usize, Failure> {
        let refuse = |why: String| Failure::new(2, format!("{}:{}: {why}", self.name, self.number + 1));
        match read {
            Ok(count) if count as u64 > MAX_LINE => Err(refuse(
                "one line or value is larger than 1 GiB; write NDJSON with a resource a line instead".to_owned(),
            )),
            Ok(count) => Ok(count),
            Err(error) => Err(refuse(error.to_string())),
        }
    }
}

/// Whether a first line begins XML.
fn is_xml(line: &[u8]) -> bool {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_start().starts_with(b"<")
}

/// Whether brackets or a string are open at the end of the line.
fn is_unfinished(line: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_i64, false, false);
    for byte in line {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    depth > 0 || in_string
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &str) -> Vec<Vec<(u64, String)>> {
        let reader: Box<dyn BufRead> = Box::new(std::io::Cursor::new(text.to_owned().into_bytes()));
        let chunks = Chunks { name: "test".to_owned(), reader, number: 0, begun: false, ended: false };
        let read = |line: Line| (line.number, String::from_utf8(line.text.to_vec()).unwrap().trim().to_owned());
        chunks.map(|chunk| chunk.unwrap().lines.into_iter().map(read).collect()).collect()
    }

    #[test]
    fn lines_are_numbered_with_blank_ones_counted() {
        let expected = vec![vec![(2, "{\"a\":\"{\"}".to_owned()), (4, "{}".to_owned())]];
        assert_eq!(chunks("\n{\"a\":\"{\"}\n\n{}"), expected);
        assert!(chunks("\n \n").is_empty());
    }

    #[test]
    fn one_value_over_several_lines_is_one_line() {
        assert_eq!(chunks("\n{\n\"a\": 1\n}\n"), vec![vec![(2, "{\n\"a\": 1\n}".to_owned())]]);
    }

    #[test]
    fn chunks_are_bounded() {
        let chunks = chunks(&"{}\n".repeat(1200));
        assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), [500, 500, 200]);
        assert_eq!(chunks[2][199].0, 1200);
    }
}
