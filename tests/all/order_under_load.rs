//! The order of a commit while sixteen connections upload and groups form. The program runs under strace, and the steps of each
//! file are found in its trace: what one group shares must come between what each of its files does alone.

use std::collections::HashMap;

use crate::{
    support::{Program, Watch},
    sync_order::end,
};

const FILES_OF_A_CONNECTION: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn each_file_of_a_group_is_synced_recorded_named_and_synced_again_before_its_answer() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let trace = folder.path().join("trace");
    // Whole pages of the catalog's log are read: the row of a file shows its name there.
    let calls = "trace=fsync,fdatasync,renameat2,pwrite64,write,writev,sendto,sendmsg";
    let strace = ["strace", "-f", "--seccomp-bpf", "-y", "-s", "4200", "-e", calls, "-o", trace.to_str().expect("text")];
    let program = Program::wrapped_in_folder(&strace, folder.path()).start();
    let mut uploads = Vec::new();
    for n in 0..4 {
        let watch = program.researcher().let_in(&format!("watch {n}[{n:016x}]")).await;
        let uuid = watch.new_dataset().await;
        for connection in 0..4 {
            uploads.push(tokio::spawn(upload(watch.clone(), uuid.clone(), n * 4 + connection)));
        }
    }
    let mut files = Vec::new();
    for upload in uploads {
        files.extend(upload.await.expect("no panic"));
    }
    let (uploads, commits) = program.uploads_and_commits().await;
    println!("{uploads} uploads in {commits} commits");
    assert!(commits < uploads, "no groups formed: {uploads} uploads in {commits} commits");
    end(program.pid());
    let steps = steps(&std::fs::read_to_string(&trace).expect("a trace"));
    for (uuid, name) in files {
        follow(&steps, &uuid, &name);
    }
}

/// Uploads one file after the other. Returns the dataset and the name of each.
async fn upload(watch: Watch, uuid: String, connection: usize) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for n in 0..FILES_OF_A_CONNECTION {
        let name = format!("load_{connection:02}_{n}.csv");
        watch.upload(&uuid, &name, "traced").await;
        files.push((uuid.clone(), name));
    }
    files
}

/// A system call, with the lines of the trace in which it began and returned.
struct Step {
    began: usize,
    returned: usize,
    call: String,
}

/// Every step of one file, each begun when the one before had returned.
fn follow(steps: &[Step], uuid: &str, name: &str) {
    let find = |what: &str, after: usize, parts: &[&str]| {
        let found = steps.iter().find(|step| step.began > after && parts.iter().all(|part| step.call.contains(part)));
        found.unwrap_or_else(|| panic!("{what} of {name} is missing, or comes too early"))
    };
    let rename = find("the rename", 0, &["renameat2(", "/.house/incoming/", &format!("/{name}\"")]);
    let (_, id) = rename.call.split_once("/.house/incoming/").expect("an incoming file");
    let id = id.split('"').next().expect("an id");
    let bytes = find("the sync of the bytes", 0, &["fdatasync(", &format!("/.house/incoming/{id}>")]);
    let row = find("the row", bytes.returned, &["pwrite64(", "/catalog.sqlite-wal>", name]);
    let commit = find("the sync of the row", row.returned, &["sync(", "/catalog.sqlite-wal>"]);
    assert!(commit.returned < rename.began, "{name} is named before it is recorded");
    let named = find("the sync of the folder", rename.returned, &["fsync(", &format!("/{uuid}>")]);
    let answer = find("the answer", 0, &["HTTP/1.1 200 OK", &format!("uploaded {name}")]);
    assert!(named.returned < answer.began, "{name} is acknowledged before its name is synced");
}

/// The calls of a trace that succeeded.
fn steps(trace: &str) -> Vec<Step> {
    let (mut pending, mut steps) = (HashMap::new(), Vec::new());
    for (at, line) in trace.lines().enumerate() {
        let Some((pid, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(start) = call.strip_suffix("<unfinished ...>") {
            pending.insert(pid, (at, start));
        } else if let Some((_, end)) = call.split_once(" resumed>") {
            let (began, start) = pending.remove(pid).unwrap_or((at, ""));
            steps.push(Step { began, returned: at, call: format!("{start}{end}") });
        } else {
            steps.push(Step { began: at, returned: at, call: call.to_owned() });
        }
    }
    steps.retain(|step| !step.call.contains(" = -1 "));
    steps
}
