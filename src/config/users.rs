//! `users`: who may see the admin pages. They are lines in the file, not accounts.

use argon2::password_hash::phc::PasswordHash;
use serde::{Deserialize, Serialize};

use super::{Report, Secret, looks_weak};

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees, grants, downloads.
    Researcher,
    /// Also sees the settings.
    Operator,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserConfig {
    /// The name to log in with.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// An Argon2id hash in PHC form; in the file also a password in clear, until the next start.
    pub password: Secret,
}

impl UserConfig {
    /// Whether the password is a hash.
    #[must_use]
    pub fn is_hashed(&self) -> bool {
        self.password.expose().starts_with("$argon2")
    }
}

pub(super) fn validate(users: &[UserConfig], report: &mut Report) {
    if !users.iter().any(|user| user.role == Role::Operator) {
        report.say("users", "nobody could change the settings: add a user with name, role: operator and password");
    }
    for (index, user) in users.iter().enumerate() {
        let field = |key: &str| format!("users[{index}].{key}");
        if user.name.is_empty() || user.name.contains(':') || user.name.chars().any(char::is_control) {
            report.say(field("name"), "write a name without a colon (basic auth ends the name there)");
        }
        if users[..index].iter().any(|other| other.name == user.name) {
            report.say(field("name"), "this name stands above already; give each user a name of its own");
        }
        if user.is_hashed() {
            // One that was cut off behind its parameters can be read too, but no password would ever match it.
            let whole = PasswordHash::new(user.password.expose()).is_ok_and(|hash| hash.salt.is_some() && hash.hash.is_some());
            if !whole || !user.password.expose().starts_with("$argon2id$") {
                report.say(field("password"), "this hash is broken; make one with: wearhouse hash-password");
            }
        } else if looks_weak(user.password.expose(), 12, 6) {
            report.say(field("password"), "this password is missing, short or easy to guess; write one of 12 characters or more");
        }
    }
}
