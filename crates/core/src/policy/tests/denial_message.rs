//! Refusals, read aloud.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Decision, PolicySet, SelectableNamespaces};
use super::{Labels, compile, decide, decide_for, labels, policies, refused, request, rule};

#[test]
fn no_policy_for_the_namespace_says_so() {
    let mut set = PolicySet::default();
    let secret = rule(&json!({"buckets": ["payroll"]}));
    set.insert(compile("theirs", &json!({"names": ["team-b"]}), &[secret]).expect("it compiles"));
    assert_eq!(
        refused(decide(&set, &request(&json!({})))),
        "No policy selects namespace \"team-a\", so it may not GET \"team-a/x\" in bucket \"data\" of store \"main\". \
         Ask an admin for a PresignedURLPolicy that selects it and allows this."
    );
}

#[test]
fn policies_without_rules_say_so() {
    let mut set = PolicySet::default();
    set.insert(compile("p", &json!({"names": ["team-a"]}), &[]).expect("it compiles"));
    assert_eq!(
        refused(decide(&set, &request(&json!({})))),
        "No policy allows namespace \"team-a\" to GET \"team-a/x\" in bucket \"data\" of store \"main\". The policies \
         that select it hold no rules: ask an admin for one."
    );
}

#[test]
fn the_closest_rules_come_first_and_three_are_named() {
    let set = policies(&[
        rule(&json!({"buckets": ["logs"], "prefixes": ["x/"]})),
        rule(&json!({"prefixes": ["models/", "{namespace}/in/"]})),
        rule(&json!({"methods": ["DELETE"], "stores": ["s3"], "buckets": []})),
        rule(&json!({"maxDuration": "1h"})),
    ]);
    let asked = request(&json!({"duration": "24h"}));
    assert_eq!(
        refused(decide(&set, &asked)),
        "No policy allows namespace \"team-a\" to GET \"team-a/x\" in bucket \"data\" of store \"main\" for 24h. \
         Closest: policy \"p3\" rule \"r0\" allows at most 1h; \
         policy \"p1\" rule \"r0\" is for keys under \"models/\" or \"team-a/in/\" and allows at most 12h; \
         policy \"p0\" rule \"r0\" is for bucket \"logs\", is for keys under \"x/\" and allows at most 12h. \
         Ask for what a rule allows, or ask an admin for a rule."
    );
}

#[test]
fn each_closed_gate_has_its_own_words() {
    let put = |put: Value| json!({"method": "PUT", "put": put});
    let uploads = |patch: Value| {
        super::with(
            rule(&json!({"methods": ["PUT"], "maxUploadBytes": 10, "allowUnsizedPut": true})),
            &patch,
        )
    };
    let kms = json!({"serverSideEncryption": "aws:kms"});
    let forms = |patch: Value| {
        super::with(
            rule(&json!({"methods": ["POST"], "maxUploadBytes": 10})),
            &patch,
        )
    };
    let post = |post: Value| {
        let sized = json!({"contentLengthRange": {"max": 10}});
        json!({"method": "POST", "post": super::with(sized, &post)})
    };
    let list = |prefix: &str, list: Value| json!({"key": null, "prefix": prefix, "list": list});
    let lists = json!({"methods": ["GET", "LIST"]});
    let cases = [
        (
            rule(&json!({"stores": ["s3", "b*"]})),
            json!({}),
            "is for store \"s3\" or \"b*\".",
        ),
        (rule(&json!({"stores": []})), json!({}), "names no store."),
        (
            rule(&json!({"buckets": ["{namespace}"]})),
            json!({}),
            "is for bucket \"team-a\".",
        ),
        (rule(&json!({"buckets": []})), json!({}), "names no bucket."),
        (
            rule(&json!({"prefixes": ["x/{namespace}/", "raw*"]})),
            json!({}),
            "is for keys under \"x/team-a/\" or \"raw*\".",
        ),
        (
            rule(&json!({"prefixes": []})),
            json!({}),
            "names no prefix.",
        ),
        (
            rule(&json!({})),
            json!({"secretTemplate": {"labels": {"grafana_dashboard": "1"}}}),
            "does not allow the key \"grafana_dashboard\" in secretTemplate.",
        ),
        (
            rule(&json!({"templateKeys": ["app", "example.com/*"]})),
            json!({"secretTemplate": {"labels": {"app": "x"}, "annotations": {"reflect": "y"}}}),
            "does not allow the key \"reflect\" in secretTemplate, only \"app\" or \"example.com/*\".",
        ),
        (
            rule(&json!({"methods": ["HEAD"]})),
            json!({}),
            "allows only HEAD.",
        ),
        (
            rule(&json!({})),
            json!({"method": "DELETE"}),
            "allows only GET and HEAD.",
        ),
        (rule(&json!({"methods": []})), json!({}), "names no method."),
        (
            rule(&json!({"prefixes": ["{namespace.labels['t']}"]})),
            json!({}),
            "needs the namespace's label \"t\", which is not set.",
        ),
        (
            rule(&json!({"buckets": ["{namespace.labels['odd']}"]})),
            json!({}),
            "needs the namespace's label \"odd\", whose value cannot stand in a name.",
        ),
        (
            rule(&json!({"endpoints": ["a", "b"]})),
            json!({"endpoint": "c"}),
            "allows only endpoint \"a\" or \"b\".",
        ),
        (
            rule(&json!({})),
            json!({"endpoint": "c"}),
            "allows only the store's default endpoint.",
        ),
        (
            rule(&json!({})),
            json!({"duration": "13h"}),
            "allows at most 12h.",
        ),
        (
            rule(&json!({})),
            json!({"get": {"versionID": "v"}}),
            "does not allow get.versionID.",
        ),
        (
            rule(&json!({})),
            json!({"get": {"responseContentType": "v"}}),
            "does not allow get.response* fields.",
        ),
        (
            uploads(json!({"allowUnsizedPut": null})),
            put(json!({})),
            "needs put.contentLength, at most 10.",
        ),
        (
            uploads(json!({})),
            put(json!({"contentLength": 11})),
            "allows at most 10 bytes.",
        ),
        (uploads(json!({})), put(kms.clone()), "allows no KMS key."),
        (
            uploads(json!({"kmsKeys": ["k"]})),
            put(kms),
            "allows only KMS key \"k\".",
        ),
        (
            uploads(json!({})),
            put(json!({"storageClass": "GLACIER"})),
            "does not allow put.storageClass.",
        ),
        (
            uploads(json!({"storageClasses": ["STANDARD"]})),
            put(json!({"storageClass": "GLACIER"})),
            "allows only put.storageClass \"STANDARD\".",
        ),
        (
            uploads(json!({})),
            put(json!({"acl": "private"})),
            "does not allow put.acl.",
        ),
        (
            uploads(json!({"acls": ["private"]})),
            put(json!({"acl": "public-read"})),
            "allows only put.acl \"private\".",
        ),
        (
            uploads(json!({})),
            put(json!({"metadata": {"a": "b"}})),
            "does not allow put.metadata.",
        ),
        (
            uploads(json!({})),
            put(json!({"tagging": {"a": "b"}})),
            "does not allow the tag \"a\".",
        ),
        (
            uploads(json!({"tagKeys": ["x", "y"]})),
            put(json!({"tagging": {"a": "b"}})),
            "does not allow the tag \"a\", only \"x\" or \"y\".",
        ),
        (
            forms(json!({"methods": ["POST", "LIST"]})),
            json!({}),
            "allows only POST and LIST.",
        ),
        (
            rule(&json!({})),
            list("team-a/", json!({})),
            "allows only GET and HEAD.",
        ),
        (
            rule(&json!({"methods": ["LIST"]})),
            list("team-a/", json!({})),
            "allows only LIST.",
        ),
        (
            rule(&lists),
            list("team-b/", json!({})),
            "is for keys under \"team-a/\".",
        ),
        (
            rule(&lists),
            list("team-a", json!({})),
            "needs a / at the end of the prefix, since it is for whole folders under \"team-a/\".",
        ),
        (
            rule(&lists),
            list("", json!({})),
            "is for keys under \"team-a/\".",
        ),
        (
            rule(&super::with(lists.clone(), &json!({"maxObjects": 5}))),
            list("team-a/", json!({"maxObjects": 6})),
            "allows at most 5 objects.",
        ),
        (
            rule(&lists),
            list("team-a/", json!({"refreshInterval": "4m"})),
            "needs list.refreshInterval of 5m or more.",
        ),
        (
            forms(json!({})),
            post(json!({"contentLengthRange": null})),
            "needs post.contentLengthRange, at most 10.",
        ),
        (
            forms(json!({})),
            post(json!({"contentLengthRange": {"max": 11}})),
            "allows at most 10 bytes.",
        ),
        (
            forms(json!({})),
            post(json!({"acl": "private"})),
            "does not allow post.acl.",
        ),
        (
            forms(json!({"acls": ["private"]})),
            post(json!({"acl": "public-read"})),
            "allows only post.acl \"private\".",
        ),
        (
            forms(json!({})),
            post(json!({"metadata": {"a": "b"}})),
            "does not allow post.metadata.",
        ),
        (
            forms(json!({})),
            post(json!({"successActionRedirect": "https://a/"})),
            "does not allow post.successActionRedirect.",
        ),
        (
            forms(json!({"redirects": ["https://b/*", "https://c/d"]})),
            post(json!({"successActionRedirect": "https://a/"})),
            "allows only post.successActionRedirect \"https://b/*\" or \"https://c/d\".",
        ),
        (
            forms(json!({"createOnly": true})),
            post(json!({})),
            "takes no form, since it is createOnly (use method PUT).",
        ),
    ];
    for (rule, asked, words) in cases {
        let labels = labels([("odd", "a..b")]);
        let message = refused(decide_for(
            &policies(std::slice::from_ref(&rule)),
            "team-a",
            &labels,
            &request(&asked),
        ));
        let (_, closest) = message
            .split_once(" Closest: policy \"p0\" rule \"r0\" ")
            .expect(&message);
        let told = closest.strip_suffix(" Ask for what a rule allows, or ask an admin for a rule.");
        assert_eq!(told, Some(words), "{message}");
    }
}

#[test]
fn a_refusal_of_a_method_says_nothing_of_its_options() {
    let uploads = [
        json!({"method": "PUT", "put": {"contentLength": 5, "acl": "private"}}),
        json!({"method": "POST", "post": {"contentLengthRange": {"max": 5}}}),
    ];
    for asked in uploads {
        let message = refused(decide(&policies(&[rule(&json!({}))]), &request(&asked)));
        let words = "policy \"p0\" rule \"r0\" allows only GET and HEAD. Ask";
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn rules_of_which_the_same_is_to_be_said_share_it() {
    let far = rule(&json!({"buckets": ["logs"]}));
    let several = [rule(&json!({})), far, rule(&json!({})), rule(&json!({}))];
    let message = refused(decide(
        &policies(&several),
        &request(&json!({"duration": "13h"})),
    ));
    let words = "Closest: policy \"p0\" rule \"r0\" (like policy \"p2\" rule \"r0\" and policy \"p3\" rule \"r0\") allows \
                 at most 12h; policy \"p1\" rule \"r0\" is for bucket \"logs\" and allows at most 12h. Ask";
    assert!(message.contains(words), "{message}");

    let named = |name: &str| super::with(rule(&json!({})), &json!({"name": name}));
    let set = |rules: &[serde_json::Value]| {
        let mut set = PolicySet::default();
        set.insert(compile("p", &json!({"names": ["team-a"]}), rules).expect("it compiles"));
        set
    };
    let asked = request(&json!({"method": "DELETE"}));
    let message = refused(decide(&set(&["a", "b"].map(named)), &asked));
    let words = "Closest: policy \"p\" rule \"a\" (like rule \"b\") allows only GET and HEAD. Ask";
    assert!(message.contains(words), "{message}");

    let long = ["a", "b", "c"].map(|letter| named(&letter.repeat(63)));
    let message = refused(decide(&set(&long), &asked));
    assert!(message.contains("bbb\" and others) allows"), "{message}");
}

#[test]
fn one_object_and_one_byte_are_not_several() {
    let lists = rule(&json!({"methods": ["GET", "LIST"], "maxObjects": 1}));
    let asked = json!({"key": null, "prefix": "team-a/", "list": {"maxObjects": 2}});
    let message = refused(decide(&policies(&[lists]), &request(&asked)));
    assert!(
        message.contains("allows at most 1 object. Ask"),
        "{message}"
    );
}

#[test]
fn a_rule_about_another_object_is_no_near_miss() {
    let other = [
        json!({"stores": ["s3"]}),
        json!({"buckets": ["logs"]}),
        json!({"prefixes": ["x/"]}),
        json!({"methods": ["DELETE"]}),
        json!({"prefixes": ["{namespace.labels['t']}/"]}),
    ];
    let asked = request(&json!({"duration": "13h", "endpoint": "in", "get": {"versionID": "v"}}));
    for patch in other {
        let rules = [
            super::with(
                rule(&patch),
                &json!({"maxDuration": "24h", "allowVersions": true, "endpoints": ["in"]}),
            ),
            rule(&json!({})),
        ];
        let message = refused(decide(&policies(&rules), &asked));
        assert!(
            message.contains("Closest: policy \"p1\" rule \"r0\" allows only the store's default"),
            "{message}"
        );
    }
}

#[test]
fn a_rule_with_many_violations_is_described_in_part() {
    let far = rule(&json!({
        "buckets": ["x".repeat(63), "y".repeat(63), "z".repeat(63)], "prefixes": ["x/"], "maxDuration": "1m",
    }));
    let message = refused(decide(
        &policies(&[far]),
        &request(&json!({"duration": "1h"})),
    ));
    assert!(message.contains("is for bucket \"xxx"), "{message}");
    assert!(
        !message.contains("is for keys") && !message.contains("at most 1m"),
        "{message}"
    );
}

#[test]
fn an_upload_is_named_with_its_size_and_endpoint() {
    let asked = request(&json!({"method": "PUT", "endpoint": "in", "put": {"contentLength": 5}}));
    let message = refused(decide(&PolicySet::default(), &asked));
    assert!(
        message.contains("PUT \"team-a/x\" in bucket \"data\" of store \"main\" by endpoint \"in\" with 5 bytes. Ask"),
        "{message}"
    );
}

#[test]
fn prefixes_and_forms_are_named_for_what_they_are() {
    for (asked, words) in [
        (
            json!({"key": null, "prefix": "in/"}),
            "LIST and GET every object under \"in/\" in bucket \"data\" of",
        ),
        (
            json!({"key": null, "prefix": ""}),
            "LIST and GET every object in bucket \"data\" of",
        ),
        (
            json!({"key": null, "prefix": "in/", "method": "POST", "post": {"contentLengthRange": {"max": 5}}}),
            "POST any object under \"in/\" in bucket \"data\" of store \"main\" with up to 5 bytes. Ask",
        ),
        (
            json!({"key": null, "prefix": "", "method": "POST"}),
            "POST any object in bucket \"data\" of store \"main\". Ask",
        ),
    ] {
        let message = refused(decide(&PolicySet::default(), &request(&asked)));
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn an_unknown_decision_names_the_policies_that_an_admin_must_fix() {
    let mut set = policies(&[rule(&json!({"buckets": ["logs"]}))]);
    set.insert_unreadable("x", SelectableNamespaces::default());
    let Decision::Unknown { unknown, .. } = decide(&set, &request(&json!({}))) else {
        panic!("not unknown")
    };
    assert_eq!(unknown.named.unreadable, ["x"]);
    assert_eq!(unknown.named.closest, ["p0"]);
    assert_eq!(
        unknown.message,
        "It is not known whether namespace \"team-a\" may GET \"team-a/x\" in bucket \"data\" of store \"main\": \
         policy \"x\" cannot be read, and no other allows it. Closest: policy \"p0\" rule \"r0\" is for bucket \
         \"logs\". An admin must fix it; until then nothing new is issued, and nothing is removed because of it."
    );
    for name in ["y", "z", "zz"] {
        set.insert_unreadable(name, SelectableNamespaces::default());
    }
    let Decision::Unknown {
        unknown, policies, ..
    } = decide(&set, &request(&json!({})))
    else {
        panic!("not unknown")
    };
    assert_eq!(policies, ["x", "y", "z", "zz"]);
    assert_eq!(unknown.named.unreadable, ["x", "y", "z"]);
    let message = unknown.message;
    assert!(
        message.contains("policies \"x\", \"y\", \"z\" and 1 more cannot be read"),
        "{message}"
    );
    assert!(message.contains("An admin must fix them;"), "{message}");
}

#[test]
fn a_refusal_returns_the_policies_that_its_message_names_and_no_others() {
    // Of each length of names another part of the closest rules fits, and of those like them.
    let mut seen = std::collections::BTreeSet::new();
    for length in 1..=80 {
        let mut set = PolicySet::default();
        let name = |at: usize| format!("p{at}-{}", "x".repeat(length));
        for at in 0..12 {
            let longest = format!("{}m", 1 + at % 4);
            let prefix = format!("{}/", "y".repeat(length));
            let rule = rule(&json!({"maxDuration": longest, "prefixes": [prefix, "z/"]}));
            set.insert(compile(&name(at), &json!({"names": ["*"]}), &[rule]).expect("it compiles"));
        }
        let asked = json!({"duration": "2h", "key": format!("team-b/{}", "k".repeat(90))});
        let Decision::Denied(refusal) = decide(&set, &request(&asked)) else {
            panic!("not denied")
        };
        let mut names: Vec<String> = (0..12).map(name).collect();
        names.retain(|name| refusal.message.contains(&format!("policy \"{name}\"")));
        names.sort();
        assert_eq!(refusal.named.closest, names, "{}", refusal.message);
        assert!(refusal.named.unreadable.is_empty());
        seen.insert(names.len());
    }
    assert!(seen.len() > 2, "{seen:?}");
}

proptest! {
    #[test]
    fn a_refusal_of_many_keys_is_one_bounded_line_that_names_the_closest_rule(
        tail in "\\PC{1,300}", count in 2..2048_usize,
    ) {
        let count = count.min(crate::api::MAX_KEY_BYTES / (4 + tail.len()));
        let keys: Vec<String> = (0..count).map(|n| format!("{n}{tail}")).collect();
        prop_assume!(crate::request::Key::parse(&keys[0]).is_ok());
        let asked = json!({
            "key": null, "keys": keys, "bucket": "b".repeat(63), "storeRef": {"name": format!("{0}.{0}", "s".repeat(60))},
            "endpoint": "e".repeat(63), "duration": "167h59m59s",
        });
        let buckets = ["c", "d", "e"].map(|letter| letter.repeat(63));
        let rules = [rule(&json!({"buckets": buckets})), rule(&json!({"prefixes": ["x".repeat(200)]}))];
        let mut set = PolicySet::default();
        set.insert(compile(&"p".repeat(253), &json!({"names": ["*"]}), &rules).expect("it compiles"));
        let message = refused(decide_for(&set, &"n".repeat(63), &Labels::new(), &request(&asked)));
        prop_assert!(message.len() <= 1024, "{}", message.len());
        prop_assert!(!message.contains(char::is_control));
        prop_assert!(message.contains(": policy \"p"), "{}", message);
        prop_assert!(message.ends_with(". Ask for what a rule allows, or ask an admin for a rule."), "{}", message);
    }

    #[test]
    fn a_refusal_is_one_bounded_line_that_names_the_closest_rule(
        key in "\\PC{1,300}", prefix in "[^*/{}$.\\x00-\\x1f\\x7f\\u{80}-\\u{9f}]{1,300}", label in "[a-z]{63}/[a-z]{63}",
        store in "[a-z]{63}(\\.[a-z]{40}){3}", name in "[a-z]{63}",
    ) {
        let asked = json!({
            "key": key, "bucket": "b".repeat(63), "storeRef": {"name": store}, "endpoint": name, "duration": "167h59m59s",
            "method": "PUT", "put": {"contentLength": 5_368_709_120_u64, "acl": "a".repeat(64)},
        });
        prop_assume!(crate::request::Key::parse(&key).is_ok());
        let template = format!("{{namespace.labels['{label}']}}");
        let rules = [
            rule(&json!({"prefixes": [prefix, format!("{prefix}x"), format!("{prefix}y"), "z"], "stores": ["s".repeat(253)]})),
            rule(&json!({"prefixes": [template], "endpoints": ["e".repeat(63)]})),
            rule(&json!({"buckets": ["c".repeat(63), "d".repeat(63), "e".repeat(63)]})),
            rule(&json!({})),
        ];
        let rules: Vec<_> = rules.into_iter().map(|r| super::with(r, &json!({"maxDuration": "1m"}))).collect();
        let mut set = PolicySet::default();
        let policy = "p".repeat(253);
        set.insert(compile(&policy, &json!({"names": ["*"]}), &rules).expect("it compiles"));
        let asked = request(&asked);
        let message = refused(decide_for(&set, &name, &Labels::new(), &asked));
        prop_assert!(message.len() <= 1024, "{}", message.len());
        prop_assert!(!message.contains(char::is_control));
        prop_assert!(message.contains(" Closest: policy \"p"), "{}", message);
        prop_assert!(message.ends_with(". Ask for what a rule allows, or ask an admin for a rule."), "{}", message);

        set.insert_unreadable(&"q".repeat(253), SelectableNamespaces::default());
        set.insert_unreadable(&"r".repeat(253), SelectableNamespaces::default());
        set.insert_unreadable(&"s".repeat(253), SelectableNamespaces::default());
        set.insert_unreadable(&"t".repeat(253), SelectableNamespaces::default());
        let Decision::Unknown { unknown, .. } = decide_for(&set, &name, &Labels::new(), &asked) else {
            panic!("not unknown")
        };
        let message = unknown.message;
        prop_assert!(message.len() <= 1024 && message.ends_with("because of it."), "{}", message);
    }

    #[test]
    fn a_decision_does_not_depend_on_the_order_of_policies(
        order in Just(vec![0_usize, 1, 2, 3, 4]).prop_shuffle(), key in prop_oneof![Just("team-a/x"), Just("models/x"), Just("z")],
    ) {
        let rules = [
            rule(&json!({})), rule(&json!({"maxDuration": "13h"})), rule(&json!({"maxDuration": "13h"})),
            rule(&json!({"prefixes": ["models/"]})), rule(&json!({"buckets": ["logs"]})),
        ];
        let mut set = PolicySet::default();
        for at in order {
            let rule = std::slice::from_ref(&rules[at]);
            set.insert(compile(&format!("p{at}"), &json!({"names": ["*"]}), rule).expect("it compiles"));
        }
        let asked = request(&json!({"key": key}));
        prop_assert_eq!(decide(&set, &asked), decide(&policies(&rules), &asked));
    }
}
