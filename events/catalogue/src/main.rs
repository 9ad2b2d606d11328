//! Builds the catalogue of a repository; `scripts/docs` runs it.

use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (repository, out, seen) = match &arguments[..] {
        [repository, out] => (repository, out, None),
        [repository, out, seen] => (repository, out, Some(Path::new(seen))),
        _ => {
            eprintln!("usage: catalogue <repository> <out> [<output of cargo xtask events seen>]");
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
