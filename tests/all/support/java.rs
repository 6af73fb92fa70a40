//! The Java programs of `tests/java/`: compiled once, run in processes of their own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, LazyLock, Mutex},
};

use super::until;

const OKHTTP: &str = "/usr/share/java/okhttp.jar:/usr/share/java/okio.jar";

/// The folder of the compiled classes.
static CLASSES: LazyLock<PathBuf> = LazyLock::new(|| {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java");
    let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("java");
    let mut javac = Command::new("javac");
    javac.args(["-cp", OKHTTP, "-d"]).arg(&classes).args(["Watch.java", "ReadZip.java", "Model.java"].map(|name| sources.join(name)));
    assert!(javac.status().expect("javac: ./scripts/test installs it").success());
    classes
});

/// A command that runs a class. The locale tells Java how file names are written.
pub fn java(class: &str) -> Command {
    java_with(&[], class)
}

/// The same in a Java with these options.
fn java_with(options: &[String], class: &str) -> Command {
    let mut command = Command::new("java");
    command
        .args(options)
        .args(["-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(format!("{}:{OKHTTP}", CLASSES.display()))
        .arg(class);
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// What the app printed of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub kind: String,
    pub status: String,
    pub body: String,
}

/// The app in the field, in one upload round. Killed when it is dropped.
pub struct FieldApp {
    child: Child,
    steps: Arc<Mutex<Vec<Step>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl FieldApp {
    /// Starts it with the folder that holds its runs, and its token if it has one.
    pub fn start(base: &str, identifier: &str, folder: &Path) -> Self {
        Self::run(java("Watch").args([base, identifier]).arg(folder))
    }

    /// Starts it with a token in its folder, in a Java with these options.
    pub fn start_with(options: &[String], base: &str, folder: &Path) -> Self {
        Self::run(java_with(options, "Watch").args([base, "unused"]).arg(folder))
    }

    fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("java");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let steps = Arc::new(Mutex::new(Vec::new()));
        let gathered = Arc::clone(&steps);
        let reader = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let mut parts = line.splitn(3, '\t').map(str::to_owned);
                let mut next = || parts.next().unwrap_or_default();
                gathered.lock().expect("steps").push(Step { kind: next(), status: next(), body: next() });
            }
        });
        Self { child, steps, reader: Some(reader) }
    }

    /// The steps of a kind so far: `sent`, `handshake`, `dataset` or `upload`.
    pub fn steps(&self, kind: &str) -> Vec<Step> {
        self.steps.lock().expect("steps").iter().filter(|step| step.kind == kind).cloned().collect()
    }

    /// How many requests with a body have gone out, those that OkHttp repeats included.
    pub fn posts(&self) -> usize {
        self.steps("sent").iter().filter(|step| step.status == "POST").count()
    }

    /// The status codes of the uploads; 0 where no answer came.
    pub fn statuses(&self) -> Vec<u16> {
        self.steps("upload").iter().map(|step| step.status.parse().expect("a number")).collect()
    }

    /// Waits until its round is over.
    pub async fn finish(mut self) -> Self {
        let mut status = None;
        until("the app's round is over", async || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        })
        .await;
        self.reader.take().expect("finished once").join().expect("no panic");
        assert!(status.expect("over").success(), "the app failed: {:?}", self.steps.lock().expect("steps"));
        self
    }
}

impl Drop for FieldApp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
