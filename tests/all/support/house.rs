//! A house to test: in this process, or as the program in a process of its own.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
};

use sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use wearhouse::{
    config::{Config, Settings},
    server::{self, ServeError},
    storage::{Disk, Layout, RealDisk},
};

use super::{Researcher, Watch};

/// The one user of the tests, with the password `correct horse battery staple`, hashed with weak parameters to be quick.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$tCc9fRe1ZCo/16K285DQzyaDkBqT0FS+sUtZTyzbH18";

/// A config file's text for a house in `uploads`, with a small reserve and further lines behind it.
pub fn config_text(uploads: &Path) -> String {
    format!(
        "server:\n  listen: 127.0.0.1:0\nstorage:\n  uploads: {}\n  reserve_mib: 1\nsecurity:\n  secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=\nusers:\n  - name: admin\n    role: operator\n    password: {HASH}\n  - name: researcher\n    role: researcher\n    password: {HASH}\n",
        uploads.display()
    )
}

/// A house that runs in this process. Dropped, it stops as after a cut; [`House::stop`] lets it end in order.
pub struct House {
    pub folder: Arc<TempDir>,
    pub config: Config,
    /// What is in force in the server.
    pub settings: Settings,
    pub address: SocketAddr,
    disk: Arc<dyn Disk>,
    shutdown: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), ServeError>>,
}

impl House {
    pub async fn start() -> Self {
        Self::start_with(Arc::new(RealDisk), |_| {}).await
    }

    pub async fn start_with(disk: Arc<dyn Disk>, change: impl FnOnce(&mut Config)) -> Self {
        let folder = Arc::new(TempDir::new().expect("a folder"));
        let mut config = Config::parse(&config_text(&folder.path().join("uploads")), folder.path()).expect("a good config");
        change(&mut config);
        Self::open(folder, disk, config).await
    }

    async fn open(folder: Arc<TempDir>, disk: Arc<dyn Disk>, config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (shutdown, stopped) = oneshot::channel();
        let wait = async move {
            let _ = stopped.await;
        };
        let settings = Settings::from(config.clone());
        let serving = tokio::spawn(server::run_on(Arc::clone(&disk), settings.clone(), listener, wait));
        Self { folder, config, settings, address, disk, shutdown: Some(shutdown), serving }
    }

    /// Starts a server in a folder whose last one has stopped.
    pub async fn reopen(folder: Arc<TempDir>, config: Config) -> Self {
        Self::open(folder, Arc::new(RealDisk), config).await
    }

    /// Stops the server and waits for its end.
    pub async fn stop(&mut self) {
        drop(self.shutdown.take());
        (&mut self.serving).await.expect("no panic").expect("a good end");
    }

    /// Starts it again, once it has stopped.
    pub async fn start_again(&self) -> Self {
        Self::open(Arc::clone(&self.folder), Arc::clone(&self.disk), self.config.clone()).await
    }

    /// Why it did not come to serving. One that did is stopped, and ends well.
    pub async fn refusal(mut self) -> ServeError {
        drop(self.shutdown.take());
        (&mut self.serving).await.expect("no panic").expect_err("a refusal")
    }

    /// The catalog, as somebody else opens it.
    pub async fn catalog(&self) -> SqliteConnection {
        SqliteConnection::connect(&format!("sqlite://{}", self.layout().catalog().display())).await.expect("the catalog")
    }

    /// Changes the catalog behind the server's back.
    pub async fn change_catalog(&self, statement: &'static str) {
        self.catalog().await.execute(statement).await.expect("changed");
    }

    /// Stops it, and starts it again in the same folder with a changed config.
    pub async fn restart_with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        self.stop().await;
        let mut config = self.config.clone();
        change(&mut config);
        Self::open(Arc::clone(&self.folder), Arc::clone(&self.disk), config).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn layout(&self) -> Layout {
        Layout::new(&self.config.storage.uploads)
    }

    pub fn researcher(&self) -> Researcher {
        Researcher::new(format!("http://{}", self.address))
    }

    /// A watch that has been let in.
    pub async fn watch(&self, identifier: &str) -> Watch {
        self.researcher().let_in(identifier).await
    }

    /// What lies in `incoming/`. Empty, whenever nothing is under way.
    pub fn incoming(&self) -> Vec<PathBuf> {
        list(&self.layout().incoming_folder())
    }
}

pub fn list(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).map(|entries| entries.map(|entry| entry.expect("an entry").path()).collect()).unwrap_or_default()
}

/// The program, run as an operator runs it. Killed when it is dropped.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
    metrics: Mutex<std::sync::mpsc::Receiver<String>>,
    metrics_url: OnceLock<String>,
    log: Arc<Mutex<String>>,
    gathering: Vec<std::thread::JoinHandle<()>>,
}

/// How to run the program.
pub struct ProgramBuilder {
    command: Command,
}

impl ProgramBuilder {
    /// Runs the program under another one, such as strace.
    pub fn wrapped(wrapper: &[&str], config: &Path) -> Self {
        Self::at(wrapper, Path::new(env!("CARGO_BIN_EXE_wearhouse")), config)
    }

    /// The same with the program in another place.
    pub fn at(wrapper: &[&str], program: &Path, config: &Path) -> Self {
        let mut command = match wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .env_remove("WEARHOUSE_ADMIN_PASSWORD");
        Self { command }
    }

    pub fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.command.env(key, value);
        self
    }

    /// Starts it and waits for the address that it prints.
    pub fn start(mut self) -> Program {
        let mut child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program");
        let log = Arc::new(Mutex::new(String::new()));
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (found, address) = std::sync::mpsc::channel();
        let (found_metrics, metrics) = std::sync::mpsc::channel();
        let errors = gather(BufReader::new(stderr), Arc::clone(&log), |_| {});
        let output = gather(BufReader::new(stdout), Arc::clone(&log), move |line| {
            if let Some(address) = line.strip_prefix("wearhouse listens on http://") {
                let _ = found.send(address.trim().parse().expect("an address"));
            }
            if let Some(url) = line.strip_prefix("metrics are at ") {
                let _ = found_metrics.send(url.trim().to_owned());
            }
        });
        let address = address.recv_timeout(std::time::Duration::from_secs(60));
        let Ok(address) = address else { panic!("the program does not listen: {}", log.lock().expect("log")) };
        Program { child, address, metrics: Mutex::new(metrics), metrics_url: OnceLock::new(), log, gathering: vec![errors, output] }
    }
}

fn gather(
    lines: impl BufRead + Send + 'static,
    log: Arc<Mutex<String>>,
    mut each: impl FnMut(&str) + Send + 'static,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            each(&line);
            let mut log = log.lock().expect("log");
            log.push_str(&line);
            log.push('\n');
        }
    })
}

impl Program {
    /// The program with a config of the tests in `folder`, which stays as it is if it is there already.
    pub fn in_folder(folder: &Path) -> ProgramBuilder {
        Self::wrapped_in_folder(&[], folder)
    }

    /// The same under another program, such as strace.
    pub fn wrapped_in_folder(wrapper: &[&str], folder: &Path) -> ProgramBuilder {
        let config = folder.join("config.yml");
        if !config.exists() {
            std::fs::write(&config, config_text(&folder.join("uploads"))).expect("a config");
        }
        ProgramBuilder::wrapped(wrapper, &config)
    }

    /// Memory that the process holds now, in bytes, without the pages of files (`RssAnon`).
    pub fn memory(&self) -> u64 {
        self.status("RssAnon")
    }

    /// The most that it ever held, pages of files included (`VmHWM`).
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM")
    }

    fn status(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a process");
        let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).expect("the line");
        value.trim().trim_end_matches(" kB").parse::<u64>().expect("kB") << 10
    }

    /// The program with the config at this path; it writes one where there is none.
    pub fn with_config(config: &Path) -> ProgramBuilder {
        ProgramBuilder::wrapped(&[], config)
    }

    /// A copy of the program, under another one that runs it.
    pub fn at(program: &Path, wrapper: &[&str], config: &Path) -> ProgramBuilder {
        ProgramBuilder::at(wrapper, program, config)
    }

    /// What it has printed so far.
    pub fn said(&self) -> String {
        self.log.lock().expect("log").clone()
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").arg(pid).status().expect("kill").success());
    }

    /// What its metrics say at this moment.
    pub async fn metrics(&self) -> String {
        let printed = || self.metrics.lock().expect("no panic").recv_timeout(std::time::Duration::from_secs(10)).expect("an address");
        let answer = reqwest::get(self.metrics_url.get_or_init(printed)).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.text().await.expect("text")
    }

    /// What one of its metrics says at this moment.
    pub async fn metric(&self, name: &str) -> f64 {
        let metrics = self.metrics().await;
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("a metric of this name");
        value.parse().expect("a number")
    }

    /// Whether it has this file open.
    pub fn has_open(&self, path: &Path) -> bool {
        let open = list(Path::new(&format!("/proc/{}/fd", self.pid())));
        open.iter().any(|descriptor| std::fs::read_link(descriptor).is_ok_and(|target| target == path))
    }

    /// The uploads that it has acknowledged, and the commits that took them: fewer, where groups form.
    pub async fn uploads_and_commits(&self) -> (u64, u64) {
        let metrics = self.metrics().await;
        let sum = |name: &str| -> u64 {
            let values = metrics.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit_once(' '));
            values.map(|(_, value)| value.parse::<u64>().expect("a number")).sum()
        };
        let uploads = ["stored", "repeated", "quarantined"].map(|outcome| format!("wearhouse_uploads_total{{outcome=\"{outcome}\"}}"));
        (uploads.iter().map(|name| sum(name)).sum(), sum("wearhouse_catalog_commit_duration_seconds_count"))
    }

    /// Asks it to read its config anew.
    pub fn hang_up(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("kill").success());
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_some()
    }

    /// Waits for its end, and returns everything that it has printed.
    pub fn wait_and_say(mut self) -> String {
        assert!(self.wait().success());
        for lines in self.gathering.drain(..) {
            lines.join().expect("no panic");
        }
        self.said()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().expect("its end")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn researcher(&self) -> Researcher {
        Researcher::new(format!("http://{}", self.address))
    }

    /// `kill -9`, and its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().expect("its end");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
