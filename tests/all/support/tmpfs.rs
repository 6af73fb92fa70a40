//! The program on a file system that is small enough to be filled.

use std::path::{Path, PathBuf};

use super::Program;

/// The program on a small file system of its own, which goes away with it.
pub fn on_tmpfs(folder: &Path, options: &str) -> Program {
    let uploads = folder.join("uploads");
    std::fs::create_dir(&uploads).expect("a folder");
    let mount = format!("mount -t tmpfs -o {options} none {} && exec \"$0\" \"$@\"", uploads.display());
    let root = ["unshare", "--mount", "sh", "-c", &mount];
    let user = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", &mount];
    let wrapper = if rustix::process::geteuid().is_root() { &root[..] } else { &user[..] };
    Program::wrapped_in_folder(wrapper, folder).start()
}

/// A folder of the program, as the program sees it.
pub fn seen_by(program: &Program, folder: &Path) -> Vec<PathBuf> {
    super::list(&PathBuf::from(format!("/proc/{}/root{}", program.pid(), folder.display())))
}

/// What is free on the file system of the program.
pub fn free_bytes(program: &Program, folder: &Path) -> u64 {
    let uploads = format!("/proc/{}/root{}/uploads", program.pid(), folder.display());
    let told = rustix::fs::statvfs(uploads.as_str()).expect("a file system");
    told.f_bavail * told.f_frsize
}
