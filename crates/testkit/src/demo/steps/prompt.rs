//! What people and pods type: the kubectl plugin, and the operator's own `fetch`.

use anyhow::{Result, ensure};

use super::weights_are_in;
use crate::demo::screen::Screen;
use crate::demo::stage::Stage;

pub(super) async fn ask_the_plugin(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("The same at the prompt: kubectl presigned")?;
    let all = stage.show(screen, "kubectl presigned status", 8).await?;
    for name in ["report", "invoice", "photo", "weights", "salaries"] {
        ensure!(
            all.lines().any(|line| line.contains(name)),
            "the status has to tell of {name}"
        );
    }
    let asked = "kubectl presigned check --bucket company-data --key team-b/salaries.csv";
    let refused = stage.show_failing(screen, asked).await?;
    ensure!(
        refused.contains("refused"),
        "a check of another team's object has to say that it is refused"
    );
    screen.checked("asked before anything is made, the policies say no in the same words")?;
    let found = stage
        .show(
            screen,
            "kubectl presigned get report url | kubectl presigned whois -",
            8,
        )
        .await?;
    ensure!(
        found.contains("report"),
        "whois has to find the resource of a URL that turned up somewhere"
    );
    screen.checked("a leaked URL is traced to its resource, and no secret is needed for that")
}

pub(super) async fn fetch_as_a_pod(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("The same in a pod: fetch resumes, checks, and follows rotations")?;
    stage
        .show(
            screen,
            "presigned-url-operator fetch presigned://team-a/weights fetched && find fetched -type f | sort",
            8,
        )
        .await?;
    weights_are_in(stage, "fetched")?;
    screen.checked("each file has its name only once it is whole")
}
