//! The files of a new service.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{tool::run, words::Words};
use crate::generate::ports::BASE;

/// The service that new ones are made from.
const TEMPLATE: &str = "skeleton/template";

/// The template's own admin port, in both of its files that name it.
const PORTS: [&str; 2] = ["admin_port = 99", "127.0.0.1:9199"];

/// Writes the files of a new service into a repository.
///
/// # Errors
/// If the template cannot be read, or rustfmt fails.
pub fn write(root: &Path, words: &Words, admin_port: u16) -> Result<()> {
    let template = root.join(TEMPLATE);
    let mut files = Vec::new();
    collect(&template, &mut files)?;
    word_is_free(&files, words)?;
    let mut sources = Vec::new();
    for (file, text) in files {
        let target = root.join(target(file.strip_prefix(&template)?, words));
        fs::create_dir_all(target.parent().context("a file without a folder")?)?;
        fs::write(&target, rendered(&text, &target, words, admin_port))?;
        if target.extension().is_some_and(|extension| extension == "rs") {
            sources.push(target.to_str().context("a path is not UTF-8")?.to_owned());
        }
    }
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    run(root, "rustfmt", &[&["--edition", "2024"], &sources[..]].concat()).map(drop)
}

/// Fails if the word for a thing is a name in the template's code, other than its own words: a type, variable or method.
fn word_is_free(files: &[(PathBuf, String)], words: &Words) -> Result<()> {
    for (file, text) in files.iter().filter(|(file, _)| file.extension().is_some_and(|end| end == "rs")) {
        // Without comments, and without texts: what is between quotation marks.
        let code = text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n");
        let code: String = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        let names: BTreeSet<&str> = code.split(|sign: char| !sign.is_alphanumeric() && sign != '_').collect();
        if words.names_of_thing().iter().any(|word| names.contains(word.as_str())) {
            let (thing, file) = (&words.thing, file.file_name().unwrap_or_default().display());
            bail!("{thing} is a name in the generated code ({file}): choose another word for --thing");
        }
    }
    Ok(())
}

/// The files in a folder and below, with their texts.
fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push((path, text));
        }
    }
    Ok(())
}

/// Where a file of the template is in a repository.
fn target(file: &Path, words: &Words) -> PathBuf {
    let file = words.render(&file.to_string_lossy());
    match file.strip_prefix("schemas/") {
        Some(schema) => Path::new("events/schemas").join(schema),
        None => Path::new("services").join(&words.service).join(file),
    }
}

fn rendered(text: &str, target: &Path, words: &Words, admin_port: u16) -> String {
    let [key, address] = PORTS;
    let text = text.replace(key, &format!("admin_port = {admin_port}"));
    let text = text.replace(address, &format!("127.0.0.1:{}", BASE + admin_port));
    let text = words.render(&text);
    if target.ends_with("Cargo.toml") { with_sorted_dependencies(&text) } else { text }
}

/// A manifest with the lines of each table of dependencies in alphabetical order, as it was before words were replaced.
fn with_sorted_dependencies(manifest: &str) -> String {
    let sorted = manifest.split("\n\n").map(|table| {
        let mut lines: Vec<&str> = table.trim_end().lines().collect();
        if lines.first().is_some_and(|head| head.ends_with("dependencies]")) {
            lines[1..].sort_unstable();
        }
        lines.join("\n")
    });
    sorted.collect::<Vec<_>>().join("\n\n") + "\n"
}
