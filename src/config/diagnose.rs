//! What is wrong with a config file: everything at once, each with its line, its field and what to write instead. No
//! message repeats a value of the file, since it may be a secret.

use std::{collections::HashMap, fmt, ops::RangeInclusive};

use serde::de::DeserializeOwned;
use serde_yaml::Value;
use yaml_edit::{Document, YamlNode};

use super::Config;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line in the file, counted from 1, where it can be told.
    pub line: Option<usize>,
    /// The setting, as in `limits.max_upload_mib`; empty for the file as a whole.
    pub field: String,
    /// What to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

/// Gathers problems by field; lines are looked up at the end.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<(String, String)>,
    /// The numbers that were looked at, and what is allowed.
    ranges: Vec<(String, RangeInclusive<u64>)>,
}

impl Report {
    pub(super) fn say(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.problems.push((field.into(), message.into()));
    }

    pub(super) fn range(&mut self, field: &str, value: u64, allowed: RangeInclusive<u64>) {
        if !allowed.contains(&value) {
            self.say(field, out_of_range(&allowed));
        }
        self.ranges.push((field.to_owned(), allowed));
    }

    /// What is allowed for each number.
    pub(super) fn into_ranges(self) -> HashMap<String, RangeInclusive<u64>> {
        self.ranges.into_iter().collect()
    }

    pub(super) fn into_result(self, text: &str) -> Result<(), Problems> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let document = Document::from_str_relaxed(text).0;
        let found = self.problems.into_iter();
        let mut problems: Vec<Problem> =
            found.map(|(field, message)| Problem { line: line_of(&document, text, &field), field, message }).collect();
        problems.sort_by_key(|problem| problem.line);
        Err(Problems(problems))
    }
}

/// What to write instead of a number that is too small or too large.
pub(super) fn out_of_range(allowed: &RangeInclusive<u64>) -> String {
    format!("write a whole number from {} to {}", allowed.start(), allowed.end())
}

/// Reads a file, and holds it against `example`, in which every key and the type of every value can be seen.
pub(super) fn deserialize<T: DeserializeOwned + Default>(text: &str, example: &Config) -> Result<T, Problems> {
    let whole = |line, message: &str| Problems(vec![Problem { line, field: String::new(), message: message.to_owned() }]);
    let value: Value = serde_yaml::from_str(text).map_err(|error| {
        whole(
            error.location().map(|at| at.line()),
            "this is not YAML: look for a tab, a missing space after a colon, an open quote or bracket, a star at the beginning of a text \
             that is not in quotes, or a key that stands twice",
        )
    })?;
    if value.is_null() {
        return Ok(T::default());
    }
    let shape = serde_yaml::to_value(example).map_err(|_| whole(None, "the settings cannot be listed"))?;
    let mut report = Report::default();
    compare("", &value, &shape, &mut report);
    report.into_result(text)?;
    // What is left cannot be seen from the shape; the walk above has seen to it that nothing secret is in the message.
    serde_yaml::from_value(value).map_err(|_| whole(None, "a setting is of the wrong kind; compare the file with the table in README.md"))
}

fn compare(path: &str, value: &Value, shape: &Value, report: &mut Report) {
    match (shape, value) {
        (Value::Mapping(known), Value::Mapping(given)) => {
            for (key, value) in given {
                let name = key.as_str().unwrap_or("?");
                let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
                match known.get(key) {
                    Some(shape) => compare(&path, value, shape, report),
                    None => report.say(path, unknown(name, known.keys().filter_map(Value::as_str))),
                }
            }
            if path.starts_with("users[") {
                for key in known.keys().filter_map(Value::as_str).filter(|key| !given.contains_key(*key)) {
                    report.say(path, format!("this user has no {key}: write name, role and password"));
                }
            }
        }
        (Value::Mapping(known), _) => {
            let keys: Vec<_> = known.keys().filter_map(Value::as_str).collect();
            report.say(path, format!("write settings below it, each on a line of its own: {}", keys.join(", ")));
        }
        (Value::Sequence(shapes), Value::Sequence(given)) => {
            for (index, value) in given.iter().enumerate() {
                if let Some(shape) = shapes.first() {
                    compare(&format!("{path}[{index}]"), value, shape, report);
                }
            }
        }
        (Value::Sequence(_), _) => report.say(path, "write a list, one item a line behind a dash"),
        (Value::Number(example), given) if !given.is_u64() => report.say(path, format!("write a whole number, for example {example}")),
        (Value::Bool(_), given) if !given.is_bool() => report.say(path, "write true or false"),
        (Value::String(_), given) if !given.is_string() => {
            report.say(path, "write a text; put it in quotes where it looks like something else");
        }
        (Value::String(_), Value::String(given)) => check_word(path, given, report),
        _ => {}
    }
}

/// The words of a setting that takes one of a few; none where it takes any.
pub(super) fn words(path: &str) -> Vec<&'static str> {
    let words: &[&'static str] = match path {
        "log.format" => &["text", "json"],
        "log.level" => &["error", "warn", "info", "debug", "trace"],
        "alerts.send" => &["at_once", "daily"],
        "alerts.smtp_security" => &["starttls", "tls", "none"],
        "alerts.webhook_format" => &["json", "ntfy"],
        _ if path.starts_with("alerts.about[") => &super::AlertKind::ALL.map(super::AlertKind::as_str),
        _ if path.starts_with("users[") && path.rsplit('.').next() == Some("role") => &["researcher", "operator"],
        _ => return Vec::new(),
    };
    words.to_vec()
}

fn check_word(path: &str, given: &str, report: &mut Report) {
    let words = words(path);
    if !words.is_empty() && !words.contains(&given) {
        report.say(path, format!("write one of: {}", words.join(", ")));
    }
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let nearest = known.max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    match nearest.filter(|nearest| strsim::jaro_winkler(name, nearest) > 0.8) {
        Some(nearest) => format!("there is no such setting; did you mean {nearest}?"),
        None => "there is no such setting; delete the line, or look it up in README.md".to_owned(),
    }
}

/// The line of a field, or of the nearest thing above it that stands in the file.
fn line_of(document: &Document, text: &str, field: &str) -> Option<usize> {
    let mut node = YamlNode::Mapping(document.as_mapping()?);
    let mut found = None;
    for part in field.replace('[', ".[").split('.').filter(|part| !part.is_empty()) {
        let (at, next) = if let Some(index) = part.strip_prefix('[').and_then(|part| part.trim_end_matches(']').parse().ok()) {
            let Some(item) = node.get_item(index) else { break };
            (item.byte_range().start, Some(item))
        } else {
            let Some(entry) = node.as_mapping().and_then(|mapping| mapping.find_entry_by_key(part)) else { break };
            let Some(key) = entry.key_node() else { break };
            (key.byte_range().start, entry.value_node())
        };
        found = Some(yaml_edit::byte_offset_to_line_column(text, at as usize).line);
        let Some(next) = next else { break };
        node = next;
    }
    found
}
