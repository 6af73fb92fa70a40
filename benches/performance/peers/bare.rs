//! What the machine itself can do: files that are stored safely, by a loop, from memory, without a network or a catalog.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::client::{Load, Outcome, noise};

/// Stores files as a server must before it may say that they are safe, in a folder for each of the threads.
pub fn store(folder: &Path, load: Load) -> io::Result<Outcome> {
    let incoming = folder.join("incoming");
    fs::create_dir(&incoming)?;
    let (body, began) = (noise(load.size), Instant::now());
    let work = |number: usize| -> io::Result<Vec<Duration>> {
        let (place, mut latencies) = (folder.join(number.to_string()), Vec::new());
        fs::create_dir(&place)?;
        while latencies.len() < load.files_each && began.elapsed() < load.time {
            let started = Instant::now();
            let temporary = incoming.join(format!("{number}-{}", latencies.len()));
            store_one(&temporary, &place, latencies.len(), &body)?;
            latencies.push(started.elapsed());
        }
        Ok(latencies)
    };
    let latencies: Vec<_> = thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..load.connections).map(|number| scope.spawn(move || work(number))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect::<io::Result<_>>()
    })?;
    Ok(Outcome::of(began, latencies.concat()))
}

fn store_one(temporary: &Path, place: &Path, number: usize, body: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(temporary)?;
    file.write_all(body)?;
    file.sync_data()?;
    fs::rename(temporary, place.join(format!("{number}.zip")))?;
    File::open(place)?.sync_all()
}
