//! What crosses the border between the engine and the shell: events, steps, their results, and what these are made of.
//!
//! What holds here: values without behaviour. No other room of the engine is known here.

mod error;
mod event;
mod s3;
mod settings;
mod step;

pub use error::*;
pub use event::*;
#[cfg(test)]
pub(in crate::engine) use s3::answer;
pub use s3::*;
pub use settings::*;
pub use step::*;
