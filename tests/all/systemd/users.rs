//! Under the unit's user: nginx reads what it sends, and nobody else reads anything.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{UNIT, is_root};
use crate::support::{Program, config_text};

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

/// A user of the machine that the files in `packaging/` describe.
#[derive(Clone, Copy)]
struct User {
    id: u32,
    group: u32,
}

impl User {
    fn of(root: &Path, name: &str) -> Self {
        let passwd = std::fs::read_to_string(root.join("etc/passwd")).expect("users");
        let line = passwd.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap_or_else(|| panic!("{name}: {passwd}"));
        let number = |field| line.split(':').nth(field).expect("a field").parse().expect("a number");
        Self { id: number(2), group: number(3) }
    }

    fn setpriv(self) -> Vec<String> {
        let user = [format!("--reuid={}", self.id), format!("--regid={}", self.group)];
        [vec!["setpriv".to_owned()], user.to_vec(), vec!["--clear-groups".to_owned()]].concat()
    }

    fn may_read(self, path: &Path) -> bool {
        let mut command = Command::new("setpriv");
        command.args(&self.setpriv()[1..]).args(["cat"]).arg(path);
        command.output().expect("setpriv").status.success()
    }
}

fn run(program: &str, root: &Path, arguments: &[&Path]) {
    let output = Command::new(program).arg(format!("--root={}", root.display())).args(arguments).output().expect(program);
    assert!(output.status.success(), "{output:?}");
}

/// A root folder with Debian's `www-data` and `nobody`, and what the files in `packaging/` add.
fn machine() -> TempDir {
    let root = TempDir::new().expect("a folder");
    std::fs::set_permissions(root.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("open to others");
    let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).expect("written");
    std::fs::create_dir_all(root.path().join("etc")).expect("a folder");
    write("etc/passwd", "root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n");
    write("etc/group", "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n");
    run("systemd-sysusers", root.path(), &[&packaging("wearhouse.sysusers")]);
    run("systemd-tmpfiles", root.path(), &[Path::new("--create"), &packaging("wearhouse.tmpfiles")]);
    root
}

#[tokio::test]
async fn under_the_units_user_nginx_reads_zips_and_nobody_reads_the_house() {
    if !is_root() {
        eprintln!("left out: only root becomes other users");
        return;
    }
    let root = machine();
    let (server, nginx, nobody) = (User::of(root.path(), "wearhouse"), User::of(root.path(), "www-data"), User::of(root.path(), "nobody"));
    let home = root.path().join("srv/wearhouse");
    let config = home.join("conf/config.yml");
    // Written by hand, as a restored one is.
    std::fs::write(&config, config_text(&home.join("uploads"))).expect("written");
    std::os::unix::fs::chown(&config, Some(server.id), Some(server.group)).expect("handed over");
    let umask = UNIT.lines().find_map(|line| line.strip_prefix("UMask=")).expect("there");
    let mut wrapper = vec!["sh".to_owned(), "-c".to_owned(), format!("umask {umask}; exec \"$@\""), "sh".to_owned()];
    wrapper.extend(server.setpriv());
    let wrapper: Vec<_> = wrapper.iter().map(String::as_str).collect();
    let program = program_beside(&root);
    let started = Program::at(&program, &wrapper, &config).start();
    let watch = started.researcher().let_in("w").await;
    let uuid = watch.new_dataset().await;
    watch.upload(&uuid, "acc.csv", "1").await;
    started.researcher().zip(&uuid).await;
    let zip = home.join(format!("uploads/zips/{uuid}.zip"));
    let file = home.join(format!("uploads/recordings/{uuid}/acc.csv"));
    let catalog = home.join("uploads/.house/catalog.sqlite");
    for (path, by_nginx) in [(&zip, true), (&file, true), (&catalog, false), (&config, false)] {
        assert_eq!(nginx.may_read(path), by_nginx, "nginx: {}", path.display());
        assert!(!nobody.may_read(path), "nobody: {}", path.display());
        assert!(server.may_read(path), "the server: {}", path.display());
    }
}

/// The program where any user may run it: the folder that it was built in may belong to one.
fn program_beside(root: &TempDir) -> PathBuf {
    let program = root.path().join("wearhouse");
    std::fs::copy(env!("CARGO_BIN_EXE_wearhouse"), &program).expect("copied");
    program
}
