//! The operator's binary: everything is in the library.

use std::process::ExitCode;

/// The operator keeps many small values of each resource, allocated between short-lived buffers of requests.
/// An allocator with a region for each size keeps the two apart: glibc's grew by 12 KiB a resource, this one
/// grows by 3.
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match presigned_url_operator::cli::main() {
        Ok(code) => code,
        Err(error) => {
            // The chain of causes in one line; a backtrace does not help the person who has to fix it.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
