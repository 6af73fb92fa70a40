//! What is in force, setting by setting, with the words that the sample has for it.

use serde_yaml::Value;

use super::{Config, SAMPLE};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingInForce {
    /// Its name, as in `limits.max_upload_mib`.
    pub name: String,
    /// Its value; a secret is not shown.
    pub value: String,
    /// What the sample file says about it.
    pub explanation: String,
}

impl Config {
    /// Every setting in the order of the file.
    #[must_use]
    pub fn in_force(&self) -> Vec<SettingInForce> {
        let Ok(Value::Mapping(sections)) = serde_yaml::to_value(self) else { return Vec::new() };
        let mut settings = Vec::new();
        for (section, values) in &sections {
            let section = section.as_str().unwrap_or_default();
            match values {
                Value::Mapping(values) => {
                    for (key, value) in values {
                        let key = key.as_str().unwrap_or_default();
                        settings.push(setting(format!("{section}.{key}"), value, explain(section, key)));
                    }
                }
                value => settings.push(setting(section.to_owned(), value, explain("", section))),
            }
        }
        settings
    }
}

fn setting(name: String, value: &Value, explanation: String) -> SettingInForce {
    SettingInForce { name, value: show(value), explanation }
}

pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Sequence(items) if items.is_empty() => "(none)".to_owned(),
        Value::String(text) if text.is_empty() => "(none)".to_owned(),
        Value::Sequence(items) => items.iter().map(show).collect::<Vec<_>>().join(", "),
        Value::Mapping(entries) => entries.values().map(show).collect::<Vec<_>>().join(" · "),
        value => serde_yaml::to_string(value).unwrap_or_default().trim_end().to_owned(),
    }
}

/// The comment above a key of a section in the sample, or above the keys that it stands in a row with.
pub(super) fn explain(section: &str, key: &str) -> String {
    let (head, line) = if section.is_empty() { (String::new(), format!("{key}:")) } else { (format!("{section}:"), format!("  {key}:")) };
    let lines: Vec<_> = SAMPLE.lines().skip_while(|text| !head.is_empty() && **text != *head).collect();
    let Some(at) = lines.iter().position(|text| text.starts_with(&line)) else { return String::new() };
    let above = lines[..at].iter().rev().skip_while(|text| text.starts_with("  ") && !text.trim_start().starts_with('#'));
    let comment = above.take_while(|text| text.trim_start().starts_with('#'));
    let mut words: Vec<_> = comment.map(|text| text.trim_start().trim_start_matches('#').trim()).collect();
    words.reverse();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_listed_with_its_value_and_no_secret() {
        let mut config = Config::default();
        config.security.secret = super::super::Secret::new("hunter2");
        let settings = config.in_force();
        let find = |name: &str| settings.iter().find(|setting| setting.name == name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(find("limits.max_upload_mib").value, "4096");
        assert!(find("limits.max_upload_mib").explanation.contains("client_max_body_size"));
        assert!(find("limits.device_datasets").explanation.contains("GiB, files, datasets"));
        assert!(find("security.secret").explanation.contains("Signs the tokens"));
        assert!(settings.iter().all(|setting| !setting.value.contains("hunter2")));
    }
}
