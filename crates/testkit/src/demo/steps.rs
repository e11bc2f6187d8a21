//! The play, in its order: what a person sees, and what has to be true of it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use jiff::Timestamp;

use super::Options;
use super::screen::Screen;
use super::stage::{BUCKET, OPERATOR_NAMESPACE, Stage};

const STORE: &str = include_str!("../../../../examples/demo/store.yaml");
const POLICY: &str = include_str!("../../../../examples/demo/policy.yaml");
const DOWNLOAD: &str = include_str!("../../../../examples/demo/download.yaml");
const UPLOAD: &str = include_str!("../../../../examples/demo/upload.yaml");
const REFUSED: &str = include_str!("../../../../examples/demo/refused.yaml");

/// The endpoint that stands in the store's manifest.
const EXAMPLE_ENDPOINT: &str = "http://127.0.0.1:9000";
const REPORT: &str = "quarter,downloads\nQ1,1204\nQ2,3377\n";
const INVOICE: &str = "Invoice 42: 3 coffees, 1 biscuit\n";

/// After a restart nothing may be written; whatever the operator would write follows its first look within milliseconds.
const SILENCE: Duration = Duration::from_secs(2);
/// From ready to every resource looked at.
const LOOK_PATIENCE: Duration = Duration::from_secs(20);

/// The first step: everything that the operator needs around it.
pub(super) async fn set_the_stage(options: &Options, screen: &mut Screen) -> Result<Stage> {
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
        ("refused.yaml", REFUSED),
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
        "S3 server: {} with the object {BUCKET}/team-a/report.csv ({} bytes)",
        s3.endpoint,
        REPORT.len()
    ))?;
    Ok(stage)
}

/// All other steps.
pub(super) async fn play(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    install(stage, screen).await?;
    issue(stage, screen).await?;
    look_into_the_secret(stage, screen).await?;
    download(stage, screen).await?;
    upload(stage, screen).await?;
    refuse(stage, screen).await?;
    rotate(stage, screen).await?;
    restart(stage, screen).await?;
    heal(stage, screen).await
}

async fn install(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
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

async fn issue(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("A team asks for a URL: no credentials, one small resource")?;
    stage.show(screen, "cat download.yaml", 12).await?;
    stage
        .show(screen, "kubectl apply -f download.yaml", 1)
        .await?;
    stage
        .show(
            screen,
            "kubectl wait --for=condition=Ready psu/report --timeout=30s",
            1,
        )
        .await?;
    stage.show(screen, "kubectl get psu", 3).await?;
    let expires = stage
        .quietly("kubectl get psu report -o jsonpath='{.status.expiresAt}'")
        .await?;
    let left = expires
        .parse::<Timestamp>()?
        .duration_since(Timestamp::now());
    ensure!(
        (1..=900).contains(&left.as_secs()),
        "the URL is to live for 15 minutes, and expiresAt is {expires}"
    );
    screen.checked(&format!(
        "Ready, and the URL lives for another {} min {} s",
        left.as_secs() / 60,
        left.as_secs() % 60
    ))
}

async fn look_into_the_secret(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("The Secret that it became: files for a pod to mount (names and sizes only)")?;
    let keys = stage
        .show(
            screen,
            "kubectl describe secret report | sed '1,/^Data/d;/^====/d'",
            12,
        )
        .await?;
    for key in ["url", "head-url", "method", "expires-at", "curl.conf"] {
        ensure!(
            keys.lines()
                .any(|line| line.starts_with(&format!("{key}:"))),
            "the Secret has no key {key}"
        );
    }
    let told = stage
        .quietly("kubectl get psu report -o yaml && kubectl get events")
        .await?;
    ensure!(
        !told.contains("X-Amz-Signature"),
        "a signature stands in the resource or in an Event"
    );
    screen.checked("the URL itself is in the Secret alone: not in the resource, not in an Event")
}

async fn download(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("A download with plain curl")?;
    let fetch = fetch_conf("report", "curl.conf");
    stage.show(screen, &fetch, 1).await?;
    let bytes = stage
        .show(
            screen,
            "curl -s -K curl.conf -o report.csv && cat report.csv",
            4,
        )
        .await?;
    ensure!(
        bytes == REPORT,
        "what came down is not what the bucket holds"
    );
    screen.checked("these are the bytes of the object")?;
    let unsigned = format!(
        "curl -s -o /dev/null -w '%{{http_code}}\\n' {}/{BUCKET}/team-a/report.csv",
        stage.s3().endpoint
    );
    let status = stage.show(screen, &unsigned, 1).await?;
    ensure!(
        status.trim() == "403",
        "S3 must answer 403 where nothing is signed"
    );
    screen.checked("without the signature S3 refuses: 403")
}

async fn upload(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("An upload")?;
    stage
        .show(screen, "sed -n '/^spec:/,$p' upload.yaml", 8)
        .await?;
    stage
        .show(
            screen,
            "kubectl apply -f upload.yaml && kubectl wait --for=condition=Ready psu/invoice --timeout=30s",
            2,
        )
        .await?;
    let fetch = fetch_conf("invoice", "upload.conf");
    stage.show(screen, &fetch, 1).await?;
    let key = "team-a/inbox/invoice.txt";
    ensure!(
        stage.s3().object_bytes(BUCKET, key)?.is_none(),
        "the bucket holds {key} before the upload"
    );
    stage
        .show_failing(screen, "curl -s -K upload.conf -T keys.env")
        .await?;
    ensure!(
        stage.s3().object_bytes(BUCKET, key)?.is_none(),
        "a file of another size went through"
    );
    screen.checked("a file of another size is refused by S3: the size is signed")?;
    stage
        .show(screen, "curl -s -K upload.conf -T invoice.txt", 2)
        .await?;
    let stored = stage.s3().object_bytes(BUCKET, key)?;
    ensure!(
        stored.as_deref() == Some(INVOICE.as_bytes()),
        "the bucket does not hold the bytes that were uploaded"
    );
    screen.checked(&format!(
        "the bucket holds {key}, byte for byte: {:?}",
        INVOICE.trim_end()
    ))
}

async fn refuse(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("A request that no policy allows")?;
    stage
        .show(screen, "sed -n '/^spec:/,$p' refused.yaml", 4)
        .await?;
    stage
        .show(
            screen,
            "kubectl apply -f refused.yaml && kubectl wait --for=condition=Ready=False psu/salaries --timeout=30s",
            2,
        )
        .await?;
    stage.show(screen, "kubectl get psu salaries", 2).await?;
    let status = stage
        .quietly("kubectl get psu salaries -o jsonpath='{.status.conditions[0].type} {.status.conditions[0].reason}'")
        .await?;
    ensure!(
        status == "Ready PolicyDenied",
        "the reason has to be PolicyDenied, and the first condition is {status}"
    );
    let message = stage
        .show(
            screen,
            "kubectl get psu salaries -o jsonpath='{.status.conditions[0].message}' | fold -sw 110",
            6,
        )
        .await?;
    ensure!(
        message.contains("team-b/salaries.csv"),
        "the refusal has to name what was asked"
    );
    let missing = stage
        .show_failing(screen, "kubectl get secret salaries")
        .await?;
    ensure!(
        missing.contains("NotFound"),
        "the Secret has to be missing, and kubectl says: {missing}"
    );
    screen.checked("nothing was signed, and the resource says why")
}

async fn rotate(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
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
        "kubectl wait --for=jsonpath='{{.status.revision}}'={} psu/report --timeout=30s",
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
    for (conf, which) in [("curl.conf", "old"), ("new.conf", "new")] {
        let ask = format!("curl -s -K {conf} -o /dev/null -w 'the {which} URL: %{{http_code}}\\n'");
        let status = stage.show(screen, &ask, 1).await?;
        ensure!(
            status.trim().ends_with(" 200"),
            "the {which} URL does not answer 200"
        );
    }
    screen.checked("both work: a pod that still reads the old file is never cut off")
}

async fn restart(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("The operator is killed outright and started again")?;
    let versions = "kubectl get psu,secret,cos,psup -A --no-headers \
                    -o custom-columns=KIND:.kind,NAME:.metadata.name,VERSION:.metadata.resourceVersion";
    stage
        .show(screen, &format!("{versions} > before"), 1)
        .await?;
    let ready = stage.ready_resources().await?;
    let writes = writes(&stage.control_plane().metrics().await?);
    stage.kill_operator(screen).await?;
    stage.start_operator(screen).await?;
    let started = Instant::now();
    while stage.ready_resources().await? != ready {
        ensure!(
            started.elapsed() < LOOK_PATIENCE,
            "the operator does not find {ready:?} resources Ready, as it did before it was killed"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(SILENCE).await;
    stage
        .show(
            screen,
            &format!("{versions} | diff before - && echo identical"),
            3,
        )
        .await?;
    let more = self::writes(&stage.control_plane().metrics().await?) - writes;
    ensure!(
        more == 0,
        "the API server counts {more} writes of Secrets, Events or the operator's kinds since the kill"
    );
    screen.checked("the API server has counted 0 writes since the kill: a restart is silent")
}

async fn heal(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
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
    let fetch = fetch_conf("report", "healed.conf");
    stage.show(screen, &fetch, 1).await?;
    let status = stage
        .show(
            screen,
            "curl -s -K healed.conf -o /dev/null -w 'its URL: %{http_code}\\n'",
            1,
        )
        .await?;
    ensure!(
        status.trim().ends_with(" 200"),
        "the URL in the Secret that was put back does not answer 200"
    );
    screen.checked("it is back, with a URL that works")
}

/// What a person types to get a resource's `curl.conf` without a pod that mounts it.
fn fetch_conf(secret: &str, file: &str) -> String {
    format!("kubectl get secret {secret} -o jsonpath='{{.data.curl\\.conf}}' | base64 -d > {file}")
}

fn url_of(conf: &str) -> Result<&str> {
    match conf.lines().find(|line| line.starts_with("url = ")) {
        Some(line) => Ok(line),
        None => bail!("the curl.conf of the Secret names no URL"),
    }
}

/// Writes of Secrets, Events and the operator's kinds that the API server has counted since it started.
fn writes(metrics: &str) -> u64 {
    let label = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    metrics
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
        .sum()
}
