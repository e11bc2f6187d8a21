//! Headers that were not allowed, were changed, or would end their line.

use super::*;

type Headers = Vec<(String, String)>;

#[test]
fn a_url_of_a_put_signs_exactly_its_headers() {
    let names = "content-length%3Bcontent-type%3Bhost%3Bif-match%3Bif-none-match%3Bx-amz-acl%3B\
                 x-amz-checksum-crc64nvme%3Bx-amz-checksum-sha256%3Bx-amz-meta-owner%3Bx-amz-server-side-encryption%3B\
                 x-amz-server-side-encryption-aws-kms-key-id%3Bx-amz-storage-class%3Bx-amz-tagging";
    let case = Case::put();
    let all: Vec<_> = names.split("%3B").collect();
    for left_out in &all {
        let fewer: Vec<_> = all
            .iter()
            .filter(|name| name != &left_out)
            .copied()
            .collect();
        let forged = case.forged(&format!("={names}&"), &format!("={}&", fewer.join("%3B")));
        assert_eq!(forged, Err(Mismatch::SignedHeaders), "without {left_out}");
    }
    for (from, to) in [
        (
            format!("={names}&"),
            format!("={names}%3Bx-amz-grant-read&"),
        ),
        (format!("={names}&"), format!("={names}%3B&")),
        (
            format!("={names}&"),
            format!("={}&", names.replace("%3B", "%2C")),
        ),
        (
            "content-length%3Bcontent-type".to_owned(),
            "content-type%3Bcontent-length".to_owned(),
        ),
    ] {
        assert_eq!(
            case.forged(&from, &to),
            Err(Mismatch::SignedHeaders),
            "{to}"
        );
    }
}

#[test]
fn every_header_of_a_put_is_compared() {
    let case = Case::put();
    let signed = case.signed();
    assert_eq!(signed.headers.len(), 12);
    for at in 0..signed.headers.len() {
        let judge = |change: &dyn Fn(&mut Headers)| {
            let mut forged = signed.clone();
            change(&mut forged.headers);
            case.judge(&forged)
        };
        let name = &signed.headers[at].0;
        let missing = judge(&|headers| drop(headers.remove(at)));
        assert_eq!(missing, Err(Mismatch::MissingHeader), "without {name}");
        let changed = judge(&|headers| headers[at].1.push('x'));
        assert_eq!(changed, Err(Mismatch::Header), "{name} changed");
        let emptied = judge(&|headers| headers[at].1.clear());
        assert_eq!(emptied, Err(Mismatch::Header), "{name} emptied");
        let injected = judge(&|headers| headers[at].1.push_str("\r\nx-amz-acl: public-read"));
        assert_eq!(injected, Err(Mismatch::Header), "{name} with a line break");
        let renamed = judge(&|headers| headers[at].0.push('s'));
        assert_eq!(renamed, Err(Mismatch::UnexpectedHeader), "{name} renamed");
        let repeated = judge(&|headers| headers.push(headers[at].clone()));
        assert_eq!(repeated, Err(Mismatch::RepeatedHeader), "{name} twice");
        let shouted = judge(&|headers| headers[at].0.make_ascii_uppercase());
        assert_eq!(shouted, Ok(()), "{name} in another case");
    }
}

#[test]
fn a_header_that_nobody_allowed_is_refused() {
    for case in [Case::get(), Case::put()] {
        for name in ["x-amz-copy-source", "Host", "x-amz-meta-other", ""] {
            let mut forged = case.signed();
            forged.headers.push((name.to_owned(), "x".to_owned()));
            assert_eq!(
                case.judge(&forged),
                Err(Mismatch::UnexpectedHeader),
                "{name}"
            );
        }
    }
}

#[test]
fn a_header_that_would_end_its_line_is_refused_even_where_it_was_allowed() {
    for value in [
        "a\r\nx-amz-acl: public-read",
        "a\nb",
        "a\0",
        "caf\u{e9}",
        "tab\t",
    ] {
        let mut case = Case::put();
        let mut signed = case.signed();
        case.options = Options::Put(PutOptions {
            content_type: Some(value.to_owned()),
            ..full_put()
        });
        let header = signed
            .headers
            .iter_mut()
            .find(|(name, _)| name == "Content-Type");
        value.clone_into(&mut header.unwrap().1);
        assert_eq!(
            case.judge(&signed),
            Err(Mismatch::HeaderNotPrintable),
            "{value:?}"
        );
    }
}
