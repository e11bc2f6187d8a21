//! When an object is planned again.

use jiff::Timestamp;

/// The earliest of the times at which something is due.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct RequeueAt(Option<Timestamp>);

impl RequeueAt {
    /// Something is due at this time.
    pub(in crate::engine) fn at(&mut self, time: Timestamp) {
        self.0 = Some(self.0.map_or(time, |old| old.min(time)));
    }

    /// The earliest time, if anything is due.
    pub(in crate::engine) const fn earliest(self) -> Option<Timestamp> {
        self.0
    }
}
