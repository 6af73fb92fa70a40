//! The file as a form: each setting with what it takes. What is here follows from the settings themselves, so that a new
//! section needs no line here.

use std::{ops::RangeInclusive, path::Path};

use serde_yaml::{Mapping, Value};
use sha2::{Digest, Sha256};

use super::{
    AT_START, Config, OpenError, Role, Secret,
    diagnose::words,
    edit::typed,
    file::{parse, read},
    in_force::explain,
    shape,
};
use crate::ids::hex;

/// The sections that a form does not show as fields: one is not changed there, one is a list of people.
const APART: [&str; 2] = ["security", "users"];

/// What a setting takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, within bounds where there are some.
    Number(Option<RangeInclusive<u64>>),
    /// A text on one line.
    Text,
    /// One of a few words.
    Choice(Vec<&'static str>),
    /// True or false.
    Switch,
    /// Several texts, or numbers.
    List {
        /// Whether they are numbers.
        numbers: bool,
    },
    /// A text that is never shown; whether there is one.
    Secret(bool),
    /// What only the file itself can say.
    ByHand,
}

/// One setting.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name, as in `limits.max_upload_mib`.
    pub name: String,
    /// The last part of its name.
    pub key: String,
    /// What the sample file says about it.
    pub explanation: String,
    /// What it takes.
    pub kind: Kind,
    /// Its value as a person types it, a list one item a line; empty for a secret, and where only the file can say it.
    pub value: String,
    /// Whether it waits for the next start.
    pub waits: bool,
}

/// A section of the file.
#[derive(Debug, Clone)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// What the sample file says about it.
    pub explanation: String,
    /// Its settings, in the order of the file.
    pub fields: Vec<Field>,
}

/// The file as it stands, good or not.
pub struct Standing {
    pub(super) path: std::path::PathBuf,
    pub(super) text: String,
    pub(super) value: Mapping,
}

impl Standing {
    /// Reads the file at `path`, which must be there and YAML, and changes nothing.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        let text = read(path)?;
        let value = match serde_yaml::from_str(&text) {
            Ok(Value::Mapping(value)) => value,
            Ok(Value::Null) => Mapping::new(),
            // It says what is wrong, and where.
            _ => parse(&text, path).map(|_| Mapping::new())?,
        };
        Ok(Self { path: path.to_owned(), text, value })
    }

    /// What tells this text from every other one.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(&self.text))
    }

    /// What the file says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn config(&self) -> Result<Config, OpenError> {
        parse(&self.text, &self.path)
    }

    /// Every setting that can be changed in a form, section by section.
    #[must_use]
    pub fn sections(&self) -> Vec<Section> {
        let defaults = serde_yaml::to_value(Config::default()).unwrap_or_default();
        let Value::Mapping(shape) = shape() else { return Vec::new() };
        let ranges = Config::default().validate().into_ranges();
        let mut sections = Vec::new();
        for (section, shapes) in shape {
            let (Some(section), Some(shapes)) = (section.as_str(), shapes.as_mapping()) else { continue };
            if APART.contains(&section) {
                continue;
            }
            let fields = shapes.iter().filter_map(|(key, shape)| {
                let key = key.as_str()?;
                let name = format!("{section}.{key}");
                let value = self.get(section, key).or_else(|| defaults.get(section)?.get(key)).unwrap_or(&Value::Null);
                let mut kind = kind_of(&name, shape, value);
                if let Kind::Number(range) = &mut kind {
                    *range = ranges.get(&name).cloned();
                }
                let value = if matches!(kind, Kind::Secret(_) | Kind::ByHand) { String::new() } else { typed(value) };
                let waits = AT_START.contains(&&*name);
                Some(Field { key: key.to_owned(), explanation: explain(section, key), kind, value, waits, name })
            });
            sections.push(Section { name: section.to_owned(), explanation: explain("", section), fields: fields.collect() });
        }
        sections
    }

    /// The users' names and roles, as far as they can be read.
    #[must_use]
    pub fn users(&self) -> Vec<(String, Option<Role>)> {
        let text = |user: &Value, key| user.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let role = |user: &Value| serde_yaml::from_value(user.get("role").cloned().unwrap_or_default()).ok();
        let users = self.value.get("users").and_then(Value::as_sequence);
        users.into_iter().flatten().map(|user| (text(user, "name"), role(user))).collect()
    }

    /// What stands in the file itself.
    pub(super) fn get(&self, section: &str, key: &str) -> Option<&Value> {
        self.value.get(section)?.get(key)
    }
}

impl Kind {
    /// What a person typed, as a value. What is none of this kind stays a text: whoever looks at the whole config says why not.
    pub(super) fn read(&self, text: &str) -> Value {
        let text = text.trim();
        let number = |text: &str| text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from);
        match self {
            Self::Number(_) => number(text),
            Self::Switch => text.parse::<bool>().map_or_else(|_| Value::from(text), Value::from),
            Self::List { numbers } => {
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                Value::Sequence(lines.map(|line| if *numbers { number(line) } else { Value::from(line) }).collect())
            }
            Self::Text | Self::Choice(_) | Self::Secret(_) | Self::ByHand => Value::from(text),
        }
    }
}

fn kind_of(name: &str, shape: &Value, value: &Value) -> Kind {
    let is_secret = |shape: &Value| shape.as_str() == Some(Secret::HIDDEN);
    match shape {
        Value::Number(_) => Kind::Number(None),
        Value::Bool(_) => Kind::Switch,
        shape if is_secret(shape) => Kind::Secret(value.as_str().is_some_and(|text| !text.is_empty() && text != Secret::HIDDEN)),
        Value::String(_) => match words(name) {
            words if words.is_empty() => Kind::Text,
            words => Kind::Choice(words),
        },
        Value::Sequence(items) => match items.first() {
            None => Kind::List { numbers: false },
            Some(item) if item.is_mapping() || item.is_sequence() || is_secret(item) => Kind::ByHand,
            Some(item) => Kind::List { numbers: item.is_number() },
        },
        _ => Kind::ByHand,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a setting is called that nobody may read: its type says so, also where it is empty.
    #[test]
    fn secrets_are_told_from_texts_by_their_type() {
        let shape = shape();
        assert_eq!(shape["security"]["secret"].as_str(), Some(Secret::HIDDEN));
        assert_eq!(shape["security"]["previous_secrets"][0].as_str(), Some(Secret::HIDDEN));
        // This one is empty in the example.
        assert_eq!(shape["users"][0]["password"].as_str(), Some(Secret::HIDDEN));
        assert_eq!(shape["server"]["listen"].as_str(), Some("127.0.0.1:8080"));
        let hidden = Value::from(Secret::HIDDEN);
        assert_eq!(kind_of("a.password", &hidden, &Value::from("x")), Kind::Secret(true));
        assert_eq!(kind_of("a.password", &hidden, &Value::from("")), Kind::Secret(false));
        assert_eq!(kind_of("a.passwords", &Value::Sequence(vec![hidden]), &Value::Null), Kind::ByHand);
        assert_eq!(kind_of("a.switch", &Value::from(true), &Value::Null), Kind::Switch);
    }
}
