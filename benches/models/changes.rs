//! Publishing models and giving them, as a script of a researcher does.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{connection::Connection, launch::login, times::Times};

const SETTINGS: &str =
    r#"{"frame_size":128,"mean_threshold":0.59,"mean_kernel_size":5,"notification_cool_down":300,"required_sensors":[10,4]}"#;

/// Somebody who publishes and gives.
#[derive(Clone)]
pub struct Publisher {
    address: SocketAddr,
    /// The number of the last model of which it was answered that everyone has it now.
    pub given: Arc<AtomicUsize>,
}

/// The name of a model for everyone.
fn name(number: usize) -> String {
    format!("everyone-{number}.onnx")
}

/// The number of a model for everyone.
pub fn number(name: &str) -> Option<usize> {
    name.strip_prefix("everyone-")?.strip_suffix(".onnx")?.parse().ok()
}

impl Publisher {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, given: Arc::default() }
    }

    /// Publishes a model of so many bytes. Returns its id.
    pub fn publish(&mut self, name: &str, bytes: usize) -> String {
        let begin = format!("--b\r\nContent-Disposition: form-data; name=\"settings\"\r\n\r\n{SETTINGS}\r\n--b\r\n");
        let file = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
        let body = [begin.as_bytes(), file.as_bytes(), &onnx(name, bytes), b"\r\n--b--\r\n"].concat();
        self.post("/api/v1/models", "multipart/form-data; boundary=b", &body);
        let request = format!("GET /api/v1/models HTTP/1.1\r\nHost: x\r\n{}\r\n", login());
        let said: Value = serde_json::from_str(&self.connect().read(&request).expect("models")).expect("JSON");
        let published = said["models"].as_array().expect("models").iter().find(|model| model["name"] == name);
        published.expect("the model")["id"].as_str().expect("an id").to_owned()
    }

    pub fn give(&mut self, gift: &Value) {
        self.post("/api/v1/models/give", "application/json", gift.to_string().as_bytes());
    }

    /// Publishes another model, and gives it to everyone. Returns how long the giving took.
    pub fn give_everyone_another(&mut self) -> Duration {
        let number = self.given.load(Ordering::Acquire) + 1;
        let id = self.publish(&name(number), 1000);
        let began = Instant::now();
        self.give(&json!({"to": "everyone", "model": id}));
        self.given.store(number, Ordering::Release);
        began.elapsed()
    }

    /// Does that so often, spread over a time.
    pub fn give_within(&mut self, changes: usize, long: Duration) -> Times {
        let began = Instant::now();
        let moments = (0..changes).map(|n| long.mul_f64((n as f64 + 0.5) / changes as f64));
        let give = |moment: Duration| {
            std::thread::sleep(moment.saturating_sub(began.elapsed()));
            self.give_everyone_another()
        };
        moments.map(give).collect()
    }

    fn post(&mut self, path: &str, kind: &str, body: &[u8]) {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", login(), body.len());
        let answer = self.connect().ask(&[head.as_bytes(), body]).expect("an answer");
        assert!(answer.is_success(), "{path} was answered {}", answer.status);
    }

    fn connect(&self) -> Connection {
        Connection::open(self.address).expect("a connection")
    }
}

/// An ONNX model with one number of so many bytes in it, and its name.
fn onnx(name: &str, bytes: usize) -> Vec<u8> {
    let value = |name: &str| field(1, name.as_bytes());
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Identity")].concat();
    let weights = [vec![1 << 3, 1, 2 << 3, 3], field(8, b"w"), field(9, &vec![7; bytes])].concat();
    let graph = [field(1, &node), field(5, &weights), field(11, &value("x")), field(12, &value("y"))].concat();
    [vec![1 << 3, 8], field(2, name.as_bytes()), field(7, &graph), field(8, &[2 << 3, 17])].concat()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let (mut head, mut left) = (vec![number << 3 | 2], bytes.len());
    while left >= 128 {
        head.push(u8::try_from(left % 128).expect("seven bits") | 128);
        left /= 128;
    }
    head.push(u8::try_from(left).expect("seven bits"));
    [&head, bytes].concat()
}
