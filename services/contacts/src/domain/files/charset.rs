//! Charsets: decoding the bytes of a contacts file from any program.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::borrow::Cow;

/// The file without byte order mark, converted to UTF-8 if it was UTF-16: its mark, or zeros in its first letters, show
/// that.
pub(super) fn without_utf16(bytes: &[u8]) -> Cow<'_, [u8]> {
    let (encoding, body) = match bytes {
        [0xEF, 0xBB, 0xBF, body @ ..] => (UTF_8, body),
        [0xFF, 0xFE, body @ ..] => (UTF_16LE, body),
        [0xFE, 0xFF, body @ ..] => (UTF_16BE, body),
        [0, 1..=255, 0, 1..=255, ..] => (UTF_16BE, bytes),
        [1..=255, 0, 1..=255, 0, ..] => (UTF_16LE, bytes),
        _ => (UTF_8, bytes),
    };
    if encoding == UTF_8 {
        return Cow::Borrowed(body);
    }
    Cow::Owned(encoding.decode_without_bom_handling(body).0.into_owned().into_bytes())
}

/// One value as text: in its declared charset, else as UTF-8, else as Windows-1252.
pub(super) fn text(bytes: &[u8], declared: Option<&str>) -> String {
    if let Some(encoding) = declared.and_then(|label| Encoding::for_label(label.trim().as_bytes())) {
        return encoding.decode_without_bom_handling(bytes).0.into_owned();
    }
    let text = String::from_utf8_lossy(bytes);
    let Cow::Owned(repaired) = text else { return text.into_owned() };
    // Broken UTF-8, such as a name cut inside a letter, has more valid non-ASCII letters than invalid ones.
    // Windows-1252 text has no valid ones.
    let bad = repaired.matches(char::REPLACEMENT_CHARACTER).count();
    let good = repaired.chars().filter(|letter| !letter.is_ascii()).count() - bad;
    if good > bad { repaired } else { WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_in_the_charset_it_is_written_in() {
        assert_eq!(text("Zoë".as_bytes(), None), "Zoë");
        assert_eq!(text(b"Do\xEB", None), "Doë");
        assert_eq!(text(b"\x80uro \x96 50", None), "€uro – 50");
        assert_eq!(text(b"Do\xEB", Some("windows-1252")), "Doë");
        assert_eq!(text(b"\xB3\xF3d\xBC", Some("iso-8859-2")), "łódź");
        assert_eq!(text(b"\x95\x5C", Some("Shift_JIS")), "表");
        assert_eq!(text(b"Do\xEB", Some("unheard-of")), "Doë");
        assert_eq!(text("ÑÑ\u{80}".as_bytes(), Some("UTF-8")), "ÑÑ\u{80}");
        assert_eq!(text(b"\xC3\x91\xC3\x91\xC3", None), "ÑÑ\u{FFFD}");
    }

    #[test]
    fn utf16_is_told_by_its_mark_or_by_its_zeros() {
        for little in [&b"\xFF\xFEB\0E\0"[..], b"B\0E\0"] {
            assert_eq!(without_utf16(little).as_ref(), b"BE");
        }
        for big in [&b"\xFE\xFF\0B\0E"[..], b"\0B\0E"] {
            assert_eq!(without_utf16(big).as_ref(), b"BE");
        }
        assert_eq!(without_utf16(b"\xEF\xBB\xBFBE").as_ref(), b"BE");
        assert_eq!(without_utf16(b"B").as_ref(), b"B");
    }
}
