//! The fixture of a program's run: a server that checks signatures, a Secret's files as kubelet mounts them,
//! and empty folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use presigned_core::api::{AddressingStyle, Format, GetOptions, Method, PutOptions};
use presigned_core::issue::{BundleContent, Item, RenderError, Template, render_bundle};
use presigned_core::request::{Bucket, Key, Options};
use presigned_core::signing::{Credentials, Endpoint, Operation, Target, presign};
use presigned_testkit::S3Server;
use presigned_testkit::guard::GuardedFolder;

use crate::support::files_below;

/// A server and a folder for the programs that use it.
pub(super) struct ProgramFixture {
    pub(super) s3: S3Server,
    bucket: Bucket,
    folder: GuardedFolder,
    folders: AtomicU32,
}

impl ProgramFixture {
    pub(super) fn new(s3: S3Server, bucket: &str) -> Self {
        Self {
            s3,
            bucket: Bucket::parse(bucket).unwrap(),
            folder: GuardedFolder::new("presigned-programs-").unwrap(),
            folders: AtomicU32::new(0),
        }
    }

    /// Signs a URL for each key and mounts the files of its Secret in place of those mounted before.
    pub(super) fn mount(
        &self,
        method: Method,
        keys: &[String],
        formats: &[Format],
    ) -> Result<(), RenderError> {
        let urls: Vec<String> = keys.iter().map(|key| self.signed(method, key)).collect();
        let items: Vec<Item<'_>> = keys
            .iter()
            .zip(&urls)
            .map(|(key, url)| Item {
                key,
                url,
                size: None,
                etag: None,
            })
            .collect();
        let secret = render_bundle(&BundleContent {
            name: "many",
            method,
            items: &items,
            headers: &[],
            formats: &formats.iter().copied().collect(),
            expires_at: Timestamp::now(),
            ca_bundle: None,
            template: &Template::default(),
        })?;
        let mount = self.folder.path().join("mount");
        let _ = std::fs::remove_dir_all(&mount);
        std::fs::create_dir(&mount).unwrap();
        for (name, bytes) in &secret.data {
            std::fs::write(mount.join(name), bytes.expose()).unwrap();
        }
        Ok(())
    }

    /// The path of a mounted file.
    pub(super) fn mounted(&self, name: &str) -> String {
        let path = self.folder.path().join("mount").join(name);
        path.to_str().unwrap().to_owned()
    }

    /// A URL for ten minutes.
    fn signed(&self, method: Method, key: &str) -> String {
        let endpoint = Endpoint::parse(&self.s3.endpoint).unwrap();
        let target = Target::resolve(
            Some(&endpoint),
            &self.s3.region,
            AddressingStyle::Path,
            &self.bucket,
        )
        .unwrap();
        let credentials = Credentials {
            access_key_id: self.s3.access_key.clone(),
            secret_access_key: self.s3.secret_key.clone().into(),
            session_token: None,
            expires_at: None,
        };
        let options = match method {
            Method::Get => Options::Get(GetOptions::default()),
            Method::Head => Options::Head(GetOptions::default()),
            Method::Put => Options::Put(PutOptions::default()),
            Method::Delete => Options::Delete,
            Method::Post => panic!("a form is not for many objects"),
        };
        let operation = Operation {
            bucket: &self.bucket,
            key: &Key::parse(key).unwrap(),
            options: &options,
        };
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let life = Duration::from_mins(10);
        let signed = presign(&operation, &target, &credentials, now, life).unwrap();
        signed.url.expose().to_owned()
    }

    pub(super) fn empty_folder(&self) -> PathBuf {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().join(format!("run-{number}"));
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    /// Runs a program; its exit status and its output.
    pub(super) fn run(
        &self,
        program: &str,
        arguments: &[&str],
        folder: &Path,
    ) -> (ExitStatus, String) {
        let output = crate::support::program(program, arguments, folder)
            .env("HOME", self.folder.path())
            .output()
            .unwrap_or_else(|error| {
                panic!("{program} does not start ({error}): apt-get install curl aria2 wget")
            });
        let said = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&said).into_owned())
    }

    /// Runs a program that must succeed; its output.
    pub(super) fn succeeds(&self, program: &str, arguments: &[&str], folder: &Path) -> String {
        let (status, said) = self.run(program, arguments, folder);
        assert!(status.success(), "{program}: {status}: {said}");
        said
    }

    /// The folder holds a file for each key, its object's content in it, and nothing else.
    pub(super) fn holds_each_key(&self, folder: &Path, keys: &[String]) {
        let files = files_below(folder);
        let (found, wanted): (BTreeSet<_>, BTreeSet<_>) =
            (files.keys().collect(), keys.iter().collect());
        let missing: Vec<_> = wanted.difference(&found).collect();
        let made_up: Vec<_> = found.difference(&wanted).collect();
        assert!(
            missing.is_empty() && made_up.is_empty(),
            "missing: {missing:#?}; made up: {made_up:#?}"
        );
        for (key, content) in &files {
            let object = self.s3.object_bytes(self.bucket.as_str(), key).unwrap();
            assert_eq!(Some(content), object.as_ref(), "{key:?}");
        }
    }
}
