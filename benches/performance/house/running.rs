//! The program while it runs: its metrics, and a question at its gate.

use std::{fs, io::BufReader, net::SocketAddr, process::ChildStdout, time::Instant};

use super::House;
use crate::{
    client::{Connection, Dataset, Way},
    launch::{Launched, get, launch, login},
    process::Server,
};

/// A house whose program runs. It ends when this is dropped.
pub struct Running<'a> {
    pub house: &'a House,
    pub server: Server,
    metrics: SocketAddr,
    /// The program may go on to print.
    _output: BufReader<ChildStdout>,
}

/// What it has rolled so far.
#[derive(Clone, Copy)]
pub struct Rolls {
    pub published: f64,
    pub seconds: f64,
    pub copied: f64,
}

impl House {
    /// Starts the program.
    pub fn start(&self) -> Running<'_> {
        let Launched { server, metrics, output } = launch(&self.folder);
        Running { house: self, server, metrics, _output: output }
    }
}

impl Running<'_> {
    /// Seconds that the gate takes to say that the zip of a dataset holds everything. It has it rolled if need be.
    pub fn question(&self, uuid: &str) -> f64 {
        let asked = Instant::now();
        let request = format!("GET /auth HTTP/1.1\r\nHost: x\r\nX-Original-URI: /uploads/zips/{uuid}.zip\r\n{}\r\n", login());
        let answer = Connection::open(self.server.address).and_then(|mut connection| connection.ask(&[request.as_bytes()]));
        let status = answer.expect("an answer").status;
        assert_eq!(status, 204, "the zip of {uuid}");
        asked.elapsed().as_secs_f64()
    }

    pub fn rolls(&self) -> Rolls {
        let text = get(self.metrics, "/metrics").expect("metrics");
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).expect("the metric");
        Rolls {
            published: value("wearhouse_rolls_total{outcome=\"published\"}"),
            seconds: value("wearhouse_roll_duration_seconds_sum"),
            copied: value("wearhouse_roll_copied_bytes_total"),
        }
    }

    /// Brings one file.
    pub fn bring(&self, dataset: &Dataset, name: &str, body: &[u8]) {
        self.bring_many(dataset, [name.to_owned()], body);
    }

    /// Brings files of the same bytes under these names.
    pub fn bring_many(&self, dataset: &Dataset, names: impl IntoIterator<Item = String>, body: &[u8]) {
        let (mut connection, datasets) = (Connection::open(self.server.address).expect("a connection"), std::slice::from_ref(dataset));
        for name in names {
            let answer = Way::Multipart(datasets).upload(&mut connection, 0, &name, body).expect("an answer");
            assert!(answer.is_success(), "{name} was answered {}", answer.status);
        }
    }

    /// Bytes of the published zip of a dataset.
    pub fn zip_size(&self, uuid: &str) -> u64 {
        fs::metadata(self.house.layout().zip(uuid.parse().expect("a uuid"))).map_or(0, |found| found.len())
    }
}
