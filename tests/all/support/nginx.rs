//! The real nginx, with the configuration that an operator uses, in front of a house.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::atomic::{AtomicU16, Ordering},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{
    House, Program, Researcher, Watch,
    tls::{Connection, Tls},
    until,
};

/// The file as it is handed out.
const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/nginx/wearhouse.conf");

/// How docs/nginx.md makes plain HTTP of it, for an nginx behind somebody else's TLS.
const WITHOUT_TLS: &str = "sed -e '/^# HTTP:/,/^}/d' -e '/^ *ssl_/d' -e 's/443 ssl http2/80/'";

/// What is not as usual about an nginx.
pub struct Setup<'a> {
    /// Who its workers run as, with the group (if this is root, else who runs the test).
    pub user: &'a str,
    /// What it serves beside the house.
    pub more: &'a str,
    /// Lines of the operator's file, and what stands there instead.
    pub lines: &'a [(&'a str, &'a str)],
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { user: "root", more: "", lines: &[] }
    }
}

/// nginx in a folder and on ports of its own. Ended when it is dropped.
pub struct Nginx {
    child: Child,
    folder: TempDir,
    tls: Option<Tls>,
    pub address: SocketAddr,
}

impl Nginx {
    /// Over plain HTTP.
    pub async fn start(house: &House) -> Self {
        Self::start_with(house, Setup::default()).await
    }

    /// The same with something else about it.
    pub async fn start_with(house: &House, setup: Setup<'_>) -> Self {
        Self::run(house.folder.path(), house.address, setup, without_tls(), None).await
    }

    /// The same before a program that runs in `folder`, in a process of its own.
    pub async fn start_before(program: &Program, folder: &Path) -> Self {
        Self::run(folder, program.address, Setup::default(), without_tls(), None).await
    }

    /// With TLS, and a server beside it that sends everybody there.
    pub async fn start_tls(house: &House) -> Self {
        Self::start_tls_with(house, Setup::default()).await
    }

    /// The same with something else about it.
    pub async fn start_tls_with(house: &House, setup: Setup<'_>) -> Self {
        Self::run(house.folder.path(), house.address, setup, fs::read_to_string(CONFIGURATION).expect("readable"), Some(Tls::new())).await
    }

    /// nginx in front of a server at `server` that has its `uploads/` in `root`.
    async fn run(root: &Path, server: SocketAddr, setup: Setup<'_>, text: String, tls: Option<Tls>) -> Self {
        let folder = TempDir::new().expect("a folder");
        open_to_workers(root);
        let address = free_address();
        let text = adapted(text, root, server, folder.path(), address, tls.as_ref());
        Self::launch(setup.user, folder, address, &replaced(text, setup.lines), setup.more, tls).await
    }

    /// nginx with a configuration of the test, which listens at `address`.
    pub async fn with_configuration(address: SocketAddr, configuration: &str) -> Self {
        Self::launch("root", TempDir::new().expect("a folder"), address, configuration, "", None).await
    }

    async fn launch(user: &str, folder: TempDir, address: SocketAddr, configuration: &str, more: &str, tls: Option<Tls>) -> Self {
        fs::write(folder.path().join("wearhouse.conf"), configuration).expect("written");
        let main = folder.path().join("nginx.conf");
        fs::write(&main, main_configuration(user, folder.path(), more)).expect("written");
        let mut command = Command::new("nginx");
        // Until it has read where to log, it would log to the machine's own file.
        command.arg("-p").arg(folder.path()).arg("-c").arg(main).arg("-e").arg(folder.path().join("main.log"));
        let child = command.spawn().expect("nginx (apt-get install nginx)");
        let mut nginx = Self { child, folder, tls, address };
        until("nginx listens", async || {
            let ended = nginx.child.try_wait().expect("its state");
            assert!(ended.is_none(), "nginx does not run: {}", nginx.logs());
            TcpStream::connect(address).await.is_ok()
        })
        .await;
        nginx
    }

    /// What stands only in an nginx with TLS.
    pub fn tls(&self) -> &Tls {
        self.tls.as_ref().expect("started with TLS")
    }

    /// A connection, encrypted if it is one with TLS.
    pub async fn connect(&self) -> Box<dyn Connection> {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        match &self.tls {
            Some(tls) => Box::new(tls.encrypt(stream).await),
            None => Box::new(stream),
        }
    }

    /// A folder of the test, from which certbot's files are served.
    pub fn challenges(&self) -> PathBuf {
        self.folder.path().join("certbot")
    }

    pub fn base(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
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

/// The operator's file as the documented command leaves it.
fn without_tls() -> String {
    let documented = include_str!("../../../docs/nginx.md");
    assert!(documented.contains(WITHOUT_TLS), "docs/nginx.md says it otherwise");
    let output = Command::new("sh").args(["-c", &format!("{WITHOUT_TLS} {CONFIGURATION}")]).output().expect("sed");
    String::from_utf8(output.stdout).expect("text")
}

/// The operator's file with the marked lines adapted, and its logs in a folder of the test.
fn adapted(text: String, root: &Path, server: SocketAddr, folder: &Path, address: SocketAddr, tls: Option<&Tls>) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut lines = vec![
        ("server 127.0.0.1:8080;", format!("server {server};")),
        ("root /srv/wearhouse;", format!("root {};", root.display())),
        ("/var/log/nginx/wearhouse.access.log", path("wearhouse.access.log")),
        ("/var/log/nginx/wearhouse.error.log", path("wearhouse.error.log")),
        ("    listen [::]:80;\n", String::new()),
    ];
    match tls {
        None => lines.push(("listen 80;", format!("listen {address};"))),
        Some(tls) => lines.extend([
            ("listen 80;", format!("listen {};", tls.http)),
            ("listen 443 ssl http2;", format!("listen {address} ssl http2;")),
            ("    listen [::]:443 ssl http2;\n", String::new()),
            ("https://$host$request_uri", format!("https://{address}$request_uri")),
            ("/etc/nginx/certs/fullchain.pem", tls.certificate().display().to_string()),
            ("/etc/nginx/certs/privkey.pem", tls.key().display().to_string()),
            ("root /var/www/certbot;", format!("root {};", path("certbot"))),
        ]),
    }
    let lines: Vec<_> = lines.iter().map(|(line, ours)| (*line, ours.as_str())).collect();
    replaced(text, &lines)
}

fn replaced(text: String, lines: &[(&str, &str)]) -> String {
    lines.iter().fold(text, |text, (line, ours)| {
        assert!(text.contains(line), "{line}");
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

/// An address where nobody listens, on a port below those that the kernel gives away by itself, so that no other test gets it
/// before nginx does.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() % 12_000;
    (0..12_000)
        .map(|_| 20_000 + (u32::from(NEXT.fetch_add(1, Ordering::Relaxed)) + first) % 12_000)
        .filter_map(|port| u16::try_from(port).ok())
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}
