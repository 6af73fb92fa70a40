//! `security`: what signs the tokens of the watches.

use serde::{Deserialize, Serialize};

use super::{Report, Secret, looks_weak};

/// The section `security`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecurityConfig {
    /// Signs new tokens.
    pub secret: Secret,
    /// Tokens signed by these are still good.
    pub previous_secrets: Vec<Secret>,
}

impl SecurityConfig {
    pub(super) fn validate(&self, report: &mut Report) {
        const ADVICE: &str = "this secret is missing, short or easy to guess; write the output of: openssl rand -base64 32";
        let weak = |secret: &Secret| looks_weak(secret.expose(), 32, 16);
        if weak(&self.secret) {
            report.say("security.secret", ADVICE);
        }
        for (index, secret) in self.previous_secrets.iter().enumerate() {
            if weak(secret) {
                report.say(format!("security.previous_secrets[{index}]"), ADVICE);
            }
        }
    }
}
