//! How long one roll takes: of what is stored as it came, of text, and of the next file where there are many.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Bench,
    client::{Dataset, noise},
    ground::settle,
    house::{Hold, House, ONE_PLACE, Running},
    report::{Chapter, Goal},
    sample::Sample,
};

const MEGABYTE: f64 = 1e6;

/// What one roll took.
struct Rolled {
    seconds: f64,
    cpu: f64,
    copied: f64,
    /// Seconds that the one who asked for it waited.
    waited: f64,
}

/// Recordings that are compressed already, and the next generation of their zip.
pub fn stored(bench: &Bench, chapter: &mut Chapter) {
    let (mut first, mut next, mut plain) = (Sample::default(), Sample::default(), Sample::default());
    let body = noise(bench.scale.zip / 16);
    for _ in 0..bench.scale.rounds {
        plain.add((body.len() * 16) as f64 / MEGABYTE / copy_plainly(bench, &body, 16).expect("copied"));
        roll(bench, &body, 16, "zip", |running, dataset, rolled| {
            first.add((body.len() * 16) as f64 / MEGABYTE / rolled.seconds);
            let rolled = roll_next(running, dataset, "next.zip");
            next.add(rolled.copied / MEGABYTE / rolled.seconds);
        });
    }
    let size = (body.len() * 16) >> 20;
    chapter.row([format!("16 stored entries, {size} MiB in all, MB/s"), first.to_string()]);
    chapter.row([format!("its next generation ({size} MiB are copied), MB/s"), next.to_string()]);
    chapter.row([format!("a plain copy of {size} MiB from file to file, synced, MB/s"), plain.to_string()]);
    chapter.goal(Goal::at_least("stored entries: MB a second of a roll", first.median(), 1000.0));
    chapter.goal(Goal::at_least("the next generation: MB a second", next.median(), 1000.0));
    chapter.goal(Goal::plain("stored entries: speed of a roll, against a plain copy", first.median() / plain.median()));
    chapter.goal(Goal::plain("the next generation: speed, against a plain copy", next.median() / plain.median()));
}

/// What the disk does with so many bytes: seconds to copy a file that was just written, and to sync the copy.
fn copy_plainly(bench: &Bench, body: &[u8], times: usize) -> io::Result<f64> {
    let folder = bench.ground.folder();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let mut file = File::create_new(&from)?;
    for _ in 0..times {
        file.write_all(body)?;
    }
    settle();
    let began = Instant::now();
    let mut copy = File::create_new(to)?;
    io::copy(&mut File::open(from)?, &mut copy)?;
    copy.sync_all()?;
    Ok(began.elapsed().as_secs_f64())
}

/// Text, which is packed.
pub fn text(bench: &Bench, chapter: &mut Chapter) {
    let (mut pace, mut cpu, mut packed, body) = (Sample::default(), Sample::default(), 0.0, table(bench.scale.text / 8));
    let bytes = (body.len() * 8) as f64;
    for _ in 0..bench.scale.rounds {
        roll(bench, &body, 8, "csv", |running, dataset, rolled| {
            pace.add(bytes / MEGABYTE / rolled.seconds);
            cpu.add(bytes / MEGABYTE / rolled.cpu.max(0.01));
            packed = running.zip_size(&dataset.uuid) as f64 / bytes;
        });
    }
    chapter.row([format!("sensor tables, {} MiB, to {packed:.2} of their size, MB/s", (body.len() * 8) >> 20), pace.to_string()]);
    chapter.row(["the same, MB a second of CPU".to_owned(), cpu.to_string()]);
    chapter.goal(Goal::at_least("text: MB a second, one core", pace.median(), 80.0));
}

/// The next file of a dataset that has many small ones.
pub fn many_files(bench: &Bench, chapter: &mut Chapter) {
    let (files, mut rolls, mut waits) = (bench.scale.small_files, Sample::default(), Sample::default());
    roll(bench, &noise(1000), files, "zip", |running, dataset, _| {
        for n in 0..=2 * bench.scale.rounds {
            let rolled = roll_next(running, dataset, &format!("next {n}.zip"));
            rolls.add(rolled.seconds * 1e3);
            waits.add(rolled.waited * 1e3);
        }
    });
    chapter.row([format!("the next file behind {files} of 1 kB: the roll, ms"), rolls.to_string()]);
    chapter.row(["the same: the question at the gate, ms".to_owned(), waits.to_string()]);
    chapter.goal(Goal::at_most(format!("the next file behind {files}: ms of the roll"), rolls.median(), 100.0));
}

/// Brings files while no zip is rolled, then has them rolled at once, and goes on with the house.
fn roll(bench: &Bench, body: &[u8], files: usize, extension: &str, then: impl FnOnce(&Running<'_>, &Dataset, Rolled)) {
    let folder = bench.ground.folder();
    let house = House::new(folder.path(), ONE_PLACE);
    let running = house.start();
    let [spare, dataset] = &house.let_in(2)[..] else { unreachable!("as many as were let in") };
    let hold = running.hold_rolls(spare);
    running.bring_many(dataset, (0..files).map(|n| format!("{n}.{extension}")), body);
    settle();
    let rolled = measured(&running, dataset, Some(hold));
    then(&running, dataset, rolled);
}

fn roll_next(running: &Running<'_>, dataset: &Dataset, name: &str) -> Rolled {
    running.bring(dataset, name, &noise(1000));
    measured(running, dataset, None)
}

/// Asks for the zip of a dataset that is behind. Where rolls are held, the question comes first: else the house rolls by itself, and
/// once more for the question.
fn measured(running: &Running<'_>, dataset: &Dataset, hold: Option<Hold>) -> Rolled {
    let (before, cpu) = (running.rolls(), running.server.cpu());
    let waited = thread::scope(|scope| {
        let question = scope.spawn(|| running.question(&dataset.uuid));
        if hold.is_some() {
            thread::sleep(Duration::from_millis(200));
        }
        drop(hold);
        question.join().expect("an answer")
    });
    let after = running.rolls();
    assert!((after.published - before.published - 1.0).abs() < 0.5, "one roll, and no other");
    let cpu = running.server.cpu() - cpu;
    Rolled { seconds: after.seconds - before.seconds, cpu, copied: after.copied - before.copied, waited }
}

/// Rows as an accelerometer makes them: time, and three axes that wander and tremble.
fn table(bytes: usize) -> Vec<u8> {
    use rand::{RngExt, SeedableRng, rngs::SmallRng};
    let (mut dice, mut text, mut time, mut axes) = (SmallRng::seed_from_u64(1), String::new(), 81_234_567_890_123_u64, [0.1, 9.7, -0.4]);
    while text.len() < bytes {
        time += 19_900_000 + dice.random_range(0..200_000);
        let _ = write!(text, "{time}");
        for axis in &mut axes {
            *axis += dice.random_range(-0.1..0.1);
            let _ = write!(text, "\t{:.6}", *axis + dice.random_range(-0.02..0.02));
        }
        text.push('\n');
    }
    text.into_bytes()
}
