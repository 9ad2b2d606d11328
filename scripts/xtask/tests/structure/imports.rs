//! The imports between the files of a crate, read from the code itself.
//!
//! An arrow is an import, or a path in the code, that leads to a definition in another file. A re-export is not a
//! definition: it is followed to the file that has it. A name from an ancestor of the file (`super::X`, or an item of
//! `mod.rs` or `lib.rs` above it) is not an arrow: a module and its children are one unit, and the child sees the
//! private items of its parent by Rust's own rules. A name that a parent takes from a child, or any other file from a
//! `mod.rs`, is an arrow. Unit tests (`mod tests`) do not count.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    path::Path,
};

use super::paths::{Import, imports};

/// A module's path from the root of its crate.
type Module = Vec<String>;

/// The files of a crate and their imports.
pub struct Crate {
    files: BTreeMap<Module, String>,
    imports: BTreeMap<Module, Vec<Import>>,
}

/// From and to a file, with the imported names.
pub type Arrows = BTreeMap<(String, String), BTreeSet<String>>;

impl Crate {
    /// Reads all files under a `src` folder.
    pub fn read(source: &Path) -> Self {
        let files = super::sources(source).into_iter().map(|path| {
            let name = path.strip_prefix(source).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        });
        Self::of(files)
    }

    /// A crate from these files: their paths under `src`, and their text.
    pub fn of(texts: impl IntoIterator<Item = (String, String)>) -> Self {
        let texts: BTreeMap<String, String> = texts.into_iter().collect();
        let root = if texts.contains_key("lib.rs") { "lib" } else { "main" };
        let (mut files, mut found) = (BTreeMap::new(), BTreeMap::new());
        for (name, text) in texts {
            let mut module: Module = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if module.last().is_some_and(|last| last == "mod") || module == [root] {
                module.pop();
            }
            found.insert(module.clone(), imports(&text));
            files.insert(module, name);
        }
        Self { files, imports: found }
    }

    /// All arrows between its files.
    pub fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (module, imports) in &self.imports {
            for import in imports {
                let Some(path) = self.absolute(module, &import.path) else { continue };
                let Some(target) = self.defines(&path, 0) else { continue };
                if !module.starts_with(&target) {
                    let ends = (self.files[module].clone(), self.files[&target].clone());
                    arrows.entry(ends).or_default().insert(import.path.join("::"));
                }
            }
        }
        arrows
    }

    /// A path relative to the crate's root; `None` if it leads out of the crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let base = match first.as_str() {
            "crate" => Module::new(),
            "self" => module.clone(),
            "super" => {
                let up = path.iter().take_while(|step| *step == "super").count();
                let base = &module[..module.len().checked_sub(up)?];
                return Some([base, &path[up..]].concat());
            }
            _ if self.files.contains_key(&[module.as_slice(), std::slice::from_ref(first)].concat()) => {
                return Some([module.as_slice(), path].concat());
            }
            _ => return None,
        };
        Some([base.as_slice(), rest].concat())
    }

    /// The module that defines the item of a path, across re-exports.
    fn defines(&self, path: &[String], depth: usize) -> Option<Module> {
        let module = (0..=path.len()).rev().map(|end| &path[..end]).find(|part| self.files.contains_key(*part))?;
        let rest = &path[module.len()..];
        let onward = rest.first().filter(|_| depth < 8).and_then(|name| {
            let import = self.imports[module].iter().find(|import| import.name.as_deref() == Some(name))?;
            let path = self.absolute(&module.to_vec(), &import.path)?;
            self.defines(&[path.as_slice(), &rest[1..]].concat(), depth + 1)
        });
        onward.or_else(|| Some(module.to_vec()))
    }
}

/// The shortest cycle through each file that is in one, as a description of its arrows; each cycle once.
pub fn circles(arrows: &Arrows) -> Vec<String> {
    let starts: BTreeSet<&String> = arrows.keys().map(|(from, _)| from).collect();
    let mut told = BTreeMap::new();
    for start in starts {
        if let Some(circle) = way_back(arrows, start) {
            let members: BTreeSet<String> = circle.iter().cloned().collect();
            told.entry(members).or_insert_with(|| tell(arrows, &circle));
        }
    }
    told.into_values().collect()
}

/// The shortest path from a file back to itself.
fn way_back(arrows: &Arrows, start: &String) -> Option<Vec<String>> {
    let mut ways = VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for (_, to) in arrows.keys().filter(|(from, _)| *from == way[way.len() - 1]) {
            if to == start {
                return Some(way);
            }
            if seen.insert(to.clone()) {
                ways.push_back([way.as_slice(), std::slice::from_ref(to)].concat());
            }
        }
    }
    None
}

fn tell(arrows: &Arrows, circle: &[String]) -> String {
    let next = circle.iter().cycle().skip(1);
    let steps = circle.iter().zip(next).map(|(from, to)| {
        let names: Vec<_> = arrows[&(from.clone(), to.clone())].iter().map(String::as_str).collect();
        format!("{from} takes {} from {to}", names.join(", "))
    });
    steps.collect::<Vec<_>>().join("; ")
}

#[test]
fn a_circle_is_found_over_re_exports_and_not_between_a_child_and_its_parent() {
    let files = |texts: &[(&str, &str)]| {
        let texts: Vec<_> = texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        circles(&Crate::of(texts).arrows())
    };

    let circle = files(&[
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod inner; pub use inner::Inner;"),
        ("a/inner.rs", "pub struct Inner(crate::b::B);"),
        ("b.rs", "use crate::{a::{Inner}, other::X}; pub struct B;"),
    ]);
    let parent = files(&[
        ("lib.rs", "mod a;"),
        ("a/mod.rs", "mod inner; use inner::Inner; pub struct Outer;"),
        ("a/inner.rs", "use super::Outer; // use crate::b::B;\npub struct Inner;"),
    ]);

    assert_eq!(circle, ["a/inner.rs takes crate::b::B from b.rs; b.rs takes crate::a::Inner from a/inner.rs"]);
    assert_eq!(parent, Vec::<String>::new());
}
