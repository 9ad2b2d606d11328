//! A position in a JSON text.

use super::{MAX_NAME, shortened};

/// The position in the tree of a JSON text after reading part of it. Text that is not JSON gives some position.
#[derive(Default)]
pub(super) struct Position<'a> {
    open: Vec<Level<'a>>,
    pub(super) deepest: usize,
}

enum Level<'a> {
    Object { key: Option<&'a [u8]>, key_next: bool },
    Array { index: Option<usize> },
}

impl<'a> Position<'a> {
    pub(super) fn after(text: &'a [u8]) -> Self {
        let mut position = Self::default();
        let mut at = 0;
        while at < text.len() {
            let length = if text[at] == b'"' { string_length(&text[at..]) } else { 1 };
            position.read(&text[at..at + length]);
            at += length;
        }
        position
    }

    fn read(&mut self, token: &'a [u8]) {
        if token[0].is_ascii_whitespace() {
            return;
        }
        if let Some(Level::Array { index: index @ None }) = self.open.last_mut()
            && token[0] != b']'
        {
            *index = Some(0);
        }
        match (token[0], self.open.last_mut()) {
            (b'{', _) => self.open.push(Level::Object { key: None, key_next: true }),
            (b'[', _) => self.open.push(Level::Array { index: None }),
            (b'}' | b']', _) => drop(self.open.pop()),
            (b',', Some(Level::Array { index: Some(index) })) => *index += 1,
            (b',', Some(Level::Object { key, key_next })) => (*key, *key_next) = (None, true),
            (b'"', Some(Level::Object { key, key_next: key_next @ true })) => {
                (*key, *key_next) = (Some(&token[1..]), false);
            }
            _ => {}
        }
        self.deepest = self.deepest.max(self.open.len());
    }

    pub(super) fn path(&self) -> Vec<String> {
        let name = |level: &Level<'_>| match level {
            Level::Object { key, .. } => {
                key.map(|key| shortened(String::from_utf8_lossy(key).trim_end_matches('"'), MAX_NAME))
            }
            Level::Array { index } => index.map(|index| index.to_string()),
        };
        self.open.iter().filter_map(name).collect()
    }
}

/// The length of the string at the start of a text, quotes included; the whole text if the string does not end.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
