//! HEIC and HEIF (ISO/IEC 23008-12): pictures are items in a table, and so are EXIF and XMP.
//!
//! The items that are neither picture nor part of one are overwritten where they lie; the table stays. How
//! to turn the picture is said by a property of the picture, not by EXIF, so it is kept.

use super::boxes::{Box, Walk};
use super::movie::clean;
use super::source::{Source, number};
use super::{About, Edits, Examined, MediaError, Patch, exif};

const MOST_ITEMS: u64 = 20_000;

/// An item that goes.
struct Private {
    id: u64,
    is_exif: bool,
}

fn broken() -> MediaError {
    MediaError::Damaged("a table of the picture's parts is broken")
}

fn find(boxes: &[Box], kind: &[u8; 4]) -> Option<Box> {
    boxes.iter().find(|found| found.kind == *kind).copied()
}

pub(super) fn examine(source: &mut dyn Source) -> Result<Examined, MediaError> {
    let size = source.size();
    let mut walk = Walk::new(source);
    let mut about = About { orientation: 1, ..About::default() };
    let top = walk.children(0, size)?;
    let meta = find(&top, b"meta").ok_or(MediaError::Damaged("a HEIF file without its table of pictures (meta)"))?;
    clean(&mut walk, &top, &[b"meta"], &mut about)?;
    let parts = walk.children(meta.body + 4, meta.end)?;
    let private = match find(&parts, b"iinf") {
        Some(iinf) => private_items(&mut walk, iinf)?,
        None => Vec::new(),
    };
    if let Some(iloc) = find(&parts, b"iloc") {
        let idat = find(&parts, b"idat");
        blank_items(&mut walk, iloc, idat, &top, &private, &mut about)?;
    }
    for part in &parts {
        if matches!(&part.kind, b"udta" | b"uuid" | b"xml " | b"bxml") {
            walk.free(*part);
        }
    }
    dimensions(&mut walk, &parts, &mut about)?;
    let edits = if walk.patches.is_empty() { Edits::None } else { Edits::Patch(walk.patches) };
    Ok(Examined { about, edits })
}

/// Items of EXIF, of XMP and of anything else that is no picture.
fn private_items(walk: &mut Walk<'_>, iinf: Box) -> Result<Vec<Private>, MediaError> {
    let head = walk.body(iinf)?;
    let skipped = if head.first() == Some(&0) { 6 } else { 8 };
    let mut found = Vec::new();
    for infe in walk.children(iinf.body + skipped, iinf.end)? {
        let body = walk.body(infe)?;
        let wide = match body.first() {
            Some(2) => 2,
            Some(3) => 4,
            // Older entries name their type in words; none of them is a picture of today.
            _ => return Err(MediaError::CannotClean("a HEIF file of an old kind; save the picture anew")),
        };
        let id = number(&body, 4, wide).ok_or_else(broken)?;
        match body.get(6 + wide..10 + wide).ok_or_else(broken)? {
            b"Exif" => found.push(Private { id, is_exif: true }),
            b"mime" | b"uri " => found.push(Private { id, is_exif: false }),
            _ => {}
        }
    }
    Ok(found)
}

fn blank_items(
    walk: &mut Walk<'_>,
    iloc: Box,
    idat: Option<Box>,
    top: &[Box],
    private: &[Private],
    about: &mut About,
) -> Result<(), MediaError> {
    let body = walk.body(iloc)?;
    let version = *body.first().ok_or_else(broken)?;
    let sizes = number(&body, 4, 2).ok_or_else(broken)?;
    let nibble = |shift: u32| usize::try_from(sizes >> shift & 15).unwrap_or(0);
    let (offset_size, length_size, base_size) = (nibble(12), nibble(8), nibble(4));
    let index_size = if version == 0 { 0 } else { nibble(0) };
    if [offset_size, length_size, base_size, index_size].iter().any(|size| *size > 8) || version > 2 {
        return Err(broken());
    }
    let wide = if version < 2 { 2 } else { 4 };
    let count = number(&body, 6, wide).filter(|count| *count <= MOST_ITEMS).ok_or_else(broken)?;
    let mut at = 6 + wide;
    let mut take = |width: usize| {
        let value = number(&body, at, width).ok_or_else(broken)?;
        at += width;
        Ok::<u64, MediaError>(value)
    };
    for _ in 0..count {
        let id = take(wide)?;
        let method = if version == 0 { 0 } else { take(2)? & 15 };
        take(2)?;
        let base = take(base_size)?;
        let extents = take(2)?;
        let item = private.iter().find(|item| item.id == id);
        for extent in 0..extents {
            take(index_size)?;
            let (offset, length) = (take(offset_size)?, take(length_size)?);
            let Some(item) = item else { continue };
            let start = match method {
                0 => 0,
                1 => idat.ok_or_else(broken)?.body,
                _ => return Err(MediaError::CannotClean("metadata made of other items; save the picture anew")),
            };
            let from = start.checked_add(base).and_then(|start| start.checked_add(offset)).ok_or_else(broken)?;
            let to = from.checked_add(length).ok_or_else(broken)?;
            let is_inside = |room: &Box| room.body <= from && to <= room.end;
            let is_data = top.iter().filter(|room| room.kind == *b"mdat").chain(&idat).any(is_inside);
            if !is_data || length == 0 {
                return Err(broken());
            }
            if item.is_exif && extent == 0 {
                read_exif(walk, from, to, about)?;
            }
            walk.patches.push(blanked(item, extent == 0, from, length));
        }
    }
    Ok(())
}

/// EXIF that says nothing where there was some; spaces where there was text.
fn blanked(item: &Private, is_first: bool, from: u64, length: u64) -> Patch {
    let mut bytes = Vec::new();
    if item.is_exif && is_first && length >= 4 + exif::NOTHING.len() as u64 {
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(exif::NOTHING);
    }
    let more = length - bytes.len() as u64;
    Patch { offset: from, bytes, more, filler: if item.is_exif { 0 } else { b' ' } }
}

fn read_exif(walk: &Walk<'_>, from: u64, to: u64, about: &mut About) -> Result<(), MediaError> {
    let bytes = super::source::exactly(walk.source, from, to.min(from + (1 << 20)))?;
    let skipped = usize::try_from(number(&bytes, 0, 4).unwrap_or(0)).unwrap_or(usize::MAX);
    let found = exif::read(bytes.get(skipped.saturating_add(4)..).unwrap_or_default());
    about.taken = found.taken;
    about.had_place |= found.had_place;
    Ok(())
}

/// Width and height of the first picture, turned as its properties say.
fn dimensions(walk: &mut Walk<'_>, parts: &[Box], about: &mut About) -> Result<(), MediaError> {
    let Some(iprp) = find(parts, b"iprp") else { return Ok(()) };
    let primary = match find(parts, b"pitm") {
        Some(pitm) => {
            let body = walk.body(pitm)?;
            number(&body, 4, if body.first() == Some(&0) { 2 } else { 4 })
        }
        None => None,
    };
    let inner = walk.children(iprp.body, iprp.end)?;
    let Some(ipco) = find(&inner, b"ipco") else { return Ok(()) };
    let properties = walk.children(ipco.body, ipco.end)?;
    let own = match (find(&inner, b"ipma"), primary) {
        (Some(ipma), Some(primary)) => associated(&walk.body(ipma)?, primary).unwrap_or_default(),
        _ => Vec::new(),
    };
    let (mut size, mut is_turned) = ((0, 0), false);
    for (index, property) in properties.iter().enumerate() {
        if !own.is_empty() && !own.contains(&(index + 1)) {
            continue;
        }
        match &property.kind {
            b"ispe" => {
                let body = walk.body(*property)?;
                let found = (number(&body, 4, 4).unwrap_or(0), number(&body, 8, 4).unwrap_or(0));
                if found.0 * found.1 > size.0 * size.1 {
                    size = found;
                }
            }
            b"irot" => is_turned = walk.body(*property)?.first().is_some_and(|quarters| quarters & 1 == 1),
            _ => {}
        }
    }
    let (width, height) = if is_turned { (size.1, size.0) } else { size };
    let known = |size: u64| u32::try_from(size).ok().filter(|size| *size > 0);
    (about.width, about.height) = (known(width), known(height));
    Ok(())
}

/// Numbers of the properties of an item.
fn associated(ipma: &[u8], item: u64) -> Option<Vec<usize>> {
    let (version, flags) = (*ipma.first()?, *ipma.get(3)?);
    let wide = if version == 0 { 2 } else { 4 };
    let count = number(ipma, 4, 4)?.min(MOST_ITEMS);
    let mut at = 8;
    for _ in 0..count {
        let id = number(ipma, at, wide)?;
        let own = usize::from(*ipma.get(at + wide)?);
        at += wide + 1;
        let each = if flags & 1 == 1 { 2 } else { 1 };
        let mask = if each == 2 { 0x7fff } else { 0x7f };
        if id == item {
            return (0..own).map(|index| usize::try_from(number(ipma, at + index * each, each)? & mask).ok()).collect();
        }
        at += own * each;
    }
    None
}
