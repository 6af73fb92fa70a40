//! The plan: which device is to have which model, in memory. A thousand watches that ask at once are answered from it; it is made
//! anew where something changed that decides it.

#[cfg(test)]
mod resolution;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;

use crate::{
    catalog::{Audience, Catalog, CatalogError, Deciding, Model},
    ids::{DeviceId, FileName, ModelId},
    runs::MOST_CHARS,
};

/// The days on which a participant wears a device begin and end without anybody's doing.
const FRESH: Duration = Duration::from_secs(60);
/// A plan that is older than [`FRESH`] is not waited for before it has this age, while somebody makes the next one.
const GOOD_ENOUGH: Duration = Duration::from_secs(120);
/// For so long the old plan is taken again where a new one could not be made and nothing else speaks against the old one.
const AGAIN: Duration = Duration::from_secs(10);
/// How long anybody waits for a plan: well inside a watch's patience of 10 s.
const PATIENCE: Duration = Duration::from_secs(4);
/// Models that a study may have published.
pub(super) const MOST: u32 = 1000;

/// A model as a watch gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handout {
    /// Its id.
    pub id: ModelId,
    /// The name of its file.
    pub name: FileName,
    /// SHA-256 of its file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// `settings.json`.
    pub settings: String,
}

impl Handout {
    /// Whether a device that says it runs `said` runs this one.
    #[must_use]
    pub fn is_called(&self, said: &str) -> bool {
        is_called(&self.name, said)
    }
}

/// Whether a device that says it runs `said` runs the model of a name. Of a long name only the beginning is read off a `metaInfo`.
#[must_use]
pub fn is_called(name: &FileName, said: &str) -> bool {
    name.as_str().chars().take(MOST_CHARS).eq(said.chars())
}

impl From<Model> for Handout {
    fn from(model: Model) -> Self {
        Self { id: model.id, name: model.name, sha256: model.sha256, settings: model.settings }
    }
}

/// Who is to have what, as of one moment.
#[derive(Clone)]
pub struct Plan {
    changes: u64,
    made: Instant,
    everyone: Option<Arc<Handout>>,
    devices: HashMap<DeviceId, Option<Arc<Handout>>>,
}

impl Plan {
    /// Whether a device is let in.
    #[must_use]
    pub fn knows(&self, device: DeviceId) -> bool {
        self.devices.contains_key(&device)
    }

    /// The model of a device that is let in: its own, else that of whoever wears it, else everyone's.
    #[must_use]
    pub fn of_device(&self, device: DeviceId) -> Option<&Arc<Handout>> {
        self.devices.get(&device)?.as_ref()
    }

    /// The model for everyone.
    #[must_use]
    pub fn of_everyone(&self) -> Option<&Arc<Handout>> {
        self.everyone.as_ref()
    }

    async fn make(catalog: &Catalog) -> Result<Self, CatalogError> {
        // What changes while this is read is read anew.
        let (changes, made) = (catalog.changes_of_recipients(), Instant::now());
        let Deciding { models, assignments, recipients } = catalog.deciding(catalog.now()).await?;
        let models: HashMap<_, _> = models.into_iter().map(|model| (model.id, Arc::new(Handout::from(model)))).collect();
        let given = assignments.into_iter().filter_map(|given| Some((given.audience, Arc::clone(models.get(&given.model?)?))));
        let given: HashMap<_, _> = given.collect();
        let own = |audience| given.get(&audience).cloned();
        let everyone = own(Audience::Everyone);
        let devices = recipients.into_iter().map(|recipient| {
            let of_wearer = || own(Audience::Participant(recipient.wearer?));
            (recipient.device, own(Audience::Device(recipient.device)).or_else(of_wearer).or_else(|| everyone.clone()))
        });
        Ok(Self { changes, made, devices: devices.collect(), everyone })
    }
}

/// Where the plan is kept.
pub(super) struct Planner {
    catalog: Catalog,
    plan: ArcSwapOption<Plan>,
    making: Mutex<()>,
    patience: Duration,
}

impl Planner {
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog, plan: ArcSwapOption::empty(), making: Mutex::new(()), patience: PATIENCE }
    }

    /// The plan that holds now. It is made once, however many wait for it. One that is only old is better than none: the next one is
    /// awaited by whoever makes it, and where it cannot be made, the old one goes on.
    pub async fn plan(&self) -> Result<Arc<Plan>, CatalogError> {
        if let Some(plan) = self.kept(FRESH) {
            return Ok(plan);
        }
        if self.making.try_lock().is_err()
            && let Some(plan) = self.kept(GOOD_ENOUGH)
        {
            return Ok(plan);
        }
        let made = tokio::time::timeout(self.patience, self.make()).await.unwrap_or(Err(CatalogError::Busy));
        made.or_else(|error| self.take_again().ok_or(error))
    }

    /// The plan, if nothing changed since, and it is younger than this.
    fn kept(&self, than: Duration) -> Option<Arc<Plan>> {
        let holds = |plan: &Arc<Plan>| plan.changes == self.catalog.changes_of_recipients() && plan.made.elapsed() < than;
        self.plan.load_full().filter(holds)
    }

    async fn make(&self) -> Result<Arc<Plan>, CatalogError> {
        let _turn = self.making.lock().await;
        if let Some(plan) = self.kept(FRESH) {
            return Ok(plan);
        }
        let plan = Arc::new(Plan::make(&self.catalog).await?);
        self.plan.store(Some(Arc::clone(&plan)));
        Ok(plan)
    }

    /// The old plan for some seconds more, if nothing changed since.
    fn take_again(&self) -> Option<Arc<Plan>> {
        let old = self.kept(Duration::MAX)?;
        let made = Instant::now().checked_sub(FRESH.saturating_sub(AGAIN)).unwrap_or(old.made);
        let plan = Arc::new(Plan { made, ..Plan::clone(&old) });
        // Not over one that was made meanwhile.
        self.plan.compare_and_swap(&old, Some(Arc::clone(&plan)));
        Some(plan)
    }
}
