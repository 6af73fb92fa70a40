//! What was requested of the server, and so what it may answer: datasets, files, devices, the privacy rule.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    history::{History, Moment, Span},
    names::{self, Rule},
};

/// How long, and for how many requests of others that began and ended meanwhile, a response may be on its way after the server has
/// looked whether it may be sent: both must have passed before an older state is no excuse any more.
const GRACE: Duration = Duration::from_millis(500);
const GRACE_REQUESTS: usize = 60;
/// Requests that are remembered to count them.
const REMEMBERED: usize = 1000;

/// The tags that datasets get.
pub const TAGS: [&str; 2] = ["pilot", "second look"];

/// Where a dataset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Its UUID is not issued yet.
    Unknown,
    Live,
    Trash,
    Erased,
}

/// What happens to a file in quarantine when its dataset is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnErasure {
    /// It is erased with the dataset.
    Erased,
    /// It came later, and is kept.
    Kept,
    /// It came while the dataset was being erased.
    Unknown,
}

/// Where a file is. One that is stored leaves its dataset only when that is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was not sent, or was discarded.
    Absent,
    Stored,
    Quarantined(OnErasure),
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Researcher,
    Operator,
}

/// An index into [`Model::devices`].
pub type DeviceIndex = usize;

/// What makes two uploads one file: sender, name, bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKey {
    pub sender: DeviceIndex,
    pub sent_name: String,
    pub sha256: String,
}

#[derive(Debug)]
pub struct File {
    pub key: FileKey,
    pub size: u64,
    pub state: History<State>,
    /// The name under which it is stored, as soon as a response named it.
    pub stored_as: Option<String>,
}

#[derive(Debug)]
pub struct Dataset {
    pub owner: DeviceIndex,
    pub place: History<Place>,
    pub title: History<String>,
    pub description: History<String>,
    pub quality: History<Option<&'static str>>,
    pub tags: [History<bool>; TAGS.len()],
    pub files: Vec<File>,
}

#[derive(Debug)]
pub struct Device {
    /// Its id in JSON.
    pub id: String,
    pub has_access: History<bool>,
}

/// Bounds of a number: what it must count for certain, and what it may count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    pub least: u64,
    pub most: u64,
}

impl Bounds {
    fn add(&mut self, number: u64, is_certain: bool, is_possible: bool) {
        self.least += if is_certain { number } else { 0 };
        self.most += if is_possible { number } else { 0 };
    }

    pub fn holds(self, number: u64) -> bool {
        (self.least..=self.most).contains(&number)
    }
}

/// Datasets, their files and bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    pub datasets: Bounds,
    pub files: Bounds,
    pub bytes: Bounds,
}

#[derive(Debug)]
pub struct Model {
    pub datasets: BTreeMap<String, Dataset>,
    /// Their UUIDs in the order in which they were issued.
    pub issued: Vec<String>,
    pub devices: Vec<Device>,
    pub rule: History<Rule>,
    /// Requests for new datasets without a response, and their devices.
    pub unissued: BTreeMap<Moment, DeviceIndex>,
    now: Moment,
    /// Requests that were answered: when they were sent and answered.
    answered: VecDeque<(Moment, Moment, Instant)>,
    requests: u64,
}

impl Model {
    pub fn new(rule: Rule) -> Self {
        Self {
            datasets: BTreeMap::new(),
            issued: Vec::new(),
            devices: Vec::new(),
            rule: History::new(rule),
            unissued: BTreeMap::new(),
            now: Moment::START,
            answered: VecDeque::new(),
            requests: 0,
        }
    }

    pub fn tick(&mut self) -> Moment {
        self.now.0 += 1;
        self.now
    }

    pub fn now(&self) -> Span {
        Span { from: self.now, to: self.now }
    }

    /// How many requests were answered.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Notes that a request was answered.
    pub fn note_answered(&mut self, asked: Moment, answered: Moment) {
        self.requests += 1;
        self.answered.push_back((asked, answered, Instant::now()));
        if self.answered.len() > REMEMBERED {
            self.answered.pop_front();
        }
    }

    /// When the server must have looked whether a response may be sent, of which the question and the head are known: not before
    /// the question, and not so long before the head that [`GRACE_REQUESTS`] began and ended, and [`GRACE`] passed, meanwhile.
    pub fn last_look(&self, response: Span) -> Span {
        let Some(latest) = Instant::now().checked_sub(GRACE) else { return response };
        let long_ago = self.answered.iter().rev().find(|(_, _, at)| *at <= latest).map(|(_, answered, _)| *answered);
        let mut later: Vec<_> = self.answered.iter().filter(|(_, answered, _)| *answered < response.to).map(|(asked, ..)| *asked).collect();
        later.sort_unstable();
        let many_ago = later.len().checked_sub(GRACE_REQUESTS).map(|at| later[at]);
        let from = long_ago.zip(many_ago).map_or(Moment::START, |(long, many)| long.min(many));
        Span { from: response.from.max(from), to: response.to }
    }

    pub fn add_dataset(&mut self, uuid: &str, owner: DeviceIndex, issued: Span) {
        let mut place = History::new(Place::Unknown);
        place.begin(Place::Live, issued.from);
        place.confirm(issued.from, issued.to);
        let dataset = Dataset {
            owner,
            place,
            title: History::new(String::new()),
            description: History::new(String::new()),
            quality: History::new(None),
            tags: TAGS.map(|_| History::new(false)),
            files: Vec::new(),
        };
        self.datasets.insert(uuid.to_owned(), dataset);
        self.issued.push(uuid.to_owned());
    }

    /// Drops files of which nothing is left. Everything must be settled.
    pub fn forget_what_is_gone(&mut self) {
        let now = self.now();
        for dataset in self.datasets.values_mut() {
            dataset.files.retain(|file| !file.state.is_always(now, |state| *state == State::Absent));
        }
    }

    /// Whether a reader may see a file of this stored name at some moment of a span, as far as the name goes.
    pub fn may_see(&self, reader: Reader, stored: &str, span: Span) -> bool {
        reader == Reader::Operator || self.rule.may_be(span, |rule| !rule.hides(stored))
    }

    /// The same during the whole span.
    pub fn always_sees(&self, reader: Reader, stored: &str, span: Span) -> bool {
        reader == Reader::Operator || self.rule.is_always(span, |rule| !rule.hides(stored))
    }

    /// What all datasets come to that are in this place.
    pub fn totals(&self, place: Place, span: Span) -> Totals {
        let mut totals = Totals::default();
        let unissued = self.unissued.range(..=span.to).count() as u64;
        totals.datasets.add(unissued, false, place == Place::Live);
        for dataset in self.datasets.values() {
            let (always, sometimes) = (dataset.is_always(place, span), dataset.may_be(place, span));
            totals.datasets.add(1, always, sometimes);
            let (files, bytes) = dataset.counts(span);
            totals.files.add(files.least, always, false);
            totals.files.add(files.most, false, sometimes);
            totals.bytes.add(bytes.least, always, false);
            totals.bytes.add(bytes.most, false, sometimes);
        }
        totals
    }

    /// How many files are in quarantine whose names `is` is true of.
    pub fn quarantined(&self, span: Span, certainly: impl Fn(&File) -> bool, possibly: impl Fn(&File) -> bool) -> Bounds {
        let mut bounds = Bounds::default();
        for dataset in self.datasets.values() {
            for file in &dataset.files {
                let (always, sometimes) = dataset.is_quarantined(file, span);
                bounds.add(1, always && certainly(file), sometimes && possibly(file));
                // One that is sent again while its dataset is being erased is there twice for a while.
                let is_twice = dataset.may_be(Place::Erased, span) && !dataset.is_always(Place::Erased, span);
                bounds.add(1, false, is_twice && sometimes && possibly(file));
            }
        }
        bounds
    }
}

impl Dataset {
    pub fn may_be(&self, place: Place, span: Span) -> bool {
        if self.is_erased_before(span) {
            return place == Place::Erased;
        }
        self.place.may_equal(span, &place)
    }

    pub fn is_always(&self, place: Place, span: Span) -> bool {
        if self.is_erased_before(span) {
            return place == Place::Erased;
        }
        self.place.is_always(span, |possible| *possible == place)
    }

    /// An erasure is never undone, whatever is requested later.
    fn is_erased_before(&self, span: Span) -> bool {
        self.place.has_been(span.from, &Place::Erased)
    }

    /// Whether the dataset may count and list a file. While it is being erased, it does so with one that was sent again and is in
    /// quarantine now, too.
    pub fn may_hold(&self, file: &File, span: Span) -> bool {
        file.may_be_stored(span) || self.may_be(Place::Erased, span)
    }

    /// Files and bytes. Any of them may be gone while the dataset is being erased.
    pub fn counts(&self, span: Span) -> (Bounds, Bounds) {
        let (mut files, mut bytes) = (Bounds::default(), Bounds::default());
        let may_be_erased = self.may_be(Place::Erased, span);
        for file in &self.files {
            let (always, sometimes) = (file.is_always_stored(span) && !may_be_erased, self.may_hold(file, span));
            files.add(1, always, sometimes);
            bytes.add(file.size, always, sometimes);
        }
        (files, bytes)
    }

    /// Whether a file is in quarantine during a whole span, and whether at some moment of it.
    pub fn is_quarantined(&self, file: &File, span: Span) -> (bool, bool) {
        let may_have_gone = self.may_be(Place::Erased, span);
        let has_gone = self.is_always(Place::Erased, span);
        let stays = |state: &State| match state {
            State::Quarantined(OnErasure::Kept) => true,
            State::Quarantined(OnErasure::Erased | OnErasure::Unknown) => !may_have_gone,
            State::Absent | State::Stored => false,
        };
        let may_be_there = |state: &State| match state {
            State::Quarantined(OnErasure::Kept | OnErasure::Unknown) => true,
            State::Quarantined(OnErasure::Erased) => !has_gone,
            State::Absent | State::Stored => false,
        };
        // One that arrives while its dataset is being erased goes into quarantine, whatever was expected of it.
        let is_coming = may_have_gone && file.state.is_being_written(span);
        (file.state.is_always(span, stays), is_coming || file.state.may_be(span, may_be_there))
    }

    pub fn file(&mut self, key: &FileKey) -> Option<&mut File> {
        self.files.iter_mut().find(|file| file.key == *key)
    }

    /// Takes down that the file of this key is stored under a name. An error where that cannot be.
    pub fn learn_name(&mut self, key: &FileKey, stored: &str) -> Result<(), String> {
        let taken = self.files.iter().find(|file| file.key != *key && file.stored_as.as_ref().is_some_and(|name| same(name, stored)));
        if let Some(other) = taken {
            return Err(format!("{stored:?} is the name of two files: {:?} and {key:?}", other.key));
        }
        let Some(file) = self.file(key) else { return Err(format!("no file {key:?}")) };
        if !names::may_be_stored_as(&file.key.sent_name, stored) {
            return Err(format!("{:?} is stored as {stored:?}", file.key.sent_name));
        }
        match &file.stored_as {
            Some(known) if known != stored => Err(format!("{known:?} is called {stored:?} now")),
            _ => {
                file.stored_as = Some(stored.to_owned());
                Ok(())
            }
        }
    }

    /// Finds a file by the name under which it is stored, or, where that is not known yet, by its bytes; takes down its name.
    pub fn stored(&mut self, name: &str, sha256: &str, span: Span) -> Result<&File, String> {
        let known = self.files.iter().position(|file| file.stored_as.as_deref() == Some(name));
        let unknown = |file: &File| {
            file.stored_as.is_none()
                && file.key.sha256 == sha256
                && self.may_hold(file, span)
                && names::may_be_stored_as(&file.key.sent_name, name)
        };
        let at = known.or_else(|| self.files.iter().position(unknown)).ok_or_else(|| format!("no device sent {name:?} ({sha256})"))?;
        let key = self.files[at].key.clone();
        if key.sha256 != sha256 {
            return Err(format!("{name:?} has other bytes than were sent: {sha256}, sent {}", key.sha256));
        }
        if !self.may_hold(&self.files[at], span) {
            return Err(format!("{name:?} is not in this dataset"));
        }
        self.learn_name(&key, name)?;
        Ok(&self.files[at])
    }
}

impl File {
    pub fn is_always_stored(&self, span: Span) -> bool {
        self.state.is_always(span, |state| *state == State::Stored)
    }

    pub fn may_be_stored(&self, span: Span) -> bool {
        self.state.may_equal(span, &State::Stored)
    }

    /// The name under which it is stored, or would be if no other file had it.
    pub fn name(&self) -> String {
        self.stored_as.clone().unwrap_or_else(|| names::stored(&self.key.sent_name))
    }
}

fn same(one: &str, two: &str) -> bool {
    one.to_lowercase() == two.to_lowercase()
}
