//! A server in a process of its own: what it costs, and its end.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Child,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A server that is measured; ended when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    child: Child,
}

impl Server {
    /// A process that is about to listen there.
    pub fn wait(address: SocketAddr, mut child: Child) -> Self {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(child.try_wait().expect("its state").is_none(), "a server ended before it listened");
            assert!(Instant::now() < deadline, "nobody listens at {address}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { address, child }
    }

    /// Seconds of CPU that the process, all its threads and its children used so far.
    pub fn cpu(&self) -> f64 {
        let pid = self.child.id();
        let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        cpu_of(&pid.to_string()) + listed.split_whitespace().map(cpu_of).sum::<f64>()
    }

    /// The most memory that it ever held, bytes (`VmHWM`).
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its line");
        value.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // TERM, so that workers end with their master; Wearhouse may be amid a roll that nobody needs any more.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of CPU of one process, or of `self`. The kernel says it in hundredths.
pub fn cpu_of(pid: &str) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    ticks.filter_map(|field| field.parse::<u32>().ok()).map(f64::from).sum::<f64>() / 100.0
}

/// An address where nobody listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}
