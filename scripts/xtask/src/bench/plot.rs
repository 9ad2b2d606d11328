//! Draws the figures that have a target: how far each reaches it, in SVG that is readable on light and dark.

use std::fmt::Write;

use super::report::{Finding, Report};

const ROW: usize = 22;
const TOP: usize = 40;
const LABELS: usize = 430;
const BARS: usize = 330;
const WIDTH: usize = LABELS + BARS + 80;

/// The upper end of the scale: twice the target fills the bar.
const MOST: f64 = 2.0;

const STYLE: &str = "text{font:12px sans-serif;fill:#24292f}.met{fill:#2da44e}.missed{fill:#cf222e}.aim{stroke:#24292f;stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.met{fill:#3fb950}.missed{fill:#f85149}.aim{stroke:#e6edf3}}";

/// Draws every figure that has a target.
pub fn drawn(report: &Report) -> String {
    let reached: Vec<(&Finding, f64)> =
        report.findings.iter().filter_map(|finding| Some((finding, finding.reached()?))).collect();
    let height = TOP + ROW * reached.len() + 10;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>How far each aim is reached</title>\n<style>{STYLE}</style>\n"
    );
    for (place, (finding, reached)) in reached.into_iter().enumerate() {
        let y = TOP + ROW * place;
        let length = (reached.min(MOST) / MOST * BARS as f64).round();
        let class = if finding.is_met() == Some(true) { "met" } else { "missed" };
        let label = escaped(&format!("{}: {}", finding.row, finding.what));
        let (text_y, end) = (y + 12, LABELS as f64 + length + 6.0);
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{text_y}\" text-anchor=\"end\">{label}</text>", LABELS - 8);
        let _ = writeln!(svg, "<rect class=\"{class}\" x=\"{LABELS}\" y=\"{y}\" width=\"{length}\" height=\"16\"/>");
        let _ = writeln!(svg, "<text x=\"{end}\" y=\"{text_y}\">{reached:.2}</text>");
    }
    let aim = LABELS + (BARS as f64 / MOST) as usize;
    let _ = writeln!(svg, "<line class=\"aim\" x1=\"{aim}\" y1=\"{}\" x2=\"{aim}\" y2=\"{height}\"/>", TOP - 12);
    let _ = writeln!(svg, "<text x=\"{aim}\" y=\"{}\" text-anchor=\"middle\">target</text>", TOP - 18);
    svg + "</svg>\n"
}

/// Escapes text for SVG and shortens it.
fn escaped(text: &str) -> String {
    let cut: String =
        if text.chars().count() > 68 { text.chars().take(67).chain(['…']).collect() } else { text.to_owned() };
    cut.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::Aim;

    #[test]
    fn each_figure_with_an_aim_has_a_bar_and_what_misses_it_another_colour() {
        let finding = |what: &str, value, aim| Finding { ours: vec![value], ..Finding::new("row", what, "ms", aim) };
        let findings = vec![
            finding("good & quick", 50.0, Aim::AtMost(60.0)),
            finding("slow", 120.0, Aim::AtMost(60.0)),
            finding("shown", 1.0, Aim::None),
        ];

        let svg = drawn(&Report { findings, notes: Vec::new() });

        assert_eq!((svg.matches("class=\"met\"").count(), svg.matches("class=\"missed\"").count()), (1, 1));
        assert!(svg.contains("good &amp; quick") && svg.contains(">0.50<") && !svg.contains("shown"), "{svg}");
    }
}
