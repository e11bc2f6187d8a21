//! When an object is to be looked at again.

use jiff::Timestamp;

/// The earliest of the times at which something is due.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct RequeueAt(pub(in crate::engine) Option<Timestamp>);

impl RequeueAt {
    pub(in crate::engine) fn at(&mut self, time: Timestamp) {
        self.0 = Some(self.0.map_or(time, |old| old.min(time)));
    }
}
