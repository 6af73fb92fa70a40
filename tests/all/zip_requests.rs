//! Requests for files and zips that wait in the server while something changes: what is sent is decided after the last wait.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use reqwest::{Response, StatusCode};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use sqlx::{Connection, Executor, SqliteConnection};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use wearhouse::storage::Layout;

use crate::support::{Nginx, Program, Researcher, Watch, config_text, contents, until};

const VOICE: &str = "VOICE of a participant";

/// As many zips are built at once.
const BUILDERS: usize = 2;

/// A server that hides nothing yet, nginx before it, and a device.
struct Scene {
    folder: TempDir,
    program: Program,
    nginx: Nginx,
    device: Watch,
}

impl Scene {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let text = config_text(&folder.path().join("uploads"));
        fs::write(folder.path().join("config.yml"), format!("{text}privacy:\n  sensitive: []\n")).expect("written");
        let program = Program::in_folder(folder.path()).start();
        let nginx = Nginx::start_before(&program, folder.path()).await;
        let device = program.researcher().let_in("w").await;
        Self { folder, program, nginx, device }
    }

    fn layout(&self) -> Layout {
        Layout::new(self.folder.path().join("uploads"))
    }

    /// The server and nginx, each as a researcher reaches it.
    fn researchers(&self) -> [Researcher; 2] {
        [self.program.researcher().without_power(), self.nginx.researcher().without_power()]
    }

    /// A dataset with a published zip that holds a recorded voice, and then one file more.
    async fn dataset(&self) -> String {
        let uuid = self.device.new_dataset().await;
        self.device.upload(&uuid, "acc.csv", "1").await;
        self.device.upload(&uuid, "voice.3gp", VOICE).await;
        let zip = self.program.researcher().zip(&uuid).await;
        assert!(holds_voice(&zip));
        uuid
    }

    /// Files that may hold a voice are kept from researchers and left out of zips from now on.
    async fn hide_voices(&self) {
        let config = self.folder.path().join("config.yml");
        let text = fs::read_to_string(&config).expect("a config").replace("sensitive: []", "sensitive: ['*.3gp']");
        self.configure(&text).await;
    }

    /// Takes that back.
    async fn show_voices(&self) {
        let config = self.folder.path().join("config.yml");
        let text = fs::read_to_string(&config).expect("a config").replace("sensitive: ['*.3gp']", "sensitive: []");
        self.configure(&text).await;
    }

    async fn configure(&self, text: &str) {
        fs::write(self.folder.path().join("config.yml"), text).expect("written");
        let before = self.program.said().len();
        self.program.hang_up();
        until("the settings are in force", async || self.program.said()[before..].contains("privacy.sensitive")).await;
    }

    /// Keeps every builder busy until the returned value is dropped.
    async fn keep_builders_busy(&self) -> Vec<Build> {
        let mut builds = Vec::new();
        for _ in 0..BUILDERS {
            builds.push(self.hold_a_build().await);
        }
        builds
    }

    /// Holds a builder at a file that gives no bytes: a named pipe.
    async fn hold_a_build(&self) -> Build {
        let uuid = self.device.new_dataset().await;
        for number in 0.. {
            // Nothing but a builder reads such a file.
            let name = format!("{number}.mkv");
            self.device.upload(&uuid, &name, "1").await;
            let path = self.folder.path().join("uploads/recordings").join(&uuid).join(&name);
            fs::remove_file(&path).expect("removed");
            mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a named pipe");
            let request = ask(&self.program.researcher(), &uuid);
            let mut pipe = None;
            until("a builder reads the file, or has been quicker", async || {
                pipe = writer(&path);
                pipe.is_some() || request.is_finished()
            })
            .await;
            if let Some(pipe) = pipe {
                return Build { pipe: Some(pipe), request: Some(request) };
            }
        }
        unreachable!("there is always a next name")
    }

    /// Waits until so many requests wait for a zip.
    async fn wait_for_waiting(&self, requests: usize) {
        until("the requests wait", async || {
            let waiting = self.program.metric("wearhouse_zip_requests_waiting").await;
            (waiting - f64::from(u32::try_from(requests).expect("few"))).abs() < 0.5
        })
        .await;
    }
}

/// A build that goes on when this is dropped.
struct Build {
    pipe: Option<File>,
    request: Option<JoinHandle<Response>>,
}

impl Build {
    /// Lets it go on, and waits for its end.
    async fn end(mut self) {
        drop(self.pipe.take());
        if let Some(request) = self.request.take() {
            request.await.expect("no panic");
        }
    }
}

/// The end of a named pipe that is written, where its other end is being read.
fn writer(path: &PathBuf) -> Option<File> {
    OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path).ok()
}

fn ask(who: &Researcher, uuid: &str) -> JoinHandle<Response> {
    let request = who.request("GET", &format!("/uploads/zips/{uuid}.zip"));
    tokio::spawn(async move { request.send().await.expect("an answer") })
}

fn holds_voice(bytes: &[u8]) -> bool {
    bytes.windows(VOICE.len()).any(|window| window == VOICE.as_bytes())
}

async fn end(builds: Vec<Build>) {
    for build in builds {
        build.end().await;
    }
}

#[tokio::test]
async fn a_zip_that_became_sensitive_and_was_deleted_while_it_was_awaited_is_not_sent() {
    let scene = Scene::new().await;
    for researcher in scene.researchers() {
        let uuid = scene.dataset().await;
        let builds = scene.keep_builders_busy().await;
        scene.hide_voices().await;
        let request = ask(&researcher, &uuid);
        scene.wait_for_waiting(BUILDERS + 1).await;
        let deleted = researcher.request("DELETE", &format!("/api/v1/datasets/{uuid}")).send().await.expect("an answer");
        assert!(deleted.status().is_success(), "{}", deleted.status());
        end(builds).await;
        let answer = request.await.expect("no panic");
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{}", researcher.base());
        assert!(!holds_voice(&answer.bytes().await.expect("a body")));
        assert!(researcher.post(&format!("/api/v1/datasets/{uuid}/restore")).await.is_success());
        let zip = researcher.zip(&uuid).await;
        assert!(!holds_voice(&zip) && contents(&zip).len() == 1, "{}", researcher.base());
        scene.show_voices().await;
    }
}

#[tokio::test]
async fn a_zip_that_was_deleted_while_it_was_awaited_is_not_sent_and_one_that_was_restored_is_fresh() {
    let scene = Scene::new().await;
    for researcher in scene.researchers() {
        for restored in [false, true] {
            let uuid = scene.dataset().await;
            let builds = scene.keep_builders_busy().await;
            scene.device.upload(&uuid, "late.csv", "2").await;
            let request = ask(&researcher, &uuid);
            scene.wait_for_waiting(BUILDERS + 1).await;
            let deleted = researcher.request("DELETE", &format!("/api/v1/datasets/{uuid}")).send().await.expect("an answer");
            assert!(deleted.status().is_success(), "{}", deleted.status());
            if restored {
                assert!(researcher.post(&format!("/api/v1/datasets/{uuid}/restore")).await.is_success());
            }
            end(builds).await;
            let answer = request.await.expect("no panic");
            let status = answer.status();
            if restored {
                assert_eq!(status, StatusCode::OK, "{}", researcher.base());
                assert_eq!(contents(&answer.bytes().await.expect("a whole zip")).len(), 3);
            } else {
                assert_eq!(status, StatusCode::NOT_FOUND, "{}", researcher.base());
            }
        }
    }
}

#[tokio::test]
async fn a_zip_is_built_again_where_a_pattern_became_sensitive_while_it_was_awaited() {
    let scene = Scene::new().await;
    for researcher in scene.researchers() {
        let uuid = scene.dataset().await;
        let builds = scene.keep_builders_busy().await;
        scene.device.upload(&uuid, "late.csv", "2").await;
        let request = ask(&researcher, &uuid);
        scene.wait_for_waiting(BUILDERS + 1).await;
        scene.hide_voices().await;
        end(builds).await;
        let answer = request.await.expect("no panic");
        assert_eq!(answer.status(), StatusCode::OK, "{}", researcher.base());
        let zip = answer.bytes().await.expect("a whole zip");
        assert!(!holds_voice(&zip) && contents(&zip).len() == 2, "{}", researcher.base());
        scene.show_voices().await;
    }
}

/// A download is noted before it begins, and the catalog may be busy for seconds.
#[tokio::test]
async fn a_file_that_became_sensitive_while_its_download_was_noted_is_not_sent() {
    let scene = Scene::new().await;
    for researcher in scene.researchers() {
        for name in ["recordings/{}/voice.3gp", "zips/{}.zip"] {
            let uuid = scene.dataset().await;
            let path = format!("uploads/{}", name.replace("{}", &uuid));
            let mut catalog =
                SqliteConnection::connect(&format!("sqlite://{}", scene.layout().catalog().display())).await.expect("the catalog");
            catalog.execute("BEGIN IMMEDIATE").await.expect("begun");
            let request = researcher.request("GET", &format!("/{path}"));
            let request = tokio::spawn(async move { request.send().await.expect("an answer") });
            let file = scene.folder.path().join(&path);
            until("the file is open", async || scene.program.has_open(&file)).await;
            scene.hide_voices().await;
            catalog.execute("ROLLBACK").await.expect("ended");
            let answer = request.await.expect("no panic");
            let status = answer.status();
            assert!(!holds_voice(&answer.bytes().await.expect("a body")), "{path}: {status}");
            let expected = if name.starts_with("zips") { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{path} from {}", researcher.base());
            scene.show_voices().await;
        }
    }
}

#[tokio::test]
async fn many_recordings_are_not_sent_where_one_became_sensitive_while_the_download_was_noted() {
    let scene = Scene::new().await;
    for researcher in scene.researchers() {
        let uuid = scene.dataset().await;
        let mut catalog =
            SqliteConnection::connect(&format!("sqlite://{}", scene.layout().catalog().display())).await.expect("the catalog");
        catalog.execute("BEGIN IMMEDIATE").await.expect("begun");
        let address = format!("/api/v1/datasets.zip?uuid={uuid}");
        let request = researcher.request("GET", &address);
        let request = tokio::spawn(async move { request.send().await.expect("an answer") });
        // Nothing shows that it waits; where it has not come so far yet, the zip is laid out without the voice.
        scene.hide_voices().await;
        catalog.execute("ROLLBACK").await.expect("ended");
        let answer = request.await.expect("no panic");
        let status = answer.status();
        assert!(!holds_voice(&answer.bytes().await.expect("a body")), "{status}");
        let zip = researcher.get(&address).await.bytes().await.expect("a whole zip");
        assert!(!holds_voice(&zip) && contents(&zip).len() == 1);
        scene.show_voices().await;
    }
}
