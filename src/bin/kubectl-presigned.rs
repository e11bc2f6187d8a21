//! The kubectl plugin's binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    presigned_url_operator::plugin::main()
}
