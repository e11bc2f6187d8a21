//! The invariants of two replicas: one leads at a time, soon after the other ended, and nothing is issued
//! twice because of that. That no replica writes without the Lease, or over what is newer, the model of the
//! API server sees itself.

use crate::chaos::{Chaos, Written};
use crate::common::world::World;
use crate::invariants::InvariantChecker;
use crate::secret_invariants::PROBE_AGE;
use crate::status_facts::ready;

/// Seconds in which a replica leads if nothing stands in its way: the Lease's duration, two attempts, and the
/// steps of its last term.
pub const TAKE_OVER: i64 = 30;
/// Seconds for which a write may land before its renewal is due.
const EARLY: i64 = 30;

impl InvariantChecker {
    /// What holds of the replicas at every moment.
    pub fn replicas(&mut self, world: &World<Chaos>) {
        if !world.elected() {
            return;
        }
        let now = world.monotonic();
        let claims = (0..world.replicas.len()).filter(|which| world.claims(*which));
        if claims.count() > 1 {
            self.report(world, "two replicas lead");
        }
        self.note_leader(world);
        let able = (0..world.replicas.len())
            .map(|which| world.undisturbed_for(which))
            .max();
        let able = able.is_some_and(|seconds| seconds > TAKE_OVER);
        if able && now - self.led_at > TAKE_OVER {
            let since = now - self.led_at;
            self.report(world, format!("no replica leads for {since} s"));
        }
        self.dead_beside_ready(world);
    }

    /// Notes that a replica leads, or that none can: a replica whose renewals take too long to lead by them
    /// holds the Lease all the same.
    pub fn note_leader(&mut self, world: &World<Chaos>) {
        let away = world.faults.on && world.now < world.faults.outage_until;
        if world.running() || away || world.is_lease_slow() {
            self.led_at = world.monotonic();
        }
        self.led_at = self.led_at.max(world.led_at);
    }

    /// A change of the leader leaves no URL that is dead beside Ready for longer than it takes.
    fn dead_beside_ready(&mut self, world: &World<Chaos>) {
        if world.cluster.blind || !self.calm(world.now, PROBE_AGE) {
            return;
        }
        let slack = if world.settings.concurrency < 8 {
            90
        } else {
            15
        };
        for seen in world.cluster.resources.values() {
            let Some(told) = seen
                .status
                .internal
                .secret
                .as_ref()
                .filter(|_| ready(&seen.status))
            else {
                continue;
            };
            let place = (seen.namespace.clone(), told.name.clone());
            let secret = world.cluster.secrets.get(&place);
            let Some(ends) = secret
                .filter(|secret| secret.edited.is_none())
                .and_then(|secret| self.ends(secret))
            else {
                continue;
            };
            let dead = world.now.as_second() - ends.as_second();
            if dead > TAKE_OVER + slack {
                let who = format!("{}/{}", seen.namespace, seen.name);
                self.report(
                    world,
                    format!("{who} is Ready beside a URL that died {dead} s ago"),
                );
            }
        }
    }

    /// With nothing but changes of the leader, what a status tells of is not replaced before its renewal is
    /// due.
    pub fn once_for_each_renewal(&mut self, world: &World<Chaos>, written: &Written, who: &str) {
        let (Some((old, false)), Some((ends, renewed_at))) = (&written.before, written.told) else {
            return;
        };
        if old.ends != ends || !self.calm(written.at, PROBE_AGE) {
            return;
        }
        let early = renewed_at.as_second() - written.at.as_second();
        if early > EARLY {
            self.report(
                world,
                format!("{who}: issued again {early} s before its renewal is due"),
            );
        }
    }
}
