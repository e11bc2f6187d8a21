//! Endpoints are read one way only, and buckets are addressed as the SDK addresses them.

use super::*;
use crate::api::{ContentLengthRange, PostOptions};
use EndpointError as E;

#[test]
fn an_endpoint_is_written_as_every_client_writes_it() {
    for (text, written) in [
        ("https://s3.example.com", "https://s3.example.com"),
        ("https://s3.example.com/", "https://s3.example.com"),
        ("HTTPS://S3.Example.COM:443/", "https://s3.example.com"),
        ("http://s3.example.com:80", "http://s3.example.com"),
        ("http://s3.example.com:443", "http://s3.example.com:443"),
        ("https://s3.example.com:80", "https://s3.example.com:80"),
        ("http://minio:9000", "http://minio:9000"),
        ("http://minio:09000", "http://minio:9000"),
        ("http://127.0.0.1:7070", "http://127.0.0.1:7070"),
        ("http://[::1]:9000", "http://[::1]:9000"),
        ("http://[::]", "http://[::]"),
        ("https://[FD00:0:0:0:0:0:0:1]/", "https://[fd00::1]"),
        (
            "https://xn--bcher-kva.example",
            "https://xn--bcher-kva.example",
        ),
        ("https://a1.0x.example", "https://a1.0x.example"),
        (
            "https://X.supabase.co:443/storage/v1/S3/",
            "https://x.supabase.co/storage/v1/S3",
        ),
        (
            "http://10.0.0.7:8080/a-b_c.d~e",
            "http://10.0.0.7:8080/a-b_c.d~e",
        ),
        ("http://minio:9000/...", "http://minio:9000/..."),
    ] {
        assert_eq!(
            Endpoint::parse(text).unwrap().to_string(),
            written,
            "{text}"
        );
    }
}

#[test]
fn an_endpoint_with_anything_but_scheme_host_port_and_a_plain_path_is_refused() {
    let label = "a".repeat(64);
    let name = ["a".repeat(63).as_str(); 4].join(".");
    for (text, error) in [
        ("", E::Scheme),
        ("s3.example.com", E::Scheme),
        ("//s3.example.com", E::Scheme),
        ("ftp://s3.example.com", E::Scheme),
        ("s3://bucket", E::Scheme),
        (" https://s3.example.com", E::Scheme),
        ("https://s3.example.com//", E::Path),
        ("https://s3.example.com/a//b", E::Path),
        ("https://s3.example.com/a//", E::Path),
        ("https://s3.example.com/.", E::Path),
        ("https://s3.example.com/a/../b", E::Path),
        ("https://s3.example.com/a%2Fb", E::Path),
        ("https://s3.example.com/a b", E::Path),
        ("https://s3.example.com/a+b", E::Path),
        ("https://s3.example.com/a\\b", E::Path),
        ("https://s3.example.com/\u{fc}", E::Path),
        ("https://s3.example.com/a\n", E::Path),
        ("https://s3.eu-west-1.amazonaws.com/models", E::PathOfAws),
        ("https://s3.amazonaws.com/models/", E::PathOfAws),
        ("https://s3.example.com/?x=1", E::Query),
        ("https://s3.example.com?", E::Query),
        ("https://s3.example.com#a", E::Fragment),
        ("https://user:pass@s3.example.com", E::UserInfo),
        ("https://s3.example.com@evil.org", E::UserInfo),
        ("https://", E::Host),
        ("https:///", E::Host),
        ("https://:9000", E::Host),
        ("https://s3 example.com", E::Host),
        ("https://s3.example.com ", E::Host),
        ("https://s3.example.com\\a", E::Host),
        ("https://s3.example.com\r\nx", E::Host),
        ("https://s3..example.com", E::Host),
        ("https://s3.example.com.", E::TrailingDot),
        ("https://s3.example.com.:9000/", E::TrailingDot),
        ("http://min_io:9000", E::Underscore),
        ("https://.", E::Host),
        ("https://-s3.example.com", E::Host),
        ("https://s3-.example.com", E::Host),
        ("https://s3_a.example.com", E::Underscore),
        ("https://b\u{fc}cher.example", E::Host),
        ("https://s3%2eexample.com", E::Host),
        ("https://*.example.com", E::Host),
        (&format!("https://{label}.com"), E::Host),
        (&format!("https://{name}"), E::Host),
        ("https://127.1", E::Host),
        ("https://127.0.0.01", E::Host),
        ("https://127.0.0.256", E::Host),
        ("https://2130706433", E::Host),
        ("https://0x7f000001", E::Host),
        ("https://1.2.3.0x4", E::Host),
        ("https://[::ffff:127.0.0.1]", E::Host),
        ("https://[::1.2.3.4]", E::Host),
        ("https://[fe80::1%25eth0]", E::Host),
        ("https://[127.0.0.1]", E::Host),
        ("https://[::1", E::Host),
        ("https://[]", E::Host),
        ("https://[::1]x", E::Host),
        ("https://::1", E::Port),
        ("https://s3.example.com:", E::Port),
        ("https://s3.example.com:0", E::Port),
        ("https://s3.example.com:65536", E::Port),
        ("https://s3.example.com:+80", E::Port),
        ("https://s3.example.com:90a", E::Port),
        ("https://s3.example.com:80:80", E::Port),
    ] {
        assert_eq!(Endpoint::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn an_endpoint_error_never_repeats_the_password() {
    let refused = Endpoint::parse("https://user:hunter2@s3.example.com").unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
}

#[test]
fn aws_is_known_by_its_regions_alone() {
    for (region, written) in [
        ("eu-central-1", "https://s3.eu-central-1.amazonaws.com"),
        ("us-east-1", "https://s3.us-east-1.amazonaws.com"),
        (
            "ap-southeast-12",
            "https://s3.ap-southeast-12.amazonaws.com",
        ),
        ("mx-central-1", "https://s3.mx-central-1.amazonaws.com"),
        (
            "cn-northwest-1",
            "https://s3.cn-northwest-1.amazonaws.com.cn",
        ),
        ("us-gov-east-1", "https://s3.us-gov-east-1.amazonaws.com"),
    ] {
        assert_eq!(Endpoint::aws(region).unwrap().to_string(), written);
    }
    for region in [
        "",
        "garage",
        "us-east",
        "us-east-",
        "us--1",
        "-east-1",
        "us-east-1a",
        "us-iso-east-1",
        "us-gov-east",
        "eu-isoe-west-1",
        "eusc-de-east-1",
        "aws-global",
        "xx-east-1",
        "us-EAST-1",
        "us-east-1-1",
        "cn-gov-north-1",
        "us-east.evil.org/-1",
    ] {
        let error = E::UnknownAwsRegion(region.to_owned());
        assert_eq!(Endpoint::aws(region), Err(error), "{region}");
    }
}

#[test]
fn an_address_is_no_host_name() {
    for (text, is_ip) in [
        ("http://127.0.0.1", true),
        ("http://[::1]:1", true),
        ("http://localhost", false),
        ("http://1.2.3.example", false),
    ] {
        assert_eq!(Endpoint::parse(text).unwrap().is_ip(), is_ip, "{text}");
    }
}

fn resolve(
    endpoint: Option<&str>,
    region: &str,
    style: AddressingStyle,
    bucket: &str,
) -> Result<Style, EndpointError> {
    let endpoint = endpoint.map(|text| Endpoint::parse(text).unwrap());
    let bucket = Bucket::parse(bucket).unwrap();
    Target::resolve(endpoint.as_ref(), region, style, &bucket).map(|target| target.style)
}

#[test]
fn a_bucket_stands_before_the_host_only_where_a_client_can_reach_it_there() {
    use AddressingStyle as A;
    let own = Some("https://s3.example.com");
    let plain = Some("http://s3.example.com:80");
    let long = format!(
        "http://{}.{}",
        ["a".repeat(60).as_str(); 3].join("."),
        "b".repeat(60)
    );
    for (endpoint, style, bucket, resolved) in [
        (None, A::Auto, "bucket", Ok(Style::VirtualHost)),
        (None, A::Auto, "my.bucket", Ok(Style::Path)),
        (None, A::Path, "bucket", Ok(Style::Path)),
        (None, A::VirtualHost, "bucket", Ok(Style::VirtualHost)),
        (None, A::VirtualHost, "my.bucket", Ok(Style::Path)),
        (own, A::Auto, "bucket", Ok(Style::Path)),
        (own, A::VirtualHost, "bucket", Ok(Style::VirtualHost)),
        (own, A::VirtualHost, "the.bucket", Ok(Style::Path)),
        (plain, A::VirtualHost, "the.bucket", Ok(Style::VirtualHost)),
        (plain, A::VirtualHost, "my.bucket", Ok(Style::Path)),
        (Some("http://127.0.0.1"), A::Auto, "bucket", Ok(Style::Path)),
        (
            Some("http://127.0.0.1"),
            A::VirtualHost,
            "bucket",
            Err(E::VirtualHostOfIp),
        ),
        (
            Some("http://[::1]"),
            A::VirtualHost,
            "bucket",
            Err(E::VirtualHostOfIp),
        ),
        (
            Some("http://minio:9000"),
            A::Auto,
            "minio",
            Err(E::ServersOwnPath("minio".to_owned())),
        ),
        (
            Some("http://10.0.0.1:9000"),
            A::Path,
            "admin",
            Err(E::ServersOwnPath("admin".to_owned())),
        ),
        (
            Some("https://s3.example.com"),
            A::VirtualHost,
            "minio",
            Ok(Style::VirtualHost),
        ),
        (
            Some("https://s3.example.com"),
            A::Path,
            "minio2",
            Ok(Style::Path),
        ),
        (None, A::Path, "minio", Ok(Style::Path)),
        (
            Some(long.as_str()),
            A::VirtualHost,
            "bucket123",
            Ok(Style::VirtualHost),
        ),
        (
            Some(long.as_str()),
            A::VirtualHost,
            "bucket1234",
            Err(E::VirtualHostTooLong),
        ),
        (Some(long.as_str()), A::Path, "bucket1234", Ok(Style::Path)),
    ] {
        assert_eq!(
            resolve(endpoint, "eu-west-2", style, bucket),
            resolved,
            "{endpoint:?} {style:?} {bucket}"
        );
    }
}

#[test]
fn a_region_that_would_break_the_credential_scope_is_refused() {
    let own = Some("https://s3.example.com");
    for region in ["", "a/b", "a b", "-a", "a-", "\u{e9}", "a\n", "a%2F"] {
        let refused = resolve(own, region, AddressingStyle::Auto, "bucket");
        assert_eq!(refused, Err(E::Region), "{region:?}");
    }
    for region in ["garage", "a", "us_east.1-x", "US-EAST-1"] {
        let resolved = resolve(own, region, AddressingStyle::Auto, "bucket");
        assert_eq!(resolved, Ok(Style::Path), "{region}");
    }
    let unknown = resolve(None, "garage", AddressingStyle::Auto, "bucket");
    assert_eq!(unknown, Err(E::UnknownAwsRegion("garage".to_owned())));
}

#[test]
fn an_endpoint_of_one_bucket_is_refused_and_a_server_named_like_a_bucket_is_not() {
    let resolve = |endpoint: &str, bucket: &str, style| {
        let endpoint = Endpoint::parse(endpoint).unwrap();
        let bucket = Bucket::parse(bucket).unwrap();
        Target::resolve(Some(&endpoint), "eu-west-1", style, &bucket)
    };
    for style in [AddressingStyle::Auto, AddressingStyle::VirtualHost] {
        for endpoint in [
            "https://models.s3.eu-west-1.amazonaws.com",
            "https://models.s3-eu-west-1.amazonaws.com",
            "https://models.s3.example.com:9000",
            "https://models.s3.wasabisys.com",
            "https://models.nyc3.digitaloceanspaces.com",
            "https://models.nyc3.cdn.digitaloceanspaces.com",
            "https://models.us-east-1.linodeobjects.com",
            "https://models.ewr1.vultrobjects.com",
            "https://models.fsn1.your-objectstorage.com",
            "https://models.0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com",
            "https://models.storage.googleapis.com",
        ] {
            let refused = resolve(endpoint, "models", style).unwrap_err();
            assert_eq!(refused, E::BucketInHost("models".to_owned()), "{endpoint}");
            assert!(resolve(endpoint, "models2", style).is_ok(), "{endpoint}");
            assert!(resolve(endpoint, "mod", style).is_ok(), "{endpoint}");
        }
        for (endpoint, bucket) in [
            ("https://store.example.com", "store"),
            ("https://minio-api.example.com", "minio-api"),
            ("http://store.store.svc:9000", "store"),
            // A bucket may have the name of a region, and a company that of a provider.
            ("https://nyc3.digitaloceanspaces.com", "nyc3"),
            ("https://storage.googleapis.com", "storage"),
            ("https://nyc3.mydigitaloceanspaces.com", "nyc3"),
            ("https://abc.mystorage.googleapis.com", "abc"),
        ] {
            assert!(resolve(endpoint, bucket, style).is_ok(), "{endpoint}");
        }
    }
}

#[test]
fn a_path_that_ends_with_the_bucket_is_refused_in_every_style_that_names_the_bucket() {
    let resolve = |endpoint: &str, bucket: &str| {
        let endpoint = Endpoint::parse(endpoint).unwrap();
        let bucket = Bucket::parse(bucket).unwrap();
        Target::resolve(Some(&endpoint), "garage", AddressingStyle::Path, &bucket)
    };
    for endpoint in [
        "https://example.com/models",
        "https://example.com/s3/models/",
    ] {
        let refused = resolve(endpoint, "models").unwrap_err();
        assert_eq!(refused, E::BucketInPath("models".to_owned()), "{endpoint}");
        assert!(resolve(endpoint, "model").is_ok(), "{endpoint}");
    }
    assert!(resolve("https://example.com/models/s3", "models").is_ok());
}

#[test]
fn an_endpoint_that_stands_for_one_bucket_signs_for_no_other() {
    let endpoint = Endpoint::parse("https://files.example.com").unwrap();
    let bucket = |name: &str| Bucket::parse(name).unwrap();
    let served = bucket("models");
    let target = Target::of_bucket_endpoint(&endpoint, "auto", &served, &served).unwrap();
    assert_eq!(target.style, Style::BucketEndpoint);
    for other in ["model", "models2", "Models", "files"] {
        let refused = Target::of_bucket_endpoint(&endpoint, "auto", &served, &bucket(other));
        let (served, asked) = ("models".to_owned(), other.to_owned());
        assert_eq!(refused, Err(E::OtherBucket { served, asked }), "{other}");
    }
    // Whoever resolves without the bucket gets no address at all.
    let style = AddressingStyle::BucketEndpoint;
    let refused = Target::resolve(Some(&endpoint), "auto", style, &served);
    assert_eq!(refused, Err(E::BucketNotNamed));
    let region = Target::of_bucket_endpoint(&endpoint, "a/b", &served, &served);
    assert_eq!(region, Err(E::Region));
}

/// What is signed of each kind for one bucket.
fn everything(target: &Target, bucket: &Bucket) -> Vec<String> {
    let key = Key::parse("a b/c.bin").unwrap();
    let life = Duration::from_hours(1);
    let kinds = [
        get(),
        Options::Head(GetOptions::default()),
        Options::Put(PutOptions::default()),
        Options::Delete,
    ];
    let urls = kinds.iter().map(|options| {
        let op = Operation {
            bucket,
            key: &key,
            options,
        };
        let signed = presign(&op, target, &session(), then(), life).unwrap();
        signed.url.expose().to_owned()
    });
    let prefix = Prefix::parse("a b/").unwrap();
    let page = ListPage {
        bucket,
        prefix: &prefix,
        token: None,
        max_keys: 5,
        request_payer: None,
    };
    let page = sign_page(&page, target, &session(), then()).unwrap();
    let page = page.headers.iter().fold(page.url, |page, (name, value)| {
        format!("{page} {name}={}", value.expose_secret())
    });
    let form = FormOperation {
        bucket,
        key: FormKey::Exactly(&key),
        options: &PostOptions {
            content_length_range: Some(ContentLengthRange { min: None, max: 5 }),
            ..PostOptions::default()
        },
    };
    let form = sign_form(&form, target, &session(), then(), life).unwrap();
    let form = form
        .fields
        .iter()
        .fold(form.url.expose().to_owned(), |form, field| {
            format!("{form} {}={}", field.name, field.expose())
        });
    urls.chain([page, form]).collect()
}

#[test]
fn a_domain_of_one_bucket_signs_what_the_bucket_before_the_host_signs() {
    let bucket = Bucket::parse("models").unwrap();
    for (host, domain) in [
        ("https://example.com", "https://models.example.com"),
        ("http://cdn.test:8080/s3", "http://models.cdn.test:8080/s3"),
    ] {
        let host = Endpoint::parse(host).unwrap();
        let style = AddressingStyle::VirtualHost;
        let before = Target::resolve(Some(&host), "auto", style, &bucket).unwrap();
        let domain = Endpoint::parse(domain).unwrap();
        let bound = Target::of_bucket_endpoint(&domain, "auto", &bucket, &bucket).unwrap();
        assert_eq!(everything(&bound, &bucket), everything(&before, &bucket));
    }
}

#[test]
fn names_of_old_buckets_stand_in_the_path_of_an_endpoint_of_ones_own_only() {
    use AddressingStyle as A;
    let own = Some("https://s3.example.com");
    for bucket in ["Models", "my_models", "My_Models.2009"] {
        let old = || Err(E::OldBucketName(bucket.to_owned()));
        for (endpoint, style, resolved) in [
            (own, A::Auto, Ok(Style::Path)),
            (own, A::Path, Ok(Style::Path)),
            (Some("https://example.com/s3"), A::Path, Ok(Style::Path)),
            (own, A::VirtualHost, old()),
            (None, A::Auto, old()),
            (None, A::Path, old()),
            (None, A::VirtualHost, old()),
            (Some("https://s3.eu-west-2.amazonaws.com"), A::Path, old()),
        ] {
            let found = resolve(endpoint, "eu-west-2", style, bucket);
            assert_eq!(found, resolved, "{endpoint:?} {style:?} {bucket}");
        }
        let bucket = Bucket::parse(bucket).unwrap();
        let bound = |url| {
            let endpoint = Endpoint::parse(url).unwrap();
            Target::of_bucket_endpoint(&endpoint, "eu-west-2", &bucket, &bucket)
        };
        assert!(bound("https://files.example.com").is_ok());
        let refused = bound("https://s3.eu-west-2.amazonaws.com").unwrap_err();
        assert_eq!(refused, E::OldBucketName(bucket.to_string()));
    }
}
