//! Readable names for user agents.

use super::words::one_line;

/// The first match wins: most browsers also name others in their user agent.
const BROWSERS: [(&str, &str); 6] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "a Mac"),
    ("Linux", "Linux"),
];

/// `Firefox on Linux` for a browser; for any other program the name it sends.
pub fn in_words(device: &str) -> String {
    let found =
        |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| device.contains(mark)).map(|(_, name)| *name);
    match (found(&BROWSERS), found(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) if device.trim().is_empty() || device == "unknown" => "an unknown device".to_owned(),
        (None, _) => one_line(device),
    }
}
