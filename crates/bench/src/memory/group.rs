//! A memory cgroup with a limit, as a container of the chart has.
//!
//! What holds here: the group is removed on drop. Version 1 and version 2 are told apart by what the machine
//! has mounted.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A memory cgroup; removed on drop, when its processes have ended.
pub struct MemoryGroup {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl MemoryGroup {
    /// Makes one with this limit. It needs the right to make cgroups, which root has.
    pub fn with_limit(bytes: u64) -> Result<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").context("find our own cgroup")?;
        let name = format!("presigned-bench-{}", std::process::id());
        // Of version 1: `4:memory:/path`.
        let one = groups
            .lines()
            .find_map(|line| line.split_once(":memory:"))
            .map(|(_, path)| format!("/sys/fs/cgroup/memory{path}"));
        let (folder, version) = match one {
            Some(parent) => (Path::new(&parent).join(name), Version::One),
            None => (Path::new("/sys/fs/cgroup").join(name), Version::Two),
        };
        let why = || format!("make the memory cgroup {}; it needs root", folder.display());
        fs::create_dir(&folder).with_context(why)?;
        let group = Self { folder, version };
        let limit = match version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        group.write(limit, &bytes.to_string())?;
        // A node has no swap.
        if let Version::Two = version {
            let _ = group.write("memory.swap.max", "0");
        }
        Ok(group)
    }

    /// The file that takes the pids of its processes.
    pub fn processes(&self) -> PathBuf {
        self.folder.join("cgroup.procs")
    }

    /// How many processes the kernel killed because the group's memory was used up.
    pub fn kills(&self) -> Result<u64> {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).context("read what was killed")?;
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills
            .and_then(|number| number.trim().parse().ok())
            .with_context(|| format!("read oom_kill in {}", path.display()))
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, value).with_context(|| format!("write {}", path.display()))
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.folder);
    }
}
