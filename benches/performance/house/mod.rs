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
    running::{Running, login},
};
use crate::{
    client::Dataset,
    stored::{IDENTIFIER, Stored},
};

/// `correct horse battery staple`, hashed with weak parameters: no login is measured.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$tCc9fRe1ZCo/16K285DQzyaDkBqT0FS+sUtZTyzbH18";
const LOGIN: &str = "admin:correct horse battery staple";

/// A house that may run, again and again.
pub struct House {
    folder: PathBuf,
    signer: Signer,
}

impl House {
    /// Lays a house into an empty folder, with these lines at the end of its config.
    pub fn new(folder: &Path, more: &str) -> Self {
        let text = format!(
            "storage:\n  uploads: {}\n  reserve_mib: 1\nsecurity:\n  secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=\n\
             users:\n  - name: admin\n    role: operator\n    password: {HASH}\n\
             limits:\n  device_per_minute: 100000000\n  device_files: 100000000\n  device_gib: 100000\n  device_uploads_at_once: 256\n\
             \x20 anonymous_per_minute: 100000000\n{more}",
            folder.join("uploads").display()
        );
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
