//! What the program writes into the file itself. Every line and comment that it does not change stays, to the letter.

use serde_yaml::Value;
use similar::{Algorithm, DiffOp};
use yaml_edit::{Document, Mapping, Sequence};

use super::{Config, Secret, SecurityConfig, hash_password, in_force::show};

/// One thing that a person changes.
pub(super) enum Edit<'a> {
    /// A setting has another value.
    Set { section: &'a str, key: &'a str, value: &'a Value },
    /// A user has another role or password.
    User { index: usize, key: &'a str, value: &'a str },
    /// A user is taken away.
    RemoveUser(usize),
    /// One more user: name, role, password.
    AddUser([&'a str; 3]),
}

/// The text after an edit. Where the file has an unusual form, that may say something else: whoever asks looks at it.
pub(super) fn apply(text: &str, edit: &Edit) -> String {
    let document = Document::from_str_relaxed(text).0;
    let users = document.get_sequence("users");
    match edit {
        Edit::Set { section, key, value } => match document.get_mapping(section) {
            Some(section) => set(&section, key, value),
            None => return with_section(text, section, key, value),
        },
        Edit::User { index, key, value } => {
            let user = users.and_then(|users| users.get(*index));
            if let Some(user) = user.as_ref().and_then(|user| user.as_mapping()) {
                user.set(*key, *value);
            }
        }
        Edit::RemoveUser(index) => drop(users.and_then(|users| users.remove(*index))),
        Edit::AddUser([name, role, password]) => {
            let user = Mapping::new();
            for (key, value) in [("name", name), ("role", role), ("password", password)] {
                user.set(key, *value);
            }
            if let Some(users) = users {
                users.push(user);
            }
        }
    }
    document.to_string()
}

fn set(section: &Mapping, key: &str, value: &Value) {
    match value {
        Value::Number(number) => number.as_u64().into_iter().for_each(|number| section.set(key, number)),
        Value::Bool(value) => section.set(key, *value),
        Value::Sequence(items) => set_list(section, key, items),
        value => section.set(key, typed(value).as_str()),
    }
}

/// Changes as few items as can be, so that the others keep their comments.
fn set_list(section: &Mapping, key: &str, items: &[Value]) {
    let list = section.get_sequence(key);
    let Some(list) = list else {
        let list = Sequence::new_flow();
        items.iter().enumerate().for_each(|(index, item)| insert(&list, index, item));
        section.set(key, list);
        return;
    };
    let before: Vec<_> = list.values().map(|item| item.as_scalar().map_or_else(String::new, yaml_edit::Scalar::as_string)).collect();
    let after: Vec<_> = items.iter().map(typed).collect();
    // From the end, so that the places before stay what they are. What is new comes first, since an empty list has no style.
    for step in similar::capture_diff_slices(Algorithm::Myers, &before, &after).into_iter().rev() {
        let (_, old, new) = step.as_tag_tuple();
        if matches!(step, DiffOp::Equal { .. }) {
            continue;
        }
        for at in new.rev() {
            insert(&list, old.end, &items[at]);
        }
        for at in old.rev() {
            list.remove(at);
        }
    }
}

fn insert(list: &Sequence, index: usize, item: &Value) {
    match item.as_u64() {
        Some(number) => list.insert(index, number),
        None => list.insert(index, typed(item).as_str()),
    }
}

/// The text with one more section behind the others.
fn with_section(text: &str, section: &str, key: &str, value: &Value) -> String {
    let lines: serde_yaml::Mapping = [(Value::from(key), value.clone())].into_iter().collect();
    let Ok(lines) = serde_yaml::to_string(&lines) else { return text.to_owned() };
    let lines: Vec<_> = lines.lines().map(|line| format!("  {line}\n")).collect();
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{end}\n{section}:\n{}", lines.concat())
}

/// Replaces each clear password by its hash.
pub(super) fn hash_passwords(text: &str, config: &Config) -> String {
    let document = Document::from_str_relaxed(text).0;
    let users = document.get_sequence("users");
    for (index, user) in config.users.iter().enumerate().filter(|(_, user)| !user.is_hashed()) {
        if let Some(entry) = users.as_ref().and_then(|users| users.get(index))
            && let Some(entry) = entry.as_mapping()
        {
            entry.set("password", hash_password(&user.password).as_str());
        }
    }
    document.to_string()
}

/// Replaces the secret, and puts the one that is new among the previous ones before the others.
pub(super) fn set_secrets(text: &str, security: &SecurityConfig) -> String {
    let document = Document::from_str_relaxed(text).0;
    let Some(section) = document.get_mapping("security") else { return text.to_owned() };
    section.set("secret", security.secret.expose());
    let newest = security.previous_secrets.first().map(Secret::expose).unwrap_or_default();
    if let Some(previous) = section.get_sequence("previous_secrets") {
        previous.insert(0, newest);
    } else {
        let previous = Sequence::new_flow();
        previous.push(newest);
        section.set("previous_secrets", previous);
    }
    document.to_string()
}

/// A value as a person types it.
pub(super) fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Sequence(items) => items.iter().map(typed).collect::<Vec<_>>().join("\n"),
        value => show(value),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::SAMPLE;

    #[test]
    fn hashing_a_password_in_place_keeps_every_other_line() {
        let text = SAMPLE
            .replace(" secret: \"\"", " secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=")
            .replace(" password: \"\"", " password: correct horse battery staple # the first one");
        let config = Config::parse(&text, Path::new(".")).expect("good");
        let hashed = hash_passwords(&text, &config);
        let changed: Vec<_> = text.lines().zip(hashed.lines()).filter(|(old, new)| old != new).collect();
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert!(changed[0].1.contains("$argon2id$") && changed[0].1.contains("# the first one"), "{changed:?}");
        assert_eq!(text.lines().count(), hashed.lines().count());
        assert!(Config::parse(&hashed, Path::new(".")).expect("still good").users[0].is_hashed());
    }

    /// The lines of a file whose secret is turned over, with those that are new marked by a `+`.
    fn turned_over(security: &str) -> String {
        let text = SAMPLE.replace("  secret: \"\"\n", "").replace("  previous_secrets: []\n", security);
        let secret = |letter: char| Secret::new(format!("{letter}UUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY="));
        let mut wanted = SecurityConfig { secret: secret('n'), previous_secrets: vec![secret('k')] };
        if security.contains("oUUI") {
            wanted.previous_secrets.push(secret('o'));
        }
        let edited = set_secrets(&text, &wanted);
        let read: Config = serde_yaml::from_str(&edited).expect("yaml");
        assert_eq!(read.security, wanted, "{edited}");
        for comment in text.lines().filter(|line| line.trim_start().starts_with('#')) {
            assert!(edited.contains(comment), "{comment} is gone: {edited}");
        }
        let before: Vec<_> = text.lines().collect();
        edited.lines().filter(|line| !before.contains(line)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn turning_the_secret_over_changes_nothing_but_the_secrets() {
        for security in [
            "  secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY= # the first\n  previous_secrets: [oUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=]\n",
            "  previous_secrets:\n    # of the pilot study\n    - oUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=\n  secret: 'kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY='\n",
            "  secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=\n",
            "  secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=\n  previous_secrets: []\n",
            "  secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=\n  previous_secrets:\n",
        ] {
            let new = turned_over(security);
            assert!(new.lines().count() <= 4, "{new}");
        }
    }
}
