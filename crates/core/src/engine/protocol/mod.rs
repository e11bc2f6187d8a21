//! The values that the engine and the shell exchange: events, steps, their results, and their parts.
//!
//! What holds here:
//! - These are values without behaviour.
//! - This folder imports no other folder of the engine.

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
