//! PNG (W3C PNG, third edition): which chunks stay.

use super::source::{Source, exactly, number};
use super::{About, Edits, Examined, MediaError, Piece, exif};

/// The first bytes of every PNG.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Chunks that the picture needs; times, texts, EXIF and what nobody knows go.
const KEPT: [&[u8; 4]; 20] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"bKGD", b"hIST",
    b"pHYs", b"sPLT", b"acTL", b"fcTL", b"fdAT", b"cICP", b"mDCV", b"cLLI",
];
const MOST_CHUNKS: usize = 200_000;

pub(super) fn examine(source: &mut dyn Source) -> Result<Examined, MediaError> {
    let size = source.size();
    let mut about = About { orientation: 1, ..About::default() };
    let mut pieces = vec![Piece::Copy(0, 8)];
    let mut place = 8;
    let mut header_end = None;
    for _ in 0..MOST_CHUNKS {
        let head = exactly(source, place, place + 8)?;
        let end = place + 12 + number(&head, 0, 4).unwrap_or(0);
        if end > size {
            return Err(MediaError::Damaged("a chunk of a PNG reaches beyond the end"));
        }
        let kind = head.get(4..8).unwrap_or_default();
        match kind {
            b"IHDR" => {
                let body = exactly(source, place + 8, (place + 16).min(end))?;
                about.width = number(&body, 0, 4).and_then(|width| u32::try_from(width).ok());
                about.height = number(&body, 4, 4).and_then(|height| u32::try_from(height).ok());
            }
            b"eXIf" => {
                let found = exif::read(&exactly(source, place + 8, end - 4)?);
                (about.orientation, about.taken, about.had_place) = (found.orientation, found.taken, found.had_place);
            }
            _ => {}
        }
        if header_end.is_none() && kind != b"IHDR" {
            return Err(MediaError::Damaged("a PNG that does not begin with its header"));
        }
        if KEPT.iter().any(|kept| *kept == kind) {
            match pieces.last_mut() {
                Some(Piece::Copy(_, to)) if *to == place => *to = end,
                _ => pieces.push(Piece::Copy(place, end)),
            }
        }
        header_end.get_or_insert(end);
        place = end;
        if kind == b"IEND" {
            return Ok(finished(about, pieces, size, header_end.unwrap_or(8)));
        }
    }
    Err(MediaError::Damaged("a PNG of too many chunks"))
}

fn finished(mut about: About, mut pieces: Vec<Piece>, size: u64, header_end: u64) -> Examined {
    if about.orientation >= 5 {
        std::mem::swap(&mut about.width, &mut about.height);
    }
    if about.orientation > 1
        && let Some(Piece::Copy(0, end)) = pieces.first().cloned()
    {
        let with_turn =
            [Piece::Copy(0, header_end), Piece::Bytes(chunk(b"eXIf", &exif::only_orientation(about.orientation)))];
        pieces.splice(..1, with_turn.into_iter().chain((end > header_end).then_some(Piece::Copy(header_end, end))));
    }
    let edits = if pieces == [Piece::Copy(0, size)] { Edits::None } else { Edits::Rewrite(pieces) };
    Examined { about, edits }
}

/// A chunk with its length and check sum.
pub(super) fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(body.len()).unwrap_or(0).to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    out.extend_from_slice(body);
    let sum = crc(out.get(4..).unwrap_or_default());
    out.extend_from_slice(&sum.to_be_bytes());
    out
}

/// CRC-32 (PNG annex D).
fn crc(bytes: &[u8]) -> u32 {
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 })
    });
    !sum
}
