//! Decodes the bytes of a file. `PowerShell` 5's `>` writes UTF-16, which kubectl reads too.

/// Windows editors may put it at the start of a text.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why bytes are not a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    #[error("not valid UTF-8")]
    Utf8,
    #[error("not valid UTF-16")]
    Utf16,
    #[error("UTF-16 without a byte order mark")]
    Unmarked,
}

impl NotText {
    /// How to convert the file.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Utf8 => "save it as UTF-8; from Windows-1252: `iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW`",
            Self::Utf16 => "the file is cut off or damaged: create it again",
            Self::Unmarked => {
                "convert it: `iconv -f UTF-16LE -t UTF-8 FILE > NEW`, or in PowerShell \
                 `Get-Content -Encoding Unicode FILE | Set-Content -Encoding utf8 NEW`"
            }
        }
    }
}

/// Decodes UTF-8, which keeps its byte order mark, or UTF-16, if a byte order mark says so.
///
/// # Errors
/// The bytes are in another encoding.
pub fn decode(bytes: Vec<u8>) -> Result<String, NotText> {
    match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // A text in UTF-8 has no NUL.
        [0, _, ..] | [_, 0, ..] => Err(NotText::Unmarked),
        _ => String::from_utf8(bytes).map_err(|_| NotText::Utf8),
    }
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> Result<String, NotText> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| read(*pair)).collect();
    String::from_utf16(&units).ok().filter(|_| rest.is_empty()).ok_or(NotText::Utf16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_and_marked_utf_16_are_decoded() {
        let text = "é: 😀\r\n";
        let utf16 = |mark: &str, to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            format!("{mark}{text}").encode_utf16().flat_map(to_bytes).collect()
        };
        let marked = format!("\u{feff}{text}");
        let cases = [
            (text.as_bytes().to_vec(), Ok(text)),
            (marked.clone().into_bytes(), Ok(marked.as_str())),
            (utf16("\u{feff}", u16::to_le_bytes), Ok(text)),
            (utf16("\u{feff}", u16::to_be_bytes), Ok(text)),
            (Vec::new(), Ok("")),
            (b"a".to_vec(), Ok("a")),
            (b"a\0p\0".to_vec(), Err(NotText::Unmarked)),
            (b"\0a\0p".to_vec(), Err(NotText::Unmarked)),
            (b"\xff\xfea\0p".to_vec(), Err(NotText::Utf16)),
            (b"\xfe\xff\xd8\x00".to_vec(), Err(NotText::Utf16)),
            (b"# f\xfcr\n".to_vec(), Err(NotText::Utf8)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(decode(bytes.clone()), expected.map(str::to_owned), "{bytes:?}");
        }
    }
}
