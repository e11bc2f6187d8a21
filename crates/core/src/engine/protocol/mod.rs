//! What crosses the border between the engine and the shell: events, steps, their results, and what these are made of.
//!
//! What holds here: values without behaviour. No other room of the engine is known here.

mod credentials;
mod error;
mod event;
mod key;
mod observation;
mod observed;
mod s3;
mod settings;
mod step;

pub use credentials::*;
pub use error::*;
pub use event::*;
pub use key::*;
pub use observation::*;
pub use observed::*;
#[cfg(test)]
pub(in crate::engine) use s3::answer;
pub use s3::*;
pub use settings::*;
pub use step::*;
