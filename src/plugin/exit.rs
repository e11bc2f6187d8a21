//! How a command ends.
//!
//! What holds here: scripts branch on the code, so each has one meaning, and none changes it.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use thiserror::Error;

/// The exit codes of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it was done; of a question: the answer is yes.
    Done = 0,
    /// 1: it was refused, failed or is not there; of a question: the answer is no.
    No = 1,
    /// 2: the command line cannot be used, or a file that it names cannot be read.
    Usage = 2,
    /// 3: nobody knows: the cluster cannot be reached, a right is missing, or a policy cannot be read.
    Unknown = 3,
    /// 4: it was not done in the time that `--timeout` gives.
    TimedOut = 4,
}

impl Exit {
    /// The code of a command that failed: that of the [`Failure`] in the chain, else [`Exit::No`].
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        let failure = error.downcast_ref::<Failure>();
        failure.map_or(Self::No, |failure| failure.exit)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure with an exit code of its own. Any other error ends in [`Exit::No`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// What was asked, what is wrong, what to do.
    pub message: String,
}

impl Failure {
    /// The answer is no.
    #[must_use]
    pub fn no(message: impl Into<String>) -> Self {
        Self::new(Exit::No, message)
    }

    /// The command line cannot be used.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A file that the command line names cannot be read.
    #[must_use]
    pub fn file(what: impl Display, error: &io::Error) -> Self {
        Self::usage(format!("{what} cannot be read ({error}): name another"))
    }

    /// Nobody knows.
    #[must_use]
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Exit::Unknown, message)
    }

    /// It took too long.
    #[must_use]
    pub fn timed_out(message: impl Into<String>) -> Self {
        Self::new(Exit::TimedOut, message)
    }

    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    //! The code that an error ends in.

    use super::*;

    #[test]
    fn an_error_ends_in_the_code_of_its_failure_and_any_other_in_one() {
        let told = anyhow::Error::from(Failure::unknown("no cluster")).context("status");
        assert_eq!(Exit::of(&told), Exit::Unknown);
        assert_eq!(Exit::of(&anyhow::anyhow!("a file is not there")), Exit::No);
    }
}
