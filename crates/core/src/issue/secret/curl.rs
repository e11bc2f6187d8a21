//! curl's configuration file: its quotation, the lines that every file has, and the files for one URL and for
//! a form.
//!
//! What holds here: no value that a tenant chose ends its quotation or begins a line.

use crate::api::Method;
use crate::signing::FormField;

/// The options of every file: curl fails on an HTTP error and shows it, and requests the URL as it was
/// signed.
pub(super) const CURL_BASE: &str = "fail\nshow-error\ngloboff\npath-as-is\nretry = 3\n";

/// The option of curl that names the object's file, if one does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FileOption {
    /// Where to save it.
    Output,
    /// What to send.
    Upload,
    /// There is no file.
    None,
}

impl FileOption {
    /// What curl does with files for a method; `None` if it cannot do that for many objects.
    pub(super) const fn of(method: Method) -> Option<Self> {
        match method {
            Method::Get => Some(Self::Output),
            Method::Put => Some(Self::Upload),
            Method::Head | Method::Delete => Some(Self::None),
            Method::Post => None,
        }
    }
}

/// The file for `curl -K curl.conf -o FILE` and `curl -K curl.conf -T FILE`. It holds no `output` and no
/// path: an `output` here would beat `-o`, and a path would be relative to the folder in which curl is
/// started.
pub(super) fn curl_conf(method: Method, url: &str, headers: &[(String, String)]) -> String {
    let url = format!("url = {}\n", quoted(url));
    [
        url,
        curl_method(method),
        curl_headers(headers),
        CURL_BASE.to_owned(),
    ]
    .concat()
}

/// The line that names the method.
pub(super) fn curl_method(method: Method) -> String {
    match method {
        // With `request = "HEAD"` curl would wait for a body that never comes.
        Method::Head => "head\n".to_owned(),
        Method::Get | Method::Put | Method::Delete | Method::Post => {
            format!("request = {}\n", quoted(method.as_str()))
        }
    }
}

/// The lines of the headers, but for the length, which curl counts itself.
pub(super) fn curl_headers(headers: &[(String, String)]) -> String {
    let lines: Vec<String> = headers
        .iter()
        // curl counts the bytes of the file. If a length stood here, curl would send it with a shorter file
        // too, and the server would wait for the rest. Without it, S3 refuses the signature at once.
        .filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
        .map(|(name, value)| format!("header = {}\n", quoted(&curl_header(name, value))))
        .collect();
    lines.concat()
}

/// curl leaves out a header written as `Name:`, and sends one written as `Name;` without a value.
fn curl_header(name: &str, value: &str) -> String {
    if value.is_empty() {
        format!("{name};")
    } else {
        format!("{name}: {value}")
    }
}

/// curl's quotation, "-K, --config" in its manual: backslash and quote are escaped. Line breaks never get
/// here.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The file for `curl -K curl.conf -F file=@FILE`: curl sends these fields before the file, and sends a form
/// by POST.
pub(super) fn form_conf(url: &str, fields: &[FormField]) -> String {
    let mut lines = vec![format!("url = {}", quoted(url))];
    lines.extend(fields.iter().map(|field| {
        let pair = [&field.name, "=", field.expose()].concat();
        format!("form-string = {}", quoted(&pair))
    }));
    lines.push(CURL_BASE.to_owned());
    lines.join("\n")
}
