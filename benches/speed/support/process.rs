//! Processes that are measured: what the kernel counted for them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Threads with this name are not Baton's.
pub const NOT_BATON: &str = "platforms";

/// What follows the argument that makes this program something else.
pub fn asked_for(argument: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != argument).nth(1)
}

/// User and system time of all threads of the process so far, but those of the platforms. None where
/// there is no `/proc`.
pub fn cpu(process: u32) -> Option<Duration> {
    let mut all = Duration::ZERO;
    for task in std::fs::read_dir(folder(process).join("task")).ok()? {
        let task = task.ok()?.path();
        let Some((name, ran)) = name_and_time(&task) else { continue }; // it has just ended
        if name.trim() != NOT_BATON {
            all += ran;
        }
    }
    Some(all)
}

fn name_and_time(task: &Path) -> Option<(String, Duration)> {
    let name = std::fs::read_to_string(task.join("comm")).ok()?;
    let schedule = std::fs::read_to_string(task.join("schedstat")).ok()?;
    Some((name, Duration::from_nanos(schedule.split(' ').next()?.parse().ok()?)))
}

/// The most memory that it ever had, in MiB.
pub fn peak(process: u32) -> Option<f64> {
    memory(process, "VmHWM:")
}

/// The memory that it has, in MiB.
pub fn resident(process: u32) -> Option<f64> {
    memory(process, "VmRSS:")
}

/// Of that what is its own; the rest is the program and its libraries, as far as they were read.
pub fn own(process: u32) -> Option<f64> {
    memory(process, "RssAnon:")
}

fn memory(process: u32, which: &str) -> Option<f64> {
    let status = std::fs::read_to_string(folder(process).join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(which))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().ok()? / 1024.0)
}

fn folder(process: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{process}"))
}
