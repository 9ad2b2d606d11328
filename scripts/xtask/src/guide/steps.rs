//! Parses the steps of a guide and their code blocks.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// The purpose of a code block.
#[derive(Debug, PartialEq)]
pub enum Block {
    File(PathBuf, String),
    Diff(String),
    Commands(String),
}

/// The steps, `## 1. Title`, with their blocks in order.
pub fn steps(text: &str) -> Result<Vec<(String, Vec<Block>)>> {
    let mut steps: Vec<(String, Vec<Block>)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            steps.push((title.to_owned(), Vec::new()));
        }
        let Some(kind) = line.strip_prefix("```") else { continue };
        let body: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        let (_, blocks) = steps.last_mut().with_context(|| format!("a code block before the first step: {kind}"))?;
        blocks.push(match kind.split_once(" file=") {
            Some((_, path)) => Block::File(path.into(), body),
            None if kind == "diff" => Block::Diff(body),
            None if kind == "sh" => Block::Commands(body),
            None => anyhow::bail!("unsupported kind of code block: {kind:?}"),
        });
    }
    Ok(steps)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_their_blocks_in_order_and_other_kinds_are_refused() {
        let text = "# Guide\n\n## 1. Write\n\n```json file=a.json\n{}\n```\n\n## 2. Run\n\n```sh\ntrue\n```\n```diff\n-a\n+b\n```\n";

        let steps = steps(text).unwrap();

        assert_eq!(steps[0], ("1. Write".to_owned(), vec![Block::File("a.json".into(), "{}\n".to_owned())]));
        assert_eq!(steps[1].1, [Block::Commands("true\n".to_owned()), Block::Diff("-a\n+b\n".to_owned())]);
        assert!(super::steps("## 1. Draw\n```svg\n```\n").is_err() && super::steps("```sh\n```\n").is_err());
    }
}
