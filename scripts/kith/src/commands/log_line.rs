//! One line of a service's log.

use std::fmt;

use serde_json::{Map, Value};

/// A line. Those that are not JSON, such as the last words of a process that aborts, have the time of the line before.
pub struct LogLine {
    /// RFC 3339 in UTC with microseconds: sorts by time as text.
    pub time: String,
    pub service: String,
    pub raw: String,
    fields: Option<Map<String, Value>>,
}

/// Levels from the most to the least important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLine {
    /// Reads a line.
    pub fn read(raw: &str, service: &str, time_before: &str) -> Self {
        let fields: Option<Map<String, Value>> = serde_json::from_str(raw).ok();
        let time = fields.as_ref().and_then(|fields| fields.get("timestamp")?.as_str()).unwrap_or(time_before);
        Self { time: time.to_owned(), service: service.to_owned(), raw: raw.to_owned(), fields }
    }

    /// The level. What is not JSON counts as an error: the service did not write it.
    pub fn level(&self) -> Level {
        match self.text("level") {
            Some("WARN") => Level::Warn,
            Some("INFO") => Level::Info,
            Some("DEBUG") => Level::Debug,
            Some("TRACE") => Level::Trace,
            _ => Level::Error,
        }
    }

    /// The id of the trace that it belongs to.
    pub fn trace(&self) -> Option<&str> {
        self.text("trace_id")
    }

    /// The id of the message that it is about.
    pub fn message_id(&self) -> Option<&str> {
        self.text("message.id")
    }

    /// A field of the line or of its span.
    fn text(&self, name: &str) -> Option<&str> {
        let fields = self.fields.as_ref()?;
        fields.get(name).or_else(|| fields.get("span")?.get(name))?.as_str()
    }
}

/// Without characters that would forge a line, steer the terminal, or change the direction of the text.
fn printable(text: &str) -> String {
    let steers = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|letter| if steers(letter) { '\u{fffd}' } else { letter }).collect()
}

impl fmt::Display for LogLine {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let time = self.time.get(..23).unwrap_or(&self.time).replace('T', " ");
        let Some(fields) = &self.fields else {
            return write!(formatter, "{time} -     {}  {}", self.service, printable(&self.raw));
        };
        let (level, message) = (self.text("level").unwrap_or("-"), self.text("message").unwrap_or_default());
        write!(formatter, "{time} {level:<5} {}  {}", self.service, printable(message))?;
        let of_span = fields.get("span").and_then(Value::as_object).into_iter().flatten();
        let of_span = of_span.filter(|(name, _)| *name != "name" && !fields.contains_key(*name));
        let known = ["timestamp", "level", "message", "target", "span", "spans"];
        for (name, value) in fields.iter().filter(|(name, _)| !known.contains(&name.as_str())).chain(of_span) {
            match value {
                Value::String(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                    write!(formatter, "  {name}={text}")?
                }
                other => write!(formatter, "  {name}={}", printable(&other.to_string()))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"timestamp":"2026-11-30T08:28:12.712373Z","level":"WARN","message":"message failed","attempts":1,"reason":"not known yet","target":"a::b","span":{"message.id":"01a2","trace_id":"f531","name":"message"}}"#;

    #[test]
    fn a_line_is_shown_with_the_fields_of_its_span() {
        let line = LogLine::read(LINE, "network", "");
        assert_eq!((line.level(), line.message_id(), line.trace()), (Level::Warn, Some("01a2"), Some("f531")));
        assert_eq!(
            line.to_string(),
            "2026-11-30 08:28:12.712 WARN  network  message failed  attempts=1  reason=\"not known yet\"  message.id=01a2  trace_id=f531"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let line = r#"{"timestamp":"t","level":"INFO","message":"a\nb","path":"\u001b[31m","name":"\u202etxt"}"#;
        let shown = LogLine::read(line, "network", "").to_string();
        assert!(!shown.contains(char::is_control) && shown.contains(r#"path="\u001b[31m""#), "{shown}");
        assert!(!shown.contains('\u{202e}'), "{shown}");
    }

    #[test]
    fn what_is_not_json_has_the_time_before_it_and_counts_as_an_error() {
        let line = LogLine::read("thread 'main' has overflowed its stack", "network", "2026-11-30T08:28:12.712373Z");
        assert_eq!((line.level(), line.trace()), (Level::Error, None));
        assert_eq!(line.to_string(), "2026-11-30 08:28:12.712 -     network  thread 'main' has overflowed its stack");
    }
}
