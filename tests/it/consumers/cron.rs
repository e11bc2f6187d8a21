//! From a cron job with `aws s3 presign` to a `PresignedURL`: the steps of docs/plugin-sign.md.
//!
//! What holds here: the page's commands run as they stand. `kubectl presigned sign` stands in for `aws s3
//! presign`: its URLs equal botocore's (`plugin/sign.rs`).

use std::os::unix::fs::PermissionsExt as _;

use presigned_testkit::control_plane::documents;
use serde_json::{Value, json};

use super::{Scene, programs, script, shell};
use crate::support::http;

const PAGE: &str = include_str!("../../../docs/plugin-sign.md");
const AWS: &str = "#!/bin/sh\n[ \"$1 $2\" = 's3 presign' ] || exit 9\nshift 2\nexec kubectl-presigned sign \"$@\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_jobs_secret_gives_way_to_a_resource_with_the_same_key() {
    let scene = Scene::new("cron").await;
    let world = &scene.world;
    scene.put("llama/weights.bin", "weights");
    let programs = programs(world).await;
    let aws = programs.join("aws");
    std::fs::write(&aws, AWS).unwrap();
    std::fs::set_permissions(&aws, std::fs::Permissions::from_mode(0o755)).unwrap();
    let keys = scene.s3.keys();
    let variables = [
        ("AWS_ACCESS_KEY_ID", keys.access_key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret_key.as_str()),
        ("AWS_REGION", scene.s3.region.as_str()),
        ("AWS_ENDPOINT_URL_S3", scene.strict.endpoint.as_str()),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    // The job runs in the team's namespace.
    let namespace = format!(
        "kubectl config set-context --current --namespace {}",
        world.tenant
    );
    let own = world.folder.join("kubeconfig-cron");
    std::fs::copy(world.plane.kubeconfig(), &own).unwrap();
    let job = script(PAGE, "aws s3 presign").replace("s3://models/", "s3://data/");
    let job = format!("export KUBECONFIG={}\n{namespace}\n{job}", own.display());
    shell(world, &programs, &variables, &job).await;
    let old = world.value("weights", "url").await;
    assert_eq!(http("GET", old.trim_end(), "", b"").await.text(), "weights");

    // Step 3, and what step 4 says of the Secret.
    let (_, step) = PAGE.split_once("```yaml\n").expect("the resource");
    let (yaml, _) = step.split_once("```").expect("its end");
    let lines = yaml.lines();
    let lines: Vec<&str> = lines
        .map(|line| line.strip_prefix("   ").unwrap_or(line))
        .collect();
    let resource = documents(&lines.join("\n")).unwrap().remove(0);
    let mut spec: Value = resource.data["spec"].clone();
    spec["bucket"] = json!("data");
    world.psu("weights", &spec).await;
    world.unready("weights", "SecretConflict").await;
    assert_eq!(world.value("weights", "url").await, old);
    world.delete_secret("weights").await;
    world.ready("weights").await;
    let new = world.value("weights", "url").await;
    let place = |url: &str| url.split('?').next().map(ToOwned::to_owned);
    assert_eq!(place(&new), place(&old));
    assert_eq!(http("GET", &new, "", b"").await.text(), "weights");
    scene.finish().await;
}
