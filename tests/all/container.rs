//! What a container asks of the program: a first password from a file, addresses on the command line, a question for its health.

use std::{
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::support::{House, Program, Researcher, config_text, until};

const VARIABLE: &str = "WEARHOUSE_ADMIN_PASSWORD_FILE";

fn write(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("text").to_owned()
}

#[tokio::test]
async fn the_first_password_can_stand_in_a_file_that_later_starts_do_not_need() {
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("conf/config.yml");
    let file = write(&folder, "password", &format!("{}\n", Researcher::PASSWORD));
    let start = || Program::with_config(&config).env(VARIABLE, &file).start();
    let program = start();
    assert_eq!(program.researcher().get("/settings/").await.status(), 200);
    assert!(program.said().contains("log in as admin") && !program.said().contains(Researcher::PASSWORD), "{}", program.said());
    assert!(!folder.path().join("conf/initial-password").exists());
    drop(program);
    std::fs::remove_file(&file).expect("there");
    assert_eq!(start().researcher().get("/settings/").await.status(), 200);
}

#[test]
fn a_first_password_that_cannot_be_taken_is_refused_before_anything_is_written() {
    let folder = TempDir::new().expect("a folder");
    let good = write(&folder, "good", Researcher::PASSWORD);
    for (file, text, expected) in [
        (write(&folder, "weak", "hunter2\n"), "", "12 characters"),
        (write(&folder, "empty", "\n"), "", "is empty"),
        (folder.path().join("missing").display().to_string(), "", "No such file"),
        (good, Researcher::PASSWORD, "both set"),
    ] {
        let output = Command::new("timeout")
            .args(["60", env!("CARGO_BIN_EXE_wearhouse"), "--listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .env(VARIABLE, &file)
            .env("WEARHOUSE_ADMIN_PASSWORD", text)
            .output()
            .expect("the program");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expected) && said.contains(VARIABLE), "{expected}: {output:?}");
        assert!(!said.contains("hunter2") && !said.contains(Researcher::PASSWORD), "{said}");
        assert!(!folder.path().join("conf/config.yml").exists(), "{expected}");
    }
}

#[tokio::test]
async fn a_proxy_can_be_trusted_on_the_command_line_and_stays_so_when_the_config_is_read_anew() {
    let folder = TempDir::new().expect("a folder");
    let config = folder.path().join("config.yml");
    let text = config_text(&folder.path().join("uploads")).replace("server:\n", "server:\n  trusted_proxies: []\n");
    std::fs::write(&config, text + "limits:\n  anonymous_per_minute: 2\n").expect("a config");
    let from = async |program: &Program, caller: &str| {
        let client = reqwest::Client::new().get(format!("http://{}/recording/new/", program.address));
        client.header("X-Forwarded-For", caller).send().await.expect("an answer").status().as_u16()
    };
    let distrusts = Program::with_config(&config).start();
    let mut answers = Vec::new();
    for caller in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"] {
        answers.push(from(&distrusts, caller).await);
    }
    assert!(answers.contains(&429), "{answers:?}");
    drop(distrusts);
    let trusts = Program::with_config(&config).arg("--trust-proxy").arg("127.0.0.1/32").start();
    for (round, reread) in [(1, false), (2, true)] {
        if reread {
            trusts.hang_up();
            until("the config was read anew", async || trusts.said().contains("was read anew")).await;
            assert!(!trusts.said().contains("trusted_proxies"), "it counts as changed: {}", trusts.said());
        }
        for caller in 1..=5 {
            assert_eq!(from(&trusts, &format!("198.51.{round}.{caller}")).await, 401);
        }
    }
}

fn healthcheck(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_wearhouse"), "healthcheck"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program")
}

#[tokio::test]
async fn healthcheck_says_whether_the_server_lives() {
    let folder = TempDir::new().expect("a folder");
    let program = Program::in_folder(folder.path()).start();
    let listen = program.address.to_string();
    // What the config says, and what counts in its place.
    let text = config_text(&folder.path().join("uploads")).replace("127.0.0.1:0", &listen.replace("127.0.0.1", "0.0.0.0"));
    std::fs::write(folder.path().join("config.yml"), text).expect("written");
    for arguments in [&["--config", "config.yml"][..], &["--listen", &listen]] {
        let well = healthcheck(folder.path(), arguments);
        assert!(well.status.success() && well.stdout == b"ok\n" && well.stderr.is_empty(), "{well:?}");
        let ready = healthcheck(folder.path(), &[arguments, &["--ready"]].concat());
        let said: serde_json::Value = serde_json::from_slice(&ready.stdout).expect("JSON");
        assert!(ready.status.success() && said["disk"] == "ok", "{ready:?}");
    }
    drop(program);
    let gone = healthcheck(folder.path(), &["--listen", &listen]);
    let said = String::from_utf8_lossy(&gone.stderr);
    assert!(gone.status.code() == Some(1) && said.lines().count() == 1 && said.contains("refused"), "{gone:?}");
}

#[tokio::test]
async fn a_full_disk_is_not_ready_and_lives() {
    let disk = crate::support::WatchedDisk::new();
    let house = House::start_with(disk.clone(), |_| {}).await;
    *disk.free.lock().expect("free") = Some(wearhouse::storage::FreeSpace { bytes: 0, inodes: 0, total: 1 });
    let listen = house.address.to_string();
    let ask = async |more: &'static [&str]| {
        let arguments = [&["--listen".to_owned(), listen.clone()][..], &more.iter().map(ToString::to_string).collect::<Vec<_>>()].concat();
        let folder = house.folder.path().to_owned();
        let asked = move || healthcheck(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(asked).await.expect("no panic")
    };
    assert!(ask(&[]).await.status.success());
    let unready = ask(&["--ready"]).await;
    assert!(unready.status.code() == Some(1) && String::from_utf8_lossy(&unready.stderr).contains("\"disk\":\"failing\""), "{unready:?}");
}

#[test]
fn healthcheck_does_not_wait_for_a_server_that_says_nothing_nor_believe_another_program() {
    let folder = TempDir::new().expect("a folder");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    let asked = healthcheck(folder.path(), &["--listen", &address]);
    assert!(asked.status.code() == Some(1) && String::from_utf8_lossy(&asked.stderr).contains("no answer within 3 s"), "{asked:?}");
    let answers = std::thread::spawn(move || {
        // The one that was given up comes first.
        for stream in silent.incoming().take(2) {
            let mut stream = stream.expect("a connection");
            // An answer that comes before its question is none.
            let _ = std::io::Read::read(&mut stream, &mut [0; 1024]);
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let asked = healthcheck(folder.path(), &["--listen", &address]);
    assert!(asked.status.code() == Some(1) && String::from_utf8_lossy(&asked.stderr).contains("another program"), "{asked:?}");
    answers.join().expect("no panic");
}
