//! A baseline JPEG of an RGB picture (ITU-T T.81): for small pictures and drawn samples. No metadata.

/// Quantisation for luminance (annex K), used for all components.
const QUANTISATION: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];
/// Codes a length, and the symbols in order (annex K.3).
const DC_LENGTHS: [u8; 16] = [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0];
const DC_SYMBOLS: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const AC_LENGTHS: [u8; 16] = [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d];
const AC_SYMBOLS: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14,
    0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09,
    0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a,
    0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65,
    0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,
    0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9,
    0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca,
    0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea,
    0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

/// Code and length of each symbol.
type Codes = [(u16, u8); 256];

fn codes(lengths: &[u8; 16], symbols: &[u8]) -> Codes {
    let mut codes = [(0, 0); 256];
    let (mut code, mut symbols) = (0_u16, symbols.iter());
    for (length, count) in (1..).zip(lengths) {
        for symbol in symbols.by_ref().take(usize::from(*count)) {
            if let Some(entry) = codes.get_mut(usize::from(*symbol)) {
                *entry = (code, length);
            }
            code += 1;
        }
        code <<= 1;
    }
    codes
}

#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    held: u32,
    count: u8,
}

impl Bits {
    fn put(&mut self, code: u16, length: u8) {
        self.held = self.held << length | u32::from(code);
        self.count += length;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.held >> self.count & 0xff) as u8;
            self.out.push(byte);
            if byte == 0xff {
                self.out.push(0);
            }
        }
        self.held &= (1 << self.count) - 1;
    }

    fn symbol(&mut self, codes: &Codes, symbol: u8) {
        let (code, length) = codes.get(usize::from(symbol)).copied().unwrap_or_default();
        self.put(code, length);
    }

    /// A value as so many bits; negative ones as their complement.
    fn value(&mut self, value: i32, bits: u8) {
        let value = if value < 0 { value + (1 << bits) - 1 } else { value };
        self.put((value & 0xffff) as u16, bits);
    }
}

/// Bits that a value takes.
const fn width(value: i32) -> u8 {
    (32 - value.unsigned_abs().leading_zeros()) as u8
}

/// The cosine transform of 8 × 8 values, rows then columns.
fn transform(block: &[f32; 64], cosines: &[[f32; 8]; 8]) -> [f32; 64] {
    let mut rows = [0.0; 64];
    for (row, line) in block.chunks_exact(8).enumerate() {
        for (to, cosines) in rows.iter_mut().skip(row * 8).take(8).zip(cosines) {
            *to = line.iter().zip(cosines).map(|(value, cosine)| value * cosine).sum();
        }
    }
    let mut out = [0.0; 64];
    for (place, to) in out.iter_mut().enumerate() {
        let (row, column) = (place / 8, place % 8);
        let cosines = cosines.get(row).into_iter().flatten();
        *to = rows.iter().skip(column).step_by(8).zip(cosines).map(|(value, cosine)| value * cosine).sum();
    }
    out
}

/// Writes an RGB picture, three bytes a pixel, row by row; sizes up to 65,535. Missing pixels are black.
pub(super) fn write(width_pixels: u16, height: u16, rgb: &[u8], quality: u16) -> Vec<u8> {
    let quality = quality.clamp(1, 100);
    let scale = if quality < 50 { 5000 / quality } else { 200 - quality * 2 };
    let table = QUANTISATION.map(|value| ((u32::from(value) * u32::from(scale) + 50) / 100).clamp(1, 255) as u8);
    let mut out = vec![0xff, 0xd8];
    out.extend_from_slice(b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    out.extend_from_slice(&[0xff, 0xdb, 0, 67, 0]);
    out.extend(ZIGZAG.iter().filter_map(|place| table.get(*place)));
    out.extend_from_slice(&[0xff, 0xc0, 0, 17, 8]);
    out.extend_from_slice(&height.to_be_bytes());
    out.extend_from_slice(&width_pixels.to_be_bytes());
    out.extend_from_slice(&[3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    for (class, lengths, symbols) in [(0, &DC_LENGTHS, &DC_SYMBOLS[..]), (0x10, &AC_LENGTHS, &AC_SYMBOLS[..])] {
        let length = u16::try_from(symbols.len() + 19).unwrap_or(0);
        out.extend_from_slice(&[0xff, 0xc4]);
        out.extend_from_slice(&length.to_be_bytes());
        out.push(class);
        out.extend_from_slice(lengths);
        out.extend_from_slice(symbols);
    }
    out.extend_from_slice(&[0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    let mut bits = Bits { out, ..Bits::default() };
    scan(&mut bits, usize::from(width_pixels), usize::from(height), rgb, &table);
    // Filled up with ones.
    let left = (8 - bits.count) % 8;
    bits.put((1 << left) - 1, left);
    bits.out.extend_from_slice(&[0xff, 0xd9]);
    bits.out
}

fn scan(bits: &mut Bits, width_pixels: usize, height: usize, rgb: &[u8], table: &[u8; 64]) {
    let (dc, ac) = (codes(&DC_LENGTHS, &DC_SYMBOLS), codes(&AC_LENGTHS, &AC_SYMBOLS));
    let mut cosines = [[0.0_f32; 8]; 8];
    for (frequency, row) in (0_u8..).zip(&mut cosines) {
        let scale = if frequency == 0 { (1.0_f32 / 8.0).sqrt() } else { 0.5 };
        for (place, cosine) in (0_u8..).zip(row) {
            let angle = f32::from(2 * place + 1) * f32::from(frequency) * std::f32::consts::PI / 16.0;
            *cosine = scale * angle.cos();
        }
    }
    let mut previous = [0; 3];
    for top in (0..height).step_by(8) {
        for left in (0..width_pixels).step_by(8) {
            let mut blocks = [[0.0_f32; 64]; 3];
            for place in 0..64 {
                // Beyond the edge its last pixels go on.
                let (x, y) = ((left + place % 8).min(width_pixels - 1), (top + place / 8).min(height - 1));
                let pixel = rgb.get((y * width_pixels + x) * 3..).and_then(|rest| rest.get(..3)).unwrap_or(&[0, 0, 0]);
                let [r, g, b] = [0, 1, 2].map(|channel| f32::from(pixel.get(channel).copied().unwrap_or(0)));
                let colours = [
                    0.299 * r + 0.587 * g + 0.114 * b - 128.0,
                    -0.168_736 * r - 0.331_264 * g + 0.5 * b,
                    0.5 * r - 0.418_688 * g - 0.081_312 * b,
                ];
                for (block, colour) in blocks.iter_mut().zip(colours) {
                    if let Some(value) = block.get_mut(place) {
                        *value = colour;
                    }
                }
            }
            for (block, previous) in blocks.iter().zip(&mut previous) {
                let values = transform(block, &cosines);
                let quantised = |place: usize| {
                    let value = values.get(place).copied().unwrap_or(0.0);
                    (value / f32::from(table.get(place).copied().unwrap_or(1))).round() as i32
                };
                let first = quantised(0);
                let difference = first - *previous;
                *previous = first;
                bits.symbol(&dc, width(difference));
                bits.value(difference, width(difference));
                let mut zeros = 0_u8;
                for place in ZIGZAG.iter().skip(1) {
                    let value = quantised(*place).clamp(-1023, 1023);
                    if value == 0 {
                        zeros += 1;
                        continue;
                    }
                    while zeros >= 16 {
                        bits.symbol(&ac, 0xf0);
                        zeros -= 16;
                    }
                    bits.symbol(&ac, zeros << 4 | width(value));
                    bits.value(value, width(value));
                    zeros = 0;
                }
                if zeros > 0 {
                    bits.symbol(&ac, 0);
                }
            }
        }
    }
}
