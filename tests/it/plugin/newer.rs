//! What a newer operator wrote, and a watch that nobody reads any more: on an API server that says just that.

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use super::fake_api::{FakeApi, ready};
use super::{plugin, row, start};
use crate::support::LONG;

#[tokio::test]
async fn an_object_of_a_newer_operator_hides_no_other_and_shows_what_can_be_read() {
    let newer = ready(
        "newer",
        &json!({ "limitedBy": "Moon", "revision": 7, "secretRef": { "name": "its-secret" } }),
    );
    let strange = json!([{ "type": "Ready", "status": "Perhaps" }]);
    let api = FakeApi::with(vec![
        ready("plain", &json!({})),
        newer.clone(),
        ready("strange", &json!({ "conditions": strange })),
    ]);
    let config = api.kubeconfig();
    let runs = async |arguments: &[&str]| {
        plugin("", &[&["--kubeconfig", &config], arguments].concat()).await
    };
    let told = runs(&["status", "-o", "wide"]).await;
    let table = told.fine();
    for name in ["plain", "newer"] {
        assert_eq!(row(table, name)[1..3], ["True", "Issued"], "{table}");
    }
    assert!(row(table, "newer").contains(&"its-secret"), "{table}");
    assert_eq!(
        row(table, "strange")[1..3],
        ["Unknown", "Unread"],
        "{table}"
    );
    for (name, field) in [
        ("newer", "status.limitedBy \"Moon\""),
        ("strange", "status.conditions"),
    ] {
        let why = table
            .lines()
            .find(|line| line.starts_with(&format!("{name}: ")));
        let why = why.unwrap_or_else(|| panic!("nothing of {name} in {table}"));
        assert!(why.contains(field), "{why}");
        assert!(
            why.contains("install the plugin of the operator's version"),
            "{why}"
        );
    }
    assert!(!table.contains("plain: "), "{table}");

    let page = runs(&["status", "newer"]).await;
    assert!(page.fine().contains("team-a/newer  Ready"), "{}", page.out);
    assert!(page.fine().contains("revision 7"), "{}", page.out);
    assert!(
        page.fine().contains("status.limitedBy \"Moon\""),
        "{}",
        page.out
    );
    let page = runs(&["status", "strange"]).await;
    assert_eq!(
        page.fine().matches("status.conditions").count(),
        1,
        "{}",
        page.out
    );
    // A program reads what the cluster has.
    let list = runs(&["status", "-o", "json"]).await.json();
    assert_eq!(list["items"][1]["status"], newer["status"]);
    let said = runs(&["explain", "strange"]).await;
    assert!(
        said.fine().contains("a newer operator wrote"),
        "{}",
        said.out
    );
}

#[tokio::test]
async fn a_watch_ends_with_its_reader_even_if_nothing_changes() {
    let api = FakeApi::with(vec![ready("model", &json!({}))]);
    let mut child = start(&["--kubeconfig", &api.kubeconfig(), "status", "--watch"]);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let head = lines.next_line().await.expect("UTF-8").expect("a line");
    assert!(head.starts_with("NAME"), "{head}");
    drop(lines);
    let ended = timeout(LONG, child.wait_with_output()).await;
    let ended = ended.expect("it goes on").expect("an end");
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(ended.stderr, b"", "{ended:?}");
}
