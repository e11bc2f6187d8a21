//! How the operator lists: streamed where the API server streams lists, in pages where it does not.

use presigned_testkit::fault_proxy::{Match, Verb};
use presigned_testkit::{ControlPlane, FaultProxy, S3Server};
use serde_json::json;

use crate::own_cluster::install;
use crate::support::{Setup, World};

/// Runs an operator over a cluster that has resources already, and returns how many pages of lists it asked
/// for.
async fn pages(short: &str, plane: Option<&'static ControlPlane>) -> usize {
    let s3 = S3Server::s3s_fs().unwrap();
    let setup = Setup {
        plane,
        ..Setup::default()
    };
    let world = World::with(short, setup).await;
    world.furnish(&s3).await;
    for name in ["one", "two"] {
        world.psu(name, &json!({})).await;
    }
    let proxy = FaultProxy::start(world.plane.api()).unwrap();
    let operator = world.operator_behind(&proxy, &[]).await;
    for name in ["one", "two"] {
        world.ready(name).await;
    }
    // What comes after the list comes by the same way.
    world.psu("three", &json!({})).await;
    world.ready("three").await;
    world.rolled_out(3).await;
    operator.idle().await;
    operator.kill();
    proxy.forget_requests();
    // A restart knows everything by its lists alone.
    let operator = world.operator_behind(&proxy, &[]).await;
    operator.idle().await;
    assert_eq!(world.writes(&proxy), [], "all was listed");
    let watches = proxy.count(&Match::all().verb(Verb::Watch));
    assert!(watches >= 6, "every kind is watched: {watches}");
    let pages = proxy.count(&Match::all().verb(Verb::List));
    world.finish().await;
    operator.kill();
    pages
}

#[tokio::test]
async fn an_api_server_that_streams_lists_is_asked_for_no_page() {
    assert_eq!(pages("streams", None).await, 0);
}

#[tokio::test]
async fn an_api_server_that_streams_no_lists_is_asked_for_pages() {
    let plane = ControlPlane::start_with(&["--feature-gates=WatchList=false"]);
    // It lives as long as the process, as the shared one does.
    let plane: &'static ControlPlane = Box::leak(Box::new(plane.await.unwrap()));
    install(plane).await;
    assert_eq!(pages("pages", Some(plane)).await, 6, "one of each kind");
}
