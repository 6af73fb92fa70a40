//! A disk of its own for the house: a file with a file system, mounted over a loop device, whose power can be cut.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// Unmounted when it is dropped, also by a test that fails; the loop device goes with the mount.
pub struct LoopDisk {
    folder: TempDir,
}

impl LoopDisk {
    /// A new disk, mounted. What this machine cannot do is said in the error.
    pub fn make(system: &str) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root mounts a disk".to_owned());
        }
        let disk = Self { folder: TempDir::new().expect("a folder") };
        std::fs::create_dir(disk.root()).expect("a folder");
        let file = std::fs::File::create(disk.image()).expect("a file");
        // Nearly all of it is a hole. XFS takes no less than 300 MiB.
        file.set_len(512 << 20).expect("a size");
        run(Command::new(format!("mkfs.{system}")).arg("-q").arg(disk.image()))?;
        disk.mount()?;
        disk.forgets()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Where things lie that survive a cut, such as the config.
    pub fn beside(&self) -> &Path {
        self.folder.path()
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.root()))
    }

    /// From now on nothing reaches the disk, and what was not synced is gone: without `-f` the mode is
    /// `XFS_FSOP_GOING_FLAGS_NOLOGFLUSH` (ext4's `EXT4_GOING_FLAGS_NOLOGFLUSH` is the same number), which drops also the part of the
    /// journal that was not written. The cache of the disk itself is not cut: what the file system has sent to it counts as there.
    pub fn cut(&self) -> Result<(), String> {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.root()))
    }

    /// The power is back: the journal is played, and the disk mounted. Nobody may have a file of it open.
    pub fn come_back(&self) -> Result<(), String> {
        run(Command::new("umount").arg(self.root()))?;
        self.mount()
    }

    /// A cut must lose what was not synced, and nothing else, or it shows nothing.
    fn forgets(&self) -> Result<(), String> {
        let [synced, unsynced, unnamed] = ["synced", "unsynced", "unnamed"].map(|name| self.root().join(name));
        let write = |path: &Path| std::fs::write(path, "written").and_then(|()| std::fs::File::open(path));
        write(&unsynced).expect("written");
        write(&synced).and_then(|file| file.sync_all()).expect("synced");
        write(&unnamed).expect("written");
        self.cut()?;
        self.come_back()?;
        assert_eq!(std::fs::read(&synced).expect("there"), b"written");
        assert_ne!(std::fs::read(&unsynced).ok(), Some(b"written".to_vec()), "a cut that keeps bytes");
        assert!(!unnamed.exists(), "a cut that keeps names");
        Ok(())
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // One that was never mounted has nothing to unmount; one that is busy goes when it is not.
        let _ = Command::new("umount").arg("--lazy").arg(self.root()).stderr(std::process::Stdio::null()).status();
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", said.trim())) }
}
