//! Small pictures of large ones: decoded within limits, averaged, turned, written as JPEG without metadata.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Kind, jpeg_write};

/// Most pixels of a picture that is decoded.
const MOST_PIXELS: u64 = 64_000_000;
/// Longest side of one.
const LONGEST: usize = 30_000;
const QUALITY: u16 = 82;

/// A decoded picture, RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Three bytes a pixel.
    pub rgb: Vec<u8>,
}

/// Why there is no small picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Its kind is not decoded here.
    #[error("pictures of this kind are not decoded here; JPEG and PNG are")]
    Kind,
    /// Too large.
    #[error("the picture has more than {} million pixels", MOST_PIXELS / 1_000_000)]
    TooLarge,
    /// Broken.
    #[error("the picture cannot be decoded: {0}")]
    Damaged(String),
}

/// A JPEG of at most `longest` pixels a side, turned as `orientation` (EXIF 1 to 8) says. Takes time and
/// memory: three bytes a pixel of the large one.
///
/// # Errors
/// [`PictureError`].
pub fn reduced(kind: Kind, file: &[u8], orientation: u8, longest: usize) -> Result<Vec<u8>, PictureError> {
    let picture = match kind {
        Kind::Jpeg => decode_jpeg(file)?,
        Kind::Png => decode_png(file)?,
        _ => return Err(PictureError::Kind),
    };
    Ok(picture.scaled(longest.max(1)).turned(orientation).jpeg(QUALITY))
}

fn fits(width: usize, height: usize) -> Result<(), PictureError> {
    let is_small = width <= LONGEST && height <= LONGEST && width as u64 * height as u64 <= MOST_PIXELS;
    if width == 0 || height == 0 {
        return Err(PictureError::Damaged("it has no pixels".to_owned()));
    }
    if is_small { Ok(()) } else { Err(PictureError::TooLarge) }
}

fn decode_jpeg(file: &[u8]) -> Result<Picture, PictureError> {
    let damaged = |error: &dyn std::fmt::Debug| PictureError::Damaged(format!("{error:?}"));
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(LONGEST)
        .set_max_height(LONGEST);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(|error| damaged(&error))?;
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged(&"no size"))?;
    fits(width, height)?;
    let rgb = decoder.decode().map_err(|error| damaged(&error))?;
    if rgb.len() == width * height * 3 { Ok(Picture { width, height, rgb }) } else { Err(damaged(&"too few pixels")) }
}

fn decode_png(file: &[u8]) -> Result<Picture, PictureError> {
    let damaged = |error: png::DecodingError| PictureError::Damaged(error.to_string());
    let limits = png::Limits { bytes: usize::try_from(MOST_PIXELS * 8).unwrap_or(usize::MAX) };
    let mut decoder = png::Decoder::new_with_limits(std::io::Cursor::new(file), limits);
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    fits(width, height)?;
    let size = reader.output_buffer_size().ok_or(PictureError::TooLarge)?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(damaged)?;
    bytes.truncate(frame.buffer_size());
    // What is transparent shows white paper.
    let over = |value: u8, alpha: u8| {
        let (value, alpha) = (u16::from(value), u16::from(alpha));
        u8::try_from((value * alpha + 255 * (255 - alpha)) / 255).unwrap_or(255)
    };
    let mut rgb = Vec::with_capacity(width * height * 3);
    match frame.color_type {
        png::ColorType::Rgb => rgb = bytes,
        png::ColorType::Grayscale => bytes.iter().for_each(|grey| rgb.extend_from_slice(&[*grey; 3])),
        png::ColorType::GrayscaleAlpha => {
            for pixel in bytes.chunks_exact(2) {
                if let [grey, alpha] = pixel {
                    rgb.extend_from_slice(&[over(*grey, *alpha); 3]);
                }
            }
        }
        png::ColorType::Rgba => {
            for pixel in bytes.chunks_exact(4) {
                if let [red, green, blue, alpha] = pixel {
                    rgb.extend([red, green, blue].map(|value| over(*value, *alpha)));
                }
            }
        }
        png::ColorType::Indexed => return Err(PictureError::Damaged("its palette is missing".to_owned())),
    }
    Ok(Picture { width, height, rgb })
}

impl Picture {
    fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        self.rgb.get(at..at + 3).and_then(|pixel| pixel.try_into().ok()).unwrap_or_default()
    }

    /// The same picture, smaller if it is longer than that: each pixel is the average of those it stands for.
    #[must_use]
    pub fn scaled(self, longest: usize) -> Self {
        let side = self.width.max(self.height);
        if side <= longest {
            return self;
        }
        let shorter = |length: usize| (length * longest / side).max(1);
        let (width, height) = (shorter(self.width), shorter(self.height));
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            let rows = y * self.height / height..((y + 1) * self.height / height).max(y * self.height / height + 1);
            for x in 0..width {
                let columns = x * self.width / width..((x + 1) * self.width / width).max(x * self.width / width + 1);
                let (mut sums, mut count) = ([0_u64; 3], 0);
                for row in rows.clone() {
                    for column in columns.clone() {
                        let pixel = self.pixel(column, row);
                        sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(value));
                        count += 1;
                    }
                }
                rgb.extend(sums.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(255)));
            }
        }
        Self { width, height, rgb }
    }

    /// Turned and mirrored as EXIF's orientation says.
    #[must_use]
    pub fn turned(self, orientation: u8) -> Self {
        let (width, height) = if orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) };
        let (right, bottom) = (self.width.saturating_sub(1), self.height.saturating_sub(1));
        let from = |x: usize, y: usize| match orientation {
            2 => (right - x, y),
            3 => (right - x, bottom - y),
            4 => (x, bottom - y),
            5 => (y, x),
            6 => (y, bottom - x),
            7 => (right - y, bottom - x),
            8 => (right - y, x),
            _ => (x, y),
        };
        if !(2..=8).contains(&orientation) {
            return self;
        }
        let mut rgb = Vec::with_capacity(self.rgb.len());
        for y in 0..height {
            for x in 0..width {
                let (x, y) = from(x, y);
                rgb.extend_from_slice(&self.pixel(x, y));
            }
        }
        Self { width, height, rgb }
    }

    /// As a JPEG file.
    #[must_use]
    pub fn jpeg(&self, quality: u16) -> Vec<u8> {
        let size = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        jpeg_write::write(size(self.width), size(self.height), &self.rgb, quality)
    }

    /// As a PNG file, its rows stored without compression.
    #[must_use]
    pub fn png(&self) -> Vec<u8> {
        let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let mut out = Vec::new();
        let mut encoder = png::Encoder::new(&mut out, size(self.width), size(self.height));
        encoder.set_color(png::ColorType::Rgb);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.rgb));
        if written.is_err() {
            out.clear();
        }
        out
    }
}
