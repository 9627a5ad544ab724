//! Pictures and videos that are drawn here: for demonstrations and tests. They show nobody and no real place.

use super::picture::Picture;

/// What a phone adds: a place (in the sea off the coast), its own name, a comment.
const PLACE: &str = "+34.4000+137.0000/";

/// A corridor with a step, drawn.
#[must_use]
pub fn corridor(width: usize, height: usize, step: usize) -> Picture {
    let mut rgb = Vec::with_capacity(width * height * 3);
    let horizon = height * 2 / 5;
    for y in 0..height {
        for x in 0..width {
            let depth = y.saturating_sub(horizon);
            // The walls meet the floor on lines that lead to the middle.
            let edge = (width / 2).saturating_sub(depth * width / (2 * (height - horizon).max(1)));
            let is_floor = y > horizon && x > edge && x < width - edge;
            let is_step = is_floor && y > height * 3 / 5 && y < height * 3 / 5 + step;
            let shade = |base: usize| u8::try_from((base + depth * 60 / height.max(1)).min(255)).unwrap_or(255);
            rgb.extend_from_slice(&match (is_step, is_floor) {
                (true, _) => [70, 45, 25],
                (false, true) => [shade(150), shade(110), shade(70)],
                (false, false) => [shade(190), shade(190), shade(180)],
            });
        }
    }
    Picture { width, height, rgb }
}

/// Steps that go up, drawn.
#[must_use]
pub fn stairs(width: usize, height: usize) -> Picture {
    let tread = (height / 8).max(2);
    let colour = |x: usize, y: usize| {
        // Each step is narrower than the one below it.
        let edge = (height - y) / tread * width / 24;
        match (x > edge && x + edge < width, y % tread < tread / 4) {
            (true, true) => [96, 64, 40],
            (true, false) => [168, 128, 88],
            (false, _) => [204, 202, 190],
        }
    };
    let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| colour(x, y))).collect();
    Picture { width, height, rgb }
}

/// Somebody who walks through a corridor: one picture of several, `step` of `steps`.
#[must_use]
pub fn walking(width: usize, height: usize, step: usize, steps: usize) -> Picture {
    let mut picture = corridor(width, height, 0);
    let middle = width / 4 + step * width / (2 * steps.max(1));
    let stride = (step % 4).abs_diff(2) * width / 40;
    let (head, hip, foot) = (height / 4, height * 3 / 5, height * 9 / 10);
    for y in head..foot {
        // A head, a body, and two legs that open and close.
        let spread = if y > hip { (y - hip) * stride / (foot - hip).max(1) } else { 0 };
        let half = if y < head + height / 10 { width / 28 } else { width / 40 };
        for centre in [middle.saturating_sub(spread), middle + spread] {
            for x in centre.saturating_sub(half)..(centre + half).min(width) {
                let at = (y * width + x) * 3;
                if let Some(pixel) = picture.rgb.get_mut(at..at + 3) {
                    pixel.copy_from_slice(&[60, 70, 110]);
                }
            }
        }
    }
    picture
}

/// A box with its length.
fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(body.len() + 8).unwrap_or(0).to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    out.extend_from_slice(body);
    out
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// How a video is made.
#[derive(Debug, Clone, Copy)]
pub struct Video<'a> {
    /// JPEG files, all of the same size.
    pub frames: &'a [Vec<u8>],
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// How long each is shown.
    pub milliseconds: u32,
    /// With the places and names that phones and cameras write.
    pub is_private: bool,
}

impl Video<'_> {
    /// An MP4 file of JPEG pictures (ISO/IEC 14496-1 object type 0x6C), its table of contents in front.
    #[must_use]
    pub fn mp4(&self) -> Vec<u8> {
        let place = b"GPS5 place second by second: ".repeat(4);
        let ftyp = boxed(b"ftyp", b"isom\0\0\x02\0isommp41");
        // The table's size does not depend on the places in it.
        let size = u32::try_from(ftyp.len() + self.moov(0, &place).len() + 8).unwrap_or(0);
        let mut samples: Vec<u8> = self.frames.concat();
        if self.is_private {
            samples.extend_from_slice(&place);
        }
        joined(&[&ftyp, &self.moov(size, &place), &boxed(b"mdat", &samples)])
    }

    fn duration(&self) -> u32 {
        self.milliseconds * u32::try_from(self.frames.len()).unwrap_or(0)
    }

    fn moov(&self, data: u32, place: &[u8]) -> Vec<u8> {
        let matrix = words(&[0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000]);
        let head = words(&[0, 0, 0, 1000, self.duration(), 0x10000, 0x0100_0000, 0, 0]);
        let mvhd = boxed(b"mvhd", &joined(&[&head, &matrix, &words(&[0; 6]), &words(&[3])]));
        let mut offset = data;
        let (mut sizes, mut offsets) = (Vec::new(), Vec::new());
        for frame in self.frames {
            let size = u32::try_from(frame.len()).unwrap_or(0);
            sizes.push(size);
            offsets.push(offset);
            offset += size;
        }
        let video = self.track(1, b"vide", &self.entry(), &sizes, &offsets, &matrix);
        let mut inside = joined(&[&mvhd, &video]);
        if self.is_private {
            let entry = boxed(b"gpmd", &[0, 0, 0, 0, 0, 0, 0, 1]);
            let size = u32::try_from(place.len()).unwrap_or(0);
            inside.extend(self.track(2, b"meta", &entry, &[size], &[offset], &matrix));
            let text = joined(&[&[0, 18, 0x15, 0xc7], PLACE.as_bytes()]);
            inside.extend(boxed(b"udta", &boxed(b"\xa9xyz", &text)));
            let key = b"mdtacom.apple.quicktime.location.ISO6709";
            let keys = boxed(b"keys", &joined(&[&words(&[0, 1, u32::try_from(key.len() + 4).unwrap_or(0)]), key]));
            let value = boxed(b"data", &joined(&[&words(&[1, 0]), PLACE.as_bytes()]));
            let list = boxed(b"ilst", &boxed(&[0, 0, 0, 1], &value));
            let handler = boxed(b"hdlr", &joined(&[&words(&[0, 0]), b"mdta", &[0; 13]]));
            inside.extend(boxed(b"meta", &joined(&[&handler, &keys, &list])));
        }
        boxed(b"moov", &inside)
    }

    fn entry(&self) -> Vec<u8> {
        let esds = boxed(
            b"esds",
            &[0, 0, 0, 0, 3, 21, 0, 0, 0, 4, 13, 0x6c, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 1, 2],
        );
        let head = joined(&[
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0; 16],
            &self.width.to_be_bytes(),
            &self.height.to_be_bytes(),
            &words(&[0x0048_0000, 0x0048_0000, 0]),
            &[0, 1],
            &[0; 32],
            &[0, 24, 0xff, 0xff],
            &esds,
        ]);
        boxed(b"mp4v", &head)
    }

    fn track(
        &self,
        id: u32,
        handler: &[u8; 4],
        entry: &[u8],
        sizes: &[u32],
        offsets: &[u32],
        matrix: &[u8],
    ) -> Vec<u8> {
        let count = u32::try_from(sizes.len()).unwrap_or(0);
        let size = words(&[u32::from(self.width) << 16, u32::from(self.height) << 16]);
        let head = words(&[7, 0, 0, id, 0, self.duration(), 0, 0, 0, 0]);
        let tkhd = boxed(b"tkhd", &joined(&[&head, matrix, &size]));
        let mdhd = boxed(b"mdhd", &words(&[0, 0, 0, 1000, self.duration(), 0x55c4_0000]));
        let hdlr = boxed(b"hdlr", &joined(&[&words(&[0, 0]), handler, &[0; 13]]));
        let url = boxed(b"url ", &words(&[1]));
        let dinf = boxed(b"dinf", &boxed(b"dref", &joined(&[&words(&[0, 1]), &url])));
        let stbl = joined(&[
            &boxed(b"stsd", &joined(&[&words(&[0, 1]), entry])),
            &boxed(b"stts", &words(&[0, 1, count, self.duration() / count.max(1)])),
            &boxed(b"stsc", &words(&[0, 1, 1, 1, 1])),
            &boxed(b"stsz", &joined(&[&words(&[0, 0, count]), &words(sizes)])),
            &boxed(b"stco", &joined(&[&words(&[0, count]), &words(offsets)])),
        ]);
        let header = if handler == b"vide" { boxed(b"vmhd", &words(&[1, 0, 0])) } else { boxed(b"nmhd", &words(&[0])) };
        let minf = boxed(b"minf", &joined(&[&header, &dinf, &boxed(b"stbl", &stbl)]));
        boxed(b"trak", &joined(&[&tkhd, &boxed(b"mdia", &joined(&[&mdhd, &hdlr, &minf]))]))
    }
}

/// Puts EXIF with a place, XMP with a place and a comment into a JPEG, as a phone does.
#[must_use]
pub fn with_place(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        joined(&[&tag.to_be_bytes(), &kind.to_be_bytes(), &words(&[count, value])])
    };
    // One directory with three entries, one of the place, one of the times, and what they point at.
    let tiff = joined(&[
        b"MM\0*\0\0\0\x08\0\x03",
        &entry(0x0112, 3, 1, u32::from(orientation) << 16),
        &entry(0x8769, 4, 1, 80),
        &entry(0x8825, 4, 1, 50),
        &words(&[0]),
        &[0, 2],
        &entry(1, 2, 2, u32::from(b'N') << 24),
        &entry(2, 5, 3, 144),
        &words(&[0]),
        &[0, 2],
        &entry(0x9003, 2, 20, 114),
        &entry(0x9011, 2, 7, 134),
        &words(&[0]),
        &[0; 4],
        b"2026:05:03 10:00:00\0",
        b"+09:00\0\0\0\0",
        &words(&[34, 1, 24, 1, 0, 1]),
        b"GPS maker",
    ]);
    let segment = |marker: u8, body: &[u8]| {
        joined(&[&[0xff, marker], &u16::try_from(body.len() + 2).unwrap_or(0).to_be_bytes(), body])
    };
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta exif:GPSLatitude=\"34,24.0N\"/>";
    let mut out = jpeg.get(..2).unwrap_or_default().to_vec();
    out.extend(segment(0xe1, &joined(&[b"Exif\0\0", &tiff])));
    out.extend(segment(0xe1, xmp));
    out.extend(segment(0xfe, b"taken at 34.4N 137.0E"));
    out.extend_from_slice(jpeg.get(2..).unwrap_or_default());
    // Behind the end: what a phone calls a moving photo.
    out.extend_from_slice(b"MotionPhoto_Data +34.4000+137.0000/");
    out
}
