//! Generated regions of files that are otherwise written by hand.

use anyhow::{Context, Result, ensure};

/// What a region's first line says after its name.
const SOURCE: &str = "generated from services/*/service.toml by `cargo kith generate`";

/// Replaces the lines between `# begin NAME: generated ...` and `# end NAME`. They are indented as the first of the two.
pub fn replace(text: &str, name: &str, lines: &str) -> Result<String> {
    between(text, [&format!("# begin {name}: {SOURCE}\n"), &format!("# end {name}\n")], name, lines)
}

/// Does the same in a page, between comments of Markdown.
pub fn replace_in_page(text: &str, name: &str, lines: &str) -> Result<String> {
    between(text, [&format!("<!-- begin {name}: {SOURCE} -->\n"), &format!("<!-- end {name} -->\n")], name, lines)
}

fn between(text: &str, [begin, end]: [&str; 2], name: &str, lines: &str) -> Result<String> {
    let (before, rest) =
        text.split_once(begin).with_context(|| format!("the line `{}` is missing", begin.trim_end()))?;
    let (old, after) = rest.split_once(end).with_context(|| format!("the line `{}` is missing", end.trim_end()))?;
    ensure!(!after.contains(begin), "the region {name} exists twice");
    let margin = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    ensure!(margin.trim().is_empty(), "`{}` has a line of its own", begin.trim_end());
    let end_margin = &old[old.rfind('\n').map_or(0, |at| at + 1)..];
    let indented: String =
        lines.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") }).collect();
    Ok(format!("{before}{begin}{indented}{end_margin}{end}{after}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test shall fail on an unexpected value")]

    use super::replace;

    const FILE: &str =
        "a:\n  # begin b: generated from services/*/service.toml by `cargo kith generate`\n  old\n  # end b\nc\n";

    #[test]
    fn only_the_lines_of_the_region_change() {
        let replaced = replace(FILE, "b", "new\n  more\n\n").unwrap();
        assert_eq!(replaced, FILE.replace("  old\n", "  new\n    more\n\n"));
        assert_eq!(replace(&replaced, "b", "new\n  more\n\n").unwrap(), replaced);
    }

    #[test]
    fn a_file_without_the_region_is_refused() {
        let error = replace("a:\n", "b", "new\n").unwrap_err().to_string();
        assert!(error.contains("# begin b"), "{error}");
        let error = replace(&FILE.replace("# end b\n", ""), "b", "new\n").unwrap_err().to_string();
        assert!(error.contains("# end b"), "{error}");
    }
}
