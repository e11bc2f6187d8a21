//! The operator's binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    match presigned_url_operator::cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes in one line; a backtrace tells nothing to the person who has to mend it.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
