//! Whether the chart's admission policy is seen.

use serde_json::{Value, json};

use super::super::fence::Fence;
use super::{Mock, failed};

fn refused(message: &str) -> (u16, Value) {
    let (code, mut status) = failed(403, "Forbidden");
    status["message"] = message.into();
    (code, status)
}

#[tokio::test]
async fn only_the_policys_own_refusal_shows_it() {
    let ours = "secrets \"x\" is forbidden: ValidatingAdmissionPolicy 'psu-secrets' with binding 'psu-secrets' denied \
                request: the operator may only write a Secret with a PresignedURL as its controller";
    let mock = Mock::answering([
        (404, failed(404, "NotFound").1),
        refused(ours),
        (
            201,
            json!({ "kind": "PartialObjectMetadata", "metadata": { "name": "x" } }),
        ),
        refused("secrets is forbidden: User \"x\" cannot create resource \"secrets\""),
        failed(500, "Down"),
    ]);
    let two = ["gone".to_owned(), "team-a".to_owned()];
    assert_eq!(mock.cluster.fence(&two).await, Fence::Holds);
    let one = ["team-a".to_owned()];
    for words in [
        "a Secret without an owner was let through",
        "for another reason",
        "cannot be tried in the namespace team-a",
    ] {
        let Fence::NotSeen(why) = mock.cluster.fence(&one).await else {
            panic!("it was not seen: {words}");
        };
        assert!(why.contains(words), "{words:?} is missing: {why}");
    }
    let asked = mock.asked().await;
    assert_eq!(asked[0].uri, "/api/v1/namespaces/gone/secrets?dryRun=All");
    assert_eq!(asked[1].uri, "/api/v1/namespaces/team-a/secrets?dryRun=All");
    assert_eq!(asked[1].body["metadata"]["ownerReferences"], Value::Null);
}

#[test]
fn the_policy_says_what_it_is_known_by() {
    let chart =
        include_str!("../../../charts/presigned-url-operator/templates/admission-policy.yaml");
    let sentence = format!("message: \"the operator {}\"", super::super::fence::REFUSAL);
    assert!(chart.contains(&sentence), "{sentence}");
}
