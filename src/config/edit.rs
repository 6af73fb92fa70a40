//! What the program writes into the file itself. Every line and comment that it does not change stays, to the letter.

use yaml_edit::{Document, Sequence};

use super::{Config, Secret, SecurityConfig, hash_password};

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
