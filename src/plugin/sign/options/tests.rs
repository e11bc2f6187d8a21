//! What a flag means, and how it is told.

use super::*;

#[test]
fn sizes_have_units_and_a_range_has_a_least() {
    let parsed = |text| range(text).map(|range| (range.min, range.max));
    assert_eq!(parsed("10"), Ok((None, 10)));
    assert_eq!(parsed("1-10Mi"), Ok((Some(1), 10 << 20)));
    assert_eq!(parsed("2Ki-3Gi"), Ok((Some(2048), 3 << 30)));
    for none in [
        "",
        "-",
        "1-",
        "x",
        "10MB",
        "99999999999999999999",
        "9999999999999Gi",
    ] {
        assert!(parsed(none).is_err(), "{none}");
    }
}

#[test]
fn a_message_names_the_flag_and_leaves_values_alone() {
    let told = |field, message| about_flag(&InvalidSpec::new(field, message)).message;
    assert_eq!(
        told(
            "spec.put.kmsKeyID",
            "\"aB\" is given without serverSideEncryption: aws:kms; set that"
        ),
        "--kms-key-id: \"aB\" is given without --server-side-encryption: aws:kms; set that"
    );
    assert_eq!(told("spec.duration", "too long"), "--expires-in: too long");
    assert_eq!(
        told("spec.post.metadata[runId]", "x"),
        "--metadata runId: x"
    );
    assert_eq!(told("spec.key", "x"), "the s3:// URL: x");
}

/// `sign` with nothing but its options.
#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    options: OptionArgs,
}

/// The block of a method that these flags make, as a resource has it.
fn block(method: Method, flags: &[&str]) -> serde_json::Value {
    let words = std::iter::once("sign").chain(flags.iter().copied());
    let line = <Line as clap::Parser>::try_parse_from(words).expect("flags");
    let mut spec = PresignedUrlSpec::default();
    line.options
        .fill(method, &mut spec)
        .expect("flags of the method");
    let spec = serde_json::to_value(spec).expect("JSON");
    let name = if method == Method::Head {
        "get"
    } else {
        &*method.as_str().to_lowercase()
    };
    spec[name].clone()
}

/// Each flag: a method that it goes with, its name, a value, the field, and what the field is then.
const FLAGS: &str = r#"
    GET   version-id                    v1                  versionID                   "v1"
    GET   response-content-type         text/plain          responseContentType         "text/plain"
    GET   response-content-disposition  inline              responseContentDisposition  "inline"
    GET   response-content-encoding     gzip                responseContentEncoding     "gzip"
    GET   response-content-language     de                  responseContentLanguage     "de"
    GET   response-cache-control        no-store            responseCacheControl        "no-store"
    GET   request-payer                 requester           requestPayer                "requester"
    HEAD  version-id                    v1                  versionID                   "v1"
    PUT   content-type                  text/csv            contentType                 "text/csv"
    PUT   content-length                7                   contentLength               7
    PUT   checksum-sha256               c2hh                checksumSHA256              "c2hh"
    PUT   checksum-crc64nvme            Y3Jj                checksumCRC64NVME           "Y3Jj"
    PUT   if-match                      "e"                 ifMatch                     "\"e\""
    PUT   if-none-match                 *                   ifNoneMatch                 "*"
    PUT   server-side-encryption        aws:kms             serverSideEncryption        "aws:kms"
    PUT   server-side-encryption        AES256              serverSideEncryption        "AES256"
    PUT   kms-key-id                    alias/a             kmsKeyID                    "alias/a"
    PUT   storage-class                 GLACIER             storageClass                "GLACIER"
    PUT   acl                           private             acl                         "private"
    PUT   metadata                      run=7               metadata                    {"run":"7"}
    PUT   tagging                       team=a=b            tagging                     {"team":"a=b"}
    POST  content-type                  text/csv            contentType                 "text/csv"
    POST  content-type-prefix           image/              contentTypePrefix           "image/"
    POST  acl                           private             acl                         "private"
    POST  success-action-status         201                 successActionStatus         201
    POST  success-action-redirect       https://a.example   successActionRedirect       "https://a.example"
    POST  metadata                      run=7               metadata                    {"run":"7"}
"#;

#[test]
fn each_flag_fills_its_own_field_and_no_other() {
    use serde_json::json;
    let mut seen = vec!["content-length-range"];
    for row in FLAGS.lines().filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.split_whitespace().collect();
        let [method, name, value, field, wanted] = cells[..] else {
            panic!("{row}")
        };
        let method: Method = serde_json::from_value(json!(method)).expect("a method");
        let flag = format!("--{name}={value}");
        let mut flags = vec![flag.as_str()];
        let wanted: serde_json::Value = serde_json::from_str(wanted).expect("JSON");
        let mut expected = json!({ field: wanted });
        if method == Method::Post {
            flags.push("--content-length-range=1-9");
            expected["contentLengthRange"] = json!({ "min": 1, "max": 9 });
        }
        assert_eq!(block(method, &flags), expected, "{row}");
        seen.push(name);
    }
    // A flag that the table lacks fills a field that nobody has looked at.
    let line = <Line as clap::CommandFactory>::command();
    for argument in line.get_arguments() {
        let long = argument.get_long().expect("a long flag");
        assert!(seen.contains(&long), "--{long}");
    }
}
