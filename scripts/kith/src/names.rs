//! Which names a service, and what it keeps, can have.

use anyhow::{Result, ensure};

/// Names of servers, of their users and of processes of the scripts; parts of the names of queues, which rights are given by
/// (`history.contacts`); roles that PostgreSQL reserves; folders of cargo.
const TAKEN: &str = "\
    admin dead demo elastic elasticsearch epmd guest history jobs kith kith_admin mail neo4j none postgres public \
    rabbitmq replies requests root skeleton template0 template1 build deps examples incremental";

/// Words that cannot be the name of a crate or of a variable (the Rust reference, "Keywords"), and crates of the compiler.
const RUST: &str = "\
    abstract alloc as async await become box break const continue core crate do dyn else enum extern false final \
    fn for gen if impl in let loop macro match mod move mut override priv proc_macro pub ref return self static \
    std struct super test trait true try type typeof unsafe unsized use virtual where while yield";

/// The words that PostgreSQL reserves (appendix C of its manual): databases, users and tables are named like services and
/// what they keep.
const SQL: &str = "\
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate \
    collation column concurrently constraint create cross current_date current_role current_time current_user \
    default deferrable desc distinct do else end except false fetch for foreign freeze from full grant group \
    having in initially inner intersect into is join lateral leading left like limit natural not null offset on \
    only or order outer placing primary references returning right select session_user similar some symmetric \
    table then to true union unique user using when where with";

/// The most characters: the longest name that is made of it, a queue's, has 255, and a database's 63.
const LONGEST: usize = 30;

/// Checks the name of a service.
///
/// # Errors
/// If it cannot be used, with the reason.
pub fn service(name: &str) -> Result<()> {
    ensure!(is_plain(name), "{name}: a service is named by lower-case letters, digits and underscores only");
    // `A__B__C` is the variable of the setting `b.c` of `a`.
    ensure!(!name.contains("__") && !name.ends_with('_'), "{name}: write single underscores, and none at the end");
    ensure!(name.len() <= LONGEST, "{name} has {} characters: at most {LONGEST}", name.len());
    ensure!(
        !is_in(TAKEN, name) && !is_in(SQL, name),
        "{name} is the name of a server, a user or a word of SQL: choose another"
    );
    ensure!(!name.starts_with("pg_"), "{name}: PostgreSQL reserves names that begin with pg_");
    ensure!(!is_in(RUST, name), "{name} is a word of Rust: choose another");
    Ok(())
}

/// Checks the word for what a service keeps: `invoice`.
///
/// # Errors
/// If it cannot be used, with the reason.
pub fn thing(word: &str) -> Result<()> {
    let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase());
    ensure!(is_word && word.len() > 1, "{word:?}: give one word of lower-case letters");
    ensure!(word.len() <= LONGEST, "{word} has {} characters: at most {LONGEST}", word.len());
    ensure!(!is_in(SQL, word) && !is_in(RUST, word), "{word} is a word of SQL or Rust: choose another");
    Ok(())
}

/// Whether a name consists of lower-case letters, digits and underscores, and begins with a letter.
pub fn is_plain(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(is_allowed) && name.starts_with(|first: char| first.is_ascii_lowercase())
}

fn is_in(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|other| other == word)
}
