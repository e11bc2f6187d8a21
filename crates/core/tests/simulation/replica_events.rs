//! What happens to two replicas: they die, pause, lose the API server, stop, and wait for their Lease.

use crate::chaos::Chaos;
use crate::common::rng::Rng;
use crate::common::world::{Blow, World};

/// By how many seconds the clock of a replica is ahead at most.
pub const AHEAD: i64 = 2;

/// Two replicas instead of one. They know nothing yet.
pub fn begin(world: &mut World<Chaos>, rng: &mut Rng) {
    let mut ahead = || rng.range(-AHEAD, AHEAD + 1);
    world.elect([ahead(), ahead()]);
}

/// Does one thing, or nothing.
pub fn act(world: &mut World<Chaos>, rng: &mut Rng) {
    if !world.elected() || rng.permille(400) {
        return;
    }
    let seconds = match rng.range(0, 3) {
        0 => rng.range(1, 12),
        1 => rng.range(8, 40),
        _ => rng.range(30, 300),
    };
    let blow = match rng.range(0, 20) {
        0..3 => Blow::Kill(seconds),
        3..9 => Blow::Pause(seconds),
        9..13 => Blow::Cut(seconds),
        13..16 => Blow::Stop(seconds),
        16..19 => Blow::SlowLease(seconds),
        _ => return delete_lease(world),
    };
    // Most happen while a write is under way.
    if rng.permille(700) {
        world.ambush = Some(blow);
    } else {
        let which = struck(world, rng);
        world.strike(which, blow);
    }
}

/// The leader goes with nothing under way.
pub fn change_the_leader(world: &mut World<Chaos>, rng: &mut Rng) {
    if !world.in_flight().is_empty() {
        return;
    }
    let which = struck(world, rng);
    let blow = match rng.range(0, 4) {
        0 => Blow::Kill(rng.range(0, 120)),
        1 | 2 => Blow::Pause(rng.range(5, 120)),
        _ => Blow::Stop(rng.range(0, 120)),
    };
    world.strike(which, blow);
}

/// In most cases the leader.
fn struck(world: &World<Chaos>, rng: &mut Rng) -> usize {
    let leader = world.leader().unwrap_or(0);
    if rng.permille(800) {
        leader
    } else {
        1 - leader
    }
}

/// Somebody deletes the Lease while both replicas know it.
fn delete_lease(world: &mut World<Chaos>) {
    if (0..2).all(|which| world.undisturbed_for(which) > 10) {
        world.log(|| "somebody deletes the Lease".to_owned());
        world.cluster.leases.delete();
    }
}
