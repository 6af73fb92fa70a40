//! Names and passwords: verified slowly, remembered briefly, and never a way to keep others waiting.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;

use super::{argon, error::Problem};
use crate::{
    config::{Role, Secret, Settings, UserConfig, hash_password},
    storage::blocking,
};

/// A page behind `auth_request` asks with every file; a good login is asked of Argon2 once in this time.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Verifications at once: each takes 19 MiB and a core.
const AT_ONCE: usize = 2;
/// Verifications that may wait. One more is told to come back.
const WAITING: usize = 32;
/// Wrong logins that cost nothing.
const FREE_GUESSES: u32 = 3;
/// What each further one costs, doubled every time, at most [`LONGEST_PENALTY`].
const PENALTY: Duration = Duration::from_millis(250);
const LONGEST_PENALTY: Duration = Duration::from_secs(8);
/// After this time without a wrong login an address starts anew.
const FORGIVEN: Duration = Duration::from_secs(600);
/// Entries above which what has expired is forgotten.
const MANY: usize = 10_000;

type Fingerprint = [u8; 32];

/// Who guesses: an address, and the user whose password it tries; all users that there are not are one.
type Guesser = (IpAddr, Option<String>);

/// The wrong logins of a guesser.
struct Wrong {
    count: u32,
    last: Instant,
    /// No further guess is looked at before this time.
    until: Instant,
}

/// A researcher or an operator.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The name in the config.
    pub name: String,
    /// What this person may do.
    pub role: Role,
}

impl Admin {
    fn of(user: &UserConfig) -> Self {
        Self { name: user.name.clone(), role: user.role }
    }
}

/// The users of the config, and who has shown a good password lately.
pub struct Passwords {
    settings: Settings,
    key: [u8; 32],
    /// A hash of nothing, verified where there is no such user, so that the time does not tell.
    nobody: String,
    remembered: Mutex<HashMap<Fingerprint, Instant>>,
    wrong: Mutex<HashMap<Guesser, Wrong>>,
    verifying: Semaphore,
    waiting: AtomicUsize,
}

impl Passwords {
    /// The users of a config, whose passwords are hashes.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            key: rand::random(),
            nobody: hash_password(&Secret::new("")),
            remembered: Mutex::default(),
            wrong: Mutex::default(),
            verifying: Semaphore::new(AT_ONCE),
            waiting: AtomicUsize::new(0),
        }
    }

    /// The user, if name and password were verified a moment ago; each use renews the memory.
    #[must_use]
    pub fn remembered(&self, name: &str, password: &str) -> Option<Admin> {
        let (now, config) = (Instant::now(), self.settings.now());
        let user = config.users.iter().find(|user| user.name == name)?;
        let mut remembered = lock(&self.remembered);
        let until = remembered.get_mut(&self.fingerprint(user, password)).filter(|until| now < **until)?;
        *until = now + REMEMBERED;
        Some(Admin::of(user))
    }

    /// The name, if there is such a user; else nothing.
    #[must_use]
    pub fn name_of(&self, name: &str) -> String {
        let config = self.settings.now();
        config.users.iter().find(|user| user.name == name).map(|user| user.name.clone()).unwrap_or_default()
    }

    /// The user, if name and password are good. Behind a wrong answer nobody at `address` guesses at this user again for a
    /// while, and the longer the more wrong ones there were. Other addresses, and whoever is remembered, notice nothing.
    ///
    /// # Errors
    /// 429 while a guess is not looked at, 503 if too many wait to be verified.
    pub async fn verify(&self, name: &str, password: &str, address: IpAddr) -> Result<Option<Admin>, Problem> {
        let config = self.settings.now();
        let user = config.users.iter().find(|user| user.name == name);
        let guesser = (address, user.map(|user| user.name.clone()));
        self.may_guess(&guesser)?;
        let hash = user.map_or(&*self.nobody, |user| user.password.expose()).to_owned();
        let good = self.argon2(hash, password.to_owned()).await?;
        let Some(user) = user.filter(|_| good) else {
            self.note_wrong(guesser);
            return Ok(None);
        };
        self.remember(self.fingerprint(user, password));
        lock(&self.wrong).remove(&guesser);
        Ok(Some(Admin::of(user)))
    }

    async fn argon2(&self, hash: String, password: String) -> Result<bool, Problem> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Problem::unavailable("too many logins at once; try again", 5));
        }
        let place = self.verifying.acquire().await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let _place = place.map_err(|error| Problem::internal(&error))?;
        Ok(blocking(move || argon::verify(&hash, password.as_bytes())).await?)
    }

    fn remember(&self, fingerprint: Fingerprint) {
        let now = Instant::now();
        let mut remembered = lock(&self.remembered);
        remembered.retain(|_, until| now < *until);
        remembered.insert(fingerprint, now + REMEMBERED);
    }

    fn may_guess(&self, guesser: &Guesser) -> Result<(), Problem> {
        let wait = lock(&self.wrong).get(guesser).map_or(Duration::ZERO, |wrong| wrong.until.saturating_duration_since(Instant::now()));
        if wait.is_zero() {
            return Ok(());
        }
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        Err(Problem::too_many("too many wrong logins from here; wait a moment", seconds))
    }

    fn note_wrong(&self, guesser: Guesser) {
        let now = Instant::now();
        let mut wrong = lock(&self.wrong);
        if wrong.len() >= MANY {
            wrong.retain(|_, wrong| now.duration_since(wrong.last) < FORGIVEN);
        }
        let entry = wrong.entry(guesser).or_insert(Wrong { count: 0, last: now, until: now });
        entry.count = if now.duration_since(entry.last) < FORGIVEN { entry.count.saturating_add(1) } else { 1 };
        entry.last = now;
        // A person may mistype a few times.
        let doublings = entry.count.saturating_sub(FREE_GUESSES);
        entry.until = if doublings == 0 { now } else { now + LONGEST_PENALTY.min(PENALTY * 2_u32.saturating_pow(doublings.min(8))) };
    }

    /// What stands for a login in memory: it gives nothing away, and is another one when the user's password is changed.
    fn fingerprint(&self, user: &UserConfig, password: &str) -> Fingerprint {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.key).expect("HMAC takes a key of any length");
        for part in [&user.name, user.password.expose(), password] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
