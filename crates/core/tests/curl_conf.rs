//! `curl.conf` proven by the real curl: what reaches the server is what was signed, whatever the values hold.
//!
//! What holds here: each test has a server of its own on loopback and a folder of its own, and curl sees
//! neither a configuration nor a proxy of the machine that it runs on.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

use jiff::Timestamp;
use presigned_core::api::Method;
use presigned_core::issue::{Content, Template, render};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";

/// A request as it came in.
#[derive(Debug)]
struct Request {
    line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// The one value of a header.
    fn header(&self, name: &str) -> &str {
        let mut found = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let (_, value) = found
            .next()
            .unwrap_or_else(|| panic!("no {name} in {self:?}"));
        assert!(found.next().is_none(), "{name} came twice in {self:?}");
        value
    }
}

/// Answers one connection for each of its answers, and then is gone.
struct Server {
    port: u16,
    served: JoinHandle<Vec<Request>>,
}

impl Server {
    fn answering(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = answers.to_vec();
        let served = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| serve(&listener.accept().unwrap().0, answer))
                .collect()
        });
        Self { port, served }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn one(self) -> Request {
        let mut all = self.served.join().unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

fn serve(stream: &TcpStream, answer: &str) -> Request {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end_matches("\r\n").to_owned()
    };
    let first = line();
    let mut headers = Vec::new();
    loop {
        let header = line();
        let Some((name, value)) = header.split_once(':') else {
            assert_eq!(header, "");
            break;
        };
        let value = value.strip_prefix(' ').unwrap_or(value);
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut request = Request {
        line: first,
        headers,
        body: Vec::new(),
    };
    if request.line.starts_with("PUT ") {
        let length: usize = request.header("content-length").parse().unwrap();
        if request.headers.iter().any(|(name, _)| name == "Expect") {
            (&mut &*stream)
                .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                .unwrap();
        }
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body).unwrap();
    }
    (&mut &*stream).write_all(answer.as_bytes()).unwrap();
    request
}

/// A folder for one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("presigned-curl-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.0.join(name)).ok()
    }

    /// `curl -K curl.conf` as a user's script would call it.
    fn curl(&self, arguments: &[&str]) -> Output {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Command::new("curl")
            .args(["-q", "-s", "--max-time", "20", "-K", "curl.conf"])
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .env("PATH", path)
            .output()
            .unwrap_or_else(|e| {
                panic!("curl does not start ({e}): install it, for example `apt install curl`")
            })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind fails no test that passed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes the configuration as it stands in the Secret.
fn configured(method: Method, url: &str, headers: &[(&str, &str)]) -> Folder {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let secret = render(&Content {
        name: "web",
        method,
        url,
        head_url: None,
        headers: &headers,
        expires_at: Timestamp::UNIX_EPOCH,
        ca_bundle: None,
        template: &Template::default(),
    })
    .unwrap();
    let folder = Folder::new();
    folder.write("curl.conf", secret.data["curl.conf"].expose());
    folder
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_download_asks_for_the_url_as_it_was_signed_and_fills_the_file() {
    let server = Server::answering(&[OK]);
    let path =
        "/b/../a/./%20+&=~;[1-3]{a,b}%25%23\\\"'?x-id=GetObject&X-Amz-Signature=00ff&r=%2F..%2F";
    let folder = configured(Method::Get, &server.url(path), &[]);
    succeeded(&folder.curl(&["-o", "got"]));
    assert_eq!(server.one().line, format!("GET {path} HTTP/1.1"));
    assert_eq!(folder.read("got").unwrap(), b"hello");
}

#[test]
fn an_upload_sends_the_file_with_its_length_and_the_signed_headers() {
    let server = Server::answering(&[OK]);
    let path = "/b/folder/k?x-id=PutObject&X-Amz-Signature=00ff";
    let headers = [
        ("content-type", "text/plain"),
        ("if-none-match", "*"),
        ("x-amz-meta-a", "1"),
    ];
    let folder = configured(Method::Put, &server.url(path), &headers);
    folder.write("report.txt", b"the report");
    succeeded(&folder.curl(&["-T", "report.txt"]));
    let request = server.one();
    assert_eq!(
        request.line,
        format!("PUT {path} HTTP/1.1"),
        "curl adds no file name"
    );
    assert_eq!(request.body, b"the report");
    assert_eq!(request.header("content-length"), "10");
    for (name, value) in headers {
        assert_eq!(request.header(name), value);
    }
    assert!(
        request
            .headers
            .iter()
            .all(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"))
    );
}

#[test]
fn an_upload_of_nothing_has_the_length_nought() {
    let server = Server::answering(&[OK]);
    let folder = configured(
        Method::Put,
        &server.url("/b/k?s=1"),
        &[("content-length", "0")],
    );
    folder.write("empty", b"");
    succeeded(&folder.curl(&["-T", "empty"]));
    assert_eq!(server.one().header("content-length"), "0");
}

#[test]
fn a_file_of_another_size_than_was_signed_is_refused_and_not_waited_for() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for signed in ["1", "1000000"] {
        let server = Server::answering(&[refusal]);
        let folder = configured(
            Method::Put,
            &server.url("/b/k?s=1"),
            &[("Content-Length", signed)],
        );
        folder.write("file", b"four");
        let output = folder.curl(&["-T", "file"]);
        assert_eq!(output.status.code(), Some(22), "{output:?}");
        assert_eq!(server.one().header("content-length"), "4");
    }
}

#[test]
fn a_head_waits_for_no_body() {
    let server =
        Server::answering(&["HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\n"]);
    let folder = configured(Method::Head, &server.url("/b/k?s=1"), &[]);
    let output = folder.curl(&[]);
    succeeded(&output);
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("ETag: \"e\"")
    );
    assert_eq!(server.one().line, "HEAD /b/k?s=1 HTTP/1.1");
}

#[test]
fn a_delete_deletes() {
    let server = Server::answering(&["HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"]);
    let folder = configured(Method::Delete, &server.url("/b/k?s=1"), &[]);
    succeeded(&folder.curl(&[]));
    assert_eq!(server.one().line, "DELETE /b/k?s=1 HTTP/1.1");
}

#[test]
fn an_error_page_is_an_error_and_is_no_file() {
    let server = Server::answering(&[
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 8\r\nConnection: close\r\n\r\n<Error/>",
    ]);
    let folder = configured(Method::Get, &server.url("/b/k?s=1"), &[]);
    let output = folder.curl(&["-o", "got"]);
    assert_eq!(output.status.code(), Some(22), "{output:?}");
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("403"),
        "and it is shown"
    );
    assert_eq!(folder.read("got"), None);
    server.one();
}

#[test]
fn a_server_that_is_busy_is_asked_again() {
    let busy = "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server = Server::answering(&[busy, OK]);
    let folder = configured(
        Method::Put,
        &server.url("/b/k?s=1"),
        &[("x-amz-meta-a", "1")],
    );
    folder.write("file", b"all of it");
    succeeded(&folder.curl(&["-T", "file"]));
    let requests = server.served.join().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].body, b"all of it", "from its beginning");
    assert_eq!(requests[1].header("x-amz-meta-a"), "1");
}

#[test]
fn no_value_ends_its_quotation_or_begins_a_line() {
    let printable: String = (b'!'..=b'~').map(char::from).collect();
    let values = [
        "\"",
        "\\",
        "\\\"",
        "\"\\",
        "a\" ",
        "ends in a backslash\\",
        "\\n\\r\\t\\v\\\\n",
        "one\\nheader = \"x-amz-acl: public-read\"",
        "one\\r\\nx-amz-acl: public-read",
        "\"\\noutput = \"stolen\"",
        "\" --output stolen",
        "@curl.conf",
        "@",
        "<curl.conf",
        "# no comment",
        "= : = :",
        "$HOME `id` $(id) %d %{url}",
        ";",
        "a,b;c=\"d\"",
        &printable,
    ];
    let values: Vec<&str> = values.iter().map(|v| v.trim()).collect();
    let names: Vec<String> = (0..values.len())
        .map(|n| format!("x-amz-meta-{n}"))
        .collect();
    let headers: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values).collect();
    let server = Server::answering(&[OK]);
    let folder = configured(Method::Put, &server.url("/b/k?s=1"), &headers);
    folder.write("file", b"x");
    succeeded(&folder.curl(&["-T", "file"]));

    let request = server.one();
    for (name, value) in &headers {
        assert_eq!(request.header(name), *value);
    }
    let known = ["Host", "User-Agent", "Accept", "Content-Length", "Expect"];
    for (name, _) in &request.headers {
        assert!(
            known.contains(&name.as_str()) || names.contains(name),
            "{name} was made up"
        );
    }
    assert_eq!(folder.read("stolen"), None);
}

#[test]
fn a_header_without_a_value_is_sent_and_not_left_out() {
    let server = Server::answering(&[OK]);
    let folder = configured(
        Method::Put,
        &server.url("/b/k?s=1"),
        &[("x-amz-meta-empty", "")],
    );
    folder.write("file", b"x");
    succeeded(&folder.curl(&["-T", "file"]));
    assert_eq!(server.one().header("x-amz-meta-empty"), "");
}

#[test]
fn where_the_result_goes_is_said_by_who_calls() {
    let folder = configured(Method::Get, "http://127.0.0.1:1/b/k?s=1", &[]);
    let conf = String::from_utf8(folder.read("curl.conf").unwrap()).unwrap();
    for forbidden in ["output", "remote-name", "upload-file", "cacert", "next"] {
        assert!(!conf.contains(forbidden), "{forbidden} in {conf}");
    }
}
