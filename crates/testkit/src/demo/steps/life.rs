//! What keeps a URL alive: the rotation, and the healing of a Secret that went missing.

use anyhow::{Result, bail, ensure};

use super::fetch_conf;
use crate::demo::screen::Screen;
use crate::demo::stage::Stage;

pub(super) async fn rotate(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen
        .heading("A rotation, asked for by hand; it comes by itself long before the URL expires")?;
    let revision: u64 = stage
        .quietly("kubectl get psu report -o jsonpath='{.status.revision}'")
        .await?
        .parse()?;
    stage
        .show(
            screen,
            "kubectl annotate psu report presigned.dev/renew=$(date +%s) --overwrite",
            1,
        )
        .await?;
    let wait = format!(
        "kubectl wait --for=jsonpath='{{.status.revision}}'={} psu/report --timeout=60s",
        revision + 1
    );
    stage.show(screen, &wait, 1).await?;
    let fetch = fetch_conf("report", "new.conf");
    stage.show(screen, &fetch, 1).await?;
    ensure!(
        url_of(&stage.read("curl.conf")?)? != url_of(&stage.read("new.conf")?)?,
        "the URL is the same as before the rotation"
    );
    screen.checked("the Secret holds another URL now")?;
    let both = stage
        .show(
            screen,
            "for conf in curl.conf new.conf; do curl -s -K $conf -o /dev/null -w \"$conf: %{http_code}\\n\"; done",
            2,
        )
        .await?;
    ensure!(
        both == "curl.conf: 200\nnew.conf: 200\n",
        "the old URL and the new one must both answer 200"
    );
    screen.checked("both work: a pod that still reads the old file is never cut off")
}

pub(super) async fn heal(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("Somebody deletes the Secret")?;
    let uid = "kubectl get secret report -o jsonpath='{.metadata.uid}'";
    let before = stage.quietly(uid).await?;
    stage
        .show(screen, "kubectl delete secret report", 1)
        .await?;
    stage
        .show(
            screen,
            "kubectl wait --for=create secret/report --timeout=30s",
            1,
        )
        .await?;
    let after = stage.quietly(uid).await?;
    ensure!(before != after, "the Secret was not deleted");
    let status = stage
        .show(
            screen,
            "kubectl get secret report -o jsonpath='{.data.curl\\.conf}' | base64 -d \\\n\
             \x20       | curl -s -K - -o /dev/null -w 'its URL: %{http_code}\\n'",
            1,
        )
        .await?;
    ensure!(
        status.trim().ends_with(" 200"),
        "the URL in the Secret that was put back does not answer 200"
    );
    screen.checked("it is back, with a URL that works")
}

fn url_of(conf: &str) -> Result<&str> {
    match conf.lines().find(|line| line.starts_with("url = ")) {
        Some(line) => Ok(line),
        None => bail!("the curl.conf of the Secret names no URL"),
    }
}
