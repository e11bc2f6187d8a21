//! `kubectl presigned` on a real API server, with the rights of the people who run it.
//!
//! What holds here: a person has Kubernetes' own role view or edit, to which the chart's roles are added, and
//! no other. Whatever a command says, only `get` and `create` may say a URL, and only on stdout.

pub(crate) mod alone;
mod asking;
mod checking;
mod completing;
mod cors;
mod fake_api;
mod formats;
mod iam_policy;
mod kubectl;
mod leaked;
mod least_rights;
mod newer;
mod processes;
mod reading;
mod sign;
mod signers;
mod terminal;

use std::path::PathBuf;
use std::process::Stdio;

use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use presigned_testkit::FaultProxy;
use presigned_testkit::control_plane::apply_yaml;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::support::{LONG, SecretWatcher, World, eventually, leaks, roles};

/// Somebody with a kubeconfig.
pub(crate) struct Person {
    kubeconfig: PathBuf,
    namespace: String,
    /// The signatures that were seen until now are asked of this.
    secrets: SecretWatcher,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Stdout of a command that ended well.
    pub(crate) fn fine(&self) -> &str {
        assert_eq!(self.code, 0, "{self:#?}");
        &self.out
    }

    /// The message of a command that ended with this code, and printed nothing else.
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:#?}");
        assert!(self.err.starts_with("error: "), "{self:#?}");
        &self.err
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.fine()).expect("JSON")
    }
}

impl Person {
    /// The cluster's admin.
    pub(crate) fn admin(world: &World) -> Self {
        Self {
            kubeconfig: world.plane.kubeconfig().to_owned(),
            namespace: world.tenant.clone(),
            secrets: world.secrets_seen.clone(),
        }
    }

    /// Who has the role view in the tenant's namespace.
    pub(crate) async fn viewer(world: &World) -> Self {
        Self::with(world, "viewer", "view", None).await
    }

    /// The same, behind a proxy.
    pub(crate) async fn viewer_behind(world: &World, proxy: &FaultProxy) -> Self {
        Self::with(world, "viewer-behind", "view", Some(proxy)).await
    }

    /// Who has the role edit in the tenant's namespace.
    pub(crate) async fn editor(world: &World) -> Self {
        Self::with(world, "editor", "edit", None).await
    }

    /// The same, behind a proxy.
    pub(crate) async fn editor_behind(world: &World, proxy: &FaultProxy) -> Self {
        Self::with(world, "editor-behind", "edit", Some(proxy)).await
    }

    /// An account that has one of Kubernetes' own roles in the tenant's namespace.
    async fn with(world: &World, name: &str, role: &str, proxy: Option<&FaultProxy>) -> Self {
        roles_for_people(world).await;
        let meta = json!({ "name": name, "namespace": world.tenant });
        let group = "rbac.authorization.k8s.io";
        for object in [
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta }),
            json!({ "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": meta,
                "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": role },
                "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": world.tenant }] }),
        ] {
            world.apply(object).await;
        }
        let account = world.plane.service_account(&world.tenant, name).await;
        let kubeconfig = world.folder.join(format!("kubeconfig-{name}"));
        let account = account.expect("a token");
        match proxy {
            Some(proxy) => proxy.write_kubeconfig(&account, &kubeconfig),
            None => account.write(&kubeconfig),
        }
        .expect("write");
        Self {
            kubeconfig,
            ..Self::admin(world)
        }
    }

    /// Runs a command in the tenant's namespace.
    pub(crate) async fn runs(&self, arguments: &[&str]) -> Ran {
        self.pipes("", arguments).await
    }

    /// Starts a command that runs on.
    pub(crate) fn watches(&self, arguments: &[&str]) -> Running {
        let mut child = self.starts(arguments);
        let out = child.stdout.take().expect("a pipe");
        Running {
            _child: child,
            lines: BufReader::new(out).lines(),
        }
    }

    /// Starts a command that a signal will end.
    pub(crate) fn starts(&self, arguments: &[&str]) -> Child {
        let config = self.kubeconfig.to_str().expect("UTF-8");
        start(&[&["--kubeconfig", config, "-n", &self.namespace], arguments].concat())
    }

    /// As [`Self::runs`], with text for stdin.
    pub(crate) async fn pipes(&self, stdin: &str, arguments: &[&str]) -> Ran {
        let mut all = vec!["--kubeconfig", self.kubeconfig.to_str().expect("UTF-8")];
        if !arguments.contains(&"-n") && !arguments.contains(&"-A") {
            all.extend(["-n", &self.namespace]);
        }
        all.extend(arguments);
        let ran = plugin(stdin, &all).await;
        let mut silent = vec![("stderr", &ran.err)];
        if !matches!(arguments.first(), Some(&("get" | "create"))) {
            silent.push(("stdout", &ran.out));
        }
        for (place, text) in silent {
            let told = leaks(text, &self.secrets.words());
            assert_eq!(told, Vec::<String>::new(), "{arguments:?} on {place}");
        }
        ran
    }
}

/// The chart's roles for people, which Kubernetes makes part of its own roles view and edit.
async fn roles_for_people(world: &World) {
    let yaml = roles(&world.folder).await.expect("render the chart");
    apply_yaml(&world.client, &yaml)
        .await
        .expect("apply the roles");
    let all: Api<ClusterRole> = Api::all(world.client.clone());
    for (role, verb) in [("view", "list"), ("edit", "create")] {
        eventually("the role has the rights of the chart", async || {
            let role = all.get(role).await.expect("the role");
            let rules = role.rules.unwrap_or_default();
            let has = |list: &Option<Vec<String>>, word: &str| {
                list.iter().flatten().any(|one| one == word)
            };
            let found = rules.iter().any(|rule| {
                has(&rule.api_groups, "presigned.dev")
                    && has(&rule.resources, "presignedurls")
                    && has(&Some(rule.verbs.clone()), verb)
            });
            if found { Ok(()) } else { Err(rules) }
        })
        .await;
    }
}

/// A command that runs on, and what it says.
pub(crate) struct Running {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    /// Reads on until a line says this: what was read.
    pub(crate) async fn says(&mut self, words: &str) -> Vec<String> {
        let mut seen = Vec::new();
        let found = async {
            while let Some(line) = self.lines.next_line().await.expect("UTF-8") {
                let found = line.contains(words);
                seen.push(line);
                if found {
                    return true;
                }
            }
            false
        };
        let found = timeout(LONG, found).await;
        assert_eq!(found, Ok(true), "{words}: {seen:#?}");
        seen
    }
}

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_kubectl-presigned"))
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the plugin starts")
}

/// The program alone: no environment, no home.
pub(crate) async fn plugin(stdin: &str, arguments: &[&str]) -> Ran {
    let mut child = start(arguments);
    let mut input = child.stdin.take().expect("a pipe");
    // A program that reads no stdin may be gone already.
    let _ = input.write_all(stdin.as_bytes()).await;
    drop(input);
    ended(child).await
}

/// How a command that runs ends.
pub(crate) async fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().await.expect("the plugin ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: output.status.code().expect("a code"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// The words of a table's row: of that whose first or second column is the name.
pub(crate) fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let rows = table.lines().map(|line| line.split("   ").map(str::trim));
    let mut rows = rows.map(|row| row.filter(|cell| !cell.is_empty()).collect::<Vec<_>>());
    rows.find(|row| row.iter().take(2).any(|cell| *cell == name))
        .unwrap_or_else(|| panic!("no row {name} in\n{table}"))
}
