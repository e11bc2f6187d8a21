//! The few fields of a certificate that rustls does not tell: who issued it, and from when to when it is
//! valid.
//!
//! What holds here: what is not DER as RFC 5280 describes it has no fields. Nothing is verified here.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// `id-ad-caIssuers`: where the issuer's own certificate can be fetched.
const CA_ISSUERS: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];

/// Fields of a certificate.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    /// The issuer's name, in DER.
    pub(super) issuer: &'a [u8],
    /// Its own name, in DER.
    pub(super) subject: &'a [u8],
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    /// It says where its issuer's certificate is, as those of intermediate authorities do.
    pub(super) names_its_issuers_place: bool,
}

impl<'a> Fields<'a> {
    /// Reads a certificate.
    pub(super) fn of(der: &'a [u8]) -> Option<Self> {
        let (certificate, _) = expect(SEQUENCE, der)?;
        let (fields, _) = expect(SEQUENCE, certificate)?;
        let rest = match next(fields)? {
            (VERSION, _, rest) => rest,
            _ => fields,
        };
        let (_, _serial, rest) = next(rest)?;
        let (_, rest) = expect(SEQUENCE, rest)?;
        let (issuer, rest) = expect(SEQUENCE, rest)?;
        let (validity, rest) = expect(SEQUENCE, rest)?;
        let (subject, _) = expect(SEQUENCE, rest)?;
        let (not_before, validity) = time(validity)?;
        let (not_after, _) = time(validity)?;
        Some(Self {
            issuer,
            subject,
            not_before,
            not_after,
            names_its_issuers_place: der.windows(CA_ISSUERS.len()).any(|at| at == CA_ISSUERS),
        })
    }

    /// Its issuer has its own name.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }
}

/// The tag, the content and the rest.
fn next(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits
                .iter()
                .fold(0, |sum, &digit| sum << 8 | usize::from(digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn expect(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = next(der)?;
    (found == tag).then_some((content, rest))
}

fn time(der: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (tag, content, rest) = next(der)?;
    let text = str::from_utf8(content).ok()?;
    let text = match tag {
        // Two digits of the year: RFC 5280 puts them between 1950 and 2049.
        UTC_TIME => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", text).ok()?;
    let time = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some((time, rest))
}
