//! The operator is killed: the next one has nothing to write.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::READY;
use crate::demo::screen::Screen;
use crate::demo::stage::Stage;

/// After a restart nothing may be written; whatever the operator would write follows its first look within
/// milliseconds.
const SILENCE: Duration = Duration::from_secs(2);
/// For how long nothing is written before the operator is killed.
const SETTLED: Duration = Duration::from_secs(1);
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// From ready to every resource looked at.
const LOOK_PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn restart(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("The operator is killed outright and started again")?;
    let everything = "kubectl get psu,secret,cos,psup -A -o yaml";
    // Counts are written every 10 s at most: one that is due would be written by whoever is there.
    screen.remark("(first the store counts its URLs, which it does every 10 s: then nothing is left to write)")?;
    let counted = format!(
        "kubectl wait --for=jsonpath='{{.status.urls.total}}'={READY} cos/default --timeout=30s"
    );
    stage.quietly(&counted).await?;
    let before = settled_writes(stage).await?;
    stage
        .show(screen, &format!("{everything} > before"), 1)
        .await?;
    let ready = stage.ready_resources().await?;
    ensure!(
        ready == Some(READY),
        "{READY} resources have to be Ready, and the operator counts {ready:?}"
    );
    stage.kill_operator(screen).await?;
    stage.start_operator(screen).await?;
    let started = Instant::now();
    while stage.ready_resources().await? != ready {
        ensure!(
            started.elapsed() < LOOK_PATIENCE,
            "the operator does not find the {ready:?} resources Ready again, as they were before it was killed"
        );
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    tokio::time::sleep(SILENCE).await;
    stage
        .show(
            screen,
            &format!("{everything} | cmp - before && echo identical, each resourceVersion too"),
            3,
        )
        .await?;
    let more = writes(stage).await? - before;
    ensure!(
        more == 0,
        "the API server counts {more} writes of Secrets, Events or the operator's kinds since the kill"
    );
    screen.checked("the API server has counted 0 writes since the kill: a restart is silent")
}

/// The API server's count of writes once the steps before have nothing more to write.
async fn settled_writes(stage: &mut Stage) -> Result<u64> {
    let started = Instant::now();
    let mut last = writes(stage).await?;
    let mut since = Instant::now();
    while since.elapsed() < SETTLED {
        ensure!(
            started.elapsed() < LOOK_PATIENCE,
            "the operator does not stop writing although nothing changes"
        );
        tokio::time::sleep(LOOK_PAUSE).await;
        let now = writes(stage).await?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    ensure!(last > 0, "the API server's metrics count no writes at all");
    Ok(last)
}

/// Writes of Secrets, Events and the operator's kinds that the API server has counted since it started.
async fn writes(stage: &Stage) -> Result<u64> {
    let metrics = stage.control_plane().metrics().await?;
    let label = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    Ok(metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
        .filter(|line| {
            let resource = label(line, "resource").unwrap_or_default();
            let ours = ["secrets", "events"].contains(&resource.as_str())
                || label(line, "group").as_deref() == Some("presigned.dev");
            let verb = label(line, "verb").unwrap_or_default();
            ours && !["GET", "LIST", "WATCH", "CONNECT"].contains(&verb.as_str())
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum())
}
