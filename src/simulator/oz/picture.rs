//! The screenshot that a simulated child takes: a small PNG drawn in code, so that uploads carry a
//! real picture and the repository carries none.

/// Width and height in pixels. Two pixels share a byte, so the width is even.
const WIDTH: usize = 640;
const HEIGHT: usize = 360;
/// The palette: eight shades from top to bottom, then grid, base line, three bars, shadow, and two spare.
const PALETTE: [[u8; 3]; 16] = [
    [0x1b, 0x1f, 0x3b],
    [0x20, 0x27, 0x47],
    [0x26, 0x30, 0x54],
    [0x2c, 0x39, 0x60],
    [0x33, 0x43, 0x6c],
    [0x3a, 0x4e, 0x78],
    [0x42, 0x59, 0x84],
    [0x4b, 0x65, 0x90],
    [0x5c, 0x72, 0x9c],
    [0xe8, 0xec, 0xf6],
    [0x6f, 0xd6, 0xc4],
    [0xf4, 0xb8, 0x60],
    [0xef, 0x7b, 0x7b],
    [0x16, 0x1a, 0x30],
    [0xff, 0xff, 0xff],
    [0x00, 0x00, 0x00],
];
const SHADES: usize = 8;
const GRID: u8 = 8;
const BASE_LINE: u8 = 9;
const FIRST_BAR: u8 = 10;
const SHADOW: u8 = 13;
/// Heights of the bars in pixels.
const BARS: [usize; 12] = [62, 88, 74, 120, 105, 148, 132, 176, 190, 168, 214, 236];

/// A chart over a gradient, as PNG: 640 by 360, sixteen colours, about 115 kB.
#[must_use]
pub fn png() -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(be32(WIDTH));
    header.extend(be32(HEIGHT));
    // Four bits a pixel, a palette, and the standard compression, filter and no interlace.
    header.extend([4, 3, 0, 0, 0]);

    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut png, *b"IHDR", &header);
    chunk(&mut png, *b"PLTE", PALETTE.as_flattened());
    chunk(&mut png, *b"IDAT", &stored(&rows()));
    chunk(&mut png, *b"IEND", &[]);
    png
}

/// Each row: no filter, then two pixels a byte.
fn rows() -> Vec<u8> {
    let mut rows = Vec::with_capacity(HEIGHT * (WIDTH / 2 + 1));
    for y in 0..HEIGHT {
        rows.push(0);
        rows.extend((0..WIDTH).step_by(2).map(|x| colour(x, y) << 4 | colour(x + 1, y)));
    }
    rows
}

fn colour(x: usize, y: usize) -> u8 {
    let base = HEIGHT - 50;
    let left = 44;
    if y == base && (left..WIDTH - left).contains(&x) {
        return BASE_LINE;
    }
    if y < base && x >= left {
        let (bar, within) = ((x - left) / 46, (x - left) % 46);
        let height = BARS.get(bar).copied().unwrap_or(0);
        if height > 0 && base - y <= height && (8..38).contains(&within) {
            return if within >= 35 { SHADOW } else { FIRST_BAR + u8::try_from(bar % 3).unwrap_or(0) };
        }
        if (base - y).is_multiple_of(50) && x < WIDTH - left {
            return GRID;
        }
    }
    u8::try_from(y * SHADES / HEIGHT).unwrap_or(0)
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    png.extend(be32(data.len()));
    let start = png.len();
    png.extend(kind);
    png.extend(data);
    let check = crc32(&png[start..]);
    png.extend(check.to_be_bytes());
}

/// zlib without compression (RFC 1950, RFC 1951 §3.2.4): blocks that are stored as they are.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut zlib = vec![0x78, 0x01];
    let mut blocks = data.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        zlib.push(u8::from(blocks.peek().is_none()));
        zlib.extend(length.to_le_bytes());
        zlib.extend((!length).to_le_bytes());
        zlib.extend(block);
    }
    zlib.extend(adler32(data).to_be_bytes());
    zlib
}

fn adler32(data: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

/// The CRC of PNG chunks (PNG specification, annex D).
fn crc32(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

fn be32(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_are_the_standard_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn the_picture_has_a_header_and_an_end() {
        let png = png();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\x68\x04\x03"));
        assert!(png.ends_with(b"IEND\xae\x42\x60\x82"));
        assert!(png.len() < 120_000);
    }
}
