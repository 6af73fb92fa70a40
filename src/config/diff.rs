//! What changes in the file, for people to read: without its secrets.

use serde_yaml::Value;
use similar::{ChangeTag, TextDiff};
use yaml_edit::{Document, YamlNode};

use super::{Secret, shape};

/// Unchanged lines around what changes.
const AROUND: usize = 2;
/// A longer word in a comment may be a secret that somebody keeps there.
const LONGEST_WORD: usize = 24;

/// Where a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// In both.
    Both,
    /// In the file as it is.
    Before,
    /// In the file as it will be.
    After,
    /// In neither: lines are left out here.
    Gap,
}

/// A line of the difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffLine {
    /// Where it stands.
    pub side: Side,
    /// What it says, with its end cut off.
    pub text: String,
}

/// The difference of two texts of the config file. `None` where what is secret cannot be told from the rest.
pub(super) fn without_secrets(before: &str, after: &str) -> Option<Vec<DiffLine>> {
    let kept = secrets(before)?;
    let (before, after) = (masked(before, &kept)?, masked(after, &kept)?);
    let (mut lines, diff) = (Vec::new(), TextDiff::from_lines(&*before, &*after));
    for (index, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if index > 0 {
            lines.push(DiffLine { side: Side::Gap, text: String::new() });
        }
        for change in group.iter().flat_map(|step| diff.iter_changes(step)) {
            let side = match change.tag() {
                ChangeTag::Equal => Side::Both,
                ChangeTag::Delete => Side::Before,
                ChangeTag::Insert => Side::After,
            };
            lines.push(DiffLine { side, text: comment_masked(change.value().trim_end()) });
        }
    }
    Some(lines)
}

/// Everything secret that stands in a text.
fn secrets(text: &str) -> Option<Vec<String>> {
    let value: Value = serde_yaml::from_str(text).ok()?;
    let mut found = Vec::new();
    each_secret(&value, &shape(), &mut Vec::new(), &mut |_, secret| found.push(secret.to_owned()));
    Some(found)
}

/// The text with a word instead of each secret; one that is not among those that are kept is a new one.
fn masked(text: &str, kept: &[String]) -> Option<String> {
    let value: Value = serde_yaml::from_str(text).ok()?;
    let document = Document::from_str_relaxed(text).0;
    let (mut hidden, mut all) = (Vec::new(), true);
    each_secret(&value, &shape(), &mut Vec::new(), &mut |path, secret| {
        let word = if kept.iter().any(|old| old == secret) { Secret::HIDDEN } else { "(hidden, new)" };
        all &= put(&document, path, word).is_some();
        hidden.push(secret.to_owned());
    });
    let masked = document.to_string();
    let shown = hidden.iter().any(|secret| secret.len() > 3 && masked.contains(secret));
    let left = secrets(&masked)?.iter().any(|secret| !secret.starts_with("(hidden"));
    (all && !shown && !left).then_some(masked)
}

fn put(document: &Document, path: &[Step], word: &str) -> Option<()> {
    let mut node = YamlNode::Mapping(document.as_mapping()?);
    let (last, above) = path.split_last()?;
    for step in above {
        node = match step {
            Step::Key(key) => node.as_mapping()?.find_entry_by_key(key)?.value_node()?,
            Step::Item(index) => node.get_item(*index)?,
        };
    }
    match last {
        Step::Key(key) => node.as_mapping()?.set(key.as_str(), word),
        Step::Item(index) => drop(node.as_sequence()?.set(*index, word)),
    }
    Some(())
}

#[derive(Clone)]
enum Step {
    Key(String),
    Item(usize),
}

/// Calls for each secret that is not empty, with the way to it.
fn each_secret(value: &Value, shape: &Value, path: &mut Vec<Step>, call: &mut impl FnMut(&[Step], &str)) {
    match (shape, value) {
        (Value::Mapping(shapes), Value::Mapping(values)) => {
            for (key, value) in values {
                let (Some(shape), Some(name)) = (shapes.get(key), key.as_str()) else { continue };
                path.push(Step::Key(name.to_owned()));
                each_secret(value, shape, path, call);
                path.pop();
            }
        }
        (Value::Sequence(shapes), Value::Sequence(values)) => {
            for (index, value) in values.iter().enumerate() {
                let Some(shape) = shapes.first() else { continue };
                path.push(Step::Item(index));
                each_secret(value, shape, path, call);
                path.pop();
            }
        }
        (Value::String(shape), Value::String(secret)) if shape == Secret::HIDDEN && !secret.is_empty() => call(path, secret),
        _ => {}
    }
}

fn comment_masked(line: &str) -> String {
    let Some((setting, comment)) = line.split_once('#') else { return line.to_owned() };
    let words = comment.split(' ').map(|word| if word.len() >= LONGEST_WORD { Secret::HIDDEN } else { word });
    format!("{setting}#{}", words.collect::<Vec<_>>().join(" "))
}
