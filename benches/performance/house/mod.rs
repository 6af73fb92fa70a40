//! Wearhouse as it is installed, with watches that were let in long ago and may bring as much as they can.

mod hold;
mod running;

use std::{
    fs,
    path::{Path, PathBuf},
};

use sqlx::{Connection, Executor, SqliteConnection};
use wearhouse::{
    config::Config,
    handshake::{Claim, Signer},
    ids::{DatasetId, Identifier},
    storage::Layout,
};

pub use self::{
    hold::{Hold, ONE_PLACE},
    running::Running,
};
use crate::{
    client::Dataset,
    launch,
    stored::{IDENTIFIER, Stored},
};

/// A house that may run, again and again.
pub struct House {
    folder: PathBuf,
    signer: Signer,
}

impl House {
    /// Lays a house into an empty folder, with these lines at the end of its config.
    pub fn new(folder: &Path, more: &str) -> Self {
        let text = launch::config(folder) + more;
        fs::write(folder.join("config.yml"), &text).expect("a config");
        let signer = Signer::new(&Config::parse(&text, folder).expect("a good config").security);
        Self { folder: folder.to_owned(), signer }
    }

    /// The same with files that were stored long ago. Their device is let in.
    pub fn filled(folder: &Path, stored: Stored, more: &str) -> Self {
        let house = Self::new(folder, more);
        // The first start makes the folders.
        drop(house.start());
        wait(stored.fill(&house.layout()));
        house
    }

    pub fn layout(&self) -> Layout {
        Layout::new(self.folder.join("uploads"))
    }

    /// Has no zip left behind, as if all had been rolled. The program must not run.
    pub fn forget_rolls(&self) {
        wait(async {
            let address = format!("sqlite://{}", self.layout().catalog().display());
            let mut catalog = SqliteConnection::connect(&address).await.expect("the catalog");
            catalog.execute("UPDATE datasets SET zipped = changes WHERE zipped <> changes").await.expect("forgotten");
        });
    }

    /// A dataset for each of so many watches, which are written into the catalog as if they had been let in.
    pub fn let_in(&self, watches: usize) -> Vec<Dataset> {
        let identifiers: Vec<Identifier> = (0..watches).map(|n| format!("watch {n}[{n:016x}]").parse().expect("an identifier")).collect();
        wait(insert(&self.layout(), &identifiers));
        identifiers.iter().map(|identifier| self.dataset(identifier, DatasetId::random().to_string())).collect()
    }

    /// A dataset of the device that brought the files of [`House::filled`].
    pub fn dataset_of_stored(&self, uuid: String) -> Dataset {
        self.dataset(&IDENTIFIER.parse().expect("an identifier"), uuid)
    }

    fn dataset(&self, identifier: &Identifier, uuid: String) -> Dataset {
        Dataset { token: self.signer.sign(Claim { device: identifier.device(), generation: 1 }), uuid }
    }
}

async fn insert(layout: &Layout, identifiers: &[Identifier]) {
    let address = format!("sqlite://{}", layout.catalog().display());
    let mut catalog = SqliteConnection::connect(&address).await.expect("the catalog");
    let mut transaction = catalog.begin().await.expect("a transaction");
    for identifier in identifiers {
        sqlx::query("INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) VALUES ($1, $2, 0, 1, 1)")
            .bind(identifier.device().to_string())
            .bind(identifier.as_str().to_owned())
            .execute(&mut *transaction)
            .await
            .expect("inserted");
    }
    transaction.commit().await.expect("committed");
}

/// For the few things here that are not blocking.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}
