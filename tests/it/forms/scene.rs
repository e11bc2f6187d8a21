//! The servers that forms are sent to, and a sender: the real curl with the Secret's `curl.conf`.
//!
//! What holds here: what a server took is asked of the server, and looked for in all that it stores, so that
//! nothing can land where no test looks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials as SdkCredentials, Region};
use jiff::{SignedDuration, Timestamp};
use presigned_core::api::{AddressingStyle, ContentLengthRange, PostOptions};
use presigned_core::issue::{FormContent, Template, render_form};
use presigned_core::request::{Bucket, Prefix};
use presigned_core::signing::{
    Credentials, Endpoint, ExpectedForm, ExpectedSignature, FormKey, FormOperation, Target,
    check_form, sign_form,
};
use presigned_testkit::guard::GuardedFolder;
use presigned_testkit::s3::S3Server;

use crate::support::{curl, edit_mounted};

pub(super) const BUCKET: &str = "uploads";
/// A bucket of somebody else on the same server.
const OTHER: &str = "elsewhere";
/// What is below the prefix of the forms, by bucket and key.
const INSIDE: &str = "uploads/in/";

/// Where an upload ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landed {
    Nowhere,
    /// Below the form's prefix.
    Inside,
    /// In the bucket, but not below the prefix.
    Outside,
    /// In another bucket.
    Elsewhere,
    /// Where no listing shows it.
    Unseen,
}

/// A server and what it does in its own way.
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) server: S3Server,
    /// Whether it puts the name of the sent file in the place of `${filename}`.
    pub(super) fills_in: bool,
    /// Whether it tells the type by the end of the key where the form names none.
    pub(super) guesses_type: bool,
    /// What becomes of keys that begin with the prefix and leave it by `..`: out of the prefix, of the
    /// bucket, of all buckets. AWS takes them as they stand.
    pub(super) dots: [Landed; 3],
}

async fn kinds() -> Vec<Kind> {
    use Landed as L;
    let s3s_fs = Kind {
        name: "s3s-fs",
        server: S3Server::s3s_fs().expect("s3s-fs"),
        fills_in: false,
        guesses_type: false,
        dots: [L::Outside, L::Elsewhere, L::Unseen],
    };
    let versitygw = Kind {
        name: "versitygw",
        server: S3Server::versitygw().await.expect("versitygw"),
        fills_in: false,
        guesses_type: false,
        dots: [L::Outside, L::Nowhere, L::Nowhere],
    };
    let minio = Kind {
        name: "minio",
        server: S3Server::minio().await.expect("minio"),
        fills_in: true,
        guesses_type: true,
        dots: [L::Nowhere; 3],
    };
    vec![s3s_fs, versitygw, minio]
}

/// A server with two buckets, and a folder for what is mounted and sent.
pub(super) struct Scene {
    pub(super) kind: Kind,
    folder: GuardedFolder,
}

/// Makes bodies differ.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// How a form is sent.
#[derive(Clone, Copy)]
pub(super) struct Upload<'a> {
    /// The name that the file is sent under.
    pub(super) name: &'a str,
    /// The type that the file's own part says.
    pub(super) kind: &'a str,
    /// Left out: one that no other upload has.
    pub(super) body: Option<&'a str>,
    /// More arguments for curl, before the file.
    pub(super) arguments: &'a [&'a str],
}

pub(super) const FILE: Upload<'_> = Upload {
    name: "a.txt",
    kind: "text/plain",
    body: None,
    arguments: &[],
};

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) landed: Landed,
}

/// Objects by `bucket/key`, each with its type and body.
pub(super) type Stored = BTreeMap<String, (String, String)>;

impl Scene {
    pub(super) async fn all() -> Vec<Self> {
        let mut scenes = Vec::new();
        for kind in kinds().await {
            kind.server.create_bucket(BUCKET).expect("a bucket");
            kind.server.create_bucket(OTHER).expect("a bucket");
            let folder = GuardedFolder::new("presigned-forms-").expect("a folder");
            scenes.push(Self { kind, folder });
        }
        scenes
    }

    /// Signs, checks and renders a form, and mounts its Secret.
    pub(super) fn form(
        &self,
        key: FormKey<'_>,
        options: &PostOptions,
        age: SignedDuration,
    ) -> PathBuf {
        let bucket = Bucket::parse(BUCKET).expect("a bucket");
        let endpoint = Endpoint::parse(&self.kind.server.endpoint).expect("an endpoint");
        let style = AddressingStyle::Path;
        let region = &self.kind.server.region;
        let target = Target::resolve(Some(&endpoint), region, style, &bucket).expect("a target");
        let creds = Credentials {
            access_key_id: self.kind.server.access_key.clone(),
            secret_access_key: self.kind.server.secret_key.clone().into(),
            session_token: None,
            expires_at: None,
        };
        let now = Timestamp::from_second(Timestamp::now().as_second()).expect("a time");
        let signed_at = now - age;
        let op = FormOperation {
            bucket: &bucket,
            key,
            options,
        };
        let life = Duration::from_mins(10);
        let form = sign_form(&op, &target, &creds, signed_at, life).expect("a form");
        let expires_at = signed_at + life;
        let expected = ExpectedForm {
            key,
            options,
            signature: ExpectedSignature {
                scheme: endpoint.scheme(),
                host: endpoint.host(),
                port: endpoint.port(),
                path: endpoint.path(),
                style: target.style,
                bucket: &bucket,
                region,
                access_key_id: &self.kind.server.access_key,
                session: false,
                signed_at,
                expires_at,
                not_after: expires_at,
            },
        };
        check_form(&form, &expected).expect("the form that was allowed");
        let secret = render_form(&FormContent {
            name: "uploads",
            form: &form,
            expires_at,
            ca_bundle: None,
            template: &Template::default(),
        })
        .expect("a Secret");
        let mount = self
            .folder
            .path()
            .join(format!("mount-{}", mounts(self.folder.path())));
        std::fs::create_dir(&mount).expect("a mount");
        for (key, value) in &secret.data {
            std::fs::write(mount.join(key), value.expose()).expect("a file");
        }
        mount
    }

    /// Sends a file with the mounted `curl.conf`.
    pub(super) async fn send(&self, mount: &Path, upload: Upload<'_>) -> Outcome {
        let Upload {
            name,
            kind,
            body,
            arguments,
        } = upload;
        let before = self.stored().await;
        let own = format!("body {}", NEXT.fetch_add(1, Ordering::Relaxed));
        std::fs::write(mount.join("sent"), body.unwrap_or(&own)).expect("a file to send");
        let file = format!("file=@sent;type={kind};filename=\"{name}\"");
        let mut all = vec!["--no-fail", "--max-time", "20", "-w", "\n%{http_code}"];
        all.extend(arguments);
        all.extend(["-F", &file]);
        let (code, said) = curl(mount, &all).await;
        assert_eq!(code, 0, "{}: {said}", self.kind.name);
        let (_, status) = said.rsplit_once('\n').expect("a status");
        let status = status.parse().expect("a status");
        let after = self.stored().await;
        let new = after
            .iter()
            .filter(|&(key, object)| before.get(key) != Some(object));
        let landed: Vec<Landed> = new
            .map(|(key, _)| match key {
                key if key.starts_with(INSIDE) => Landed::Inside,
                key if key.starts_with(BUCKET) => Landed::Outside,
                _ => Landed::Elsewhere,
            })
            .collect();
        let landed = match landed[..] {
            [] if status < 400 => Landed::Unseen,
            [] => Landed::Nowhere,
            [one] => one,
            _ => panic!("{}: two objects of one upload", self.kind.name),
        };
        Outcome { status, landed }
    }

    pub(super) fn client(&self) -> Client {
        let S3Server {
            endpoint,
            region,
            access_key,
            secret_key,
            ..
        } = &self.kind.server;
        let keys = SdkCredentials::new(access_key, secret_key, None, None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(region.clone()))
            .credentials_provider(keys)
            .force_path_style(true)
            .build();
        Client::from_conf(config)
    }

    /// Everything that the server holds, as `bucket/key`, with its type and body.
    pub(super) async fn stored(&self) -> Stored {
        let client = self.client();
        let mut all = BTreeMap::new();
        for bucket in [BUCKET, OTHER] {
            let listed = client.list_objects_v2().bucket(bucket).send().await;
            for object in listed.expect("a listing").contents() {
                let key = object.key().expect("a key");
                let got = client.get_object().bucket(bucket).key(key).send().await;
                let got = got.expect("an object");
                let kind = got.content_type().unwrap_or_default().to_owned();
                let body = got.body.collect().await.expect("a body").to_vec();
                let body = String::from_utf8(body).expect("text");
                all.insert(format!("{bucket}/{key}"), (kind, body));
            }
        }
        all
    }
}

fn mounts(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("a folder").count()
}

pub(super) fn small() -> PostOptions {
    PostOptions {
        content_length_range: Some(ContentLengthRange {
            min: Some(1),
            max: 16,
        }),
        ..PostOptions::default()
    }
}

pub(super) const FRESH: SignedDuration = SignedDuration::ZERO;

pub(super) fn prefix() -> Prefix {
    Prefix::parse("in/").expect("a prefix")
}

/// Puts another piece of text into the mounted `curl.conf`.
pub(super) fn edit(mount: &Path, from: &str, to: &str) {
    edit_mounted(mount, "curl.conf", from, to);
}

/// The form for any key below the prefix, with the key that a sender writes instead.
pub(super) fn with_key(mount: &Path, key: &str) {
    edit(mount, "key=in/${filename}", &format!("key={key}"));
}
