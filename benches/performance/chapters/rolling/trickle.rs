//! A day of one dataset into which a file comes each minute: how much is copied to keep its zip fresh.
//!
//! A day takes less than a day here. While the zip is small the house decides after each file, so each file waits until it has been
//! looked at. A large zip is rolled when as much has come as it holds, or when nothing has come for ten minutes, which does not
//! happen when a file comes each minute: so files are sent one behind the other until as much has come, and then the roll is awaited.

use std::time::{Duration, Instant};

use crate::{
    Bench,
    client::{Dataset, noise},
    house::{House, Running},
    report::{Chapter, Goal},
    sample::figure,
};

const FILE: usize = 1_000_000;
/// The house looks at a dataset a second after a file came.
const LOOK: Duration = Duration::from_millis(1250);
/// `zip.small_mib`.
const SMALL: u64 = 64 << 20;

pub fn measure(bench: &Bench, chapter: &mut Chapter) {
    let (folder, body, files) = (bench.ground.folder(), noise(FILE), bench.scale.trickle);
    let house = House::new(folder.path(), "");
    let running = house.start();
    let dataset = &house.let_in(1)[0];
    let mut pending = 0;
    for file in 0..files {
        running.bring(dataset, &format!("{file}.zip"), &body);
        pending += FILE as u64;
        pending = look(&running, dataset, pending);
    }
    let kept = running.zip_size(&dataset.uuid) as f64 / (files * FILE) as f64;
    running.question(&dataset.uuid);
    let (rolls, arrived) = (running.rolls(), (files * FILE) as f64);
    chapter.row([format!("{files} files of 1 MB, one a minute: rolls"), figure(rolls.published)]);
    chapter.row(["the same: MB copied, the roll for a reader at the end included".to_owned(), figure(rolls.copied / 1e6)]);
    chapter.row(["the same: share of its files that the zip held before that reader".to_owned(), figure(kept)]);
    chapter.goal(Goal::at_most(format!("{files} files that trickle in: bytes copied, against bytes arrived"), rolls.copied / arrived, 3.0));
}

/// Waits until the house has looked at the dataset, if that can make a difference. Returns what waits to be rolled.
fn look(running: &Running<'_>, dataset: &Dataset, pending: u64) -> u64 {
    let zip = running.zip_size(&dataset.uuid);
    if zip >= SMALL && pending < zip {
        return pending;
    }
    let rolled_before = running.rolls().published;
    let deadline = Instant::now() + if zip < SMALL { LOOK } else { Duration::from_secs(60) };
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
        if running.rolls().published > rolled_before {
            return 0;
        }
    }
    pending
}
