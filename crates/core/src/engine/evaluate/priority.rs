//! How urgent a resource is.

use jiff::Timestamp;

use super::one_shot;
use crate::engine::cache::index::Record;
use crate::engine::scheduler::queue::Priority;

/// The priority of a resource: never issued before all, then by the life that is left.
pub(in crate::engine) fn priority(record: &Record, now: Timestamp) -> (Priority, i64) {
    let status = &record.seen.status;
    let (Some(issued), Some(expires)) = (status.issued_at, status.expires_at) else {
        return (Priority::Urgent, i64::MIN);
    };
    if one_shot::is_over(record, status) {
        return (Priority::Routine, i64::MAX);
    }
    let left = expires.as_second() - now.as_second();
    let life = expires.as_second() - issued.as_second();
    if left.saturating_mul(4) < life {
        (Priority::Urgent, left)
    } else {
        (Priority::Routine, left)
    }
}
