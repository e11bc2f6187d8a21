#!/usr/bin/env bash
# Measures `fetch` against curl, aria2c and `aws s3 cp`, all in one run from one local server (versitygw, plain HTTP):
# one large object, and many small ones. `make bench-transfer` builds the program first.
#
#   hack/bench-transfer.sh PROGRAM
#
#   LARGE_MIB=4096 SMALL_COUNT=1000 SMALL_KIB=100    what is fetched
#   RUNS=3                                           how often; the median is shown
#   PARALLEL=8                                       connections of each program
#   BENCH_DIR=/var/tmp                               where the objects and the copies lie: three times the large object
#
# What holds here: the programs take turns, so that load from elsewhere meets all of them; each copy is removed before
# the next; the objects are in the page cache of the server for everybody; what was fetched is compared with what is
# there, once for each program.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
program=$(realpath "${1:?name the program: target/release/presigned-url-operator}")
large=${LARGE_MIB:-4096} count=${SMALL_COUNT:-1000} small=${SMALL_KIB:-100} runs=${RUNS:-3} parallel=${PARALLEL:-8}

tools=$("$here/tools.sh" botocore versitygw)
work=$(mktemp -d "${BENCH_DIR:-/var/tmp}/presigned-bench-transfer-XXXXXX")
server=
cleanup() {
  [[ -z $server ]] || kill "$server" 2>/dev/null || true
  rm -rf -- "$work"
}
trap cleanup EXIT

mkdir -p "$work"/{root/data/many,meta,iam,home}
head -c "$((large << 20))" /dev/urandom >"$work/root/data/large"
for ((at = 0; at < count; at++)); do
  head -c "$((small << 10))" /dev/urandom >"$work/root/data/many/$at"
done
export AWS_ACCESS_KEY_ID=bench AWS_SECRET_ACCESS_KEY=bench-secret AWS_DEFAULT_REGION=eu-west-2 HOME=$work/home
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
endpoint=http://127.0.0.1:$port
"$tools/versitygw" --access=bench --secret=bench-secret "--port=127.0.0.1:$port" --region=eu-west-2 \
  "--iam-dir=$work/iam" --quiet posix "--sidecar=$work/meta" "$work/root" >"$work/server.log" 2>&1 &
server=$!
for _ in {1..100}; do
  curl -s -o "$work/ready" "$endpoint/" && break
  sleep 0.1
done

# The files that the operator writes, for the same URLs.
"$tools/botocore" - "$endpoint" "$count" "$work" <<'PYTHON'
import json, sys
import botocore.session
from botocore.config import Config
endpoint, count, work = sys.argv[1], int(sys.argv[2]), sys.argv[3]
config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
client = botocore.session.get_session().create_client("s3", endpoint_url=endpoint, config=config)
for name, keys in {"large": ["large"], "many": [f"many/{at}" for at in range(count)]}.items():
    url = lambda key: client.generate_presigned_url("get_object", {"Bucket": "data", "Key": key}, ExpiresIn=43200)
    urls = [(key, url(key)) for key in keys]
    with open(f"{work}/{name}.json", "w") as file:
        json.dump([{"key": key, "url": url} for key, url in urls], file)
    with open(f"{work}/{name}.curl", "w") as file:
        file.writelines(f'url = "{url}"\noutput = "{key}"\n' for key, url in urls)
    with open(f"{work}/{name}.aria2", "w") as file:
        file.writelines(f"{url}\n out={key}\n" for key, url in urls)
PYTHON

# Seconds, CPU seconds and the peak of memory in MiB of one command.
timed() {
  python3 - "$@" <<'PYTHON'
import os, sys, time
begin = time.monotonic()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
if status:
    sys.exit(f"{sys.argv[1]} failed: {status}")
print(f"{time.monotonic() - begin:.2f} {used.ru_utime + used.ru_stime:.2f} {used.ru_maxrss / 1024:.0f}")
PYTHON
}

copy() { # who, what
  case $1 in
  fetch) timed "$program" fetch --quiet --parallel "$parallel" "$work/$2.json" . ;;
  curl) timed curl -q -sS --no-progress-meter --fail --create-dirs --parallel --parallel-max "$parallel" -K "$work/$2.curl" ;;
  aria2c) timed aria2c -q --no-conf -j "$parallel" -x "$parallel" -s "$parallel" -i "$work/$2.aria2" ;;
  aws) if [[ $2 == large ]]; then
    timed aws s3 cp --only-show-errors --endpoint-url "$endpoint" s3://data/large large
  else
    timed aws s3 cp --only-show-errors --recursive --endpoint-url "$endpoint" s3://data/many many
  fi ;;
  esac
}

who=(fetch curl)
for other in aria2c aws; do
  if command -v "$other" >/dev/null; then who+=("$other"); else echo "not measured, since it is not there: $other"; fi
done
cat "$work"/root/data/large "$work"/root/data/many/* >/dev/null
for ((run = 0; run < runs; run++)); do
  for what in large many; do
    for one in "${who[@]}"; do
      rm -rf "$work/copy" && mkdir "$work/copy"
      (cd "$work/copy" && copy "$one" "$what") >>"$work/figures.$what.$one"
      ((run > 0)) || diff -r "$work/root/data/$what" "$work/copy/$what"
    done
  done
done

echo "load of the machine at the end: $(cut -d ' ' -f 1-3 /proc/loadavg), $(nproc) cores; median of $runs runs"
for what in large many; do
  if [[ $what == large ]]; then echo "1 x $large MiB"; else echo "$count x $small KiB"; fi
  for one in "${who[@]}"; do
    sort -n "$work/figures.$what.$one" | sed -n "$(((runs + 1) / 2))p" |
      while read -r seconds cpu memory; do
        printf '  %-8s %8s s  %8s s of CPU  %6s MiB\n' "$one" "$seconds" "$cpu" "$memory"
      done
  done
done
