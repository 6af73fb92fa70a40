//! nginx, which takes files by `PUT` (its DAV module), and sends them: alone, and behind our gate with the operator's file.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use super::find;
use crate::process::{Server, free_address};

/// The file as it is handed out.
const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/nginx/wearhouse.conf");
/// How docs/nginx.md makes plain HTTP of it.
const WITHOUT_TLS: &str = "sed -e '/^# HTTP:/,/^}/d' -e '/^ *ssl_/d' -e 's/443 ssl http2/80/'";

/// Starts one that stores what is put, if it is there.
pub fn storing(folder: &Path) -> Option<Server> {
    let (address, root) = (free_address(), folder.join("files"));
    fs::create_dir(&root).expect("a folder");
    let server = format!(
        "server {{ listen {address}; root {}; client_max_body_size 0; client_body_buffer_size 256k;\n\
         dav_methods PUT; create_full_put_path on; dav_access user:rw group:r all:r; }}",
        root.display()
    );
    start(folder, address, &server)
}

/// Starts one that sends what lies in a folder, to everybody.
pub fn sending(folder: &Path, root: &Path) -> Option<Server> {
    let address = free_address();
    start(folder, address, &format!("server {{ listen {address}; root {}; }}", root.display()))
}

/// Starts one with the operator's file over plain HTTP, in front of a house whose `uploads/` lies in `root`.
pub fn guarding(folder: &Path, root: &Path, house: SocketAddr) -> Option<Server> {
    let output = Command::new("sh").args(["-c", &format!("{WITHOUT_TLS} {CONFIGURATION}")]).output().expect("sed");
    let address = free_address();
    let lines = [
        ("server 127.0.0.1:8080;", format!("server {house};")),
        ("root /srv/wearhouse;", format!("root {};", root.display())),
        ("access_log /var/log/nginx/wearhouse.access.log wearhouse;", "access_log off;".to_owned()),
        ("/var/log/nginx/wearhouse.error.log", folder.join("error.log").display().to_string()),
        ("    listen [::]:80;\n", String::new()),
        ("listen 80;", format!("listen {address};")),
    ];
    let text = lines.iter().fold(String::from_utf8(output.stdout).expect("text"), |text, (line, ours)| {
        assert!(text.contains(line), "nginx/wearhouse.conf has no line {line}");
        text.replace(line, ours)
    });
    start(folder, address, &text)
}

fn start(folder: &Path, address: SocketAddr, servers: &str) -> Option<Server> {
    let program = find("nginx")?;
    let main = folder.join("nginx.conf");
    fs::write(&main, configuration(folder, servers)).expect("written");
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(main).arg("-e").arg(folder.join("main.log"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nginx");
    Some(Server::wait(address, child))
}

/// As Debian has it, with a worker for each core; it logs nothing, and no connection ends by itself.
fn configuration(folder: &Path, servers: &str) -> String {
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let folder = folder.display();
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|what| format!("  {what}_temp_path {folder}/{what};\n")).concat();
    format!(
        "{user}\ndaemon off;\nworker_processes auto;\npid {folder}/nginx.pid;\nerror_log {folder}/main.log;\nevents {{}}\n\
         http {{\n{temporary}  sendfile on;\n  tcp_nopush on;\n  access_log off;\n  keepalive_requests 1000000000;\n{servers}\n}}\n"
    )
}
