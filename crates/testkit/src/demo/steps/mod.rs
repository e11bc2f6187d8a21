//! The play, in its order: what a person sees, and what has to be true of it.

mod life;
mod many;
mod prompt;
mod restart;
mod setting;
mod uses;

use anyhow::{Result, ensure};

use super::screen::Screen;
use super::stage::Stage;

pub(super) use setting::set_the_stage;

/// What the bucket holds for the download.
const REPORT: &str = "quarter,downloads\nQ1,1204\nQ2,3377\n";
/// What is uploaded; its length stands in examples/demo/upload.yaml.
const INVOICE: &str = "Invoice 42: 3 coffees, 1 biscuit\n";
/// What the form sends: within the sizes that examples/demo/form.yaml allows.
const PHOTO: &str = "(=^.^=)\n";
/// What is below the prefix of examples/demo/prefix.yaml; the last is excluded there.
const WEIGHTS: [(&str, &str); 4] = [
    ("layers/0.bin", "weights of layer 0\n"),
    ("layers/1.bin", "weights of layer 1\n"),
    ("tokens.txt", "hello world\n"),
    ("tmp/2.bin", "half of a file\n"),
];
/// The resources that are Ready once all have been asked for.
const READY: u64 = 4;

/// All other steps.
pub(super) async fn play(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    setting::install(stage, screen).await?;
    uses::issue(stage, screen).await?;
    uses::look_into_the_secret(stage, screen).await?;
    uses::download(stage, screen).await?;
    uses::upload(stage, screen).await?;
    uses::send_a_form(stage, screen).await?;
    many::download_a_prefix(stage, screen).await?;
    uses::refuse(stage, screen).await?;
    prompt::ask_the_plugin(stage, screen).await?;
    prompt::fetch_as_a_pod(stage, screen).await?;
    // Before the rotation: a wish to renew waits for the 30th second of a URL's life anyway.
    restart::restart(stage, screen).await?;
    life::rotate(stage, screen).await?;
    life::heal(stage, screen).await
}

/// Looks for the weights below a folder, each under its key; the excluded one is left out.
fn weights_are_in(stage: &Stage, folder: &str) -> Result<()> {
    for (name, text) in WEIGHTS.iter().filter(|(name, _)| !name.starts_with("tmp/")) {
        let file = format!("{folder}/team-a/weights/{name}");
        ensure!(
            stage.read(&file)? == *text,
            "{file} is not what the bucket holds"
        );
    }
    Ok(())
}

/// What a person types to get a resource's `curl.conf` without a pod that mounts it.
fn fetch_conf(secret: &str, file: &str) -> String {
    format!("kubectl get secret {secret} -o jsonpath='{{.data.curl\\.conf}}' | base64 -d > {file}")
}
