//! What a team does: ask, look, download, upload, and be refused.

use anyhow::{Result, ensure};
use jiff::Timestamp;

use super::{INVOICE, PHOTO, REPORT, fetch_conf};
use crate::demo::screen::Screen;
use crate::demo::stage::{BUCKET, Stage};

pub(super) async fn issue(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("A team asks for a URL: no credentials, one small resource")?;
    stage.show(screen, "cat download.yaml", 12).await?;
    stage
        .show(
            screen,
            "kubectl apply -f download.yaml && kubectl wait --for=condition=Ready psu/report --timeout=30s",
            2,
        )
        .await?;
    stage.show(screen, "kubectl get psu", 3).await?;
    let expires = stage
        .quietly("kubectl get psu report -o jsonpath='{.status.expirationTime}'")
        .await?;
    let left = expires
        .parse::<Timestamp>()?
        .duration_since(Timestamp::now());
    ensure!(
        (1..=900).contains(&left.as_secs()),
        "the URL is to live for 15 minutes, and expirationTime is {expires}"
    );
    let verified = stage
        .quietly("kubectl get psu report -o jsonpath='{.status.conditions[?(@.type==\"Verified\")].reason}'")
        .await?;
    ensure!(
        verified == "Verified",
        "S3 has to take the URL, and the condition Verified says {verified:?}"
    );
    screen.checked(&format!(
        "Ready: S3 has answered it, and it lives for another {} min {} s",
        left.as_secs() / 60,
        left.as_secs() % 60
    ))
}

pub(super) async fn look_into_the_secret(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
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

pub(super) async fn download(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
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

pub(super) async fn upload(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
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

pub(super) async fn send_a_form(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
    screen.heading("An upload by a form (POST), as browsers send it")?;
    stage
        .show(screen, "sed -n '/^spec:/,$p' form.yaml", 8)
        .await?;
    stage
        .show(
            screen,
            "kubectl apply -f form.yaml && kubectl wait --for=condition=Ready psu/photo --timeout=30s",
            2,
        )
        .await?;
    let fetch = fetch_conf("photo", "form.conf");
    stage.show(screen, &fetch, 1).await?;
    let key = "team-a/inbox/photo.txt";
    stage
        .show_failing(screen, "curl -s -K form.conf -F file=@form.conf")
        .await?;
    ensure!(
        stage.s3().object_bytes(BUCKET, key)?.is_none(),
        "a file that is too large went through"
    );
    screen.checked("a file of more than 100 bytes is refused by S3: the range is signed")?;
    stage
        .show(screen, "curl -s -K form.conf -F file=@photo.txt", 2)
        .await?;
    let stored = stage.s3().object_bytes(BUCKET, key)?;
    ensure!(
        stored.as_deref() == Some(PHOTO.as_bytes()),
        "the bucket does not hold the bytes that the form sent"
    );
    screen.checked(&format!(
        "the bucket holds {key}, byte for byte: {:?}",
        PHOTO.trim_end()
    ))
}

pub(super) async fn refuse(stage: &mut Stage, screen: &mut Screen) -> Result<()> {
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
