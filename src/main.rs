//! The operator's binary: everything is in the library.

use std::process::ExitCode;

/// What is kept of a resource is many small values, made between buffers of requests that go at once. An allocator with a
/// place for each size keeps the two apart; glibc's left holes, and grew by 12 KiB a resource where this grows by 5.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
