//! What the machine itself can do: files that are stored safely, by a loop, from memory, without a network or a catalog.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use crate::client::{Load, Outcome, noise, repeat};

/// Stores files as a server must before it may say that they are safe, in a folder for each of the threads.
pub fn store(folder: &Path, load: Load) -> io::Result<Outcome> {
    let incoming = folder.join("incoming");
    fs::create_dir(&incoming)?;
    let body = noise(load.size);
    let open = |number: usize| {
        let place = folder.join(number.to_string());
        fs::create_dir(&place).map(|()| place)
    };
    repeat(load, open, |place, number, file| store_one(&incoming.join(format!("{number}-{file}")), place, file, &body))
}

fn store_one(temporary: &Path, place: &Path, number: usize, body: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(temporary)?;
    file.write_all(body)?;
    file.sync_data()?;
    fs::rename(temporary, place.join(format!("{number}.zip")))?;
    File::open(place)?.sync_all()
}
