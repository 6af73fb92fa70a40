//! Asking for a page, again and again.

use std::time::{Duration, Instant};

use crate::{connection::Connection, launch::login, pages::Page};

/// How long a page took, in milliseconds.
pub struct Times {
    pub median: f64,
    /// Ninety-nine of a hundred were quicker.
    pub late: f64,
    pub longest: f64,
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{}\r\n", login())
}

/// Waits until the house has looked what is missing for the first time.
pub fn wait_for_the_reader(connection: &mut Connection) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while connection.read(&request("/api/v1/missing")).expect("an answer").contains("\"looked_at\":0") {
        assert!(Instant::now() < deadline, "nobody looks what is missing");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Asks for a page over and over.
pub fn measure(connection: &mut Connection, page: &Page, requests: usize) -> Times {
    let request = request(&page.path);
    let mut ask = || {
        let asked = Instant::now();
        let answer = connection.ask(&[request.as_bytes()]).expect("an answer");
        assert!(answer.is_success(), "{} was answered {}", page.path, answer.status);
        asked.elapsed().as_secs_f64() * 1e3
    };
    let _warm: Vec<_> = (0..requests / 10).map(|_| ask()).collect();
    let mut times: Vec<_> = (0..requests).map(|_| ask()).collect();
    times.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    let times = Times { median: at(50), late: at(99), longest: at(100) };
    println!("{:7.2} {:7.2} {:7.2}  {}", times.median, times.late, times.longest, page.name());
    times
}
