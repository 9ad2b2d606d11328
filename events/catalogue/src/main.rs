//! Builds the catalogue of a repository; `scripts/docs` runs it.

use std::{env, path::Path, process::ExitCode};

const USAGE: &str = "Builds the catalogue of a repository, a website, into a folder.

usage: catalogue <repository> <out> [<output of cargo xtask events seen>]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (repository, out, seen) = match &arguments[..] {
        [repository, out] => (repository, out, None),
        [repository, out, seen] => (repository, out, Some(Path::new(seen))),
        [help] if help == "--help" || help == "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match catalogue::build(Path::new(repository), Path::new(out), seen) {
        Ok(files) => println!("{files} files in {out}"),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
