//! The only EXIF tag that affects a model: `Orientation`.
//!
//! EXIF is a TIFF file without pictures: a byte order, the offset of a directory, and its entries
//! of twelve bytes. Default: upright, also for invalid blocks, because the picture itself is still
//! valid. Bound: one directory, whose entries lie within the block.

use crate::picture::Orientation;

/// The tag's number.
const ORIENTATION: u16 = 0x0112;
/// Its type: a 16-bit number.
const SHORT: u16 = 3;
const ENTRY_BYTES: usize = 12;

pub(crate) fn orientation(block: &[u8]) -> Orientation {
    find(block).map(Orientation::of_exif).unwrap_or_default()
}

fn find(block: &[u8]) -> Option<u16> {
    // A JPEG's block, and that of many WebP files, begins with its own name.
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let is_little = match block.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |bytes: &[u8]| {
        let bytes = *bytes.first_chunk::<2>()?;
        Some(if is_little {
            u16::from_le_bytes(bytes)
        } else {
            u16::from_be_bytes(bytes)
        })
    };
    let place = *block.get(4..)?.first_chunk::<4>()?;
    let place = if is_little {
        u32::from_le_bytes(place)
    } else {
        u32::from_be_bytes(place)
    };
    let directory = block.get(usize::try_from(place).ok()?..)?;
    let count = usize::from(short(directory)?);
    let entries = directory.get(2..)?.chunks_exact(ENTRY_BYTES).take(count);
    let mut found = entries
        .filter(|entry| short(entry) == Some(ORIENTATION) && short(&entry[2..]) == Some(SHORT));
    short(&found.next()?[8..])
}
