//! Which names a service, and what it keeps, can have.

use anyhow::{Result, ensure};

/// Names of servers, of their users and of processes of the scripts; parts of the names of queues, which rights are given by
/// (`history.contacts`); roles that PostgreSQL reserves; folders of cargo; names in files
/// that are generated for all services.
const TAKEN: &str = "\
    admin build dead demo deps elastic elasticsearch epmd every_service examples guest history incremental jobs \
    kith kith_admin mail neo4j none others postgres prepare public rabbitmq replies requests root skeleton \
    template0 template1 tools";

/// Words that cannot be the name of a crate or of a variable (the Rust reference, "Keywords"), and crates of the compiler.
const RUST: &str = "\
    abstract alloc as async await become box break const continue core crate do dyn else enum extern false final \
    fn for gen if impl in let loop macro match mod move mut override priv proc_macro pub ref return self static \
    std struct super test trait true try type typeof unsafe unsized use virtual where while yield";

/// Types and traits that Rust code uses without importing them (`std::prelude`), and that have one word.
const PRELUDE: &str = "\
    box clone copy debug default drop eq err extend from into iterator none ok option ord result send sized some string \
    sync vec";

/// The words that PostgreSQL reserves (appendix C of its manual): databases, users and tables are named like services and
/// what they keep.
const SQL: &str = "\
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate \
    collation column concurrently constraint create cross current_catalog current_date current_role \
    current_schema current_time current_timestamp current_user default deferrable desc distinct do else end \
    except false fetch for foreign freeze from full grant group having ilike in initially inner intersect into \
    is isnull join lateral leading left like limit localtime localtimestamp natural not notnull null offset on \
    only or order outer overlaps placing primary references returning right select session_user similar some \
    symmetric system_user table tablesample then to trailing true union unique user using variadic verbose when \
    where window with";

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

/// Checks a word for what a service keeps: `invoice`.
///
/// # Errors
/// If it cannot be used, with the reason.
pub fn thing(word: &str) -> Result<()> {
    is_word(word)?;
    ensure!(!is_in(RUST, word), "{word} is a word of Rust: choose another for --thing");
    ensure!(!is_in(PRELUDE, word), "Rust has a type of this name, {word}: choose another for --thing");
    Ok(())
}

/// Checks the plural of such a word, which is the name of a table.
///
/// # Errors
/// If it cannot be used, with the reason.
pub fn things(word: &str) -> Result<()> {
    is_word(word)?;
    ensure!(!is_in(SQL, word) && !is_in(RUST, word), "{word} is a word of SQL or Rust: choose another with --things");
    Ok(())
}

fn is_word(word: &str) -> Result<()> {
    let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase());
    ensure!(is_word && word.len() > 1, "{word:?}: give one word of lower-case letters");
    ensure!(word.len() <= LONGEST, "{word} has {} characters: at most {LONGEST}", word.len());
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
