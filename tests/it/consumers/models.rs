//! A model in an init container: `fetch` makes what the model server beside it opens.
//!
//! What holds here: no model server runs. Its arguments say which file or folder it opens; that is looked at.

use serde_json::Value;

use super::Scene;
use super::pod::Pod;
use crate::support::{files_below, http};

/// A GGUF file without tensors: its magic, version 3, no tensors, no metadata.
fn gguf() -> Vec<u8> {
    let head = [&b"GGUF"[..], &3_u32.to_le_bytes()].concat();
    [head, vec![0; 16]].concat()
}

/// The words that a container of the server is started with.
fn arguments(container: &Value) -> Vec<&str> {
    let words = container["args"].as_array().expect("arguments");
    words.iter().filter_map(Value::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn llama_cpp_finds_its_model_where_its_arguments_say() {
    let scene = Scene::new("llamacpp").await;
    scene.put("public/llama/llama.Q4_K_M.gguf", gguf());
    let pod = Pod::of(&scene.world, &scene.issued("models/llama-cpp.yaml").await).await;
    pod.runs("fetch");
    let server = pod.container("server");
    let words = arguments(server);
    let at = words.iter().position(|word| *word == "--model");
    let model = pod.path(server, words[at.expect("--model") + 1]);
    assert_eq!(std::fs::read(model).unwrap(), gguf());

    // Why not --model-url: llama.cpp sends a HEAD first, and ends if that is refused. A GET's URL is none for it.
    let url = scene.world.value("llama-weights", "url").await;
    scene.strict.forget_refusals();
    assert_eq!(http("HEAD", &url, "", b"").await.status, 403);
    assert_eq!(scene.strict.refusals()[0].code, "SignatureDoesNotMatch");
    scene.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vllm_finds_a_folder_with_all_objects_of_its_model() {
    let scene = Scene::new("vllm").await;
    let objects = [
        ("config.json", "{}"),
        ("model-00001-of-00002.safetensors", "w1"),
        ("model-00002-of-00002.safetensors", "w2"),
        ("tokenizer/tokenizer.json", "[]"),
    ];
    for (name, body) in objects {
        scene.put(&format!("public/qwen/{name}"), body);
    }
    let pod = Pod::of(&scene.world, &scene.issued("models/vllm.yaml").await).await;
    pod.runs("fetch");
    let server = pod.container("server");
    let model = pod.path(server, arguments(server)[0]);
    let found = files_below(&model);
    let wanted = objects.map(|(name, body)| (name.to_owned(), body.as_bytes().to_vec()));
    assert_eq!(found, wanted.into());
    scene.finish().await;
}
