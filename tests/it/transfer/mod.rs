//! `fetch` and `push` as the real program, against real S3 servers, servers that fail and servers that lie.
//!
//! What holds here: a run has nothing but a Secret's files or a URL. What it says never holds a query, and
//! what it leaves in the target folder is whole files.

mod fetching;
mod full_disk;
mod kserve;
mod pushing;
mod resuming;
pub(crate) mod stage;
mod watching;
