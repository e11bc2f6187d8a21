//! A page with an upload form.
//!
//! What holds here: every value is escaped, in text and in attributes; the script holds no value and reads
//! them from the form.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The part of the page that is the same for every form. The script gives the file its name, where a server
/// leaves `${filename}` as it stands, and its type, where the form leaves it to the sender.
const SCRIPT: &str = r#"<script>
  const form = document.querySelector("form");
  form.addEventListener("submit", () => {
    const file = form.elements.file.files[0];
    const key = form.elements.key;
    if (file && key.value.endsWith("${filename}")) key.value = key.value.slice(0, -11) + file.name;
    if (!form.querySelector("[name=Content-Type]")) {
      const type = document.createElement("input");
      Object.assign(type, { type: "hidden", name: "Content-Type", value: file ? file.type : "" });
      if (form.dataset.type) key.after(type);
    }
  });
</script>
"#;

/// The page.
pub fn page(url: &str, fields: &Map<String, Value>, expires_at: &str) -> String {
    let mut inputs = String::new();
    for (name, value) in fields {
        let value = value.as_str().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(
            inputs,
            r#"  <input type="hidden" name="{}" value="{}">"#,
            escaped(name),
            escaped(value)
        );
    }
    let chosen = if leaves_type_to_sender(fields) {
        r#" data-type="chosen""#
    } else {
        ""
    };
    format!(
        r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<title>Upload</title>
<p>This form can be used until {expires}.</p>
<form action="{url}" method="post" enctype="multipart/form-data"{chosen}>
{inputs}  <input type="file" name="file" required>
  <button>Upload</button>
</form>
{SCRIPT}</html>
"#,
        expires = escaped(expires_at),
        url = escaped(url),
    )
}

/// Whether the policy names a type that the form does not send.
fn leaves_type_to_sender(fields: &Map<String, Value>) -> bool {
    use base64::Engine as _;
    let policy = fields.get("policy").and_then(Value::as_str);
    let policy = policy.and_then(|policy| {
        base64::engine::general_purpose::STANDARD
            .decode(policy)
            .ok()
    });
    let document: Option<Value> = policy.and_then(|json| serde_json::from_slice(&json).ok());
    let conditions = document
        .as_ref()
        .and_then(|all| all["conditions"].as_array());
    conditions
        .into_iter()
        .flatten()
        .any(|one| one[0] == "starts-with" && one[1] == "$Content-Type")
}

/// A text as HTML has it, in text and in attributes with quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    //! What stands in a page.

    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_ends_its_attribute_or_begins_an_element() {
        let hostile = r#""><script>alert('x')</script>&amp;"#;
        let fields = json!({"key": hostile, hostile: "v"});
        let page = page(hostile, fields.as_object().expect("an object"), hostile);
        assert!(!page.contains("alert('x')"), "{page}");
        assert_eq!(page.matches("<script>").count(), 1, "{page}");
        assert_eq!(
            page.matches("&quot;&gt;&lt;script&gt;").count(),
            4,
            "{page}"
        );
        assert!(page.contains("&amp;amp;"), "{page}");
    }
}
