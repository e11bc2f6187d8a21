//! What each kind of Secret holds and refuses. `tests/curl_conf.rs` reads the files for curl with the real
//! curl.

mod bundle;
mod form;
mod single;

use crate::issue::tests::{NOON, at, map};
