//! One operation, and how the next one is chosen: at random, from what the model knows.

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    changes::{self, Decision},
    context::{Context, Failure},
    lists,
    model::{DeviceIndex, Model, Place, Reader},
    names, uploads,
    uploads::Content,
    zips,
};

/// Datasets that are not erased; further ones are asked for when some are.
const DATASETS: usize = 24;
/// Of the last datasets so many are operated on: also of erased ones some.
const RECENT: usize = 30;
/// With more files than this in quarantine, decisions over them become frequent.
const QUARANTINED: usize = 25;

/// Mostly small; those of a megabyte take their time in a zip.
const SIZES: [usize; 10] = [10, 100, 100, 1000, 1000, 5000, 5000, 50_000, 200_000, 1_200_000];

#[derive(Debug, Clone)]
pub enum Operation {
    NewDataset,
    Upload {
        dataset: String,
        name: &'static str,
        content: Content,
    },
    Zip {
        dataset: String,
    },
    RestOfZip {
        dataset: String,
        percent: usize,
    },
    ZipOfMany {
        datasets: Vec<String>,
    },
    File {
        dataset: String,
        nth: usize,
    },
    DatasetJson {
        dataset: String,
    },
    DatasetPage {
        dataset: String,
    },
    List {
        place: Place,
    },
    ListPage,
    Csv,
    Dashboard,
    Quarantine,
    Delete {
        dataset: String,
    },
    DeleteMany {
        datasets: Vec<String>,
    },
    Restore {
        dataset: String,
    },
    Erase {
        dataset: String,
    },
    Describe {
        dataset: String,
        title: String,
        description: String,
    },
    /// Its zip is fresh, and asked for again as soon as it has another description.
    DescribeZipped {
        dataset: String,
        title: String,
        description: String,
    },
    Tag {
        dataset: String,
        tag: usize,
        is_on: bool,
    },
    Rate {
        dataset: String,
        quality: Option<&'static str>,
    },
    Decide {
        decision: Decision,
        nth: usize,
    },
    SetAccess {
        device: DeviceIndex,
        has_access: bool,
    },
}

/// Who operates.
#[derive(Debug, Clone, Copy)]
pub enum Actor {
    Device(DeviceIndex),
    Person(Reader),
}

/// Chooses the operations of one actor.
pub struct Generator {
    dice: StdRng,
    /// The dataset of the last operation: what belongs together mostly comes together.
    last: Option<String>,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self { dice: StdRng::seed_from_u64(seed), last: None }
    }

    pub fn next(&mut self, actor: Actor, model: &Model) -> Operation {
        match actor {
            Actor::Device(device) => self.of_a_device(device, model),
            Actor::Person(reader) => self.of_a_person(reader, model),
        }
    }

    fn of_a_device(&mut self, device: DeviceIndex, model: &Model) -> Operation {
        let unerased = model.datasets.values().filter(|dataset| !dataset.is_always(Place::Erased, model.now())).count();
        if unerased < 3 || (unerased < DATASETS && self.one_in(8)) {
            return Operation::NewDataset;
        }
        // Mostly a device has files for its own datasets.
        let is_foreign = self.one_in(6);
        let candidates: Vec<_> = recent(model).filter(|uuid| is_foreign || model.datasets[*uuid].owner == device).cloned().collect();
        let Some(dataset) = self.choose(&candidates) else { return Operation::NewDataset };
        let is_own = model.datasets[&dataset].owner == device;
        Operation::Upload { dataset, name: names::random(&mut self.dice), content: self.content(is_own) }
    }

    fn of_a_person(&mut self, reader: Reader, model: &Model) -> Operation {
        let Some(dataset) = self.dataset(model) else { return Operation::Dashboard };
        if let Some(device) = revoked_device(model)
            && reader == Reader::Operator
            && self.one_in(4)
        {
            return Operation::SetAccess { device, has_access: true };
        }
        let now = model.now();
        if model.quarantined(now, |_| true, |_| true).most > QUARANTINED as u64 && self.one_in(4) {
            return self.decision();
        }
        let number = self.number();
        match self.dice.random_range(0..100) {
            20..25 => Operation::RestOfZip { dataset, percent: self.dice.random_range(0..100) },
            25..30 => Operation::ZipOfMany { datasets: self.several(model) },
            30..40 => Operation::File { dataset, nth: number },
            40..50 => Operation::DatasetJson { dataset },
            50..54 => Operation::DatasetPage { dataset },
            54..58 => Operation::List { place: Place::Live },
            58..61 => Operation::List { place: Place::Trash },
            61..63 => Operation::ListPage,
            63..64 => Operation::Csv,
            64..67 => Operation::Dashboard,
            67..70 => Operation::Quarantine,
            70..76 => Operation::Delete { dataset },
            76..77 => Operation::DeleteMany { datasets: self.several(model) },
            77..86 => Operation::Restore { dataset: self.deleted(model).unwrap_or(dataset) },
            86..90 => self.description(dataset),
            90..91 => Operation::Tag { dataset, tag: number % 2, is_on: self.one_in(2) },
            91..92 => Operation::Rate { dataset, quality: changes::QUALITIES[number % 3] },
            92..94 => self.decision(),
            94..98 if reader == Reader::Operator => Operation::Erase { dataset: self.deleted(model).unwrap_or(dataset) },
            98..99 if reader == Reader::Operator => Operation::SetAccess { device: number % model.devices.len(), has_access: false },
            // A fifth of all.
            _ => Operation::Zip { dataset },
        }
    }

    fn one_in(&mut self, number: u32) -> bool {
        self.dice.random_range(0..number) == 0
    }

    fn number(&mut self) -> usize {
        self.dice.random_range(0..1_000_000)
    }

    fn choose(&mut self, from: &[String]) -> Option<String> {
        let at = self.number();
        (!from.is_empty()).then(|| from[at % from.len()].clone())
    }

    /// An empty file only of the dataset's own device: of two devices they could not be told apart.
    fn content(&mut self, is_own: bool) -> Content {
        let variant = self.dice.random_range(u8::from(!is_own)..5);
        Content { variant, size: SIZES[self.dice.random_range(0..SIZES.len())] }
    }

    fn dataset(&mut self, model: &Model) -> Option<String> {
        if self.last.is_none() || self.one_in(2) {
            let recent: Vec<_> = recent(model).cloned().collect();
            self.last = self.choose(&recent);
        }
        self.last.clone()
    }

    fn several(&mut self, model: &Model) -> Vec<String> {
        let mut several: Vec<_> = (0..self.dice.random_range(1..4)).filter_map(|_| self.dataset(model)).collect();
        several.sort();
        several.dedup();
        several
    }

    fn deleted(&mut self, model: &Model) -> Option<String> {
        let now = model.now();
        let deleted: Vec<_> = recent(model).filter(|uuid| model.datasets[*uuid].is_always(Place::Trash, now)).cloned().collect();
        self.choose(&deleted)
    }

    fn description(&mut self, dataset: String) -> Operation {
        let number = self.number();
        let text = |word: &str, is_empty: bool| if is_empty { String::new() } else { format!("{word} {number}") };
        let (title, description) = (text("Title", self.one_in(3)), text("Description", self.one_in(3)));
        if self.one_in(2) {
            Operation::Describe { dataset, title, description }
        } else {
            Operation::DescribeZipped { dataset, title, description }
        }
    }

    fn decision(&mut self) -> Operation {
        let decision = if self.one_in(2) { Decision::Release } else { Decision::Discard };
        Operation::Decide { decision, nth: self.number() }
    }
}

fn revoked_device(model: &Model) -> Option<DeviceIndex> {
    model.devices.iter().position(|device| device.has_access.may_equal(model.now(), &false))
}

/// The datasets that were issued last, also erased ones.
fn recent(model: &Model) -> impl Iterator<Item = &String> {
    model.issued.iter().rev().take(RECENT)
}

impl Operation {
    /// Carries it out, and checks what is answered.
    pub async fn carry_out(self, actor: Actor, context: &Context) -> Result<(), Failure> {
        match actor {
            Actor::Device(device) => self.by_a_device(device, context).await,
            Actor::Person(reader) => self.by_a_person(reader, context).await,
        }
    }

    async fn by_a_device(self, device: DeviceIndex, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Upload { dataset, name, content } => uploads::upload(context, device, &dataset, name, content).await,
            _ => uploads::new_dataset(context, device).await.map(|_| ()),
        }
    }

    async fn by_a_person(self, reader: Reader, context: &Context) -> Result<(), Failure> {
        match self {
            Self::NewDataset | Self::Upload { .. } => Ok(()),
            Self::Zip { dataset } => zips::zip(context, reader, &dataset).await,
            Self::RestOfZip { dataset, percent } => zips::rest_of_zip(context, reader, &dataset, percent).await,
            Self::ZipOfMany { datasets } => zips::many(context, reader, &datasets).await,
            Self::File { dataset, nth } => zips::file(context, reader, &dataset, nth).await,
            Self::DatasetJson { dataset } => lists::dataset_json(context, reader, &dataset).await.map(|_| ()),
            Self::DatasetPage { dataset } => lists::dataset_page(context, reader, &dataset).await,
            Self::List { place } => lists::datasets(context, reader, place).await.map(|_| ()),
            Self::ListPage => lists::list_page(context, reader).await,
            Self::Csv => lists::csv(context, reader).await,
            Self::Dashboard => lists::dashboard(context, reader).await,
            Self::Quarantine => lists::quarantine(context, reader, lists::Meanwhile::Requests).await.map(|_| ()),
            Self::Delete { dataset } => changes::delete(context, reader, &dataset).await,
            Self::DeleteMany { datasets } => changes::delete_many(context, reader, &datasets).await,
            Self::Restore { dataset } => changes::restore(context, reader, &dataset).await,
            Self::Erase { dataset } => changes::erase(context, &dataset).await,
            Self::Describe { dataset, title, description } => changes::describe(context, reader, &dataset, &title, &description).await,
            Self::DescribeZipped { dataset, title, description } => {
                zips::zip(context, reader, &dataset).await?;
                changes::describe(context, reader, &dataset, &title, &description).await?;
                zips::zip(context, reader, &dataset).await
            }
            Self::Tag { dataset, tag, is_on } => changes::tag(context, reader, &dataset, tag, is_on).await,
            Self::Rate { dataset, quality } => changes::rate(context, reader, &dataset, quality).await,
            Self::Decide { decision, nth } => changes::decide(context, reader, decision, nth).await,
            Self::SetAccess { device, has_access } => changes::set_access(context, device, has_access).await,
        }
    }
}
