//! The reader: reads off the files of datasets what they say of their runs, behind the uploads' back, and looks what is missing.

use std::{
    collections::HashSet,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Day, Missing, MissingKind,
    burst::Burst,
    calendar,
    describe::{FileFacts, describe},
    passed_over::PassedOver,
    past::Past,
};
use crate::{
    catalog::{Catalog, CatalogError, Millis, ToDescribe},
    config::Settings,
    ids::{DatasetId, DeviceId},
    storage::{Storage, blocking},
};

/// How often somebody looks what is missing while nothing comes.
const LOOK: Duration = Duration::from_secs(60);
/// Where the catalog was busy, somebody looks again behind this time.
const AGAIN: Duration = Duration::from_secs(3);
/// So many datasets are asked for at once.
const AT_ONCE: u32 = 100;
/// No rest between two datasets is longer.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// Why a dataset is not described.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the disk failed: {0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Keeps the descriptions of datasets up to date. Cheap to clone; one worker stands behind all clones.
#[derive(Clone)]
pub struct Reader {
    catalog: Catalog,
    storage: Storage,
    settings: Settings,
    burst: Arc<Burst>,
    missing: Arc<ArcSwap<Missing>>,
    /// One look at a time: an older one must not overwrite a newer one.
    past: Arc<tokio::sync::Mutex<Past>>,
    /// Devices whose past is not what it was at the last look.
    touched: Arc<Mutex<HashSet<DeviceId>>>,
}

impl Reader {
    /// Starts the worker in `tasks`. It begins with what the last process left behind, and runs until `stop`.
    #[must_use]
    pub fn start(catalog: Catalog, storage: Storage, settings: Settings, tasks: &TaskTracker, stop: CancellationToken) -> Self {
        let reader = Self::new(catalog, storage, settings);
        tasks.spawn(reader.clone().work(stop));
        reader
    }

    fn new(catalog: Catalog, storage: Storage, settings: Settings) -> Self {
        let (burst, missing, past, touched) = Default::default();
        Self { catalog, storage, settings, burst, missing, past, touched }
    }

    /// Says that files have come or gone, or that people said something new of a dataset.
    pub fn mark(&self) {
        self.burst.mark();
    }

    /// What was missing at the last look.
    #[must_use]
    pub fn missing(&self) -> Arc<Missing> {
        self.missing.load_full()
    }

    /// What a device recorded on each day (UTC) from that of `from` to that of the moment before `to`.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn calendar(&self, device: DeviceId, from: Millis, to: Millis) -> Result<Vec<Day>, CatalogError> {
        Ok(calendar(from, to - 1, &self.catalog.run_spans(device, from, to).await?))
    }

    /// Says that something is known to be missing: it is told no more. `false` if it was not missing at the last look.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn settle(&self, kind: MissingKind, subject: &str, who: &str) -> Result<bool, CatalogError> {
        if !self.missing().names(kind, subject) {
            return Ok(false);
        }
        self.catalog.settle(kind.as_str(), subject, who).await?;
        self.look().await?;
        Ok(true)
    }

    /// Looks what is missing. When this returns, [`Reader::missing`] knows everything that was said before.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn look(&self) -> Result<(), CatalogError> {
        let mut past = self.past.lock().await;
        past.forget_old(Instant::now());
        past.forget_devices(std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner)));
        let missing = Missing::look(&self.catalog, &mut past, &self.settings.now().missing, self.catalog.now()).await?;
        self.missing.store(Arc::new(missing));
        Ok(())
    }

    /// Erases the rows of a dataset. `false` if there were none. Nobody looks meanwhile, who would tell what was settled as missing.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub async fn erase(&self, dataset: DatasetId) -> Result<bool, CatalogError> {
        let mut past = self.past.lock().await;
        let device = self.catalog.dataset(dataset).await?.and_then(|dataset| dataset.device);
        let erased = self.catalog.erase(dataset).await?;
        past.forget_devices(device);
        Ok(erased)
    }

    /// The worker: describes what is behind, looks what is missing, waits for the next burst.
    async fn work(self, stop: CancellationToken) {
        let mut passed_over = PassedOver::default();
        while !stop.is_cancelled() {
            self.burst.take();
            let done = self.round(&mut passed_over, &stop).await;
            if let Err(error) = &done {
                tracing::warn!(%error, "recordings could not be described; this is tried again soon");
            }
            if matches!(done, Ok(false)) {
                continue;
            }
            let rest = if matches!(done, Err(CatalogError::Busy)) { AGAIN } else { LOOK };
            tokio::select! {
                () = self.burst.wait(Instant::now() + rest) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Describes for a while, and looks what is missing. Says whether all is described.
    async fn round(&self, passed_over: &mut PassedOver, stop: &CancellationToken) -> Result<bool, CatalogError> {
        // Who may not have a file shall not find it either, also where that was decided later.
        let rule = self.settings.now().privacy.fingerprint();
        let ruled = self.catalog.describe_under(&rule).await;
        let caught_up = self.catch_up(passed_over, Instant::now() + LOOK, stop).await;
        if !stop.is_cancelled() {
            self.look().await?;
        }
        ruled.and(caught_up)
    }

    /// Describes the datasets that are behind, one at a time, the newest first. Where that takes until `until` it says `false`, so
    /// that new ones, which have come meanwhile, need not wait for all that are old. One that failed is passed over for a while.
    async fn catch_up(&self, passed_over: &mut PassedOver, until: Instant, stop: &CancellationToken) -> Result<bool, CatalogError> {
        // Acknowledged files may wait to be marked as placed; behind this they are.
        self.catalog.flush().await?;
        passed_over.forget_old(Instant::now());
        let mut before = i64::MAX;
        loop {
            let batch = self.catalog.to_describe(before, AT_ONCE).await?;
            let Some(last) = batch.last() else { return Ok(true) };
            before = last.number;
            for dataset in batch.iter().filter(|dataset| !passed_over.holds(dataset)).collect::<Vec<_>>() {
                if stop.is_cancelled() {
                    return Ok(true);
                }
                let began = Instant::now();
                self.describe_or_pass_over(dataset, passed_over).await?;
                // Uploads write into the same catalog: they have it for as long.
                tokio::time::sleep(began.elapsed().min(LONGEST_REST)).await;
                if Instant::now() >= until {
                    return Ok(false);
                }
            }
        }
    }

    async fn describe_or_pass_over(&self, dataset: &ToDescribe, passed_over: &mut PassedOver) -> Result<(), CatalogError> {
        match self.describe(dataset).await {
            Ok(()) => {}
            // That concerns all of them.
            Err(ReadError::Catalog(error @ (CatalogError::Busy | CatalogError::Full | CatalogError::Closed))) => return Err(error),
            Err(error) => {
                tracing::warn!(dataset = %dataset.uuid, %error, "a recording could not be described; this is tried again when it changes, or in ten minutes");
                passed_over.put(dataset, Instant::now());
            }
        }
        Ok(())
    }

    async fn describe(&self, dataset: &ToDescribe) -> Result<(), ReadError> {
        let (storage, to, settings, mut files) = (self.storage.clone(), *dataset, self.settings.now(), FileFacts::default());
        self.catalog.visit_files_to_read(dataset.uuid, |file| files.add(&file, &settings.privacy)).await?;
        let description = blocking(move || describe(storage.layout(), &to, files)).await??;
        let device = self.catalog.describe(dataset.uuid, &description).await?;
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).extend(device);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::PathBuf};

    use super::*;
    use crate::{
        catalog::{Run, made::Made},
        config::Config,
        ids::{DeviceId, FileName},
        storage::{Layout, RealDisk},
    };

    const HOUR: i64 = 60 * 60 * 1000;

    fn now() -> Millis {
        crate::clock::machine().wall
    }

    /// A house in which nobody but the reader works.
    struct House {
        made: Made,
        storage: Storage,
        tasks: TaskTracker,
        stop: CancellationToken,
    }

    impl House {
        async fn new() -> Self {
            let made = Made::new().await;
            let storage = Storage::open(Layout::new(made.folder.path().join("uploads")), Arc::new(RealDisk)).expect("folders");
            Self { made, storage, tasks: TaskTracker::new(), stop: CancellationToken::new() }
        }

        fn reader(&self) -> Reader {
            let settings = Settings::from(Config::default());
            Reader::start(self.made.catalog.clone(), self.storage.clone(), settings, &self.tasks, self.stop.clone())
        }

        /// One without its worker.
        fn idle_reader(&self) -> Reader {
            Reader::new(self.made.catalog.clone(), self.storage.clone(), Settings::from(Config::default()))
        }

        fn path(&self, dataset: DatasetId, sent_name: &str) -> PathBuf {
            self.storage.layout().file(dataset, &FileName::from_sent(sent_name))
        }

        async fn meta_info(&self, device: DeviceId, dataset: DatasetId, run: u32, start: i64) {
            let name = format!("metaInfo_{run}.json");
            let path = self.path(dataset, &name);
            let date = jiff::Timestamp::from_millisecond(start).expect("a time");
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, format!(r#"{{"date": "{date}", "run_number": {run}, "app_version": "1.4"}}"#)).expect("written");
            self.made.file(dataset, device, &name).await;
        }

        async fn run_of(&self, dataset: DatasetId) -> Run {
            self.made.catalog.dataset(dataset).await.expect("asked").expect("a dataset").run
        }

        /// Waits until a dataset says which run it is.
        async fn wait_for(&self, dataset: DatasetId, number: i64) {
            let described = async {
                while self.run_of(dataset).await.number != Some(number) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), described).await.expect("described in time");
        }

        async fn end(self) {
            self.stop.cancel();
            self.tasks.close();
            tokio::time::timeout(Duration::from_secs(10), self.tasks.wait()).await.expect("the worker ends");
            self.made.catalog.close().await;
        }
    }

    #[tokio::test]
    async fn what_the_last_process_left_is_read_at_the_start_and_what_comes_later_when_it_is_marked() {
        let house = House::new().await;
        let device = house.made.device("kitchen[1]").await;
        let (first, second) = (house.made.dataset(device).await, house.made.dataset(device).await);
        let start = now() - 24 * HOUR;
        house.meta_info(device, first, 7, start).await;
        let reader = house.reader();
        house.wait_for(first, 7).await;
        assert_eq!(house.run_of(first).await.started_at, Some(start));
        house.meta_info(device, second, 8, start + HOUR).await;
        reader.mark();
        house.wait_for(second, 8).await;
        house.end().await;
    }

    /// A look needs nobody's leave to write: behind it, the reader has tried.
    #[tokio::test]
    async fn where_the_catalog_is_busy_it_is_tried_again_soon() {
        let house = House::new().await;
        let device = house.made.device("kitchen[1]").await;
        let dataset = house.made.dataset(device).await;
        house.meta_info(device, dataset, 7, now() - HOUR).await;
        let busy = house.made.writing().await;
        let reader = house.reader();
        let looked = async {
            while reader.missing().looked_at == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looked).await.expect("a look in time");
        drop(busy);
        house.wait_for(dataset, 7).await;
        house.end().await;
    }

    #[tokio::test]
    async fn one_that_cannot_be_read_is_passed_over_until_it_changes_and_the_others_are_read() {
        let house = House::new().await;
        let device = house.made.device("kitchen[1]").await;
        let (bad, good) = (house.made.dataset(device).await, house.made.dataset(device).await);
        house.meta_info(device, bad, 7, now() - HOUR).await;
        house.meta_info(device, good, 8, now() - HOUR).await;
        let path = house.path(bad, "metaInfo_7.json");
        fs::remove_file(&path).expect("removed");
        symlink("/dev/null", &path).expect("a link");
        let reader = house.reader();
        house.wait_for(good, 8).await;
        assert_eq!(house.run_of(bad).await, Run::default());
        fs::remove_file(&path).expect("removed");
        house.meta_info(device, bad, 9, now() - HOUR).await;
        reader.mark();
        house.wait_for(bad, 9).await;
        house.end().await;
    }

    #[tokio::test]
    async fn the_newest_is_described_first_and_one_that_takes_long_keeps_none_waiting() {
        let house = House::new().await;
        let device = house.made.device("kitchen[1]").await;
        let (old, new) = (house.made.dataset(device).await, house.made.dataset(device).await);
        house.meta_info(device, old, 7, now() - 2 * HOUR).await;
        house.meta_info(device, new, 8, now() - HOUR).await;
        let reader = house.idle_reader();
        let mut passed_over = PassedOver::default();
        for (all, described) in [(false, [None, Some(8)]), (false, [Some(7), Some(8)]), (true, [Some(7), Some(8)])] {
            assert_eq!(reader.catch_up(&mut passed_over, Instant::now(), &house.stop).await.expect("described"), all);
            assert_eq!([house.run_of(old).await.number, house.run_of(new).await.number], described);
        }
        house.end().await;
    }

    #[tokio::test]
    async fn what_was_settled_is_not_missing_again_when_the_run_behind_it_is_erased() {
        let house = House::new().await;
        let device = house.made.device("kitchen[1]").await;
        let mut datasets = Vec::new();
        for (number, days) in [(5, 3), (7, 2), (8, 1)] {
            datasets.push(house.made.dataset(device).await);
            house.meta_info(device, datasets[datasets.len() - 1], number, now() - days * 24 * HOUR).await;
        }
        let reader = house.idle_reader();
        reader.catch_up(&mut PassedOver::default(), Instant::now() + LOOK, &house.stop).await.expect("described");
        reader.look().await.expect("a look");
        assert_eq!(reader.missing().count(), 1);
        reader.settle(MissingKind::Skipped, &datasets[1].to_string(), "ada").await.expect("settled");
        assert!(reader.erase(datasets[1]).await.expect("erased"));
        reader.look().await.expect("a look");
        assert_eq!(reader.missing().skipped, []);
        house.end().await;
    }

    #[tokio::test]
    async fn what_is_missing_is_known_behind_a_batch_and_what_is_settled_is_told_no_more() {
        let house = House::new().await;
        let device = house.made.device("kitchen[1]").await;
        let (first, second) = (house.made.dataset(device).await, house.made.dataset(device).await);
        house.meta_info(device, first, 5, now() - 48 * HOUR).await;
        house.meta_info(device, second, 7, now() - 24 * HOUR).await;
        let reader = house.reader();
        let looked = async {
            while reader.missing().looked_at == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looked).await.expect("a look in time");
        let missing = reader.missing();
        assert_eq!((missing.count(), missing.skipped[0].first, missing.skipped[0].last), (1, 6, 6));
        let subject = missing.skipped[0].subject();
        for (kind, is_missing) in [(MissingKind::Unfinished, false), (MissingKind::Skipped, true), (MissingKind::Skipped, false)] {
            assert_eq!(reader.settle(kind, &subject, "ada").await.expect("an answer"), is_missing, "{kind:?}");
        }
        assert_eq!(reader.missing().count(), 0);
        assert_eq!(house.made.texts("SELECT kind AS c FROM settled").await, [Some("skipped".to_owned())]);
        house.end().await;
    }
}
