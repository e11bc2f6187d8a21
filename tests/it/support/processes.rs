//! What everybody on a machine sees of a process.

use std::path::Path;

/// The command lines and the environments of a process and of all that it started.
pub(crate) fn seen_by_everybody(pid: u32) -> Vec<String> {
    let text = |pid: u32, file: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let mut seen = Vec::new();
    for pid in std::iter::once(pid).chain(descendants(pid)) {
        seen.extend([text(pid, "cmdline"), text(pid, "environ")]);
    }
    seen
}

fn descendants(of: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name, in brackets, may hold anything.
            let (_, rest) = stat.rsplit_once(") ")?;
            Some((pid, rest.split(' ').nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![of];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        at += 1;
    }
    found.split_off(1)
}

/// Whether the process waits for somebody to read what it writes to stdout.
pub(crate) fn waits_to_print(pid: u32) -> bool {
    let syscall = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("syscall"));
    // write(1, ..) of x86_64 and of aarch64.
    syscall.is_ok_and(|now| now.starts_with("1 0x1 ") || now.starts_with("64 0x1 "))
}
