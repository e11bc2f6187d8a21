//! The operator's binary: everything is in the library.

fn main() -> anyhow::Result<()> {
    presigned_url_operator::cli::main()
}
