//! JPEG (ITU-T T.81, JFIF): which segments stay.
//!
//! What is needed to show the picture stays as it is: tables, frames, scans, the colour profile, JFIF and
//! Adobe's word on colours. All else goes, and so does what lies behind the end of the picture, where phones
//! keep second pictures and videos with places of their own.

use super::source::{Source, exactly};
use super::{About, Edits, Examined, MediaError, Piece, exif};

/// Most segments of a file.
const MOST_SEGMENTS: usize = 20_000;
/// Bytes looked through at once.
const STEP: u64 = 256 << 10;

/// Pieces that stay, joined where they touch.
#[derive(Default)]
struct Kept(Vec<Piece>);

impl Kept {
    fn copy(&mut self, from: u64, to: u64) {
        match self.0.last_mut() {
            Some(Piece::Copy(_, end)) if *end == from => *end = to,
            _ => self.0.push(Piece::Copy(from, to)),
        }
    }
}

pub(super) fn examine(source: &mut dyn Source) -> Result<Examined, MediaError> {
    let size = source.size();
    let mut about = About { orientation: 1, ..About::default() };
    let mut kept = Kept::default();
    kept.copy(0, 2);
    let (mut place, mut header_end) = (2, 2);
    let mut has_scan = false;
    let mut segments = 0;
    let end = loop {
        segments += 1;
        if segments > MOST_SEGMENTS {
            return Err(MediaError::Damaged("a JPEG of too many segments"));
        }
        let Some((marker, after)) = marker(source, place)? else {
            // Cut off within its last scan: shown as far as it goes.
            if has_scan {
                break size;
            }
            return Err(MediaError::Damaged("a JPEG that ends before its picture"));
        };
        match marker {
            0xd9 => break after,
            0x01 | 0xd0..=0xd7 => {
                kept.copy(place, after);
                place = after;
                continue;
            }
            _ => {}
        }
        let length = exactly(source, after, after + 2)?;
        let end = after + length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)).max(2);
        if end > size {
            return Err(MediaError::Damaged("a segment of a JPEG reaches beyond the end"));
        }
        let body = after + 2;
        let start = exactly(source, body, end.min(body + 64))?;
        match marker {
            0xe0 if start.starts_with(b"JFIF\0") && kept.0 == [Piece::Copy(0, 2)] => {
                // Without its own small picture, which may show what was cut off the large one.
                header_end = end;
                if end - body == 14 {
                    kept.copy(place, end);
                } else {
                    kept.0.push(Piece::Bytes(jfif(&start)));
                }
            }
            0xe1 if start.starts_with(b"Exif\0") => {
                let found = exif::read(&exactly(source, (body + 6).min(end), end)?);
                about.orientation = found.orientation;
                about.taken = found.taken;
                about.had_place = found.had_place;
            }
            0xe1 => about.had_place |= has_place(&exactly(source, body, end)?),
            0xe2 if start.starts_with(b"ICC_PROFILE\0") => kept.copy(place, end),
            0xee if start.starts_with(b"Adobe") => kept.copy(place, end),
            0xe0..=0xef | 0xfe => {}
            0xda => {
                has_scan = true;
                let scanned = end_of_scan(source, end)?;
                kept.copy(place, scanned);
                place = scanned;
                continue;
            }
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                about.height = start.get(1..3).map(|two| two.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)));
                about.width = start.get(3..5).map(|two| two.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)));
                kept.copy(place, end);
            }
            _ => kept.copy(place, end),
        }
        place = end;
    };
    if !has_scan || about.width.unwrap_or(0) == 0 {
        return Err(MediaError::Damaged("a JPEG without a picture"));
    }
    kept.copy(place, end);
    if about.orientation >= 5 {
        std::mem::swap(&mut about.width, &mut about.height);
    }
    if about.orientation > 1 {
        let index = split(&mut kept.0, header_end);
        let mut segment = vec![0xff, 0xe1, 0, 34];
        segment.extend_from_slice(b"Exif\0\0");
        segment.extend_from_slice(&exif::only_orientation(about.orientation));
        kept.0.insert(index, Piece::Bytes(segment));
    }
    let edits = if kept.0 == [Piece::Copy(0, size)] { Edits::None } else { Edits::Rewrite(kept.0) };
    Ok(Examined { about, edits })
}

/// Cuts the piece that goes on behind the header; the index of what follows it.
fn split(pieces: &mut Vec<Piece>, header_end: u64) -> usize {
    for index in 0..pieces.len() {
        let Some(Piece::Copy(from, to)) = pieces.get(index).cloned() else { continue };
        if from < header_end && header_end <= to {
            let rest = (header_end < to).then_some(Piece::Copy(header_end, to));
            pieces.splice(index..=index, std::iter::once(Piece::Copy(from, header_end)).chain(rest));
            return index + 1;
        }
    }
    // The header was written anew, as the second piece.
    2
}

/// A JFIF segment without thumbnail.
fn jfif(start: &[u8]) -> Vec<u8> {
    let mut segment = vec![0xff, 0xe0, 0, 16];
    let mut body = start.to_vec();
    body.resize(12, 0);
    segment.extend_from_slice(&body);
    segment.extend_from_slice(&[0, 0]);
    segment
}

/// XMP that names a place.
fn has_place(xmp: &[u8]) -> bool {
    memchr::memmem::find(xmp, b"GPSL").is_some()
}

/// The next marker and where it ends; fill bytes before it are part of it.
fn marker(source: &dyn Source, place: u64) -> Result<Option<(u8, u64)>, MediaError> {
    let mut buffer = [0; 64];
    let count = source.read_at(place, &mut buffer)?;
    let found = buffer.get(..count).unwrap_or_default();
    if found.len() < 2 {
        return Ok(None);
    }
    if found.first() != Some(&0xff) {
        return Err(MediaError::Damaged("a JPEG without a marker where one must be"));
    }
    match found.iter().position(|byte| *byte != 0xff) {
        Some(at) => Ok(found.get(at).map(|marker| (*marker, place + at as u64 + 1))),
        None => Err(MediaError::Damaged("a JPEG with too much filling")),
    }
}

/// Where the marker after a scan begins, or the end of the file.
fn end_of_scan(source: &dyn Source, from: u64) -> Result<u64, MediaError> {
    let size = source.size();
    let mut place = from;
    let mut buffer = vec![0; usize::try_from(STEP).unwrap_or(1)];
    while place < size {
        let count = source.read_at(place, &mut buffer)?;
        let found = buffer.get(..count).unwrap_or_default();
        for at in memchr::memchr_iter(0xff, found) {
            match found.get(at + 1) {
                Some(0x00 | 0xd0..=0xd7 | 0xff) => {}
                Some(_) => return Ok(place + at as u64),
                None => {}
            }
        }
        if count < 2 {
            break;
        }
        // The last byte again: it may be the first of a marker.
        place += count as u64 - 1;
    }
    Ok(size)
}
