//! A config that changes under a running server: a good one is in force at once, a bad one changes nothing, and a new secret
//! locks nobody out.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use reqwest::StatusCode;
use tempfile::TempDir;

use crate::support::{Program, Researcher, Watch, until};

const OLD: &str = "kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=";
const NEW: &str = "wZ8y1nQ0u7vX3cT5rB9mK2pL6sD4fG8hJ0aE1iO3qY5=";

/// A program with a config that can be changed.
struct Running {
    folder: TempDir,
    program: Program,
}

impl Running {
    fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let program = Program::in_folder(folder.path()).start();
        Self { folder, program }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.yml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.config()).expect("a config")
    }

    /// Writes another config, has it read, and waits until the log says this of it.
    async fn reload(&self, text: &str, says: &str) {
        std::fs::write(self.config(), text).expect("written");
        self.hang_up(says).await;
    }

    async fn hang_up(&self, says: &str) {
        let before = self.program.said().len();
        self.program.hang_up();
        until(&format!("the log says: {says}"), async || self.program.said()[before..].contains(says)).await;
    }

    async fn upload(&self, watch: &Watch, uuid: &str, name: &str, size: usize) -> StatusCode {
        watch.try_upload(uuid, name, vec![b'1'; size]).await.expect("an answer").status()
    }
}

#[tokio::test]
async fn a_good_config_is_in_force_at_once() {
    let running = Running::start();
    let researcher = running.program.researcher();
    let watch = researcher.let_in("w").await;
    let uuid = watch.new_dataset().await;
    assert_eq!(running.upload(&watch, &uuid, "a.csv", 2 << 20).await, 200);
    assert_eq!(running.upload(&watch, &uuid, "b.csv.dat", 10).await, 200);
    let text = running.text().replace("reserve_mib: 1", "reserve_mib: 1\n  extensions: [dat]");
    let text = text.replace("- name: researcher", "- name: guest").replace("listen: 127.0.0.1:0", "listen: 127.0.0.1:9");
    let text = text + "limits:\n  max_upload_mib: 1\n  device_files: 3\nzip:\n  quiet_minutes: 5\nlog:\n  level: debug\n";
    running.reload(&text, "take effect at the next start").await;
    let said = running.program.said();
    assert!(said.contains("limits.max_upload_mib") && said.contains("users"), "{said}");
    assert!(said.lines().any(|line| line.contains("server.listen") && line.contains("next start")), "{said}");
    assert_eq!(running.upload(&watch, &uuid, "c.csv", 2 << 20).await, 413);
    assert_eq!(watch.upload(&uuid, "d.dat", "1").await["stored_as"], "d.dat");
    assert_eq!(running.upload(&watch, &uuid, "e.dat", 10).await, 507);
    // Of probes a line is logged for whoever asks for the details.
    assert_eq!(researcher.get("/healthz").await.status(), 200);
    until("the log has more lines", async || running.program.said().contains("/healthz")).await;
    let login = async |name: &str| {
        let url = format!("{}/device/list/", researcher.base());
        reqwest::Client::new().get(url).basic_auth(name, Some(Researcher::PASSWORD)).send().await.expect("an answer").status()
    };
    assert_eq!(login("guest").await, 200);
    assert_eq!(login("researcher").await, 401);
    let page = researcher.get("/settings/").await.text().await.expect("a page");
    assert!(page.contains("127.0.0.1:0") && !page.contains("127.0.0.1:9<"), "the page shows what is not in force");
}

#[tokio::test]
async fn another_number_of_requests_a_minute_counts_from_then_on() {
    let running = Running::start();
    let (text, url) = (running.text(), format!("{}/recording/new/", running.program.researcher().base()));
    let ask = async || reqwest::get(&url).await.expect("an answer").status();
    assert_eq!((ask().await.as_u16(), ask().await.as_u16()), (401, 401));
    running.reload(&(text.clone() + "limits:\n  anonymous_per_minute: 1\n"), "was read anew").await;
    assert_eq!((ask().await.as_u16(), ask().await.as_u16()), (401, 429));
    running.reload(&text, "was read anew").await;
    assert_eq!((ask().await.as_u16(), ask().await.as_u16()), (401, 401));
}

#[tokio::test]
async fn a_changed_password_ends_the_logins_of_the_old_one() {
    let running = Running::start();
    let researcher = running.program.researcher();
    assert_eq!(researcher.get("/").await.status(), 200);
    let hash = running.text().lines().find_map(|line| line.trim().strip_prefix("password: ").map(str::to_owned)).expect("a hash");
    let text = running.text().replacen(&hash, "tuesday umbrella quartz lantern", 1);
    running.reload(&text, "was read anew").await;
    assert_eq!(researcher.get("/").await.status(), 401);
    assert!(!running.text().contains("tuesday umbrella quartz lantern"), "a clear password stands in the file still");
    let client = reqwest::Client::new().get(format!("{}/", researcher.base()));
    assert_eq!(client.basic_auth("admin", Some("tuesday umbrella quartz lantern")).send().await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_bad_config_is_refused_and_changes_nothing() {
    let running = Running::start();
    let watch = running.program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    let bad = running.text() + "limits:\n  max_upload_mib: 1\n  stall_seconds: none\n";
    running.reload(&bad, "the settings of before stay in force").await;
    let said = running.program.said();
    assert!(said.contains("line 17: limits.stall_seconds: write a whole number"), "{said}");
    assert_eq!(running.upload(&watch, &uuid, "a.csv", 2 << 20).await, 200);
    assert_eq!(running.text(), bad, "a refused file was changed");
    std::fs::remove_file(running.config()).expect("there");
    running.hang_up("the settings of before stay in force").await;
    assert_eq!(running.upload(&watch, &uuid, "b.csv", 2 << 20).await, 200);
    assert!(!running.config().exists(), "a reload wrote a new file");
}

#[tokio::test]
async fn a_secret_that_would_lock_out_watches_is_refused() {
    let running = Running::start();
    let watch = running.program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    let text = running.text();
    running.reload(&text.replace(OLD, NEW), "1 devices hold tokens").await;
    assert_eq!(running.upload(&watch, &uuid, "a.csv", 1).await, 200);
    let kept = text.replace(OLD, &format!("{NEW}\n  previous_secrets: [{OLD}]"));
    running.reload(&kept, "was read anew").await;
    assert_eq!(running.upload(&watch, &uuid, "b.csv", 1).await, 200);
}

/// Another folder is in force at the next start only, and the watches of this one would be locked out now.
#[tokio::test]
async fn a_secret_is_held_against_the_catalog_that_is_in_use() {
    let running = Running::start();
    let watch = running.program.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    let elsewhere = running.text().replace(OLD, NEW).replace("/uploads\n", "/elsewhere\n");
    assert!(elsewhere.contains("/elsewhere\n"));
    running.reload(&elsewhere, "1 devices hold tokens").await;
    assert_eq!(running.upload(&watch, &uuid, "a.csv", 1).await, 200);
}

fn rotate_secret(config: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_wearhouse")).arg("rotate-secret").arg("--config").arg(config).output();
    let output = output.expect("the program");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn a_secret_is_turned_over_and_the_tokens_of_before_work_through_reload_restart_and_restore() {
    let running = Running::start();
    let before = running.program.researcher().let_in("before").await;
    let uuid = before.new_dataset().await;
    let said = rotate_secret(&running.config());
    assert!(said.contains("1 devices would be cut off"), "{said}");
    assert!(!said.contains(OLD) && running.text().contains(OLD), "{said}");
    running.hang_up("was read anew").await;
    let after = running.program.researcher().let_in("after").await;
    assert_eq!(running.upload(&before, &uuid, "a.csv", 1).await, 200);

    let Running { folder, program } = running;
    program.terminate();
    program.wait_and_say();
    // A backup from the time when only the old secret signed would hold neither the second watch nor its rows.
    let catalog = folder.path().join("uploads/.house/catalog.sqlite");
    for again in ["restarted", "restored without its catalog"] {
        let program = Program::in_folder(folder.path()).start();
        assert!(!program.said().contains("locked out"), "{}", program.said());
        for (watch, name) in [(&before, "before.csv"), (&after, "after.csv")] {
            let watch = watch.at(&format!("http://{}", program.address));
            let stored = watch.try_upload(&watch.new_dataset().await, name, "1").await.expect("an answer");
            assert_eq!(stored.status(), 200, "{again}: {name}");
        }
        program.terminate();
        program.wait_and_say();
        std::fs::remove_file(&catalog).expect("a catalog");
    }
    // Without the old secret, the token of before is worth nothing: the test above sees the difference.
    let text = std::fs::read_to_string(folder.path().join("config.yml")).expect("a config");
    let only_new: Vec<_> = text.lines().filter(|line| !line.contains("previous_secrets")).collect();
    std::fs::write(folder.path().join("config.yml"), only_new.join("\n")).expect("written");
    let program = Program::in_folder(folder.path()).start();
    let before = before.at(&format!("http://{}", program.address));
    assert_eq!(before.request("GET", "/recording/new/").send().await.expect("an answer").status(), 401);
}
