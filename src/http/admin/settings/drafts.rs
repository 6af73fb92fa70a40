//! What a form on its way to the file must not carry: the secrets that were typed, and whether it was saved already.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use crate::config::{Changed, Secret, Typed};

/// A form that is not sent again for so long is forgotten.
const KEPT: Duration = Duration::from_secs(30 * 60);
/// Forms in memory. With one more, the oldest is forgotten.
const MANY: usize = 64;
/// What the name of a field begins with that names a secret in memory.
const HELD: &str = "held:";

/// A form and the operator who fills it.
pub type Key = (String, String);

struct Draft {
    at: Instant,
    /// By the word that stands for it in a form: a form saves the secrets that it names, and no others.
    secrets: BTreeMap<String, Secret>,
    /// What it changed, and the digest of the file that it changed.
    saved: Option<(String, Vec<Changed>)>,
}

/// The secrets that a form names.
#[derive(Debug, Default)]
pub struct Held {
    /// By the name of the field, with the word that stands for it in a form.
    pub secrets: BTreeMap<String, (String, Secret)>,
    /// The fields whose secret is not in memory any more.
    pub gone: Vec<String>,
}

impl Held {
    /// The names and the values of the fields that carry this on to the next form.
    pub fn fields(&self) -> impl Iterator<Item = (String, &str)> {
        self.secrets.iter().map(|(name, (word, _))| (format!("{HELD}{name}"), word.as_str()))
    }
}

/// The forms that are on their way, in memory only.
#[derive(Default)]
pub struct Drafts(Mutex<BTreeMap<Key, Draft>>);

impl Drafts {
    /// A name for a new form, or for a secret.
    #[must_use]
    pub fn fresh() -> String {
        BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
    }

    /// Takes the secrets out of what was typed and keeps them. Returns them, with those that the form says were typed before.
    pub fn hold(&self, key: &Key, typed: &mut Typed, is_secret: impl Fn(&str) -> bool) -> Held {
        let mut held = Held::default();
        let names: Vec<_> =
            typed.keys().map(|name| name.strip_prefix(HELD).unwrap_or(name).to_owned()).filter(|name| is_secret(name)).collect();
        for name in names {
            let text = typed.remove(&name).unwrap_or_default();
            let before = typed.remove(&format!("{HELD}{name}"));
            let forget = typed.remove(&format!("{name}.forget")).is_some();
            if forget || !text.is_empty() {
                before.and_then(|word| self.with(key, |draft| draft.secrets.remove(&word)));
                if !forget {
                    held.secrets.insert(name, self.keep(key, Secret::new(text)));
                }
            } else if let Some(word) = before {
                match self.look(key, |draft| draft.secrets.get(&word).cloned()).flatten() {
                    Some(secret) => drop(held.secrets.insert(name, (word, secret))),
                    None => held.gone.push(name),
                }
            }
        }
        held
    }

    fn keep(&self, key: &Key, secret: Secret) -> (String, Secret) {
        let word = Self::fresh();
        self.with(key, |draft| draft.secrets.insert(word.clone(), secret.clone()));
        (word, secret)
    }

    /// What the form changed, if it was saved.
    pub fn saved(&self, key: &Key) -> Option<Vec<Changed>> {
        self.look(key, |draft| draft.saved.clone()).flatten().map(|(_, changed)| changed)
    }

    /// Whether the form was saved over the file with this digest. Over another one it is another change.
    pub fn was_saved_over(&self, key: &Key, digest: &str) -> bool {
        self.look(key, |draft| draft.saved.as_ref().is_some_and(|(over, _)| over == digest)).unwrap_or_default()
    }

    /// The form is saved over the file with this digest; its secrets are not needed any more.
    pub fn save(&self, key: &Key, digest: String, changed: Vec<Changed>) {
        self.with(key, |draft| {
            draft.secrets.clear();
            draft.saved = Some((digest, changed));
        });
    }

    fn look<T>(&self, key: &Key, look: impl FnOnce(&Draft) -> T) -> Option<T> {
        let mut drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let draft = drafts.get_mut(key).filter(|draft| draft.at.elapsed() < KEPT)?;
        draft.at = Instant::now();
        Some(look(draft))
    }

    fn with<T>(&self, key: &Key, change: impl FnOnce(&mut Draft) -> T) -> T {
        let mut drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.retain(|_, draft| draft.at.elapsed() < KEPT);
        if drafts.len() >= MANY && !drafts.contains_key(key) {
            let oldest = drafts.iter().min_by_key(|(_, draft)| draft.at).map(|(key, _)| key.clone());
            oldest.map(|oldest| drafts.remove(&oldest));
        }
        let now = Instant::now();
        let draft = drafts.entry(key.clone()).or_insert_with(|| Draft { at: now, secrets: BTreeMap::new(), saved: None });
        draft.at = now;
        change(draft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(drafts: &Drafts, draft: &str, pairs: &[(&str, &str)]) -> Held {
        let mut typed: Typed = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        drafts.hold(&("admin".to_owned(), draft.to_owned()), &mut typed, |name| name == "password")
    }

    fn shown(held: &Held) -> Vec<(String, &str)> {
        held.secrets.iter().map(|(name, (_, secret))| (name.clone(), secret.expose())).collect()
    }

    /// What the form sends that was made of this.
    fn again(drafts: &Drafts, draft: &str, held: &Held, more: &[(&str, &str)]) -> Held {
        let carried: Vec<_> = held.fields().collect();
        let pairs: Vec<_> = carried.iter().map(|(name, word)| (name.as_str(), *word)).chain(more.iter().copied()).collect();
        fill(drafts, draft, &pairs)
    }

    #[test]
    fn a_form_goes_on_with_the_secrets_that_it_names_until_they_are_typed_anew_or_forgotten() {
        let drafts = Drafts::default();
        let one = fill(&drafts, "a", &[("password", "one")]);
        assert_eq!(shown(&again(&drafts, "a", &one, &[("password", "")])), [("password".to_owned(), "one")]);
        assert!(shown(&fill(&drafts, "a", &[("password", "")])).is_empty(), "a form that does not name it");
        assert_eq!(again(&drafts, "b", &one, &[]).gone, ["password"], "another form");
        let two = again(&drafts, "a", &one, &[("password", "two")]);
        assert_eq!(again(&drafts, "a", &one, &[]).gone, ["password"]);
        let none = again(&drafts, "a", &two, &[("password", ""), ("password.forget", "on")]);
        assert!(shown(&none).is_empty() && none.gone.is_empty());
        assert_eq!(again(&drafts, "a", &two, &[]).gone, ["password"]);
    }

    #[test]
    fn the_form_that_was_not_looked_at_for_longest_goes_first() {
        let drafts = Drafts::default();
        let one = fill(&drafts, "0", &[("password", "one")]);
        let others: Vec<_> = (1..MANY).map(|number| fill(&drafts, &number.to_string(), &[("password", "x")])).collect();
        assert!(again(&drafts, "0", &one, &[]).gone.is_empty());
        fill(&drafts, "one more", &[("password", "x")]);
        assert!(again(&drafts, "0", &one, &[]).gone.is_empty(), "it was looked at last");
        assert_eq!(again(&drafts, "1", &others[0], &[]).gone, ["password"]);
    }
}
