//! A disk that notes every durable step, and does what a test tells it before one.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::watch;
use wearhouse::storage::{Disk, FreeSpace, RealDisk};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Create(PathBuf),
    Write(PathBuf, usize),
    SyncFile(PathBuf),
    SyncFolder(PathBuf),
    Rename(PathBuf, PathBuf),
    CreateFolder(PathBuf),
    Remove(PathBuf),
}

type Hook = Box<dyn Fn(&Call) -> io::Result<()> + Send + Sync>;

/// The real disk, watched. The hook runs before each step, and may sleep or fail it.
pub struct WatchedDisk {
    calls: Mutex<Vec<Call>>,
    hook: Mutex<Arc<Hook>>,
    pub free: Mutex<Option<FreeSpace>>,
    /// Whether nobody is told how much is free.
    pub tells_nothing: AtomicBool,
}

impl WatchedDisk {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            hook: Mutex::new(Arc::new(Box::new(|_| Ok(())))),
            free: Mutex::default(),
            tells_nothing: AtomicBool::default(),
        })
    }

    pub fn before(&self, hook: impl Fn(&Call) -> io::Result<()> + Send + Sync + 'static) {
        *self.hook.lock().expect("hook") = Arc::new(Box::new(hook));
    }

    /// What has been done since the last question.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.calls.lock().expect("calls"))
    }

    fn step<T>(&self, call: Call, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let hook = Arc::clone(&self.hook.lock().expect("hook"));
        hook(&call)?;
        let result = work()?;
        // Noted when it is done: a step that is still under way has promised nothing.
        self.calls.lock().expect("calls").push(call);
        Ok(result)
    }
}

/// Steps that are held until it is dropped, also by a test that fails: nothing would end otherwise.
pub struct Held {
    reached: watch::Receiver<bool>,
    release: watch::Sender<bool>,
}

impl Held {
    /// Holds every step that is like this.
    pub fn at(disk: &WatchedDisk, is: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        Self::hold(disk, is, || Ok(()))
    }

    /// Holds the steps that are like this, and lets the first of them fail then.
    pub fn and_fail_first(disk: &WatchedDisk, is: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        let failed = AtomicBool::new(false);
        Self::hold(disk, is, move || if failed.swap(true, Ordering::SeqCst) { Ok(()) } else { Err(io::Error::from_raw_os_error(5)) })
    }

    fn hold(
        disk: &WatchedDisk,
        is: impl Fn(&Call) -> bool + Send + Sync + 'static,
        then: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (reach, reached) = watch::channel(false);
        let (release, released) = watch::channel(false);
        disk.before(move |call| {
            if !is(call) {
                return Ok(());
            }
            let outcome = then();
            reach.send_replace(true);
            while !*released.borrow() {
                std::thread::yield_now();
            }
            outcome
        });
        Self { reached, release }
    }

    /// Waits until a step is held.
    pub async fn reached(&mut self) {
        let reached = tokio::time::timeout(std::time::Duration::from_secs(30), self.reached.wait_for(|reached| *reached));
        reached.await.expect("waited in vain until a step is held").expect("reached");
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release.send_replace(true);
    }
}

impl Disk for WatchedDisk {
    fn create(&self, path: &Path, mode: u32) -> io::Result<File> {
        self.step(Call::Create(path.into()), || RealDisk.create(path, mode))
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        let path = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        self.step(Call::Write(path, bytes.len()), || RealDisk.write(file, bytes))
    }

    fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step(Call::SyncFile(path.into()), || RealDisk.sync_file(file, path))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Call::SyncFolder(path.into()), || RealDisk.sync_folder(path))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Call::Rename(from.into(), to.into()), || RealDisk.rename_new(from, to))
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Call::Rename(from.into(), to.into()), || RealDisk.rename_over(from, to))
    }

    fn create_folder(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.step(Call::CreateFolder(path.into()), || RealDisk.create_folder(path, mode))
    }

    fn set_modified(&self, file: &File, time: SystemTime) -> io::Result<()> {
        RealDisk.set_modified(file, time)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(Call::Remove(path.into()), || RealDisk.remove(path))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Call::Remove(path.into()), || RealDisk.remove_folder(path))
    }

    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        if self.tells_nothing.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let told = *self.free.lock().expect("free");
        told.map_or_else(|| RealDisk.free_space(path), Ok)
    }
}
