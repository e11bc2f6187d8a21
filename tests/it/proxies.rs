//! Proxies of the operator's environment: a real one (tinyproxy) between it and everything that it talks to.
//!
//! Loopback addresses are never reached through a proxy. 0.0.0.0 is none, and a connection to it ends on
//! loopback.

use presigned_testkit::S3Server;
use presigned_testkit::aws::{Role, StsServer, Trust};
use presigned_testkit::http_proxy::HttpProxy;
use presigned_testkit::s3::unreachable::Refusing;
use serde_json::{Value, json};

use crate::sessions::believe;
use crate::support::{World, http};

const ROLE: &str = "arn:aws:iam::111122223333:role/signer";
const USER: &str = "operator";
const PASSWORD: &str = "password-of-the-proxy";
/// `operator:password-of-the-proxy`
const BASIC: &str = "b3BlcmF0b3I6cGFzc3dvcmQtb2YtdGhlLXByb3h5";

/// The same server by an address that is not loopback's.
fn far(url: &str) -> String {
    url.replace("127.0.0.1", "0.0.0.0")
}

fn at(endpoint: &str) -> Value {
    json!({ "endpoint": far(endpoint) })
}

/// A kubeconfig whose API server is far away; the flag that names it.
async fn far_kubeconfig(world: &World, more: &Value) -> String {
    let account = world.account().await;
    let mut cluster = json!({ "server": far(account.server()), "tls-server-name": "127.0.0.1" });
    for (name, value) in more.as_object().unwrap() {
        cluster[name] = value.clone();
    }
    let path = world.folder.join("kubeconfig-far");
    account.write_with(&path, &cluster).unwrap();
    format!("--kubeconfig={}", path.display())
}

#[tokio::test]
async fn stores_sts_and_the_api_server_are_reached_through_the_proxies_of_the_environment() {
    let (s3, tls) = (S3Server::s3s_fs().unwrap(), S3Server::s3s_fs_tls().unwrap());
    believe(&s3);
    s3.put_object("data", "plain", "plain").unwrap();
    tls.put_object("data", "in/secure", "secure").unwrap();
    let sts = StsServer::start().unwrap();
    let trust = Trust::Key {
        access_key_id: "AKIABASE000000000001".to_owned(),
        external_id: None,
    };
    sts.role(
        ROLE,
        Role {
            trust,
            max_session: 3600,
        },
    );
    let proxy = HttpProxy::start(USER, PASSWORD).await.unwrap();
    let world = World::on("proxied", &s3).await;
    world.secrets_seen.keep(PASSWORD);
    world.secrets_seen.keep(BASIC);
    world.allow_all(&json!({})).await;
    world
        .credentials("AKIABASE000000000001", "base-secret")
        .await;
    let role = json!({
        "roleARN": ROLE, "stsEndpoint": far(&sts.endpoint()), "sourceSecretRef": { "name": "credentials" },
    });
    let assumed = json!({
        "endpoint": far(&s3.endpoint), "credentials": { "secretRef": null, "assumeRole": role },
    });
    world.store(&s3, &assumed).await;
    let keys = json!({ "accessKeyID": tls.access_key, "secretAccessKey": tls.secret_key });
    world.credentials_named("tls", &keys).await;
    let secure = json!({
        "endpoint": far(&tls.endpoint), "caBundle": tls.ca_pem,
        "credentials": { "secretRef": { "name": "tls" } },
    });
    let secure = world.another_store(&tls, "secure", &secure).await;

    let url = format!("http://{USER}:{PASSWORD}@{}", proxy.address());
    let (https, http_proxy) = (format!("HTTPS_PROXY={url}"), format!("http_proxy={url}"));
    let kubeconfig = far_kubeconfig(&world, &json!({})).await;
    let environment = [
        https.as_str(),
        &http_proxy,
        "--unset=NO_PROXY",
        "--unset=no_proxy",
    ];
    let environment = [&environment[2..], &environment[..2]].concat();
    let mut operator = world.launch(None, &environment, &[&kubeconfig]).await;
    operator.ready().await;

    world.psu("plain", &json!({})).await;
    world.verified("plain", "True", "Verified").await;
    let fetched = http("GET", &world.value("plain", "url").await, "", &[]).await;
    assert_eq!(fetched.text(), "plain");
    let listed = json!({
        "key": null, "prefix": "in/", "formats": ["urls.txt"], "storeRef": { "name": secure },
    });
    world.psu("listed", &listed).await;
    world.verified("listed", "True", "Verified").await;

    let requests = proxy.requests().unwrap();
    let passed = |begin: String| requests.iter().any(|one| one.starts_with(&begin));
    let authority = |url: &str| url.split_once("://").unwrap().1.to_owned();
    for tunnel in [world.plane.api().url.clone(), tls.endpoint.clone()] {
        let tunnel = format!("CONNECT {} ", authority(&far(&tunnel)));
        assert!(passed(tunnel.clone()), "{tunnel}: {requests:#?}");
    }
    for plain in [
        format!("GET {}/data/plain?", far(&s3.endpoint)),
        format!("POST {}/", far(&sts.endpoint())),
    ] {
        assert!(passed(plain.clone()), "{plain}: {requests:#?}");
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_gone_is_told_and_no_proxy_goes_around_it() {
    let (s3, tls) = (S3Server::s3s_fs().unwrap(), S3Server::s3s_fs_tls().unwrap());
    let other = S3Server::s3s_fs().unwrap();
    for server in [&s3, &tls, &other] {
        server.put_object("data", "there", "x").unwrap();
    }
    let proxy = HttpProxy::start(USER, PASSWORD).await.unwrap();
    let gone = Refusing::new().unwrap();
    let world = World::on("noproxy", &s3).await;
    world.secrets_seen.keep("not-the-password");
    world.allow_all(&json!({})).await;
    let secure = json!({ "endpoint": far(&tls.endpoint), "caBundle": tls.ca_pem });
    for (name, store) in [
        ("near", json!({ "endpoint": s3.endpoint })),
        ("around", at(&s3.endpoint)),
        ("gone", at(&other.endpoint)),
        ("refused", secure),
    ] {
        let store = world.another_store(&s3, name, &store).await;
        let spec = json!({ "key": "there", "storeRef": { "name": store } });
        world.psu(name, &spec).await;
    }
    let https = format!(
        "HTTPS_PROXY=http://{USER}:not-the-password@{}",
        proxy.address()
    );
    let http_proxy = format!("HTTP_PROXY={}", gone.endpoint);
    let no_proxy = format!("NO_PROXY=example.com,0.0.0.0:{}", s3.port());
    // The API server is on loopback, so that no proxy is asked for it.
    let environment = [https.as_str(), &http_proxy, &no_proxy];
    let mut operator = world.launch(None, &environment, &[]).await;
    operator.ready().await;

    world.verified("near", "True", "Verified").await;
    world.verified("around", "True", "Verified").await;
    for (name, words) in [
        (
            "gone",
            "cannot reach the proxy that its environment names for http://0.0.0.0:",
        ),
        (
            "refused",
            "asks for credentials, or does not take those that it got",
        ),
    ] {
        let told = world.verified(name, "Unknown", "ConnectionFailed").await;
        assert!(told.contains(words), "{name}: {told}");
    }
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn the_proxy_of_a_kubeconfig_is_used_for_the_api_server_alone() {
    let s3 = S3Server::s3s_fs().unwrap();
    s3.put_object("data", "there", "x").unwrap();
    let proxy = HttpProxy::start(USER, PASSWORD).await.unwrap();
    let world = World::on("proxyurl", &s3).await;
    world.secrets_seen.keep(PASSWORD);
    world.secrets_seen.keep(BASIC);
    world.store(&s3, &at(&s3.endpoint)).await;
    let url = format!("http://{USER}:{PASSWORD}@{}", proxy.address());
    let kubeconfig = far_kubeconfig(&world, &json!({ "proxy-url": url })).await;
    let mut operator = world.launch(None, &[], &[&kubeconfig]).await;
    operator.ready().await;
    world.psu("there", &json!({})).await;
    world.verified("there", "True", "Verified").await;
    let requests = proxy.requests().unwrap();
    assert!(!requests.is_empty());
    let tunnels = |request: &String| request.starts_with("CONNECT ");
    assert!(requests.iter().all(tunnels), "{requests:#?}");
    world.finish().await;
    operator.kill();
}
