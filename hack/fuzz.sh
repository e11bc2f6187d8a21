#!/usr/bin/env bash
# Fuzzes each target of crates/fuzz, or those named, with libFuzzer for some seconds each: fuzz.sh SECONDS [TARGET...]
# The pinned stable compiler instruments; what was found to be of interest stays in target/fuzz/corpus for the next time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:?usage: fuzz.sh SECONDS [TARGET...]}
shift
# The whole workspace, with the features that the tests want as well: nothing is built twice.
cargo build --quiet --locked --workspace --examples
seeds=${CARGO_TARGET_DIR:-target}/debug/examples/seeds
targets=("$@")
[[ $# -gt 0 ]] || mapfile -t targets < <("$seeds" --list)
out=${CARGO_TARGET_DIR:-target}/fuzz
"$seeds" "$out/seeds"

host=$(rustc -vV | sed -n 's/^host: //p')
# With --target the flags are for what runs, and not for build scripts.
level=-sanitizer-coverage
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=$level-level=4 -Cllvm-args=$level-inline-8bit-counters \
  -Cllvm-args=$level-pc-table -Cllvm-args=$level-trace-compares" \
  cargo build --quiet --locked --release --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$out/build"

failed=()
for name in "${targets[@]}"; do
  mkdir -p "$out/corpus/$name" "$out/found/$name"
  echo "fuzzing $name for $seconds s" >&2
  log=$out/found/$name.log
  PSU_FUZZ_TARGET=$name "$out/build/$host/release/presigned-libfuzzer" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$out/found/$name/" "$out/corpus/$name" "$out/seeds/$name" >"$log" 2>&1 ||
    failed+=("$name")
  grep -E 'number_of_executed_units|new_units_added' "$log" >&2 || true
done
for name in "${failed[@]}"; do
  echo "fuzz.sh: $name found a fault; $out/found/$name.log tells what, and the input lies in $out/found/$name/" >&2
done
[[ ${#failed[@]} -eq 0 ]]
