//! The real nginx, with the configuration that an operator uses, in front of a house.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command},
    sync::atomic::{AtomicU16, Ordering},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{House, Researcher, Watch, until};

/// The file as it is handed out.
const CONFIGURATION: &str = include_str!("../../../nginx/wearhouse.conf");

/// nginx in a folder and on a port of its own. Ended when it is dropped.
pub struct Nginx {
    child: Child,
    folder: TempDir,
    pub address: SocketAddr,
}

impl Nginx {
    pub async fn start(house: &House) -> Self {
        Self::start_as("root", house, "").await
    }

    /// Its workers run as `user` with its group (if this is root, else as who runs the test), and it serves `more` beside the house.
    pub async fn start_as(user: &str, house: &House, more: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        open_to_workers(house.folder.path());
        let address = free_address();
        let configuration = adapted(house, folder.path(), address);
        Self::run(user, folder, address, &configuration, more).await
    }

    /// nginx with a configuration of the test, which listens at `address`.
    pub async fn with_configuration(address: SocketAddr, configuration: &str) -> Self {
        Self::run("root", TempDir::new().expect("a folder"), address, configuration, "").await
    }

    async fn run(user: &str, folder: TempDir, address: SocketAddr, configuration: &str, more: &str) -> Self {
        open_to_workers(folder.path());
        fs::write(folder.path().join("wearhouse.conf"), configuration).expect("written");
        let main = folder.path().join("nginx.conf");
        fs::write(&main, main_configuration(user, folder.path(), more)).expect("written");
        let mut command = Command::new("nginx");
        // Until it has read where to log, it would log to the machine's own file.
        command.arg("-p").arg(folder.path()).arg("-c").arg(main).arg("-e").arg(folder.path().join("main.log"));
        let child = command.spawn().expect("nginx (apt-get install nginx)");
        let mut nginx = Self { child, folder, address };
        until("nginx listens", async || {
            let ended = nginx.child.try_wait().expect("its state");
            assert!(ended.is_none(), "nginx does not run: {}", nginx.logs());
            TcpStream::connect(address).await.is_ok()
        })
        .await;
        nginx
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn researcher(&self) -> Researcher {
        Researcher::new(self.base())
    }

    /// A watch that talks to nginx.
    pub fn watch(&self, watch: &Watch) -> Watch {
        watch.at(&self.base())
    }

    /// All that it has logged.
    pub fn logs(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        ["main.log", "wearhouse.access.log", "wearhouse.error.log"].map(read).concat()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // TERM, so that the workers end with it.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let _ = kill_process(pid.expect("a pid"), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The operator's file with the marked lines adapted, and its logs in a folder of the test.
fn adapted(house: &House, folder: &Path, address: SocketAddr) -> String {
    let lines = [
        ("server 127.0.0.1:8080;", format!("server {};", house.address)),
        ("listen 80;", format!("listen {address};")),
        ("listen [::]:80;", String::new()),
        ("root /srv/wearhouse;", format!("root {};", house.folder.path().display())),
        ("/var/log/nginx/wearhouse.access.log", folder.join("wearhouse.access.log").display().to_string()),
        ("/var/log/nginx/wearhouse.error.log", folder.join("wearhouse.error.log").display().to_string()),
    ];
    lines.iter().fold(CONFIGURATION.to_owned(), |text, (line, ours)| {
        assert_eq!(text.matches(line).count(), 1, "{line}");
        text.replace(line, ours)
    })
}

fn main_configuration(user: &str, folder: &Path, more: &str) -> String {
    let user = if rustix::process::geteuid().is_root() { format!("user {user};") } else { String::new() };
    let folder = folder.display();
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|what| format!("  {what}_temp_path {folder}/{what};\n")).concat();
    format!(
        "{user}\ndaemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/main.log notice;\nevents {{}}\nhttp {{\n{temporary}  include {folder}/wearhouse.conf;\n{more}\n}}\n"
    )
}

fn open_to_workers(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).expect("ours");
}

/// An address where nobody listens.
pub fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}

/// A port below those that the kernel gives away by itself, so that no other test gets it before nginx does.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() % 12_000;
    (0..12_000)
        .map(|_| 20_000 + (u32::from(NEXT.fetch_add(1, Ordering::Relaxed)) + first) % 12_000)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
