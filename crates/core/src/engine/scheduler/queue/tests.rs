//! Order and slots.

use super::*;

fn key(name: &str) -> ObjectKey {
    ObjectKey::Resource(name.into())
}

/// With what somebody left the queue at another time.
fn ticket(priority: Priority) -> Ticket {
    Ticket {
        priority,
        arrival: 0,
        oldest: false,
    }
}

/// The next one with its priority.
fn next(queue: &mut Queue) -> Option<(ObjectKey, Priority)> {
    let (key, ticket) = queue.pop()?;
    Some((key, ticket.priority))
}

/// The next one starts a step, and the step ends.
fn step(queue: &mut Queue) -> Option<ObjectKey> {
    let (key, ticket) = queue.pop()?;
    queue.begin(key.clone(), ticket);
    queue.end(&key);
    Some(key)
}

fn drain(queue: &mut Queue) -> Vec<ObjectKey> {
    std::iter::from_fn(|| queue.pop().map(|(key, _)| key)).collect()
}

#[test]
fn urgent_goes_first_then_rank_then_arrival() {
    let mut queue = Queue::new(8, 2);
    queue.push(key("routine"), "a", Priority::Routine, 0);
    queue.push(key("late"), "a", Priority::Urgent, 2);
    queue.push(key("early"), "a", Priority::Urgent, 1);
    queue.push(key("early-too"), "a", Priority::Urgent, 1);
    let order = [key("early"), key("early-too"), key("late"), key("routine")];
    assert_eq!(drain(&mut queue), order);
}

#[test]
fn what_is_about_to_expire_goes_before_what_was_never_issued() {
    let mut queue = Queue::new(4, 1);
    queue.push(key("first"), "a", Priority::Urgent, i64::MIN);
    queue.push(key("expires"), "a", Priority::Expiring, 90);
    assert_eq!(next(&mut queue), Some((key("expires"), Priority::Expiring)));
    assert_eq!(next(&mut queue), Some((key("first"), Priority::Urgent)));
}

#[test]
fn routine_objects_never_take_the_urgent_slots() {
    let mut queue = Queue::new(4, 2);
    for at in 0..3 {
        queue.push(key(&format!("routine-{at}")), "a", Priority::Routine, 0);
    }
    for _ in 0..2 {
        let (key, ticket) = queue.pop().unwrap();
        queue.begin(key, ticket);
    }
    assert_eq!(
        queue.pop(),
        None,
        "two of four slots are for urgent objects"
    );
    queue.push(key("urgent"), "a", Priority::Urgent, 0);
    let (next, ticket) = queue.pop().unwrap();
    assert_eq!(next, key("urgent"));
    queue.begin(next, ticket);
    queue.end(&key("routine-0")).unwrap();
    assert_eq!(queue.pop().unwrap().0, key("routine-2"));
}

#[test]
fn what_waits_is_counted_by_how_urgent_it_is() {
    let mut queue = Queue::new(4, 1);
    queue.push(ObjectKey::Policy("free".into()), "a", Priority::Urgent, 0);
    queue.push(key("urgent"), "a", Priority::Urgent, 0);
    for name in ["one", "two", "three"] {
        queue.push(key(name), "a", Priority::Routine, 0);
    }
    assert_eq!(queue.depth(), (2, 3));
    queue.begin(key("begun"), ticket(Priority::Urgent));
    assert_eq!(queue.in_flight(), 1);
    queue.forget(&key("two"));
    assert_eq!(queue.depth(), (2, 2));
}

#[test]
fn a_store_needs_no_slot() {
    let mut queue = Queue::new(1, 0);
    queue.begin(key("only"), ticket(Priority::Urgent));
    queue.push(key("waits"), "a", Priority::Urgent, i64::MIN);
    let store = ObjectKey::Store("default".into());
    queue.push(store.clone(), "a", Priority::Urgent, i64::MIN);
    assert_eq!(queue.pop().map(|(key, _)| key), Some(store));
    assert_eq!(queue.pop(), None);
}

#[test]
fn what_happens_during_a_step_makes_it_dirty() {
    let mut queue = Queue::new(4, 1);
    let urgent = ticket(Priority::Urgent);
    queue.begin(key("a"), urgent);
    queue.push(key("a"), "a", Priority::Routine, 0);
    assert_eq!(queue.pop(), None);
    assert_eq!(queue.end(&key("a")), Some((urgent, true)));
    assert_eq!(queue.end(&key("a")), None);
}

#[test]
fn an_object_that_waits_moves_forward_and_never_back() {
    let mut queue = Queue::new(4, 1);
    queue.push(key("a"), "a", Priority::Routine, 5);
    queue.push(key("b"), "a", Priority::Routine, 3);
    queue.push(key("a"), "a", Priority::Urgent, 9);
    queue.push(key("a"), "a", Priority::Routine, 1);
    assert_eq!(drain(&mut queue), [key("a"), key("b")]);
}

#[test]
fn what_has_started_and_waits_rises_and_still_goes_before_what_starts() {
    let mut queue = Queue::new(4, 1);
    let routine = Priority::Routine;
    queue.proceed(key("renewal"), "a", routine, ticket(routine));
    queue.push(key("expires"), "b", Priority::Expiring, 0);
    queue.push(key("first"), "b", Priority::Urgent, i64::MIN);
    queue.push(key("renewal"), "a", Priority::Urgent, 90);
    assert_eq!(queue.depth(), (3, 0));
    let order = [key("renewal"), key("expires"), key("first")];
    assert_eq!(drain(&mut queue), order);
}

#[test]
fn a_time_at_the_latest_moves_the_requested_time_forward_and_never_back() {
    let time = |s| Timestamp::from_second(s).unwrap();
    let mut queue = Queue::new(4, 1);
    queue.by(&key("a"), time(20));
    queue.by(&key("a"), time(10));
    queue.by(&key("a"), time(15));
    assert_eq!(queue.next_due(), Some(time(10)));
    assert_eq!(queue.due(time(10)), [key("a")]);
    assert_eq!(queue.next_due(), None);
}

#[test]
fn the_last_requested_time_counts() {
    let time = |s| Timestamp::from_second(s).unwrap();
    let mut queue = Queue::new(4, 1);
    queue.at(&key("a"), Some(time(10)));
    queue.at(&key("b"), Some(time(5)));
    queue.at(&key("a"), Some(time(20)));
    assert_eq!(queue.next_due(), Some(time(5)));
    assert_eq!(queue.due(time(10)), [key("b")]);
    assert_eq!(queue.due(time(20)), [key("a")]);
    assert_eq!(queue.next_due(), None);
}

#[test]
fn whatever_one_namespace_creates_anothers_first_issue_waits_for_one_of_it() {
    let mut queue = Queue::new(8, 2);
    for at in 0..1000 {
        queue.push(key(&format!("a{at:04}")), "a", Priority::Urgent, 0);
    }
    assert_eq!(next(&mut queue), Some((key("a0000"), Priority::Urgent)));
    for at in 0..3 {
        queue.push(key(&format!("b{at}")), "b", Priority::Urgent, 0);
    }
    let order: Vec<_> = drain(&mut queue).into_iter().take(6).collect();
    let round = ["b0", "a0001", "b1", "a0002", "b2", "a0003"].map(key);
    assert_eq!(order, round);
}

#[test]
fn what_has_started_continues_before_another_namespace_starts() {
    let mut queue = Queue::new(8, 2);
    queue.push(key("new"), "b", Priority::Urgent, i64::MIN);
    queue.push(key("started"), "a", Priority::Urgent, 0);
    let urgent = Priority::Urgent;
    queue.proceed(key("started"), "a", urgent, ticket(urgent));
    queue.push(key("started"), "a", Priority::Routine, 0);
    queue.push(key("expires"), "b", Priority::Expiring, 0);
    let order = [key("started"), key("expires"), key("new")];
    assert_eq!(drain(&mut queue), order);
}

#[test]
fn what_continues_is_counted_and_goes_behind_what_is_more_urgent_and_comes_later() {
    let mut queue = Queue::new(4, 1);
    let routine = Priority::Routine;
    queue.proceed(key("renewal"), "a", routine, ticket(routine));
    assert_eq!(queue.depth(), (0, 1));
    assert!(queue.continues(&key("renewal")));
    queue.push(key("first"), "a", Priority::Urgent, 0);
    queue.push(ObjectKey::Store("store".into()), "", Priority::Urgent, 0);
    let order = [
        ObjectKey::Store("store".into()),
        key("first"),
        key("renewal"),
    ];
    assert_eq!(drain(&mut queue), order);

    queue.proceed(key("gone"), "a", routine, ticket(routine));
    queue.forget(&key("gone"));
    assert_eq!(queue.depth(), (0, 0));
    assert!(!queue.continues(&key("gone")));
    assert_eq!(drain(&mut queue), []);
}

#[test]
fn what_continues_waits_for_a_slot_of_its_kind() {
    let mut queue = Queue::new(2, 1);
    queue.push(key("slow"), "a", Priority::Routine, 0);
    let (slow, its_ticket) = queue.pop().unwrap();
    queue.begin(slow.clone(), its_ticket);
    let routine = Priority::Routine;
    queue.proceed(key("renewal"), "a", routine, ticket(routine));
    assert_eq!(queue.pop(), None, "the other slot is for urgent ones");
    queue.end(&slow);
    assert_eq!(next(&mut queue), Some((key("renewal"), routine)));
}

/// A queue of one slot in which `waits` waits, with a far end, and others whose ends come nearer.
fn flooded(waits: &str) -> Queue {
    let mut queue = Queue::new(1, 0);
    queue.push(key(waits), "a", Priority::Routine, i64::MAX);
    for at in 0..40 {
        queue.push(key(&format!("n{at:02}")), "a", Priority::Expiring, at);
    }
    queue
}

#[test]
fn one_step_in_eight_belongs_to_whoever_has_waited_longest() {
    let mut queue = flooded("far");
    queue.push(key("far-too"), "b", Priority::Urgent, 0);
    queue.push(key("n39"), "a", Priority::Expiring, -1);
    let order: Vec<_> = std::iter::from_fn(|| step(&mut queue)).take(24).collect();
    assert_eq!(order[0], key("n39"), "the nearest end goes first");
    let far = order.iter().position(|it| *it == key("far"));
    assert_eq!(far, Some(7), "seven go before it: {order:?}");
    assert!(!order.contains(&key("far-too")), "others waited longer");
}

#[test]
fn who_needs_no_step_uses_up_no_turn_of_another() {
    let mut queue = Queue::new(1, 0);
    for name in ["idle0", "idle1", "far"] {
        queue.push(key(name), "a", Priority::Routine, 9);
    }
    for at in 0..40 {
        queue.push(key(&format!("n{at:02}")), "a", Priority::Expiring, at);
    }
    for _ in 0..7 {
        step(&mut queue).unwrap();
    }
    for name in ["idle0", "idle1", "far"] {
        assert_eq!(queue.pop().unwrap().0, key(name), "no step has begun");
    }
}

#[test]
fn who_moves_forward_or_continues_keeps_its_age() {
    let mut queue = flooded("far");
    queue.push(key("far"), "a", Priority::Urgent, 7);
    for _ in 0..7 {
        step(&mut queue).unwrap();
    }
    let (far, ticket) = queue.pop().unwrap();
    assert_eq!(far, key("far"));
    queue.begin(far.clone(), ticket);
    queue.end(&far);
    queue.proceed(far.clone(), "a", Priority::Urgent, ticket);
    queue.push(key("new"), "a", Priority::Expiring, 0);
    assert_eq!(step(&mut queue), Some(far), "it has started");
}

#[test]
fn what_has_started_takes_no_turn_of_whoever_has_waited_longer() {
    let mut queue = flooded("far");
    let mut order = Vec::new();
    // Each of the others needs two steps.
    while let Some((next, ticket)) = queue.pop() {
        queue.begin(next.clone(), ticket);
        queue.end(&next);
        if order.last() != Some(&next) {
            queue.proceed(next.clone(), "a", ticket.priority, ticket);
        }
        order.push(next);
    }
    assert_eq!(order.iter().position(|it| *it == key("far")), Some(7));
}

#[test]
fn whoever_has_waited_longest_waits_for_a_slot_of_its_kind() {
    let mut queue = Queue::new(3, 2);
    queue.begin(key("routine"), ticket(Priority::Routine));
    queue.push(key("far"), "a", Priority::Routine, 0);
    for at in 0..9 {
        queue.push(key(&format!("n{at}")), "a", Priority::Urgent, at);
    }
    for at in 0..8 {
        assert_eq!(step(&mut queue), Some(key(&format!("n{at}"))));
    }
    queue.end(&key("routine"));
    assert_eq!(step(&mut queue), Some(key("far")));
}
