//! `presigned://`, and KServe's contract for a storage container: its command, and then the storageUri and the
//! folder of the model as arguments.
//!
//! What holds here: the examples in `examples/kserve` are what is tested; only names of namespaces differ.
//! The container's account has the rights of the example and no others.

use std::path::Path;

use presigned_testkit::S3Server;
use presigned_testkit::control_plane::documents;
use serde_json::{Value, json};

use super::stage::{Stage, left};
use crate::support::{World, condition, program, run};

fn example(name: &str, tenant: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/kserve")
        .join(name);
    let text = std::fs::read_to_string(file)
        .unwrap()
        .replace("team-a", tenant);
    let all = documents(&text).unwrap().into_iter();
    all.map(|object| serde_json::to_value(object).unwrap())
        .collect()
}

/// Runs the storage container as KServe does.
fn container(uri: &str, dest: &Path, kubeconfig: &Path) -> (i32, String) {
    let spec = &example("cluster-storage-container.yaml", "team-a")[0]["spec"];
    let prefix = spec["supportedUriFormats"][0]["prefix"].as_str().unwrap();
    assert!(uri.starts_with(prefix), "{uri}");
    // A list that the container names itself would replace KServe's.
    assert!(spec["container"].get("args").is_none());
    let command = spec["container"]["command"].as_array().unwrap();
    let mut words = command.iter().map(|word| word.as_str().unwrap());
    // Where the Containerfile puts the program.
    assert_eq!(words.next(), Some("/usr/local/bin/presigned-url-operator"));
    let dest = dest.to_str().unwrap();
    let arguments: Vec<&str> = words.chain([uri, dest]).collect();
    let output = program(super::stage::PROGRAM, &arguments, Path::new("/"))
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains("X-Amz-"), "a query in: {said}");
    (output.status.code().unwrap_or(-1), said)
}

/// The account of the models may read all URLs of the tenant.
async fn may_read_all(world: &World) {
    let rules = json!([
        { "apiGroups": ["presigned.dev"], "resources": ["presignedurls"], "verbs": ["get"] },
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] },
    ]);
    let metadata = json!({ "name": "read-all", "namespace": world.tenant });
    let api_version = "rbac.authorization.k8s.io/v1";
    let role =
        json!({ "apiVersion": api_version, "kind": "Role", "metadata": metadata, "rules": rules });
    let subjects =
        json!([{ "kind": "ServiceAccount", "name": "models", "namespace": world.tenant }]);
    let of = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read-all" });
    let binding = json!({ "apiVersion": api_version, "kind": "RoleBinding", "metadata": metadata,
        "roleRef": of, "subjects": subjects });
    world.apply(role).await;
    world.apply(binding).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kserves_storage_container_fetches_a_model_by_the_account_of_its_pod() {
    let (s3, stage) = (S3Server::s3s_fs().unwrap(), Stage::new());
    let world = World::on("kserve", &s3).await;
    world.allow_all(&json!({})).await;
    let operator = world.operator(&[]).await;
    for (key, text) in [("config.json", "{}"), ("weights/0.bin", "w0")] {
        s3.put_object("data", &format!("public/llama/{key}"), text)
            .unwrap();
    }
    for object in example("model.yaml", &world.tenant) {
        match object["kind"].as_str().unwrap() {
            // World's own store and policy stand for the cluster admin's.
            "PresignedURLPolicy" => {}
            "PresignedURL" => {
                let mut spec = object["spec"].clone();
                spec["bucket"] = "data".into();
                spec["key"] = Value::Null;
                world
                    .psu(object["metadata"]["name"].as_str().unwrap(), &spec)
                    .await;
            }
            _ => world.apply(object).await,
        }
    }
    world.ready("llama").await;
    let service = &example("inference-service.yaml", &world.tenant)[0]["spec"]["predictor"];
    let account = service["serviceAccountName"].as_str().unwrap();
    let account = world
        .plane
        .service_account(&world.tenant, account)
        .await
        .unwrap();
    let kubeconfig = world.folder.join("models-kubeconfig");
    account.write(&kubeconfig).unwrap();

    // KServe's folder is there before, as a volume's mount is.
    let models = stage.empty("models");
    let uri = service["model"]["storageUri"].as_str().unwrap();
    let (code, said) = container(uri, &models, &kubeconfig);
    assert_eq!(code, 0, "{said}");
    let found = left(&models);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        ["config.json", "weights/0.bin"]
    );

    // One object, and all of them by their keys.
    let base = format!("presigned://{}/llama", world.tenant);
    let one = stage.empty("models");
    let (code, said) = container(
        &format!("{base}/public/llama/weights/0.bin"),
        &one,
        &kubeconfig,
    );
    assert_eq!(code, 0, "{said}");
    assert_eq!(left(&one)["0.bin"], b"w0");
    let all = stage.empty("models");
    let (code, said) = container(&base, &all, &kubeconfig);
    assert_eq!(code, 0, "{said}");
    assert!(left(&all).contains_key("public/llama/config.json"));

    // What the account may not read says which right is missing; what is not there says so.
    world
        .psu("other", &json!({ "key": "public/llama/config.json" }))
        .await;
    world.ready("other").await;
    let other = format!("presigned://{}/other", world.tenant);
    let none = stage.empty("models");
    let (code, said) = container(&other, &none, &kubeconfig);
    assert!(
        code == 4 && said.contains("bind a Role with the verb get"),
        "{code}: {said}"
    );
    assert!(left(&none).is_empty());
    may_read_all(&world).await;
    let config = kubeconfig.to_str().unwrap();
    let fetch = async |source: String| {
        let arguments = [
            "fetch",
            &source,
            none.to_str().unwrap(),
            "--kubeconfig",
            config,
            "--quiet",
        ];
        run(super::stage::PROGRAM, &arguments, Path::new("/")).await
    };
    let (code, said) = fetch(format!("presigned://{}/nobody", world.tenant)).await;
    assert!(
        code == 3 && said.contains("kubectl get psu"),
        "{code}: {said}"
    );
    // One without a Secret says why.
    world.psu("denied", &json!({ "bucket": "forbidden" })).await;
    let is_denied =
        |psu: &_| condition(psu, "Ready").is_some_and(|ready| ready.reason == "PolicyDenied");
    world.until("denied", "is denied", is_denied).await;
    let (code, said) = fetch(format!("presigned://{}/denied", world.tenant)).await;
    assert!(
        code == 3 && said.contains("has no Secret (PolicyDenied"),
        "{code}: {said}"
    );
    world.finish().await;
    operator.kill();
}
