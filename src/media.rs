//! Photos, videos and PDFs as files: what they really are, what they say about themselves, and what of that
//! is nobody's business.
//!
//! May use: nothing above the standard library and decoders. Must not know: FHIR, storage, HTTP.
//!
//! A photo from a phone carries the place where it was taken, the phone's serial number and more. [`examine`]
//! reads a file without changing it and answers what to do to be rid of that: which ranges to copy (JPEG, PNG,
//! where the picture itself is copied byte for byte) or which to overwrite in place (HEIC, MP4, QuickTime,
//! where nothing may move). No picture is compressed anew. Files come from outside: every size is checked
//! against the file's, work is bounded, nothing panics.

mod boxes;
mod exif;
mod heic;
mod jpeg;
mod jpeg_write;
mod movie;
mod picture;
mod png;
pub mod sample;
mod source;

pub use picture::{Picture, PictureError, reduced};
pub use source::Source;

/// What a file is, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Jpeg,
    Png,
    Heic,
    Heif,
    Mp4,
    QuickTime,
    Pdf,
}

/// Brands of ISO base media files (ISO/IEC 14496-12, 23008-12) and what they are.
const BRANDS: [(&[u8; 4], Kind); 22] = [
    (b"heic", Kind::Heic),
    (b"heix", Kind::Heic),
    (b"heim", Kind::Heic),
    (b"heis", Kind::Heic),
    (b"hevc", Kind::Heic),
    (b"hevx", Kind::Heic),
    (b"mif1", Kind::Heif),
    (b"msf1", Kind::Heif),
    (b"qt  ", Kind::QuickTime),
    (b"isom", Kind::Mp4),
    (b"iso2", Kind::Mp4),
    (b"iso4", Kind::Mp4),
    (b"iso5", Kind::Mp4),
    (b"iso6", Kind::Mp4),
    (b"mp41", Kind::Mp4),
    (b"mp42", Kind::Mp4),
    (b"avc1", Kind::Mp4),
    (b"M4V ", Kind::Mp4),
    (b"MSNV", Kind::Mp4),
    (b"dash", Kind::Mp4),
    (b"XAVC", Kind::Mp4),
    (b"hvc1", Kind::Mp4),
];

impl Kind {
    /// All that is taken.
    pub const ALL: [Self; 7] = [Self::Jpeg, Self::Png, Self::Heic, Self::Heif, Self::Mp4, Self::QuickTime, Self::Pdf];

    /// What a file that begins like this is. What it is called does not count.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Option<Self> {
        if start.starts_with(&[0xff, 0xd8, 0xff]) {
            return Some(Self::Jpeg);
        }
        if start.starts_with(png::SIGNATURE) {
            return Some(Self::Png);
        }
        if start.starts_with(b"%PDF-") {
            return Some(Self::Pdf);
        }
        let kind = start.get(4..8)?;
        if kind == b"ftyp" {
            let size = usize::try_from(u32::from_be_bytes(start.get(..4)?.try_into().ok()?)).ok()?;
            let major = start.get(8..12)?;
            let others = start.get(16..size.min(start.len())).unwrap_or_default();
            let mut brands = std::iter::once(major).chain(others.chunks_exact(4));
            let found = |brand: &[u8]| BRANDS.iter().find(|(name, _)| *name == brand).map(|(_, kind)| *kind);
            // A general first brand (mif1) may be made precise by those it is compatible with.
            return match found(major) {
                Some(Self::Heif) => {
                    brands.find_map(|brand| found(brand).filter(|kind| *kind == Self::Heic)).or(Some(Self::Heif))
                }
                Some(kind) => Some(kind),
                None => brands.find_map(found),
            };
        }
        // QuickTime before there was a type box.
        let size = u32::from_be_bytes(start.get(..4)?.try_into().ok()?);
        (matches!(kind, b"moov" | b"mdat" | b"wide") && (size == 1 || size >= 8)).then_some(Self::QuickTime)
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Heic => "image/heic",
            Self::Heif => "image/heif",
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
            Self::Pdf => "application/pdf",
        }
    }

    /// Whether it is a picture.
    #[must_use]
    pub const fn is_picture(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Heic | Self::Heif)
    }

    /// Whether it is a video.
    #[must_use]
    pub const fn is_video(self) -> bool {
        matches!(self, Self::Mp4 | Self::QuickTime)
    }

    /// Whether a type that somebody states is this one, or says nothing. HEIC is a kind of HEIF, and phones
    /// call MP4 and QuickTime by each other's names: they are one family of files.
    #[must_use]
    pub fn is_called(self, declared: &str) -> bool {
        let declared = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match declared.as_str() {
            "" | "application/octet-stream" | "binary/octet-stream" => true,
            "image/jpeg" | "image/jpg" | "image/pjpeg" => self == Self::Jpeg,
            "image/png" => self == Self::Png,
            "image/heic" | "image/heif" => matches!(self, Self::Heic | Self::Heif),
            "video/mp4" | "video/quicktime" | "video/x-m4v" => self.is_video(),
            "application/pdf" => self == Self::Pdf,
            _ => false,
        }
    }

    /// Whether a file name's ending is one of this kind, or says nothing known.
    #[must_use]
    pub fn is_named(self, name: &str) -> bool {
        let Some((_, ending)) = name.rsplit_once('.') else { return true };
        match ending.to_ascii_lowercase().as_str() {
            "jpg" | "jpeg" | "jpe" | "jfif" => self == Self::Jpeg,
            "png" => self == Self::Png,
            "heic" | "heif" | "hif" => matches!(self, Self::Heic | Self::Heif),
            "mp4" | "m4v" | "mov" | "qt" => self.is_video(),
            "pdf" => self == Self::Pdf,
            "html" | "htm" | "svg" | "exe" | "js" | "zip" | "gif" | "webp" | "txt" | "xml" | "json" | "avi"
            | "webm" | "doc" | "docx" | "xls" | "xlsx" => false,
            _ => true,
        }
    }
}

/// What a file says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Pixels as shown, turned as the file says.
    pub width: Option<u32>,
    /// Pixels as shown.
    pub height: Option<u32>,
    /// Of a video.
    pub milliseconds: Option<u64>,
    /// When it was taken, as a FHIR dateTime, if the file says so with a time zone.
    pub taken: Option<String>,
    /// How the picture is to be turned (EXIF 1 to 8); 1 as it is.
    pub orientation: u8,
    /// It carried a place.
    pub had_place: bool,
}

/// A piece of a file that is written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// From the old file: from, and up to but without.
    Copy(u64, u64),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A range that is overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Where.
    pub offset: u64,
    /// With these bytes first.
    pub bytes: Vec<u8>,
    /// Then with so many of `filler`.
    pub more: u64,
    /// 0, or a space where text is expected.
    pub filler: u8,
}

/// What is to be done to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edits {
    /// Nothing private in it.
    None,
    /// Written anew from pieces.
    Rewrite(Vec<Piece>),
    /// Overwritten in place.
    Patch(Vec<Patch>),
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// What it says.
    pub about: About,
    /// How to be rid of what is private in it.
    pub edits: Edits,
}

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// It is not what its first bytes say, or broken.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// What is private in it cannot be taken out.
    #[error("the file holds private data that cannot be removed: {0}")]
    CannotClean(&'static str),
    /// It could not be read.
    #[error("the file could not be read: {0}")]
    Io(String),
}

impl From<std::io::Error> for MediaError {
    #[allow(clippy::needless_pass_by_value)]
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

/// Reads a file of a kind.
///
/// # Errors
/// When it is damaged, or cannot be cleaned.
pub fn examine(kind: Kind, source: &mut dyn Source) -> Result<Examined, MediaError> {
    match kind {
        Kind::Jpeg => jpeg::examine(source),
        Kind::Png => png::examine(source),
        Kind::Heic | Kind::Heif => heic::examine(source),
        Kind::Mp4 | Kind::QuickTime => movie::examine(source),
        // What a PDF says about itself is part of a document that somebody wrote and may have signed.
        Kind::Pdf => Ok(Examined { about: About { orientation: 1, ..About::default() }, edits: Edits::None }),
    }
}

#[cfg(test)]
mod tests;
