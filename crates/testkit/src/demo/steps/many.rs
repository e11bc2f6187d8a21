//! A whole prefix in one resource: the bucket is listed, and one command downloads what it holds.

use anyhow::{Result, ensure};

use super::{WEIGHTS, fetch_conf, weights_are_in};
use crate::demo::screen::Screen;
use crate::demo::stage::Stage;

pub(super) async fn download_a_prefix(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("All objects below a prefix, in one resource")?;
    stage
        .show(screen, "sed -n '/^spec:/,$p' prefix.yaml", 6)
        .await?;
    stage
        .show(
            screen,
            "kubectl apply -f prefix.yaml && kubectl wait --for=condition=Ready psu/weights --timeout=30s",
            2,
        )
        .await?;
    // The URLs are for programs: nobody reads them, and nobody should see them.
    let listed = stage
        .show(
            screen,
            "kubectl get secret weights -o jsonpath='{.data.urls\\.json}' | base64 -d | sed 's|\"url\":\"[^\"]*\"|\"url\":\"...\"|'",
            6,
        )
        .await?;
    for (name, _) in WEIGHTS {
        let wanted = !name.starts_with("tmp/");
        ensure!(
            listed.contains(&format!("team-a/weights/{name}\"")) == wanted,
            "the objects in urls.json have to be those that are not excluded: see {name}"
        );
    }
    let fetch = fetch_conf("weights", "weights.conf");
    stage.show(screen, &fetch, 1).await?;
    stage
        .show(
            screen,
            "mkdir models && cd models && curl -s -K ../weights.conf && find . -type f | sort",
            4,
        )
        .await?;
    weights_are_in(stage, "models")?;
    let status = stage
        .show(
            screen,
            "kubectl get secret weights -o jsonpath='{.data.urls\\.txt}' | base64 -d \\\n\
             \x20       | xargs -n 1 curl -s -o /dev/null -w '%{http_code}\\n'",
            3,
        )
        .await?;
    ensure!(
        status == "200\n200\n200\n",
        "each URL of urls.txt has to answer 200"
    );
    screen.checked(
        "three objects came down, byte for byte, each under its key; the excluded one got no URL",
    )
}
