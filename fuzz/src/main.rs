//! libFuzzer around one target of `crates/fuzz`, named by `PSU_FUZZ_TARGET`.
//!
//! What holds here: nothing is decided here; the unsafe code of the macro is libFuzzer's entry and in no
//! product.
#![no_main]

use std::sync::LazyLock;

use presigned_fuzz::{Target, target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("PSU_FUZZ_TARGET").unwrap_or_default();
    target(&name)
        .unwrap_or_else(|| panic!("PSU_FUZZ_TARGET={name:?} names no target of crates/fuzz"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
