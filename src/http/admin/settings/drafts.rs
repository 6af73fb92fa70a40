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

/// A form and the operator who fills it.
pub type Key = (String, String);

struct Draft {
    at: Instant,
    secrets: BTreeMap<String, Secret>,
    saved: Option<Vec<Changed>>,
}

/// The forms that are on their way, in memory only.
#[derive(Default)]
pub struct Drafts(Mutex<BTreeMap<Key, Draft>>);

impl Drafts {
    /// A name for a new form.
    #[must_use]
    pub fn fresh() -> String {
        BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>())
    }

    /// Takes the secrets out of what was typed, keeps them, and puts back those that were typed before.
    pub fn hold(&self, key: &Key, typed: &mut Typed, is_secret: impl Fn(&str) -> bool) {
        let given: Vec<_> = typed.keys().filter(|name| is_secret(name)).cloned().collect();
        for name in given {
            let text = typed.remove(&name).unwrap_or_default();
            if typed.remove(&format!("{name}.forget")).is_some() {
                self.with(key, |draft| draft.secrets.remove(&name));
            } else if !text.is_empty() {
                self.with(key, |draft| draft.secrets.insert(name, Secret::new(text)));
            }
        }
    }

    /// The secrets that were typed.
    pub fn secrets(&self, key: &Key) -> BTreeMap<String, Secret> {
        self.look(key, |draft| draft.secrets.clone()).unwrap_or_default()
    }

    /// What the form changed, if it was saved.
    pub fn saved(&self, key: &Key) -> Option<Vec<Changed>> {
        self.look(key, |draft| draft.saved.clone()).flatten()
    }

    /// The form is saved; its secrets are not needed any more.
    pub fn save(&self, key: &Key, changed: Vec<Changed>) {
        self.with(key, |draft| {
            draft.secrets.clear();
            draft.saved = Some(changed);
        });
    }

    fn look<T>(&self, key: &Key, look: impl FnOnce(&Draft) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).filter(|draft| draft.at.elapsed() < KEPT).map(look)
    }

    fn with<T>(&self, key: &Key, change: impl FnOnce(&mut Draft) -> T) {
        let mut drafts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.retain(|_, draft| draft.at.elapsed() < KEPT);
        if drafts.len() >= MANY && !drafts.contains_key(key) {
            let oldest = drafts.iter().min_by_key(|(_, draft)| draft.at).map(|(key, _)| key.clone());
            oldest.map(|oldest| drafts.remove(&oldest));
        }
        let now = Instant::now();
        let draft = drafts.entry(key.clone()).or_insert_with(|| Draft { at: now, secrets: BTreeMap::new(), saved: None });
        draft.at = now;
        change(draft);
    }
}
