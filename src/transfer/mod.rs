//! `fetch` and `push`: objects to files and files to objects, by what a Secret holds.
//!
//! What holds here: nothing is signed and no policy is asked; a Secret, a URL or a list of URLs is all that a
//! transfer knows. No object is held in memory whole. A file that is not whole never has its name, and no
//! name of others leaves the target folder ([`target::below`]). No message holds the query of a URL.

mod answer;
mod api;
mod assign;
mod checksum;
mod contents;
mod current;
mod download;
mod error;
mod extent;
mod fetch;
mod folder;
mod partial;
mod plan;
mod progress;
mod push;
mod session;
mod source;
mod target;
mod upload;

pub use error::{Error, Kind};
pub use fetch::{Fetch, Watch, fetch};
pub use push::{Push, push};
pub use session::Common;
