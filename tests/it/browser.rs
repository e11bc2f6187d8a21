//! The upload page of `examples/browser` in a real Chromium, on another origin than the bucket.
//!
//! What holds here: what the page shows is what happened. Each upload and each refusal is looked for in the
//! bucket, and what the page saves is compared with what it was given.

mod chromium;
mod stage;
pub(crate) mod terminal;

use presigned_testkit::S3Server;

use crate::plugin::alone::Caller;
use crate::support::eventually;
use chromium::Chromium;
use stage::{BUCKET, Stage, pictures};

/// Bytes of a size that no other file of the test has.
fn bytes(count: usize) -> Vec<u8> {
    (0..count)
        .map(|at| (at.wrapping_mul(31) >> 3).to_le_bytes()[0])
        .collect()
}

/// How the sentence begins by which the page tells that the browser kept the answer from it.
const NO_CORS: &str = "The network failed, or no CORS rule of the bucket allows";

impl Stage {
    /// A file whose bar was seen between nothing and all of it is stored as it is.
    async fn uploads(&mut self, method: &str, name: &str, size: usize) {
        let whole = bytes(size);
        // Slow enough that it cannot be done before it was seen at work.
        self.browser.throttle(Some(1_000_000)).await;
        self.send(method, name, &whole).await;
        let bar = "document.querySelector('li progress').value";
        self.browser
            .until(&format!("{bar} > 0.3 && {bar} < 1"))
            .await;
        if method == "PUT" {
            self.picture("upload-page").await;
        }
        self.browser.throttle(None).await;
        let key = self.stored().await;
        assert!(key.ends_with(&format!("-{name}")), "{key}");
        let stored = self.s3.object_bytes(BUCKET, &key).expect("read");
        assert!(stored == Some(whole), "{key} is not what was sent");
        let bar = self.bar(name).await;
        assert!(bar.is_sorted(), "a bar that goes back: {bar:?}");
        assert_eq!(bar.last(), Some(&1.0));
    }

    /// The newest file comes back as it was sent.
    async fn downloads(&mut self, name: &str, size: usize) {
        self.download().await;
        let words = self.outcome("stored").await;
        assert_eq!(words, "Downloaded, and equal to what you sent");
        let (saved, whole) = (self.browser.downloads().join(name), bytes(size));
        eventually("the file is saved", async || match std::fs::read(&saved) {
            Ok(bytes) if bytes == whole => Ok(()),
            other => Err(other.map(|bytes| bytes.len())),
        })
        .await;
    }

    /// A picture for the docs, if they are wanted.
    async fn picture(&mut self, name: &str) {
        let Some(folder) = pictures() else { return };
        std::fs::create_dir_all(&folder).expect("a folder");
        for (dark, suffix) in [(false, ""), (true, "-dark")] {
            let picture = self.browser.picture(760, dark).await;
            assert!(picture.len() < 100_000, "{} bytes", picture.len());
            std::fs::write(folder.join(format!("{name}{suffix}.webp")), picture).expect("write");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_uploads_and_downloads_once_a_cors_rule_names_it() {
    let mut stage = Stage::new("browser").await;
    let origin = stage.origin.clone();
    for method in ["PUT", "POST"] {
        stage.send(method, "early.bin", &bytes(1000)).await;
        let words = stage.outcome("failed").await;
        assert_eq!(words, format!("{NO_CORS} {method} from {origin}."));
    }
    assert_eq!(stage.keys().await, Vec::<String>::new());
    stage.picture("upload-page-refused").await;

    stage.browser.open(&format!("{origin}/"), "").await;
    stage.allow(&origin, &["PUT", "POST"], &[]).await;
    stage.uploads("POST", "minutes.pdf", 3_100_000).await;
    stage.uploads("PUT", "harbour.jpg", 4_200_000).await;
    // What may be sent may not be read.
    stage.download().await;
    let words = stage.outcome("failed").await;
    assert_eq!(words, format!("{NO_CORS} GET from {origin}."));

    stage.allow(&origin, &["PUT", "POST", "GET"], &[]).await;
    stage.downloads("harbour.jpg", 4_200_000).await;
    assert_eq!(stage.keys().await.len(), 2);

    // The same page by another name is another origin.
    let elsewhere = origin.replace("127.0.0.1", "localhost");
    stage.browser.open(&format!("{elsewhere}/"), "").await;
    stage.send("PUT", "foreign.bin", &bytes(1000)).await;
    let words = stage.outcome("failed").await;
    assert_eq!(words, format!("{NO_CORS} PUT from {elsewhere}."));
    assert_eq!(stage.keys().await.len(), 2);
    stage.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_tells_why_an_upload_was_refused() {
    let mut stage = Stage::new("browser-refused").await;
    let origin = stage.origin.clone();
    let hides = ["--expose", "x-nothing"];
    stage.allow(&origin, &["PUT", "POST"], &hides).await;
    stage.send("PUT", "hidden.bin", &bytes(1000)).await;
    let words = stage.outcome("failed").await;
    assert_eq!(
        words,
        "It is stored, but the bucket's CORS rule hides its ETag: expose ETag."
    );
    stage.allow(&origin, &["PUT", "POST", "GET"], &[]).await;
    // What comes back is what was sent, or the page says so.
    stage.send("PUT", "replaced.bin", &bytes(1000)).await;
    let key = stage.stored().await;
    let (signer, url) = (stage.s3.signer(), stage.s3.url(BUCKET, &key));
    let put = signer.send(http::Method::PUT, &url, &[], "other").await;
    assert!(put.expect("an answer").status().is_success());
    stage.download().await;
    let words = stage.outcome("failed").await;
    assert_eq!(words, "Somebody has replaced this file.");
    let before = stage.keys().await;
    assert_eq!(before.len(), 2);

    // More than the policy allows: nothing is signed, nothing is sent.
    for method in ["PUT", "POST"] {
        stage.send(method, "huge.bin", &bytes(10_485_761)).await;
        let words = stage.outcome("failed").await;
        assert_eq!(words, "The operator refused it: PolicyDenied");
    }
    // More, or other, than was asked for.
    let lie = "Object.defineProperty(File.prototype, 'size', { get: () => 500 }); true";
    stage.browser.eval(lie).await;
    for (method, code) in [
        ("PUT", "403 SignatureDoesNotMatch"),
        ("POST", "400 EntityTooLarge"),
    ] {
        stage.send(method, "more.bin", &bytes(1000)).await;
        let words = stage.outcome("failed").await;
        assert_eq!(words, format!("The bucket refused it: {code}"));
    }
    assert_eq!(stage.keys().await, before);
    stage.finish().await;
}

/// `kubectl presigned sign -o html`: a page in a file, and no script but its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_sign_sends_the_file_under_its_own_name_and_type() {
    let s3 = S3Server::versitygw().await.expect("a server");
    s3.create_bucket(BUCKET).expect("a bucket");
    let caller = Caller::of(&s3, &s3.keys());
    let mut browser = Chromium::start().await;
    let sign = [
        "sign",
        "--method",
        "POST",
        "--content-length-range",
        "1-2000",
        "-o",
        "html",
    ];
    for (place, flags, key, size, stored) in [
        (
            "s3://data/photos/",
            &["--content-type-prefix", "image/"][..],
            "photos/a b.png",
            1500,
            true,
        ),
        ("s3://data/one.bin", &[], "one.bin", 10, true),
        (
            "s3://data/photos/",
            &["--content-type-prefix", "image/"],
            "photos/a b.txt",
            10,
            false,
        ),
        ("s3://data/large.bin", &[], "large.bin", 3000, false),
    ] {
        let status = ["--success-action-status", "201", place];
        let page = caller
            .run(&[&sign[..], flags, &status].concat())
            .await
            .done();
        let page = browser.file("upload.html", page.as_bytes());
        browser
            .open(&format!("file://{}", page.display()), "")
            .await;
        let name = key.rsplit('/').next().expect("a name");
        let file = browser.file(name, &bytes(size));
        browser.choose("[type=file]", &file).await;
        browser
            .eval("document.querySelector('button').click()")
            .await;
        // The server's own page takes its place.
        let host = s3.endpoint.strip_prefix("http://").expect("HTTP");
        browser
            .until(&format!(
                "location.host === '{host}' && document.readyState === 'complete'"
            ))
            .await;
        let found = s3.object_bytes(BUCKET, key).expect("read");
        assert!(found == stored.then(|| bytes(size)), "{key}");
    }
}
