//! The plugin as kubectl finds, runs and completes it.

use serde_json::json;

use crate::consumers::{programs, shell};
use crate::support::World;

#[tokio::test]
async fn kubectl_finds_the_plugin_on_the_path_and_passes_on_its_words_and_its_code() {
    let world = World::new("kubectl").await;
    world.psu("model", &json!({ "key": "a b" })).await;
    let programs = programs(&world).await;
    let tenant = world.tenant.as_str();
    let found = shell(&world, &programs, &[], "kubectl plugin list").await;
    assert!(found.contains("/kubectl-presigned"), "{found}");
    let table = shell(
        &world,
        &programs,
        &[],
        &format!("kubectl presigned status -n {tenant}"),
    )
    .await;
    assert!(table.contains("s3://data/a b"), "{table}");
    let code = format!(
        "code=0; kubectl presigned status nobody -n {tenant} 2>/dev/null || code=$?; echo $code"
    );
    assert_eq!(shell(&world, &programs, &[], &code).await, "1\n");
    world.finish().await;
}

#[tokio::test]
async fn kubectl_completes_the_plugin_by_its_program() {
    let world = World::new("complete").await;
    world.psu("model", &json!({})).await;
    let programs = programs(&world).await;
    // The commands of the docs, with another folder.
    let page = include_str!("../../../docs/plugin.md");
    let install = crate::consumers::script(page, "completion kubectl");
    let install = install.replace("~/.local/bin", programs.to_str().unwrap());
    shell(&world, &programs, &[], &install).await;
    for (words, wanted) in [
        ("presigned stat", "status\tShow what was issued"),
        ("presigned status --all", "--all-namespaces\tAll namespaces"),
        (
            "presigned sign s3://a/b --method PO",
            "POST\tUpload by a form",
        ),
        ("presigned status -o ''", "yaml"),
        (&format!("presigned -n {} get mod", world.tenant), "model\n"),
    ] {
        let said = shell(
            &world,
            &programs,
            &[],
            &format!("kubectl __complete {words} 2>/dev/null"),
        )
        .await;
        assert!(said.contains(wanted), "{words}: {said}");
        assert!(said.ends_with(":4\n"), "{words}: {said}");
    }
    let said = shell(
        &world,
        &programs,
        &[],
        "kubectl __complete presigned check -f '' 2>/dev/null",
    )
    .await;
    assert_eq!(said, ":0\n");
    world.finish().await;
}
