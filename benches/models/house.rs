//! A house with a thousand devices that are let in, some of whom have a model of their own, or wearers who have one.

use std::{fs, path::Path};

use sqlx::{ConnectOptions, Connection, QueryBuilder, SqliteConnection, sqlite::SqliteConnectOptions};
use wearhouse::{ids::Identifier, storage::Layout};

use crate::{
    Scale,
    changes::Publisher,
    launch::{self, Launched},
};

/// Devices with a model of their own, participants, and how many devices each of these wears.
const OWN: usize = 20;
const PARTICIPANTS: usize = 20;
const WORN: usize = 10;
/// Participants with a model of their own.
const CHOSEN: usize = 5;

pub struct House {
    pub launched: Launched,
    pub publisher: Publisher,
}

/// The Android id of a device.
pub fn android_id(device: usize) -> String {
    format!("{device:016x}")
}

/// The model that a device has whatever is given to everyone.
pub fn own_model(device: usize) -> Option<&'static str> {
    match device {
        ..OWN => Some("own.onnx"),
        _ if device - OWN < CHOSEN * WORN => Some("wearer.onnx"),
        _ => None,
    }
}

fn participant(n: usize) -> String {
    format!("00000000-0000-4000-a000-{n:012x}")
}

impl House {
    pub fn open(folder: &Path, scale: &Scale) -> Self {
        let config = launch::config(folder) + "  connections_per_address: 4096\n";
        fs::write(folder.join("config.yml"), config).expect("a config");
        // The first start makes the folders and the catalog.
        drop(launch::launch(folder));
        fill(&Layout::new(folder.join("uploads")), scale.devices);
        let launched = launch::launch(folder);
        let mut publisher = Publisher::new(launched.server.address);
        let own = publisher.publish("own.onnx", 1000);
        let wearer = publisher.publish("wearer.onnx", 1000);
        for n in 0..OWN {
            let device = identifier(n).device().to_string();
            publisher.give(&serde_json::json!({"to": "device", "device": device, "model": own}));
        }
        for n in 0..CHOSEN {
            publisher.give(&serde_json::json!({"to": "participant", "participant": participant(n), "model": wearer}));
        }
        publisher.give_everyone_another();
        Self { launched, publisher }
    }
}

fn identifier(n: usize) -> Identifier {
    format!("watch {n}[{}]", android_id(n)).parse().expect("an identifier")
}

#[tokio::main(flavor = "current_thread")]
async fn fill(layout: &Layout, devices: usize) {
    let mut catalog = SqliteConnectOptions::new().filename(layout.catalog()).connect().await.expect("the catalog");
    let mut insert = QueryBuilder::new("INSERT INTO devices (id, identifier, created_at, generation, lowest_generation) ");
    insert.push_values(0..devices, |mut row, n| {
        row.push_bind(identifier(n).device().to_string()).push_bind(identifier(n).to_string()).push("0, 1, 1");
    });
    insert.build().execute(&mut catalog).await.expect("devices");
    wear(&mut catalog, devices).await;
    catalog.close().await.expect("closed");
}

/// Each participant wears the next few devices behind those with a model of their own.
async fn wear(catalog: &mut SqliteConnection, devices: usize) {
    let mut insert = QueryBuilder::new("INSERT INTO participants (id, label, created_at) ");
    insert.push_values(0..PARTICIPANTS, |mut row, n| {
        row.push_bind(participant(n)).push_bind(format!("P{n:02}")).push("0");
    });
    insert.build().execute(&mut *catalog).await.expect("participants");
    let mut insert = QueryBuilder::new("INSERT INTO spans (id, participant, device, from_at) ");
    insert.push_values(OWN..devices.min(OWN + PARTICIPANTS * WORN), |mut row, n| {
        row.push_bind(format!("00000000-0000-4000-b000-{n:012x}")).push_bind(participant((n - OWN) / WORN));
        row.push_bind(identifier(n).device().to_string()).push("0");
    });
    insert.build().execute(catalog).await.expect("spans");
}
