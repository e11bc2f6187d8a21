//! Clock skew: the operator reports the difference that a store's `Date` header shows, signs by the store's
//! clock, or stops issuing if the difference is too large. And the absence budget.

use jiff::{SignedDuration, Timestamp};
use presigned_core::request::parse_duration;
use presigned_testkit::S3Server;
use presigned_testkit::s3::FaultyS3Proxy;
use serde_json::json;

use crate::support::{World, condition, http, says, store_condition, store_says};

/// How far the signature's date lies from now, in seconds.
fn dated(url: &str) -> i64 {
    let date = url.split("X-Amz-Date=").nth(1).unwrap();
    let date = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", &date[..16]).unwrap();
    let date = date.to_datetime().unwrap();
    let date = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    date.timestamp().as_second() - Timestamp::now().as_second()
}

/// Waits until the store says how its clock differs.
async fn tells(world: &World, words: &str) {
    world
        .until_store(&format!("says that its clock is {words}"), |store| {
            store_says(store, "ClockInSync", "False", "ClockSkewed")
                && store_condition(store, "ClockInSync")
                    .is_some_and(|told| told.message.contains(words))
        })
        .await;
}

#[tokio::test]
async fn a_stores_clock_that_is_off_is_reported_and_signed_by_and_far_off_stops_what_is_new() {
    let s3 = S3Server::s3s_fs().unwrap();
    for name in ["first", "second", "third", "fourth"] {
        s3.put_object("data", name, name).unwrap();
    }
    let world = World::on("skewed", &s3).await;
    let shown = FaultyS3Proxy::before(&s3).unwrap();
    let place = json!({ "endpoint": shown.endpoint });
    world.store(&s3, &place).await;
    let operator = world.operator(&["--resign-within=1s"]).await;
    world.psu("first", &json!({})).await;
    world.ready("first").await;
    world
        .until_store("says that the clocks agree", |store| {
            store_says(store, "ClockInSync", "True", "ClockInSync")
        })
        .await;
    let url = world.value("first", "url").await;
    assert!((-90..=-29).contains(&dated(&url)), "dated 30 s back");

    // Every answer tells the clock: that to the try of a new URL too.
    shown.set_clock_ahead(SignedDuration::from_secs(-185));
    world.psu("second", &json!({})).await;
    world.ready("second").await;
    tells(&world, "about 3m behind the operator's").await;
    world.psu("third", &json!({})).await;
    world.ready("third").await;
    let url = world.value("third", "url").await;
    let off = dated(&url);
    assert!((-275..=-214).contains(&off), "dated {off} s from now");
    assert_eq!(http("GET", &url, "", &[]).await.status, 200);
    // What was dated by the other clock is dated anew, and works all the while.
    world
        .until("first", "is signed by the store's clock", |psu| {
            psu.status.as_ref().unwrap().revision >= Some(2)
        })
        .await;

    // Well within the seventh minute: an answer takes time, and what is told is rounded down.
    shown.set_clock_ahead(SignedDuration::from_secs(450));
    // One measure that differs is not believed before another agrees: its try tells one, a look after an edit
    // the next.
    world.psu("fourth", &json!({})).await;
    world.ready("fourth").await;
    let looked_at = json!({ "endpoint": shown.endpoint, "maxSignatureAge": "161h" });
    world.store(&s3, &looked_at).await;
    tells(&world, "about 7m ahead of the operator's").await;
    world.psu("fifth", &json!({})).await;
    let message = world.unready("fifth", "ClockSkewed").await;
    for words in ["beyond 5m nothing is signed", "set the clock"] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    assert!(world.secrets().get_opt("fifth").await.unwrap().is_none());
    for name in ["first", "third"] {
        let psu = world.ready(name).await;
        assert!(says(condition(&psu, "Ready"), "True", "Issued"));
        let url = world.value(name, "url").await;
        assert_eq!(http("GET", &url, "", &[]).await.status, 200, "{name} lives");
    }

    // The clock is set right; any edit of the store makes the operator look at once.
    shown.set_clock_ahead(SignedDuration::ZERO);
    let looked_at = json!({ "endpoint": shown.endpoint, "maxSignatureAge": "160h" });
    world.store(&s3, &looked_at).await;
    world.ready("fifth").await;
    world
        .until_store("says that the clocks agree again", |store| {
            store_says(store, "ClockInSync", "True", "ClockInSync")
        })
        .await;
    world.finish().await;
    operator.kill();
}

#[tokio::test]
async fn a_store_tells_how_long_the_operator_may_be_away() {
    let s3 = S3Server::s3s_fs().unwrap();
    let world = World::on("absence", &s3).await;
    let operator = world.operator(&[]).await;
    let budget = async |hours: u64| {
        let least = std::time::Duration::from_hours(hours);
        let store = world
            .until_store(&format!("may be left for {hours}h"), |store| {
                let told = store.status.as_ref();
                let told = told.and_then(|status| status.absence_budget.as_deref());
                let told = told.and_then(|told| parse_duration(told).ok());
                told.is_some_and(|told| (least..least + least / 4).contains(&told))
            })
            .await;
        store.status.unwrap().absence_budget.unwrap()
    };
    world.psu("default", &json!({})).await;
    world.ready("default").await;
    budget(8).await;
    // The one that dies first counts.
    world.psu("short", &json!({ "duration": "3h" })).await;
    world.ready("short").await;
    budget(2).await;
    world.finish().await;
    operator.kill();
}
