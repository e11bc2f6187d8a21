//! What a GET says of an upload that is not made.

use super::*;

#[test]
fn an_upload_says_that_it_was_not_tried_and_not_whether_the_object_exists() {
    let once = Options::Put(PutOptions {
        if_none_match: Some(IfNoneMatch::Any),
        acl: Some("private".to_owned()),
        tagging: Some(BTreeMap::from([("team".to_owned(), "a".to_owned())])),
        ..PutOptions::default()
    });
    let post = Options::Post(PostOptions::default());
    let arn = "on arn:aws:s3:::models/llama/weights.bin";
    for (status, code) in [
        (206, None),
        (416, None),
        (403, Some(ErrorCode::InvalidObjectState)),
        (405, Some(ErrorCode::DeleteMarker)),
        (404, Some(ErrorCode::Deleted)),
        (400, Some(ErrorCode::CustomerKey)),
        (400, Some(ErrorCode::Kms(KmsError::Disabled))),
        (404, Some(ErrorCode::NoSuchKey)),
        (403, Some(ErrorCode::AccessDenied)),
    ] {
        for (options, words) in [
            (&put(), "the upload itself was not tried"),
            (&post, "signer has s3:PutObject on"),
            (
                &once,
                "s3:PutObject, s3:PutObjectAcl, s3:PutObjectTagging on",
            ),
            (&Options::Delete, "the removal itself was not tried"),
            (&Options::Delete, "s3:DeleteObject on"),
        ] {
            let verdict = on(&Ok(answer(status, code)), options);
            says(
                &verdict,
                ConditionStatus::Unknown,
                Reason::NotVerifiable,
                &["a GET beside \"models/llama/weights.bin\"", words, arn],
            );
            assert!(verdict.passes());
            // What is there or not is for those to know who may read it.
            assert!(!verdict.message.contains("exist"), "{}", verdict.message);
        }
    }
}

#[test]
fn what_no_upload_can_get_past_is_a_fault_of_uploads_too() {
    for code in [
        ErrorCode::NoSuchBucket,
        ErrorCode::SignatureDoesNotMatch,
        ErrorCode::InvalidAccessKeyId,
        ErrorCode::InvalidToken,
        ErrorCode::WrongRegion,
        ErrorCode::RequestTimeTooSkewed,
    ] {
        let verdict = on(&Ok(answer(403, Some(code))), &put());
        assert_eq!(verdict.status, ConditionStatus::False, "{code:?}");
        assert!(!verdict.passes());
    }
}
