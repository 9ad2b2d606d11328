//! The imports and paths in the text of a Rust file.

/// A path in a file.
pub struct Import {
    /// Its segments, as written.
    pub path: Vec<String>,
    /// The name that an import gives it; `None` for a path in the code.
    pub name: Option<String>,
}

/// All imports and paths of a file, except those in unit tests.
pub fn imports(text: &str) -> Vec<Import> {
    let tokens = tokens(&without_tests(text));
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at = tree(&tokens, at + 1, &[], &mut found);
        } else if is_word(&tokens[at]) && tokens.get(at + 1).is_some_and(|next| next == "::") {
            let (path, end) = path(&tokens, at);
            found.push(Import { path, name: None });
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// Reads `a::b`, and returns where it ends.
fn path(tokens: &[String], mut at: usize) -> (Vec<String>, usize) {
    let mut path = vec![tokens[at].clone()];
    while tokens.get(at + 1).is_some_and(|sign| sign == "::") && tokens.get(at + 2).is_some_and(|next| is_word(next)) {
        at += 2;
        path.push(tokens[at].clone());
    }
    (path, at + 1)
}

/// Reads the tree of an import, `a::{b, c as d}`, and returns where it ends.
fn tree(tokens: &[String], mut at: usize, before: &[String], found: &mut Vec<Import>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("::") => at += 1,
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|sign| sign != "}") {
                    let end = tree(tokens, at, &path, found);
                    // A text that looks like an import, in a string: it is read no further.
                    if end == at {
                        return at;
                    }
                    at = end + usize::from(tokens.get(end).is_some_and(|sign| sign == ","));
                }
                return at + 1;
            }
            Some("*") => {
                found.push(Import { path, name: None });
                return at + 1;
            }
            Some(word) if is_word(word) => {
                if word != "self" || path.is_empty() {
                    path.push(word.to_owned());
                }
                at += 1;
                if tokens.get(at).is_some_and(|sign| sign == "::") {
                    continue;
                }
                let renamed = tokens.get(at).is_some_and(|sign| sign == "as");
                let name = if renamed { tokens.get(at + 1) } else { path.last() };
                let name = name.cloned();
                found.push(Import { path, name });
                return if renamed { at + 2 } else { at };
            }
            _ => return at,
        }
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Words, `::` and single characters, without comments.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for line in text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code)) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|sign: char| !sign.is_alphanumeric() && sign != '_').unwrap_or(rest.len());
            let end = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    tokens
}

/// The text without unit-test modules, which stand at the end of their file.
fn without_tests(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod "));
    lines[..tests.filter(|at| lines[at + 1].ends_with('{')).unwrap_or(lines.len())].join("\n")
}
