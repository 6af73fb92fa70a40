//! Starting: one command on a fresh folder, and a refusal that says what to do wherever starting would do harm.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::support::{Program, Researcher, config_text, until};

fn wearhouse(folder: &Path, arguments: &[&str]) -> Output {
    // A start that should be refused and is not would serve for ever.
    Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_wearhouse")])
        .args(arguments)
        .current_dir(folder)
        .env_remove("WEARHOUSE_ADMIN_PASSWORD")
        .output()
        .expect("the program")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("there").permissions().mode() & 0o777
}

#[tokio::test]
async fn the_first_start_writes_the_config_and_the_password_and_serves() {
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("conf/config.yml");
    let program = Program::with_config(&config).start();
    program.researcher().wait_until_up().await;
    assert_eq!(mode(&config), 0o600);
    let password_file = folder.path().join("conf/initial-password");
    assert_eq!(mode(&password_file), 0o600);
    assert_eq!(mode(&folder.path().join("uploads/.house")), 0o700);
    let password = std::fs::read_to_string(&password_file).expect("a password").trim().to_owned();
    assert!(!program.said().contains(&password), "the password stands in the output, which may be a log");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = format!("http://{}/settings/", program.address);
    let page = client.get(&url).basic_auth("admin", Some(&password)).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    assert_eq!(client.get(&url).basic_auth("admin", Some("wrong")).send().await.expect("an answer").status(), 401);
    let text = std::fs::read_to_string(&config).expect("a config");
    let secret = text.lines().find_map(|line| line.trim().strip_prefix("secret: ")).expect("a secret").to_owned();
    assert!(!page.text().await.expect("text").contains(&secret));
    assert!(!program.said().contains(&secret));
    drop(program);
    let again = Program::with_config(&config).start();
    assert!(!again.said().contains("initial-password"));
    assert_eq!(std::fs::read_to_string(&config).expect("a config"), text, "a start changed the config");
}

/// As in `wearhouse | head -1`.
#[tokio::test]
async fn whoever_started_it_need_not_listen_to_what_it_says() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("config.yml"), config_text(&folder.path().join("uploads"))).expect("a config");
    let address = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut program = Command::new(env!("CARGO_BIN_EXE_wearhouse"))
        .args(["--metrics-listen", "127.0.0.1:0", "--config", "config.yml", "--listen", &address.to_string()])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    drop(program.stdout.take());
    until("it serves", async || {
        assert!(program.try_wait().expect("asked").is_none(), "it has ended");
        reqwest::get(format!("http://{address}/healthz")).await.is_ok_and(|answer| answer.status().is_success())
    })
    .await;
    program.kill().expect("killed");
    program.wait().expect("its end");
}

#[tokio::test]
async fn the_password_can_be_chosen_and_must_be_good() {
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("conf/config.yml");
    let program = Program::with_config(&config).env("WEARHOUSE_ADMIN_PASSWORD", Researcher::PASSWORD).start();
    assert_eq!(program.researcher().get("/settings/").await.status(), 200);
    assert!(!folder.path().join("conf/initial-password").exists());
    let other = TempDir::new().expect("a folder");
    let refused = Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_wearhouse")])
        .current_dir(other.path())
        .env("WEARHOUSE_ADMIN_PASSWORD", "hunter2")
        .output()
        .expect("the program");
    assert!(
        !refused.status.success() && said(&refused).contains("12 characters") && !said(&refused).contains("hunter2"),
        "{}",
        said(&refused)
    );
    assert!(!other.path().join("conf/config.yml").exists());
}

#[tokio::test]
async fn a_clear_password_is_hashed_in_place_and_every_comment_stays() {
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("conf/config.yml");
    drop(Program::with_config(&config).start());
    let text = std::fs::read_to_string(&config).expect("a config");
    let hash = text.lines().find(|line| line.trim().starts_with("password: $argon2")).expect("a hash").trim().to_owned();
    let clear = text.replace(&hash, "password: correct horse battery staple  # until the next start");
    std::fs::write(&config, &clear).expect("written");
    let program = Program::with_config(&config).start();
    assert_eq!(program.researcher().get("/settings/").await.status(), 200);
    let hashed = std::fs::read_to_string(&config).expect("a config");
    assert!(!hashed.contains("correct horse"));
    let changed = clear.lines().zip(hashed.lines()).filter(|(old, new)| old != new).count();
    assert_eq!((changed, clear.lines().count()), (1, hashed.lines().count()));
    assert!(hashed.contains("# until the next start"));
    assert_eq!(mode(&config), 0o600);
}

#[tokio::test]
async fn a_second_server_on_the_same_uploads_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let first = Program::in_folder(folder.path()).start();
    first.researcher().wait_until_up().await;
    let second = wearhouse(folder.path(), &["--config", "config.yml"]);
    assert!(!second.status.success() && said(&second).contains("another wearhouse already serves"), "{}", said(&second));
}

#[tokio::test]
async fn a_missing_config_beside_a_catalog_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("conf/config.yml");
    let program = Program::with_config(&config).start();
    program.researcher().wait_until_up().await;
    drop(program);
    std::fs::remove_file(&config).expect("there");
    let refused = wearhouse(folder.path(), &["serve"]);
    assert!(!refused.status.success() && said(&refused).contains("lock out every watch"), "{}", said(&refused));
    assert!(!config.exists());
}

#[test]
fn check_says_everything_that_is_wrong_and_the_server_does_not_start() {
    let folder = TempDir::new().expect("a folder");
    let text = config_text(&folder.path().join("uploads")).replace("reserve_mib: 1", "reserve_mib: a lot\n  reserved: 1");
    std::fs::write(folder.path().join("config.yml"), &text).expect("written");
    for arguments in [["check", "--config", "config.yml"], ["serve", "--config", "config.yml"]] {
        let output = wearhouse(folder.path(), &arguments);
        // EX_CONFIG: packaging/wearhouse.service does not start it again.
        assert_eq!(output.status.code(), Some(78));
        for expected in
            ["line 5: storage.reserve_mib: write a whole number, for example 1024", "line 6: storage.reserved: there is no such setting"]
        {
            assert!(said(&output).contains(expected), "{expected}: {}", said(&output));
        }
    }
    assert!(!folder.path().join("uploads").exists());
}

#[test]
fn an_unusable_folder_and_a_taken_port_say_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("uploads"), "a file").expect("written");
    std::fs::write(folder.path().join("config.yml"), config_text(&folder.path().join("uploads"))).expect("written");
    for arguments in [["serve", "--config", "config.yml"], ["check", "--config", "config.yml"]] {
        let output = wearhouse(folder.path(), &arguments);
        assert!(!output.status.success() && said(&output).contains("make it a folder that this user can write"), "{}", said(&output));
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = wearhouse(folder.path(), &["--config", "config.yml", "--listen", &address]);
    assert!(!output.status.success() && said(&output).contains("choose another address"), "{}", said(&output));
}

#[test]
fn hash_password_makes_a_hash_that_check_takes() {
    let folder = TempDir::new().expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_wearhouse"))
        .arg("hash-password")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the program");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), b"correct horse battery staple\n").expect("written");
    let hash = String::from_utf8(child.wait_with_output().expect("its end").stdout).expect("text");
    let text = config_text(&folder.path().join("uploads"));
    let old = text.lines().find_map(|line| line.trim().strip_prefix("password: ")).expect("a hash");
    std::fs::write(folder.path().join("config.yml"), text.replace(old, hash.trim())).expect("written");
    let output = wearhouse(folder.path(), &["check", "--config", "config.yml"]);
    assert!(output.status.success() && said(&output).contains("is good"), "{}", said(&output));
}

#[tokio::test]
async fn check_counts_the_devices_that_a_new_secret_would_lock_out() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    program.researcher().let_in("one").await;
    program.researcher().let_in("two").await;
    drop(program);
    let config = folder.path().join("config.yml");
    let text = std::fs::read_to_string(&config).expect("a config");
    let old = "secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=";
    let new = "secret: wZ8y1nQ0u7vX3cT5rB9mK2pL6sD4fG8hJ0aE1iO3qY5=";
    std::fs::write(&config, text.replace(old, new)).expect("written");
    let output = wearhouse(folder.path(), &["check", "--config", "config.yml"]);
    assert!(!output.status.success() && said(&output).contains("2 devices"), "{}", said(&output));
    let previous = format!("{new}\n  previous_secrets: [kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=]");
    std::fs::write(&config, text.replace(old, &previous)).expect("written");
    assert!(wearhouse(folder.path(), &["check", "--config", "config.yml"]).status.success());
}
