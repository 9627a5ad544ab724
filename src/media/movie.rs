//! MP4 and QuickTime: what a player needs stays, everything else becomes free space of the same size.
//!
//! Boxes are known by name: user data, metadata, unknown boxes go (`©xyz`, `com.apple.quicktime.location…`,
//! XMP, makers' own). Tracks that are neither picture nor sound nor their time code go with their samples:
//! phones and cameras record places, speeds and movements in them, second by second.

use super::boxes::{Box, Walk};
use super::source::{Source, number};
use super::{About, Edits, Examined, MediaError};

const TOP: [&[u8; 4]; 10] = [b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"styp", b"ssix", b"pdin", b"prft"];
const MOVIE: [&[u8; 4]; 5] = [b"mvhd", b"trak", b"mvex", b"iods", b"clip"];
const TRACK: [&[u8; 4]; 9] = [b"tkhd", b"edts", b"mdia", b"tref", b"tapt", b"load", b"clip", b"matt", b"trgr"];
const MEDIA: [&[u8; 4]; 4] = [b"mdhd", b"hdlr", b"minf", b"elng"];
const INFORMATION: [&[u8; 4]; 9] = [b"vmhd", b"smhd", b"nmhd", b"gmhd", b"hmhd", b"sthd", b"dinf", b"stbl", b"hdlr"];
/// Handlers of tracks that stay: picture, sound, time code, and alpha or depth beside a picture.
const HANDLERS: [&[u8; 4]; 4] = [b"vide", b"soun", b"tmcd", b"auxv"];
/// Samples of a track that goes, at most.
const MOST_SAMPLES: u64 = 4_000_000;
/// Seconds from 1904 to 1970.
const EPOCH: u64 = 2_082_844_800;

/// Boxes of one kind, by name.
fn find(boxes: &[Box], kind: &[u8; 4]) -> Option<Box> {
    boxes.iter().find(|found| found.kind == *kind).copied()
}

pub(super) fn examine(source: &mut dyn Source) -> Result<Examined, MediaError> {
    let size = source.size();
    let mut walk = Walk::new(source);
    let mut about = About { orientation: 1, ..About::default() };
    let top = walk.children(0, size)?;
    if find(&top, b"moov").is_none() {
        return Err(MediaError::Damaged("a video without its table of contents (moov)"));
    }
    clean(&mut walk, &top, &[], &mut about)?;
    let edits = if walk.patches.is_empty() { Edits::None } else { Edits::Patch(walk.patches) };
    Ok(Examined { about, edits })
}

/// Cleans the boxes at the top of a file; some stay beside those that a video needs.
pub(super) fn clean(walk: &mut Walk<'_>, top: &[Box], also: &[&[u8; 4]], about: &mut About) -> Result<(), MediaError> {
    let fragments: Vec<Box> = top.iter().filter(|found| found.kind == *b"moof").copied().collect();
    for found in top {
        match &found.kind {
            b"moov" => movie(walk, *found, top, !fragments.is_empty(), about)?,
            b"free" | b"skip" | b"wide" => {
                if walk.has_content(found.body, found.end)? {
                    walk.blank(found.body, found.end);
                }
            }
            kind if TOP.contains(&kind) || also.contains(&kind) => {}
            _ => walk.free(*found),
        }
    }
    let end = top.last().map_or(0, |last| last.end);
    walk.blank(end, walk.source.size());
    for fragment in fragments {
        for part in walk.children(fragment.body, fragment.end)? {
            match &part.kind {
                b"mfhd" => {}
                b"traf" => {
                    for inner in walk.children(part.body, part.end)? {
                        if matches!(&inner.kind, b"udta" | b"meta" | b"uuid") {
                            walk.free(inner);
                        }
                    }
                }
                _ => walk.free(part),
            }
        }
    }
    Ok(())
}

/// Keeps the boxes of a list and frees all others; answers those that stay.
fn only(walk: &mut Walk<'_>, of: Box, kept: &[&[u8; 4]]) -> Result<Vec<Box>, MediaError> {
    let children = walk.children(of.body, of.end)?;
    let mut stay = Vec::new();
    for child in children {
        if kept.contains(&&child.kind) {
            stay.push(child);
        } else if !matches!(&child.kind, b"free" | b"skip") || walk.has_content(child.body, child.end)? {
            walk.free(child);
        }
    }
    Ok(stay)
}

fn movie(
    walk: &mut Walk<'_>,
    moov: Box,
    top: &[Box],
    is_fragmented: bool,
    about: &mut About,
) -> Result<(), MediaError> {
    if walk.children(moov.body, moov.end)?.iter().any(|found| found.kind == *b"cmov") {
        return Err(MediaError::CannotClean("its table of contents is compressed; save the video anew"));
    }
    about.had_place |= names_place(walk, moov)?;
    let mut timescale = 0;
    for found in only(walk, moov, &MOVIE)? {
        match &found.kind {
            b"mvhd" => {
                let body = walk.body(found)?;
                let is_long = body.first() == Some(&1);
                let (created, scale, duration) = if is_long {
                    (number(&body, 4, 8), number(&body, 20, 4), number(&body, 24, 8))
                } else {
                    (number(&body, 4, 4), number(&body, 12, 4), number(&body, 16, 4))
                };
                timescale = scale.unwrap_or(0);
                about.milliseconds = milliseconds(duration, timescale);
                about.taken = created
                    .and_then(|created| i64::try_from(created.checked_sub(EPOCH)?).ok())
                    .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
                    .map(|taken| taken.to_string());
            }
            b"trak" => track(walk, found, top, is_fragmented, about)?,
            b"mvex" => {
                let inner = walk.children(found.body, found.end)?;
                if let Some(mehd) = find(&inner, b"mehd")
                    && about.milliseconds.is_none()
                {
                    let body = walk.body(mehd)?;
                    let wide = if body.first() == Some(&1) { 8 } else { 4 };
                    about.milliseconds = milliseconds(number(&body, 4, wide), timescale);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A length of zero, or of all ones, is not known.
fn milliseconds(duration: Option<u64>, timescale: u64) -> Option<u64> {
    let duration = duration.filter(|length| !matches!(*length, 0 | 0xffff_ffff | u64::MAX))?;
    let found = u128::from(duration) * 1000 / u128::from(Some(timescale).filter(|scale| *scale > 0)?);
    u64::try_from(found).ok()
}

/// Whether the metadata of a movie speaks of a place; for the report only.
fn names_place(walk: &Walk<'_>, moov: Box) -> Result<bool, MediaError> {
    if moov.end - moov.body > 16 << 20 {
        return Ok(false);
    }
    let bytes = walk.body(moov)?;
    let has = |text: &[u8]| memchr::memmem::find(&bytes, text).is_some();
    Ok(has(b"\xa9xyz") || has(b"location.ISO6709") || has(b"GPS") || has(b"gpmd") || has(b"loci"))
}

fn track(
    walk: &mut Walk<'_>,
    trak: Box,
    top: &[Box],
    is_fragmented: bool,
    about: &mut About,
) -> Result<(), MediaError> {
    let children = walk.children(trak.body, trak.end)?;
    let media = match find(&children, b"mdia") {
        Some(mdia) => walk.children(mdia.body, mdia.end)?,
        None => Vec::new(),
    };
    let handler = match find(&media, b"hdlr") {
        Some(hdlr) => walk.body(hdlr)?.get(8..12).map(<[u8]>::to_vec),
        None => None,
    }
    .unwrap_or_default();
    if !HANDLERS.iter().any(|known| known.as_slice() == handler) {
        if is_fragmented {
            return Err(MediaError::CannotClean("a track beside picture and sound in fragments; save the video anew"));
        }
        if let Some(minf) = find(&media, b"minf") {
            let parts = walk.children(minf.body, minf.end)?;
            if let Some(stbl) = find(&parts, b"stbl") {
                samples(walk, stbl, top)?;
            }
        }
        about.had_place |= handler == *b"meta";
        walk.free(trak);
        return Ok(());
    }
    for found in only(walk, trak, &TRACK)? {
        match &found.kind {
            b"tkhd" if handler == *b"vide" && about.width.is_none() => size(&walk.body(found)?, about),
            b"mdia" => {
                for inner in only(walk, found, &MEDIA)? {
                    if inner.kind == *b"minf" {
                        only(walk, inner, &INFORMATION)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Width and height as shown: turned by a quarter when the matrix says so.
fn size(tkhd: &[u8], about: &mut About) {
    let matrix = if tkhd.first() == Some(&1) { 52 } else { 40 };
    let whole =
        |at: usize| number(tkhd, at, 4).and_then(|fixed| u32::try_from(fixed >> 16).ok()).filter(|size| *size > 0);
    (about.width, about.height) = (whole(matrix + 36), whole(matrix + 40));
    let is_zero = |at: usize| number(tkhd, matrix + at, 4) == Some(0);
    if is_zero(0) && is_zero(16) && !is_zero(4) {
        std::mem::swap(&mut about.width, &mut about.height);
    }
}

/// Blanks all samples of a track.
fn samples(walk: &mut Walk<'_>, stbl: Box, top: &[Box]) -> Result<(), MediaError> {
    let tables = walk.children(stbl.body, stbl.end)?;
    let table = |walk: &Walk<'_>, kind: &[u8; 4]| find(&tables, kind).map(|found| walk.body(found)).transpose();
    let (chunks, width) = match (table(walk, b"stco")?, table(walk, b"co64")?) {
        (Some(chunks), _) => (chunks, 4),
        (None, Some(chunks)) => (chunks, 8),
        (None, None) => return Ok(()),
    };
    let (Some(sizes), Some(runs)) = (table(walk, b"stsz")?, table(walk, b"stsc")?) else {
        return Err(MediaError::CannotClean("a track without tables of its samples"));
    };
    let broken = || MediaError::Damaged("a table of samples is broken");
    let (fixed, count) = (number(&sizes, 4, 4).ok_or_else(broken)?, number(&sizes, 8, 4).ok_or_else(broken)?);
    if count > MOST_SAMPLES {
        return Err(MediaError::CannotClean("a track of too many samples"));
    }
    let chunk_count = number(&chunks, 4, 4).ok_or_else(broken)?;
    let run_count = usize::try_from(number(&runs, 4, 4).ok_or_else(broken)?).unwrap_or(usize::MAX);
    let run = |index: usize| {
        (index < run_count)
            .then(|| Some((number(&runs, 8 + index * 12, 4)?, number(&runs, 12 + index * 12, 4)?)))
            .flatten()
    };
    let (mut sample, mut current) = (0_u64, 0_usize);
    for chunk in 0..chunk_count {
        if sample >= count {
            break;
        }
        while run(current + 1).is_some_and(|(first, _)| first <= chunk + 1) {
            current += 1;
        }
        let per_chunk = run(current).ok_or_else(broken)?.1.min(count - sample);
        let at = usize::try_from(chunk).map_err(|_| broken())?;
        let from = number(&chunks, 8 + at * width, width).ok_or_else(broken)?;
        let length = if fixed > 0 {
            fixed.checked_mul(per_chunk)
        } else {
            (sample..sample + per_chunk).try_fold(0_u64, |sum, index| {
                sum.checked_add(number(&sizes, 12 + usize::try_from(index).ok()? * 4, 4)?)
            })
        };
        let to = length.and_then(|length| from.checked_add(length)).ok_or_else(broken)?;
        // Only what lies in the room of samples: a table that points elsewhere would break the file.
        let is_inside = |room: &&Box| room.kind == *b"mdat" && room.body <= from && to <= room.end;
        if from < to && top.iter().find(is_inside).is_none() {
            return Err(broken());
        }
        walk.blank(from, to);
        sample += per_chunk;
    }
    Ok(())
}
