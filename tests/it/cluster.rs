//! The control plane that the tests of this binary share, with the CRDs installed.

use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::Condition as _;
use kube::{Api, Client, ResourceExt as _};
use presigned_testkit::ControlPlane;
use presigned_testkit::control_plane::FIELD_MANAGER;
use tokio::sync::OnceCell;

/// A busy machine takes long; nothing waits this long when all is well.
const PATIENCE: Duration = Duration::from_mins(1);

/// The control plane, after every CRD was accepted and is served.
pub(crate) async fn cluster() -> &'static ControlPlane {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let control_plane = ControlPlane::shared().await.expect("a control plane");
    let client = control_plane.admin().expect("a client");
    INSTALLED.get_or_init(|| install(client)).await;
    control_plane
}

/// Installs the CRDs as an admin does, and waits until they are served.
pub(crate) async fn install(client: Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let apply = PatchParams::apply(FIELD_MANAGER).force();
    for crd in presigned_core::api::crds() {
        api.patch(&crd.name_any(), &apply, &Patch::Apply(&crd))
            .await
            .expect("the server takes the CRD");
    }
    for crd in presigned_core::api::crds() {
        let name = crd.name_any();
        let resource = of(&crd);
        let objects: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        eventually(&format!("{name} is served"), async || {
            let found = api.get_opt(&name).await.expect("read the CRD");
            // The server has yet to open the storage, and answers 429 until then.
            is_crd_established().matches_object(found.as_ref())
                && objects.list(&ListParams::default()).await.is_ok()
        })
        .await;
    }
}

/// The resource that a CRD defines.
fn of(crd: &CustomResourceDefinition) -> ApiResource {
    let spec = &crd.spec;
    let version = spec.versions[0].name.clone();
    ApiResource {
        api_version: format!("{}/{version}", spec.group),
        group: spec.group.clone(),
        version,
        kind: spec.names.kind.clone(),
        plural: spec.names.plural.clone(),
    }
}

/// Asks `holds` until it says yes.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
