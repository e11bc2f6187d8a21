//! The checksums that S3 answers with a whole object (`x-amz-checksum-*`).
//!
//! What holds here: a checksum of parts (`...-3`, or the type `COMPOSITE`) says nothing of the whole and is
//! not compared. An `ETag` is no checksum: it is the MD5 of some objects, and not of others.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use http::HeaderMap;

/// A checksum as it grows, and what it must become.
pub(super) struct Checksum {
    header: &'static str,
    sum: Sum,
    expected: Vec<u8>,
}

enum Sum {
    Crc(Box<crc_fast::Digest>, usize),
    Sha(digest::Context),
}

impl Checksum {
    /// The first checksum that an answer holds, cheapest first.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let type_ = headers.get("x-amz-checksum-type");
        if type_.is_some_and(|type_| type_ != "FULL_OBJECT") {
            return None;
        }
        let expected = |header: &str, bytes: usize| {
            let text = headers.get(header)?.to_str().ok()?;
            STANDARD.decode(text).ok().filter(|sum| sum.len() == bytes)
        };
        for (header, algorithm, bytes) in [
            ("x-amz-checksum-crc64nvme", CrcAlgorithm::Crc64Nvme, 8),
            ("x-amz-checksum-crc32c", CrcAlgorithm::Crc32Iscsi, 4),
            ("x-amz-checksum-crc32", CrcAlgorithm::Crc32IsoHdlc, 4),
        ] {
            if let Some(expected) = expected(header, bytes) {
                let sum = Sum::Crc(Box::new(crc_fast::Digest::new(algorithm)), bytes);
                return Some(Self {
                    header,
                    sum,
                    expected,
                });
            }
        }
        for (header, algorithm) in [
            ("x-amz-checksum-sha256", &digest::SHA256),
            ("x-amz-checksum-sha1", &digest::SHA1_FOR_LEGACY_USE_ONLY),
        ] {
            if let Some(expected) = expected(header, algorithm.output_len()) {
                let sum = Sum::Sha(digest::Context::new(algorithm));
                return Some(Self {
                    header,
                    sum,
                    expected,
                });
            }
        }
        None
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.sum {
            Sum::Crc(sum, _) => sum.update(bytes),
            Sum::Sha(sum) => sum.update(bytes),
        }
    }

    /// # Errors
    /// The name of the header, if what came has another sum.
    pub(super) fn verify(self) -> Result<(), &'static str> {
        let sum = match self.sum {
            Sum::Crc(sum, bytes) => sum.finalize().to_be_bytes()[8 - bytes..].to_vec(),
            Sum::Sha(sum) => sum.finish().as_ref().to_vec(),
        };
        if sum == self.expected {
            Ok(())
        } else {
            Err(self.header)
        }
    }
}

#[cfg(test)]
mod tests {
    //! Sums of "123456789", from the catalogue of CRCs and from sha1sum and sha256sum.

    use http::{HeaderName, HeaderValue};

    use super::*;

    fn verified(name: &str, sum: &[u8], body: &[u8]) -> Option<bool> {
        let mut headers = HeaderMap::new();
        let name: HeaderName = name.parse().unwrap();
        headers.insert(name, HeaderValue::try_from(STANDARD.encode(sum)).unwrap());
        let mut checksum = Checksum::of(&headers)?;
        for piece in body.chunks(4) {
            checksum.update(piece);
        }
        Some(checksum.verify().is_ok())
    }

    #[test]
    fn each_checksum_of_s3_is_compared() {
        let sha1 =
            b"\xf7\xc3\xbc\x1d\x80\x8e\x04\x73\x2a\xdf\x67\x99\x65\xcc\xc3\x4c\xa7\xae\x34\x41";
        let sha256 = b"\x15\xe2\xb0\xd3\xc3\x38\x91\xeb\xb0\xf1\xef\x60\x9e\xc4\x19\x42\x0c\x20\xe3\x20\xce\x94\xc6\x5f\xbc\x8c\x33\x12\x44\x8e\xb2\x25";
        let sums: [(&str, &[u8]); 5] = [
            ("x-amz-checksum-crc32", &0xcbf4_3926_u32.to_be_bytes()),
            ("x-amz-checksum-crc32c", &0xe306_9283_u32.to_be_bytes()),
            (
                "x-amz-checksum-crc64nvme",
                &0xae8b_1486_0a79_9888_u64.to_be_bytes(),
            ),
            ("x-amz-checksum-sha1", sha1),
            ("x-amz-checksum-sha256", sha256),
        ];
        for (name, sum) in sums {
            assert_eq!(verified(name, sum, b"123456789"), Some(true), "{name}");
            assert_eq!(verified(name, sum, b"123456780"), Some(false), "{name}");
        }
    }

    #[test]
    fn a_checksum_of_parts_is_not_compared() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-amz-checksum-crc32",
            HeaderValue::from_static("y/Q5Jg==-3"),
        );
        assert!(Checksum::of(&headers).is_none());
        headers.insert("x-amz-checksum-crc32", HeaderValue::from_static("y/Q5Jg=="));
        assert!(Checksum::of(&headers).is_some());
        headers.insert("x-amz-checksum-type", HeaderValue::from_static("COMPOSITE"));
        assert!(Checksum::of(&headers).is_none());
    }
}
