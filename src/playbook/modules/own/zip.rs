//! Archives that Python can import from.

use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// Files under their names, packed. The same files give the same bytes.
pub fn pack(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>, String> {
    let whole = |len: usize| u32::try_from(len).map_err(|_| "an archive for Python grows too large".to_owned());
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, bytes) in files {
        let mut sum = Crc::new();
        sum.update(bytes);
        let mut small = DeflateEncoder::new(Vec::new(), Compression::best());
        let packed = small.write_all(bytes).and_then(|()| small.finish()).map_err(|why| why.to_string())?;
        let place = whole(archive.len())?;
        let name_len = u16::try_from(name.len()).map_err(|_| format!("the name `{name}` is too long"))?;
        // Version, flags (names are UTF-8), method, time and date (the first day there is).
        let mut head = Vec::new();
        for word in [20_u16, 0x0800, 8, 0, 0x0021] {
            head.extend(word.to_le_bytes());
        }
        for word in [sum.sum(), whole(packed.len())?, whole(bytes.len())?] {
            head.extend(word.to_le_bytes());
        }
        head.extend(name_len.to_le_bytes());
        head.extend(0_u16.to_le_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&head);
        archive.extend(name.as_bytes());
        archive.extend(packed);
        directory.extend(b"PK\x01\x02");
        directory.extend(20_u16.to_le_bytes());
        directory.extend(&head);
        // No comment, first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(place.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(files.len()).map_err(|_| "an archive for Python holds too many files".to_owned())?;
    let (place, len) = (whole(archive.len())?, whole(directory.len())?);
    archive.extend(directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(count.to_le_bytes());
    archive.extend(count.to_le_bytes());
    archive.extend(len.to_le_bytes());
    archive.extend(place.to_le_bytes());
    archive.extend([0; 2]);
    Ok(archive)
}
