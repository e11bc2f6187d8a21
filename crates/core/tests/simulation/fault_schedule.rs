//! Random changes to stores from outside: servers that fail, show a wrong time or change, bad keys, an STS
//! that is down, objects that come and go.

use std::time::Duration;

use jiff::Timestamp;
use presigned_core::engine::{
    ErrorCode, ListError, PageError, S3Response, TlsError, TransportError,
};

use crate::chaos::Chaos;
use crate::common::at;
use crate::common::cloud::Source;
use crate::common::rng::Rng;
use crate::common::world::World;
use crate::random_specs::{ENDPOINTS, NAMESPACES};

/// The objects and servers at the start.
pub fn begin(world: &mut World<Chaos>, rng: &mut Rng) {
    let cloud = &mut world.cloud;
    for bucket in ["data", "models"] {
        for namespace in NAMESPACES {
            for name in [
                "file 0+&?.txt",
                "list/a.csv",
                "list/b.csv",
                "list/tmp-c.csv",
            ] {
                cloud.put_object(bucket, &format!("{namespace}/{name}"));
            }
        }
        for name in ["pub/é0", "pub/x.csv", "public/not-yours", "private/secret"] {
            cloud.put_object(bucket, name);
        }
    }
    for endpoint in ENDPOINTS {
        let server = cloud.server(endpoint);
        server.accepts_unsigned = rng.permille(250);
        server.ahead = *rng.pick(&[0, 0, 0, 7, -12, 45, -200]);
    }
    never_good(world, rng);
}

/// Stores that do not work from the start: a key that no server knows, a server of another region, another
/// program in place of a server. Some are repaired later.
fn never_good(world: &mut World<Chaos>, rng: &mut Rng) {
    if rng.permille(300) {
        bad_key(world, rng);
    }
    let endpoint = *rng.pick(&ENDPOINTS);
    let soon = at(world.now.as_second() + rng.range(600, 7200));
    match rng.range(0, 8) {
        0 => {
            world.log(|| format!("{endpoint} is another program until {soon}"));
            world.cloud.server(endpoint).foreign = true;
            world.faults.repairs.push((soon, endpoint.to_owned()));
            world.faults.store_faults_until = soon;
        }
        1 => {
            world.log(|| format!("{endpoint} serves another region"));
            world.cloud.server(endpoint).region = Some("us-east-1".to_owned());
        }
        2 => {
            world.log(|| format!("{endpoint} is a page until {soon}"));
            world.cloud.server(endpoint).page = true;
            world.faults.repairs.push((soon, endpoint.to_owned()));
            world.faults.store_faults_until = soon;
        }
        3 => {
            let code = *rng.pick(&[
                ErrorCode::CredentialsRefused(None),
                ErrorCode::SignatureRefused(None),
            ]);
            world.log(|| format!("{endpoint} answers {code:?} until {soon}"));
            world.cloud.server(endpoint).refuses = Some(("/".to_owned(), code));
            world.faults.repairs.push((soon, endpoint.to_owned()));
            world.faults.store_faults_until = soon;
        }
        _ => {}
    }
}

/// Changes one thing.
pub fn change(world: &mut World<Chaos>, rng: &mut Rng) {
    let now = world.now;
    let endpoint = *rng.pick(&ENDPOINTS);
    let soon = at(now.as_second() + rng.range(30, 3000));
    match rng.range(0, 25) {
        0..3 => {
            let how = rng
                .pick(&[
                    TransportError::Host,
                    TransportError::Connection,
                    TransportError::Tls(TlsError::Other),
                    TransportError::Timeout(Duration::from_secs(5)),
                ])
                .clone();
            world.log(|| format!("{endpoint} is down until {soon}: {how:?}"));
            world.cloud.server(endpoint).down = Some(how);
            world.faults.repairs.push((soon, endpoint.to_owned()));
        }
        3 => {
            let page = rng.permille(500);
            world.log(|| format!("{endpoint} is another program until {soon}, a page: {page}"));
            let server = world.cloud.server(endpoint);
            (server.foreign, server.page) = (!page, page);
            world.faults.repairs.push((soon, endpoint.to_owned()));
        }
        4..7 => {
            let ahead = *rng.pick(&[0, 10, -14, 40, 120, -130, 200, 400, -1000]);
            world.log(|| format!("{endpoint} is {ahead} s ahead"));
            world.cloud.server(endpoint).ahead = ahead;
        }
        7..9 => {
            let server = world.cloud.server(endpoint);
            server.accepts_unsigned = !server.accepts_unsigned;
            let accepts_unsigned = server.accepts_unsigned;
            world.log(|| format!("{endpoint} accepts unsigned headers: {accepts_unsigned}"));
        }
        9 => {
            let region = *rng.pick(&[None, Some("eu-west-2"), Some("us-east-1")]);
            world.log(|| format!("{endpoint} serves {region:?}"));
            world.cloud.server(endpoint).region = region.map(str::to_owned);
        }
        10..13 => return bad_key(world, rng),
        13..15 => {
            world.log(|| format!("the STS is away until {soon}"));
            world.faults.sts_down_until = soon;
        }
        15 | 16 => {
            let failure = listing_failure(rng);
            world.log(|| format!("listings fail until {soon}: {failure:?}"));
            world.cloud.listings_fail = Some(failure);
            world.faults.repairs.push((soon, String::new()));
        }
        _ => return object(world, rng),
    }
    world.faults.store_faults_until = world.faults.store_faults_until.max(soon);
}

fn listing_failure(rng: &mut Rng) -> ListError {
    let refused = |status, code| {
        ListError::Refused(S3Response {
            status,
            code: Some(code),
            region: None,
            skew: None,
        })
    };
    match rng.range(0, 5) {
        0 => refused(403, ErrorCode::AccessDenied),
        1 => refused(503, ErrorCode::Unavailable),
        2 => ListError::TooLong,
        3 => ListError::BadPage(PageError::KeyRepeated),
        _ => ListError::TransportError(TransportError::Timeout(Duration::from_secs(5))),
    }
}

/// Somebody writes a key that no server knows into the Secret of a store; the old key still works.
fn bad_key(world: &mut World<Chaos>, rng: &mut Rng) {
    let now = world.now;
    let source = *rng.pick(&["s3-main", "s3-backup"]);
    if !matches!(world.cloud.sources.get(source), Some(Source::Static { .. })) {
        return;
    }
    world.log(|| format!("credentials {source:?}: a key that nobody knows"));
    let id = world.cloud.new_key(None, false);
    if let Some(key) = world.cloud.keys.get_mut(&id) {
        key.revoked = Some(Timestamp::MIN);
    }
    let source_keys = Source::Static { key: id };
    world.cloud.sources.insert(source.to_owned(), source_keys);
    world.cluster.touch_own_secret(source, now);
}

fn object(world: &mut World<Chaos>, rng: &mut Rng) {
    let bucket = *rng.pick(&["data", "data", "models"]);
    let namespace = *rng.pick(&NAMESPACES);
    let name = *rng.pick(&[
        "list/a.csv",
        "list/d/e.csv",
        "list/tmp-c.csv",
        "list/../escape",
        "list//double.csv",
        "list/line\nbreak.csv",
        "list/${filename}.csv",
        "file 1+&?.txt",
    ]);
    let key = if rng.permille(300) {
        format!("pub/{}.csv", rng.next() % 5)
    } else {
        format!("{namespace}/{name}")
    };
    let goes = rng.permille(400);
    world.log(|| {
        format!(
            "the object {bucket}/{key:?} {}",
            if goes { "goes" } else { "comes" }
        )
    });
    if goes {
        world.cloud.delete_object(bucket, &key);
    } else {
        world.cloud.put_object(bucket, &key);
    }
}

/// Ends the passing faults; clocks, regions and how servers treat unsigned headers stay.
pub fn settle(world: &mut World<Chaos>) {
    for server in world.cloud.servers.values_mut() {
        server.repair();
    }
    world.cloud.listings_fail = None;
    world.faults.repairs.clear();
    world.faults.sts_down_until = Timestamp::MIN;
    world.faults.store_faults_until = world.now;
}

/// All clocks jumped.
pub fn clock_stepped(world: &mut World<Chaos>, by: i64) {
    let moved = |time: Timestamp| {
        if time == Timestamp::MIN {
            time
        } else {
            at(time.as_second() + by)
        }
    };
    let faults = &mut world.faults;
    for (time, _) in &mut faults.repairs {
        *time = moved(*time);
    }
    faults.sts_down_until = moved(faults.sts_down_until);
    faults.store_faults_until = moved(faults.store_faults_until);
}
