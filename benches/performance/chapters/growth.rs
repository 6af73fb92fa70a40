//! Whether an upload costs the same when a million files are stored already.

use std::time::Duration;

use crate::{
    Bench,
    client::{self, Dataset, Load, Way},
    ground::{Folder, settle},
    house::{House, ONE_PLACE},
    report::{Chapter, Goal},
    sample::{Sample, figure},
    stored::{self, Stored},
};

const CONNECTIONS: usize = 4;
const SIZE: usize = 65_536;
/// Files of a dataset, where there are many datasets.
const FILES_EACH: u32 = 100;

/// A house with so many files in it, and what was measured there.
struct Level {
    files: u32,
    is_one: bool,
    house: House,
    median: Sample,
    late: Sample,
    /// Microseconds a file.
    cpu: Sample,
    _folder: Folder,
}

pub fn measure(bench: &Bench) -> Chapter {
    let mut chapter = Chapter::new("Growth", &["where they are", "files before", "p50, ms", "p99, ms", "CPU, µs a file"]);
    for is_one in [false, true] {
        let mut levels: Vec<_> = bench.scale.levels.iter().map(|files| Level::new(bench, *files, is_one)).collect();
        for _ in 0..bench.scale.rounds {
            for level in &mut levels {
                level.measure(bench.scale.growth_files);
            }
        }
        for level in &levels {
            chapter.row(level.figures());
        }
        if let [first, .., last] = &levels[..] {
            goals(&mut chapter, first, last);
        }
    }
    chapter
}

fn goals(chapter: &mut Chapter, first: &Level, last: &Level) {
    let what = [("p50", &first.median, &last.median), ("p99", &first.late, &last.late), ("CPU a file", &first.cpu, &last.cpu)];
    for (what, first_sample, last_sample) in what {
        let what = format!("{what} with {} files {}, against with none", figure(last.files.into()), last.place());
        chapter.goal(Goal::at_most(what, last_sample.median() / first_sample.median(), 1.2));
    }
}

impl Level {
    fn new(bench: &Bench, files: u32, is_one: bool) -> Self {
        let folder = bench.ground.folder();
        let (datasets, files_each) = if is_one { (1, files) } else { (files / FILES_EACH, FILES_EACH) };
        let house = House::filled(folder.path(), Stored { datasets, files_each, on_disk: true }, ONE_PLACE);
        let [median, late, cpu] = std::array::from_fn(|_| Sample::default());
        Self { files, is_one, house, median, late, cpu, _folder: folder }
    }

    fn place(&self) -> &'static str {
        if self.is_one { "in one dataset" } else { "in datasets of 100" }
    }

    fn measure(&mut self, files_each: usize) {
        let running = self.house.start();
        let spare = Dataset { uuid: wearhouse::ids::DatasetId::random().to_string(), ..self.house.dataset_of_stored(String::new()) };
        let hold = running.hold_rolls(&spare);
        let datasets = self.datasets();
        let load = Load { connections: CONNECTIONS, size: SIZE, time: Duration::MAX, files_each };
        // What is asked for the first time after a start is not what is measured.
        client::send(running.server.address, Way::Multipart(&datasets), Load { files_each: files_each / 10 + 1, ..load }).expect("sent");
        settle();
        let before = running.server.cpu();
        let outcome = client::send(running.server.address, Way::Multipart(&datasets), load).expect("sent");
        let cpu = running.server.cpu() - before;
        assert!(running.rolls().published < 1.0, "a zip was rolled while none should be");
        drop(hold);
        drop(running);
        // The next start would begin with rolling them.
        self.house.forget_rolls();
        self.median.add(outcome.percentile(50));
        self.late.add(outcome.percentile(99));
        self.cpu.add(cpu * 1e6 / outcome.files());
    }

    /// The one dataset, or a new one for each connection.
    fn datasets(&self) -> Vec<Dataset> {
        let uuid = || if self.is_one { stored::uuid(1) } else { wearhouse::ids::DatasetId::random().to_string() };
        (0..CONNECTIONS).map(|_| self.house.dataset_of_stored(uuid())).collect()
    }

    fn figures(&self) -> [String; 5] {
        let [median, late, cpu] = [&self.median, &self.late, &self.cpu].map(ToString::to_string);
        [self.place().to_owned(), figure(self.files.into()), median, late, cpu]
    }
}
