//! The entries of a zip archive that stores them as they are, as `torch.save` does.
//!
//! # Source
//! PKWARE APPNOTE 6.3.10, §4.3: the central directory at the end names each entry, with 64-bit places where 32 are too few.

use std::collections::BTreeMap;

/// Entries by their name without the archive's own first folder.
pub struct Archive<'a> {
    entries: BTreeMap<String, &'a [u8]>,
}

/// Bytes of the record that ends an archive, its comment excluded.
const END: usize = 22;
/// Bytes of the longest comment.
const MOST_COMMENT: usize = 0xFFFF;

impl<'a> Archive<'a> {
    /// Finds every entry.
    ///
    /// # Errors
    /// One line that says what is no archive of stored entries.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let truncated =
            || format!("found {} bytes, no whole zip archive, perhaps truncated", bytes.len());
        let (count, mut at) = directory(bytes).ok_or_else(truncated)?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let entry = Entry::read(bytes, at).ok_or_else(truncated)?;
            let Entry { name, method, next, .. } = &entry;
            if *method != 0 {
                return Err(format!(
                    "entry {name} is compressed or encrypted, torch.save stores them"
                ));
            }
            let content = entry.content(bytes).ok_or_else(truncated)?;
            let (_, name) = name.split_once('/').unwrap_or(("", name));
            if entries.insert(name.to_string(), content).is_some() {
                return Err(format!("entry {name} is there twice"));
            }
            at = *next;
        }
        Ok(Self { entries })
    }

    /// The content of an entry.
    pub fn find(&self, name: &str) -> Option<&'a [u8]> {
        self.entries.get(name).copied()
    }
}

/// How many entries there are, and where the first is described.
fn directory(bytes: &[u8]) -> Option<(u64, usize)> {
    let last = bytes.len().checked_sub(END)?;
    let is_end = |&at: &usize| {
        bytes[at..].starts_with(b"PK\x05\x06")
            && short(bytes, at + 20).map(usize::from) == Some(last - at)
    };
    let end = (last.saturating_sub(MOST_COMMENT)..=last).rev().find(is_end)?;
    let (count, at) = (short(bytes, end + 10)?, word(bytes, end + 16)?);
    if count != u16::MAX && at != u32::MAX {
        return Some((count.into(), at as usize));
    }
    let locator = end.checked_sub(20)?;
    signed(bytes, locator, b"PK\x06\x07")?;
    let record = place(bytes, locator + 8)?;
    signed(bytes, record, b"PK\x06\x06")?;
    Some((long(bytes, record.checked_add(32)?)?, place(bytes, record.checked_add(48)?)?))
}

/// What the central directory says of one entry.
struct Entry {
    name: String,
    /// 0 where the content is stored as it is.
    method: u16,
    /// Bytes of the content.
    size: usize,
    /// Where its own header begins.
    header: usize,
    /// Where the next entry is described.
    next: usize,
}

impl Entry {
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        signed(bytes, at, b"PK\x01\x02")?;
        let length = |from: usize| short(bytes, at + from).map(usize::from);
        let name = (at + 46)..(at + 46).checked_add(length(28)?)?;
        let extra = name.end..name.end.checked_add(length(30)?)?;
        let next = extra.end.checked_add(length(32)?)?;
        let is_encrypted = short(bytes, at + 8)? & 1 == 1;
        let method = if is_encrypted { u16::MAX } else { short(bytes, at + 10)? };
        let name = String::from_utf8_lossy(bytes.get(name)?).into_owned();

        let mut long_fields = long_fields(bytes.get(extra)?);
        let mut field = |from: usize| match word(bytes, at + from)? {
            u32::MAX => usize::try_from(long_fields.next()?).ok(),
            short => Some(short as usize),
        };
        let (size, stored, header) = (field(24)?, field(20)?, field(42)?);
        (method != 0 || size == stored).then_some(Self { name, method, size, header, next })
    }

    /// The bytes behind the entry's own header.
    fn content<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        signed(bytes, self.header, b"PK\x03\x04")?;
        let length = |from: usize| short(bytes, self.header + from).map(usize::from);
        let start = self.header + 30 + length(26)? + length(28)?;
        bytes.get(start..start.checked_add(self.size)?)
    }
}

/// The 64-bit numbers of the extra field 0x0001, in their order: size, stored size, place.
fn long_fields(extra: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let mut at = 0;
    let mut found: &[u8] = &[];
    while let (Some(id), Some(length)) = (short(extra, at), short(extra, at + 2)) {
        let content = extra.get(at + 4..at + 4 + usize::from(length)).unwrap_or_default();
        if id == 1 {
            found = content;
            break;
        }
        at += 4 + usize::from(length);
    }
    found.chunks_exact(8).map(|eight| u64::from_le_bytes(eight.try_into().expect("exact")))
}

/// `Some` if these four bytes stand there.
fn signed(bytes: &[u8], at: usize, signature: &[u8; 4]) -> Option<()> {
    (&array::<4>(bytes, at)? == signature).then_some(())
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// A 64-bit number that is a place in the file.
fn place(bytes: &[u8], at: usize) -> Option<usize> {
    long(bytes, at).and_then(|place| usize::try_from(place).ok()).filter(|&at| at < bytes.len())
}
