//! What has to be there before a team asks for anything: servers, CRDs, credentials, a store, a policy, the
//! operator.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::{INVOICE, PHOTO, REPORT, WEIGHTS};
use crate::demo::Options;
use crate::demo::screen::Screen;
use crate::demo::stage::{BUCKET, OPERATOR_NAMESPACE, Stage};

const STORE: &str = include_str!("../../../../../examples/demo/store.yaml");
const POLICY: &str = include_str!("../../../../../examples/demo/policy.yaml");
const DOWNLOAD: &str = include_str!("../../../../../examples/demo/download.yaml");
const UPLOAD: &str = include_str!("../../../../../examples/demo/upload.yaml");
const FORM: &str = include_str!("../../../../../examples/demo/form.yaml");
const PREFIX: &str = include_str!("../../../../../examples/demo/prefix.yaml");
const REFUSED: &str = include_str!("../../../../../examples/demo/refused.yaml");

/// The endpoint that stands in the store's manifest.
const EXAMPLE_ENDPOINT: &str = "http://127.0.0.1:9000";

/// The first step: everything that the operator needs around it.
pub(in crate::demo) async fn set_the_stage(
    options: &Options,
    screen: &mut Screen,
) -> Result<Stage> {
    screen
        .heading("The stage: a Kubernetes control plane and an S3 server, for this demo alone")?;
    let started = Instant::now();
    let stage = Stage::start(&options.operator).await?;
    screen.checked(&format!(
        "etcd, kube-apiserver, kube-controller-manager: {} (up in {:.1} s)",
        stage.control_plane().url(),
        started.elapsed().as_secs_f64()
    ))?;
    let s3 = stage.s3();
    s3.put_object(BUCKET, "team-a/report.csv", REPORT)?;
    for (name, text) in WEIGHTS {
        s3.put_object(BUCKET, &format!("team-a/weights/{name}"), text)?;
    }
    s3.put_object(BUCKET, "team-b/salaries.csv", "nobody's business\n")?;
    ensure!(
        STORE.contains(EXAMPLE_ENDPOINT),
        "examples/demo/store.yaml must name the endpoint {EXAMPLE_ENDPOINT}, which the demo replaces"
    );
    let store = STORE.replace(EXAMPLE_ENDPOINT, &s3.endpoint);
    for (name, text) in [
        ("store.yaml", store.as_str()),
        ("policy.yaml", POLICY),
        ("download.yaml", DOWNLOAD),
        ("upload.yaml", UPLOAD),
        ("form.yaml", FORM),
        ("prefix.yaml", PREFIX),
        ("refused.yaml", REFUSED),
        ("photo.txt", PHOTO),
        ("invoice.txt", INVOICE),
    ] {
        stage.put(name, text)?;
    }
    let keys = format!(
        "accessKeyID={}\nsecretAccessKey={}\n",
        s3.access_key, s3.secret_key
    );
    stage.put("keys.env", &keys)?;
    screen.checked(&format!(
        "S3 server (versitygw): {} with a bucket {BUCKET}",
        s3.endpoint
    ))?;
    screen.remark("(like AWS it refuses x-amz-* headers that were not signed; where a server takes them, PUT needs an exception)")?;
    Ok(stage)
}

pub(super) async fn install(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("The admin: CRDs, credentials, a store, a policy, and the operator")?;
    stage
        .quietly(&format!(
            "kubectl create namespace {OPERATOR_NAMESPACE} && kubectl create namespace team-a && \
             kubectl config set-context --current --namespace=team-a"
        ))
        .await?;
    stage
        .show(
            screen,
            "presigned-url-operator crds | kubectl apply -f -",
            3,
        )
        .await?;
    let secret = format!(
        "kubectl create secret generic s3-keys -n {OPERATOR_NAMESPACE} --from-env-file=keys.env"
    );
    stage.show(screen, &secret, 1).await?;
    stage
        .show(screen, "kubectl apply -f store.yaml -f policy.yaml", 2)
        .await?;
    stage.start_operator(screen).await?;
    screen.remark("(as the cluster's admin here; the Helm chart gives it an account with the few rights that it needs)")?;
    stage
        .show(
            screen,
            "kubectl wait --for=condition=Ready cos/default psup/teams --timeout=30s",
            2,
        )
        .await?;
    Ok(())
}
