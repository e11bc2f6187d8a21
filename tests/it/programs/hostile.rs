//! Keys of an attacker who wants to break a file, a line or a shell.

/// S3 takes each of these keys, and the operator signs it.
pub(crate) const HARD: [&str; 52] = [
    "-",
    "--",
    "-o stolen",
    "--output",
    "--next",
    "-K",
    "~tilde",
    "~root/x",
    "#hash",
    "#1",
    "#2/x",
    "a=b",
    "=",
    "==eq",
    "back\\slash",
    "\\",
    "ends in a backslash\\",
    "\\n\\r\\t",
    "q\"uo'te",
    "\"",
    "\" --output stolen",
    "\"\\noutput = \"stolen\"",
    "url = \"http:stolen\"",
    "out=stolen",
    " out=.",
    " lead",
    "in side",
    "folder /x",
    "trail ",
    "trails  ",
    "u\u{2028}x",
    "\u{2029}",
    "\u{feff}bom",
    "nb\u{a0}",
    "\u{3000}wide\u{3000}",
    "e\u{301}",
    "é",
    "dir/日本/🦀",
    "%41%2f%",
    "%s%n%d",
    "a*b?c",
    "<x>|:;",
    "{a,b}[1-3]",
    "$HOME $(id) `id`",
    "@curl.conf",
    "...",
    "..a/a..",
    "+plus&and?x=y",
    "curl.conf",
    "x.torrent",
    "C:\\x",
    "!bang^",
];

/// Keys of characters with a meaning to one of the programs. The same seed makes the same keys.
pub(super) fn generated(seed: u64, count: usize) -> Vec<String> {
    const BITS: [&str; 44] = [
        "\"",
        "\\",
        "'",
        "#",
        "=",
        "~",
        "-",
        "--",
        " ",
        "  ",
        ":",
        ";",
        ",",
        "{",
        "}",
        "[",
        "]",
        "$",
        "`",
        "%",
        "%2f",
        "%0a",
        "@",
        "&",
        "?",
        "*",
        "!",
        "<",
        ">",
        "|",
        "+",
        "^",
        ".",
        "..",
        "/",
        "\\n",
        "\\\"",
        "é",
        "\u{2028}",
        "\u{a0}",
        "🦀",
        "out=",
        "output = ",
        "a",
    ];
    // xorshift64*: the same numbers on every machine.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move |below: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let high = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % below
    };
    let mut keys = Vec::new();
    while keys.len() < count {
        let length = 1 + next(9);
        let name: String = (0..length).map(|_| BITS[next(BITS.len())]).collect();
        let key = format!("{:03}/{name}", keys.len());
        // No file that names files holds a key with a backslash.
        if !key.contains('\\') && presigned_core::request::Key::parse(&key).is_ok() {
            keys.push(key);
        }
    }
    keys
}
