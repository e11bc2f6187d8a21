//! The pod of an example on this machine: its containers one after another, its volumes as folders.
//!
//! What holds here: commands, arguments and variables are those of the manifest. Where they name a path below
//! a mount, they are given the path of its folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{World, program};

const OPERATOR: &str = env!("CARGO_BIN_EXE_presigned-url-operator");
/// Where the Containerfile puts the program.
const IN_IMAGE: &str = "/usr/local/bin/presigned-url-operator";
/// The images whose commands are programs of every machine that runs these tests.
const USUAL: [&str; 3] = [
    "busybox:",
    "curlimages/curl:",
    "registry.example.com/tools:",
];

/// A pod, its Secrets mounted.
pub(super) struct Pod {
    /// The folder of each volume.
    volumes: BTreeMap<String, PathBuf>,
    /// The name that its containers are told.
    pub(super) name: String,
    spec: Value,
}

impl Pod {
    /// The pod that these objects make: of a Pod, Job, `CronJob` or Deployment among them.
    pub(super) async fn of(world: &World, objects: &[Value]) -> Self {
        let paths = [
            "/spec/jobTemplate/spec/template/spec",
            "/spec/template/spec",
            "/spec",
        ];
        let of_pod = |object: &Value| {
            let specs = paths.iter().filter_map(|path| object.pointer(path));
            let mut specs = specs.filter(|spec| spec.get("containers").is_some());
            specs.next().cloned()
        };
        let spec = objects.iter().find_map(of_pod).expect("a pod");
        Self::with(world, spec).await
    }

    /// The pod of this spec.
    pub(super) async fn with(world: &World, spec: Value) -> Self {
        let mut volumes = BTreeMap::new();
        for volume in spec["volumes"].as_array().expect("volumes") {
            let name = volume["name"].as_str().expect("a name");
            let secret = volume.pointer("/secret/secretName").and_then(Value::as_str);
            let folder = if let Some(secret) = secret {
                world.mount(secret).await
            } else {
                assert!(volume["emptyDir"].is_object(), "{volume}");
                let folder = world.folder.join("volumes").join(name);
                // That of another pod is not this one's.
                let _ = std::fs::remove_dir_all(&folder);
                std::fs::create_dir_all(&folder).expect("a folder");
                folder
            };
            volumes.insert(name.to_owned(), folder);
        }
        Self {
            volumes,
            name: "the-pod-x7k2p".to_owned(),
            spec,
        }
    }

    /// A container of the pod.
    pub(super) fn container(&self, name: &str) -> &Value {
        let lists = ["initContainers", "containers"].into_iter();
        let mut all = lists
            .filter_map(|list| self.spec[list].as_array())
            .flatten();
        all.find(|container| container["name"] == name)
            .unwrap_or_else(|| panic!("no container {name}"))
    }

    /// Where a path that a container sees is on this machine, if it is below one of its mounts.
    pub(super) fn path(&self, container: &Value, path: &str) -> PathBuf {
        let here = on_this_machine(path, &self.mounts(container));
        assert_ne!(here, path, "no mount of the container holds {path}");
        here.into()
    }

    /// Runs a container to its end, and it succeeds.
    pub(super) fn runs(&self, name: &str) {
        self.runs_container(self.container(name));
    }

    /// As [`Self::runs`], for a container that stands elsewhere in the manifest.
    pub(super) fn runs_container(&self, container: &Value) {
        let image = container["image"].as_str().expect("an image");
        let mut words = self.words(container, "command");
        words.extend(self.words(container, "args"));
        if image.contains("/presigned-url-operator:") {
            if words[0] == IN_IMAGE {
                words.remove(0);
            } else {
                assert!(container.get("command").is_none(), "{container}");
            }
            words.insert(0, OPERATOR.to_owned());
        } else {
            let known = USUAL.iter().any(|usual| image.starts_with(usual));
            assert!(known, "{image} is no program of this machine");
        }
        let arguments: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let mut command = program(&words[0], &arguments, Path::new("/"));
        for (name, value) in self.variables(container) {
            command.env(name, value);
        }
        let output = command.output().expect("the program starts");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{words:?}: {said}");
        assert!(!said.contains("X-Amz-"), "a query in: {said}");
    }

    /// The words of a list of the container, as Kubernetes and the mounts have them.
    fn words(&self, container: &Value, list: &str) -> Vec<String> {
        let words = container[list].as_array().into_iter().flatten();
        let mounts = self.mounts(container);
        words
            .map(|word| {
                let mut word = word.as_str().expect("a word").to_owned();
                for (name, value) in self.variables(container) {
                    word = word.replace(&format!("$({name})"), &value);
                }
                on_this_machine(&word, &mounts)
            })
            .collect()
    }

    fn variables(&self, container: &Value) -> Vec<(String, String)> {
        let all = container["env"].as_array().into_iter().flatten();
        all.map(|variable| {
            let name = variable["name"].as_str().expect("a name").to_owned();
            let value = variable["value"].as_str().unwrap_or_else(|| {
                let field = &variable["valueFrom"]["fieldRef"]["fieldPath"];
                assert_eq!(field, "metadata.name", "{variable}");
                &self.name
            });
            (name, value.to_owned())
        })
        .collect()
    }

    /// The mounts of a container: each path, and the folder that is there.
    fn mounts(&self, container: &Value) -> Vec<(String, PathBuf)> {
        let own = container["volumeMounts"].as_array().into_iter().flatten();
        // Those of a container set are in each of its containers.
        let all = self.spec["volumeMounts"].as_array().into_iter().flatten();
        let mounts = own.chain(all);
        mounts
            .map(|mount| {
                let volume = mount["name"].as_str().expect("a volume");
                let path = mount["mountPath"].as_str().expect("a path");
                (path.to_owned(), self.volumes[volume].clone())
            })
            .collect()
    }
}

/// A text with folders of this machine for the paths of mounts, wherever one stands as a path of its own.
fn on_this_machine(text: &str, mounts: &[(String, PathBuf)]) -> String {
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut out = String::new();
    let (mut rest, mut begins) = (text, true);
    while let Some(c) = rest.chars().next() {
        let is_here = |path: &str| {
            let after = rest.strip_prefix(path);
            after.is_some_and(|after| !after.starts_with(in_name))
        };
        let found = mounts.iter().filter(|(path, _)| begins && is_here(path));
        if let Some((path, folder)) = found.max_by_key(|(path, _)| path.len()) {
            out.push_str(folder.to_str().expect("UTF-8"));
            rest = &rest[path.len()..];
            begins = false;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            begins = !in_name(c) && c != '/';
        }
    }
    out
}

#[test]
fn paths_of_mounts_are_replaced_and_others_are_not() {
    let mounts = [
        ("/tmp".to_owned(), "/tmp/a".into()),
        ("/in".to_owned(), "/tmp/b".into()),
    ];
    for (text, wanted) in [
        ("cp /in/x /tmp/y", "cp /tmp/b/x /tmp/a/y"),
        ("file=@/tmp/y", "file=@/tmp/a/y"),
        ("/in", "/tmp/b"),
        ("/input /usr/in /in.d", "/input /usr/in /in.d"),
    ] {
        assert_eq!(on_this_machine(text, &mounts), wanted);
    }
}
