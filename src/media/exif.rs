//! EXIF (CIPA DC-008): read for what matters, written with nothing but the orientation.

/// Most entries of a directory that are looked at.
const MOST_ENTRIES: usize = 512;

/// What is of use in EXIF.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Exif {
    pub(super) orientation: u8,
    pub(super) taken: Option<String>,
    pub(super) had_place: bool,
}

struct Tiff<'a> {
    bytes: &'a [u8],
    is_little: bool,
}

impl Tiff<'_> {
    fn number(&self, at: usize, width: usize) -> Option<usize> {
        let found = self.bytes.get(at..at.checked_add(width)?)?;
        let join = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Some(if self.is_little { found.iter().rev().fold(0, join) } else { found.iter().fold(0, join) })
    }

    /// Places of the values of some tags in a directory.
    fn entries(&self, directory: usize) -> Vec<(usize, usize)> {
        let count = self.number(directory, 2).unwrap_or(0).min(MOST_ENTRIES);
        let places = (0..count).filter_map(|index| directory.checked_add(2 + index * 12));
        places.filter_map(|place| Some((self.number(place, 2)?, place))).collect()
    }

    /// A text, wherever its entry says it is.
    fn text(&self, entry: usize) -> Option<&str> {
        let length = self.number(entry + 4, 4)?;
        let from = if length <= 4 { entry + 8 } else { self.number(entry + 8, 4)? };
        let bytes = self.bytes.get(from..from.checked_add(length.min(64))?)?;
        std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches(['\0', ' ']))
    }
}

/// Reads a TIFF structure.
pub(super) fn read(bytes: &[u8]) -> Exif {
    let mut exif = Exif { orientation: 1, ..Exif::default() };
    let is_little = match bytes.get(..4) {
        Some(b"II*\0") => true,
        Some(b"MM\0*") => false,
        _ => return exif,
    };
    let tiff = Tiff { bytes, is_little };
    let Some(first) = tiff.number(4, 4) else { return exif };
    for (tag, entry) in tiff.entries(first) {
        match tag {
            0x0112 => {
                let value = tiff.number(entry + 8, 2).and_then(|value| u8::try_from(value).ok());
                exif.orientation = value.filter(|value| (1..=8).contains(value)).unwrap_or(1);
            }
            0x8769 => exif.taken = tiff.number(entry + 8, 4).and_then(|place| taken(&tiff, place)),
            0x8825 => exif.had_place = true,
            _ => {}
        }
    }
    exif
}

/// `2026:05:03 10:00:00` with `+09:00`; without a zone nobody knows when that was.
fn taken(tiff: &Tiff<'_>, directory: usize) -> Option<String> {
    let entries = tiff.entries(directory);
    let find = |tag: usize| entries.iter().find(|(found, _)| *found == tag).and_then(|(_, place)| tiff.text(*place));
    let (date, zone) = (find(0x9003)?, find(0x9011)?);
    let (day, time) = date.split_once(' ')?;
    let is = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                b'9' => byte.is_ascii_digit(),
                b'+' => matches!(byte, b'+' | b'-'),
                wanted => byte == wanted,
            })
    };
    if !is(day, "9999:99:99") || !is(time, "99:99:99") || !is(zone, "+99:99") {
        return None;
    }
    let text = format!("{}T{time}{zone}", day.replace(':', "-"));
    text.parse::<jiff::Timestamp>().ok().map(|_| text)
}

/// A TIFF structure that says how to turn the picture and nothing else.
pub(super) fn only_orientation(orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    tiff.push(orientation);
    tiff.extend_from_slice(&[0; 6]);
    tiff
}

/// A TIFF structure that says nothing.
pub(super) const NOTHING: &[u8] = b"MM\0*\0\0\0\x08\0\0\0\0\0\0";
