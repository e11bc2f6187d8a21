//! The proxy passes everything on, but for what a rule says.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use http::StatusCode;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use presigned_testkit::fault_proxy::{Fault, Gate, Match, Verb};
use presigned_testkit::{ControlPlane, FaultProxy};

use crate::PATIENCE;

/// A proxy with a client through it, a namespace of the test's own and a client beside it.
struct Bench {
    proxy: FaultProxy,
    through: Api<ConfigMap>,
    beside: Api<ConfigMap>,
}

async fn bench(namespace: &str) -> Bench {
    let control_plane = ControlPlane::shared().await.expect("a control plane");
    let manifests = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n---\n\
         apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: user, namespace: {namespace}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
         metadata: {{name: user, namespace: {namespace}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}}\n\
         subjects: [{{kind: ServiceAccount, name: user, namespace: {namespace}}}]\n"
    );
    control_plane.apply_yaml(&manifests).await.expect("apply");
    let user = control_plane
        .service_account(namespace, "user")
        .await
        .expect("a service account");
    let proxy = FaultProxy::start(control_plane.api()).expect("a proxy");
    let client: Client = proxy.as_user(&user).client().expect("a client");
    let through: Api<ConfigMap> = Api::namespaced(client, namespace);
    crate::eventually("the binding is known", async || {
        through.list(&ListParams::default()).await.is_ok()
    })
    .await;
    proxy.forget_requests();
    let beside = Api::namespaced(control_plane.admin().expect("a client"), namespace);
    Bench {
        proxy,
        through,
        beside,
    }
}

fn map(name: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map
}

async fn create(api: &Api<ConfigMap>, name: &str) -> kube::Result<ConfigMap> {
    api.create(&PostParams::default(), &map(name)).await
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    }
}

#[tokio::test]
async fn requests_pass_with_the_users_rights_and_are_counted() {
    let Bench {
        proxy,
        through,
        beside,
    } = bench("proxy-passes").await;
    create(&through, "a").await.expect("create");
    through
        .delete("a", &DeleteParams::default())
        .await
        .expect("delete");
    assert!(beside.get_opt("a").await.expect("get").is_none());
    assert_eq!(proxy.count(&Match::writes()), 2);
    assert_eq!(
        proxy.count(&Match::resource("configmaps").verb(Verb::Create).name("a")),
        1
    );
    assert_eq!(proxy.count(&Match::resource("secrets")), 0);

    let foreign: Api<ConfigMap> = Api::namespaced(through.into_client(), "kube-system");
    let refused = foreign
        .list(&ListParams::default())
        .await
        .expect_err("another namespace");
    assert_eq!(code(&refused), 403);
}

#[tokio::test]
async fn a_status_rule_answers_instead_of_the_server_and_can_be_removed() {
    let Bench {
        proxy,
        through,
        beside,
    } = bench("proxy-status").await;
    let creates = Match::resource("configmaps").verb(Verb::Create);
    let rule = proxy.add(creates.clone(), Fault::too_many_requests(7));
    let error = create(&through, "a").await.expect_err("429");
    assert_eq!(code(&error), 429);
    assert!(beside.get_opt("a").await.expect("get").is_none());
    assert_eq!(proxy.fired(rule), 1);
    proxy.remove(rule);
    create(&through, "a").await.expect("create");

    proxy.add_times(
        creates,
        Fault::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        1,
    );
    assert_eq!(code(&create(&through, "b").await.expect_err("500")), 500);
    create(&through, "b").await.expect("create");
}

#[tokio::test]
async fn a_dropped_answer_leaves_the_write_done() {
    let Bench {
        proxy,
        through,
        beside,
    } = bench("proxy-drop").await;
    proxy.add(
        Match::resource("configmaps").verb(Verb::Create),
        Fault::ForwardThenDrop,
    );
    assert_eq!(
        code(&create(&through, "a").await.expect_err("no answer")),
        0
    );
    assert!(beside.get_opt("a").await.expect("get").is_some());
    assert_eq!(proxy.count(&Match::writes()), 1);
}

#[tokio::test]
async fn a_gate_holds_the_answer_until_it_is_released() {
    let Bench {
        proxy,
        through,
        beside,
    } = bench("proxy-gate").await;
    let gate = Gate::new();
    proxy.add(
        Match::resource("configmaps").name("held"),
        Fault::HoldAnswer(gate.clone()),
    );
    let held = tokio::spawn({
        let through = through.clone();
        async move { create(&through, "held").await }
    });
    gate.reached(1).await;
    assert!(beside.get_opt("held").await.expect("get").is_some());
    assert!(!held.is_finished());
    create(&through, "free").await.expect("another name passes");
    gate.release();
    held.await.expect("join").expect("create");
}

#[tokio::test]
async fn a_hanging_request_never_reaches_the_server() {
    let Bench {
        proxy,
        through,
        beside,
    } = bench("proxy-hang").await;
    let creates = Match::resource("configmaps").verb(Verb::Create);
    proxy.add(creates.clone(), Fault::Hang);
    let hanging = tokio::spawn(async move { create(&through, "a").await });
    assert!(proxy.wait_for(&creates, 1, PATIENCE).await);
    assert!(beside.get_opt("a").await.expect("get").is_none());
    assert!(!hanging.is_finished());
    hanging.abort();
}

#[tokio::test]
async fn watches_stream_are_cut_and_are_paused() {
    let Bench {
        proxy,
        through,
        beside,
    } = bench("proxy-watch").await;
    let maps = Match::resource("configmaps").verb(Verb::Watch);
    let version = beside
        .list(&ListParams::default())
        .await
        .expect("list")
        .metadata
        .resource_version;
    let version = version.expect("a version");
    let events = through
        .watch(&WatchParams::default(), &version)
        .await
        .expect("watch");
    let mut events = events.boxed();

    create(&beside, "a").await.expect("create");
    assert_eq!(added(events.try_next().await).as_deref(), Some("a"));

    proxy.pause_watches(maps.clone());
    create(&beside, "b").await.expect("create");
    // Absence can't be awaited: this is long against the milliseconds that an event takes.
    let silent = tokio::time::timeout(Duration::from_millis(500), events.try_next()).await;
    assert!(silent.is_err(), "a paused watch told {silent:?}");
    proxy.resume_watches();
    assert_eq!(added(events.try_next().await).as_deref(), Some("b"));

    assert_eq!(proxy.cut_watches(&maps), 1);
    let cut = events.try_next().await;
    assert!(!matches!(cut, Ok(Some(_))), "a cut watch told {cut:?}");
    assert_eq!(proxy.cut_watches(&maps), 0);
}

/// The name of an object that was added; other events give none.
fn added(event: kube::Result<Option<WatchEvent<ConfigMap>>>) -> Option<String> {
    match event {
        Ok(Some(WatchEvent::Added(map))) => map.metadata.name,
        _ => None,
    }
}
