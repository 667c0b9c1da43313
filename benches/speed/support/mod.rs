//! What the parts share.

pub mod baton;
pub mod databases;
pub mod load;
pub mod platforms;
pub mod process;
pub mod server;
pub mod verdicts;

use std::{os::unix::fs::FileExt as _, time::Duration};

/// How long one sync of a 4 KiB block takes where the SQLite file is: the median of 200.
pub fn sync_time() -> anyhow::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let file = std::fs::File::create(folder.path().join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..200 {
        file.write_all_at(&[0; 4096], 0)?;
        let began = std::time::Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// The value below which `thousandths` of the sorted values lie.
pub fn percentile(sorted: &[Duration], thousandths: usize) -> Duration {
    let place = (sorted.len() * thousandths / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
