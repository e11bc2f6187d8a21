//! The CORS rules of a bucket, as S3's XML.
//!
//! What holds here: a rule of others is kept byte for byte as the store gave it. A rule is this program's if
//! its ID begins with [`OWN`], and nothing else makes it so.

use std::fmt::Write as _;

use xmlparser::{ElementEnd, Token, Tokenizer};

/// What the ID of a rule of this program begins with.
pub const OWN: &str = "presigned.dev/";
/// How many rules S3 takes.
pub const MOST: usize = 100;

/// The rules of a bucket, in their order: the first that matches a request counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<Rule>);

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// As it stands in the document.
    text: String,
    /// Its elements and their texts.
    fields: Vec<(String, String)>,
}

/// What a rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The rule's ID.
    pub id: String,
    /// Origins.
    pub origins: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Headers that a page may send.
    pub headers: Vec<String>,
    /// Headers that a page may read.
    pub exposed: Vec<String>,
    /// How long a browser keeps the answer, in seconds.
    pub max_age: u32,
}

impl Wanted {
    /// The rule.
    pub fn rule(&self) -> Rule {
        let Self {
            id,
            origins,
            methods,
            headers,
            exposed,
            max_age,
        } = self;
        let mut fields = vec![("ID".to_owned(), id.clone())];
        let lists = [
            ("AllowedOrigin", origins),
            ("AllowedMethod", methods),
            ("AllowedHeader", headers),
            ("ExposeHeader", exposed),
        ];
        for (name, values) in lists {
            fields.extend(values.iter().map(|value| (name.to_owned(), value.clone())));
        }
        fields.push(("MaxAgeSeconds".to_owned(), max_age.to_string()));
        let mut inner = String::new();
        for (name, value) in &fields {
            // Writing to a String cannot fail.
            let _ = write!(inner, "<{name}>{}</{name}>", escaped(value));
        }
        Rule {
            text: format!("<CORSRule>{inner}</CORSRule>"),
            fields,
        }
    }
}

impl Rule {
    /// Its ID; empty if it has none.
    pub fn id(&self) -> &str {
        self.values("ID").next().unwrap_or_default()
    }

    /// Whether this program made it.
    pub fn is_own(&self) -> bool {
        self.id().starts_with(OWN)
    }

    /// The values of an element.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.fields.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// Whether both allow the same, in whatever order.
    pub fn says_what(&self, other: &Self) -> bool {
        let sorted = |rule: &Self| {
            let mut fields = rule.fields.clone();
            // Names of headers have no case.
            for (name, value) in &mut fields {
                if name.ends_with("Header") {
                    value.make_ascii_lowercase();
                }
            }
            fields.sort();
            fields
        };
        sorted(self) == sorted(other)
    }
}

impl Rules {
    /// Reads S3's document; `None` if it is none.
    pub fn parse(document: &[u8]) -> Option<Self> {
        let text = str::from_utf8(document).ok()?;
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let mut rules = Vec::new();
        let mut path: Vec<&str> = Vec::new();
        let mut begin = 0;
        let mut fields: Vec<(String, String)> = Vec::new();
        for token in Tokenizer::from(text) {
            match token.ok()? {
                Token::ElementStart { local, span, .. } => {
                    path.push(local.as_str());
                    match path.as_slice() {
                        [] | ["CORSConfiguration"] | [_, _, _, ..] => {}
                        ["CORSConfiguration", "CORSRule"] => begin = span.start(),
                        [_] | [_, _] => return None,
                    }
                    if let ["CORSConfiguration", "CORSRule", name] = path.as_slice() {
                        fields.push(((*name).to_owned(), String::new()));
                    }
                }
                Token::ElementEnd { end, span } => {
                    let closed = match end {
                        ElementEnd::Open => continue,
                        ElementEnd::Empty => path.pop()?,
                        ElementEnd::Close(_, local) => {
                            let open = path.pop()?;
                            if open != local.as_str() {
                                return None;
                            }
                            open
                        }
                    };
                    if closed == "CORSRule" && path.len() == 1 {
                        rules.push(Rule {
                            text: text.get(begin..span.end())?.to_owned(),
                            fields: std::mem::take(&mut fields),
                        });
                    }
                }
                Token::Text { text } if path.len() == 3 => {
                    let (_, value) = fields.last_mut()?;
                    value.push_str(&unescaped(text.as_str().trim()));
                }
                Token::DtdStart { .. } | Token::EmptyDtd { .. } => return None,
                _ => {}
            }
        }
        (path.is_empty() && text.contains("CORSConfiguration")).then_some(Self(rules))
    }

    /// S3's document.
    pub fn document(&self) -> String {
        let rules: String = self.0.iter().map(|rule| rule.text.as_str()).collect();
        format!(
            "<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{rules}</CORSConfiguration>"
        )
    }

    /// The rule of this ID.
    pub fn of_id(&self, id: &str) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.id() == id)
    }

    /// With the rule in the place of the one of its ID, or behind all others.
    pub fn with(&self, rule: Rule) -> Self {
        let mut rules = self.0.clone();
        match rules.iter_mut().find(|known| known.id() == rule.id()) {
            Some(known) => *known = rule,
            None => rules.push(rule),
        }
        Self(rules)
    }

    /// Without the rule of this ID.
    pub fn without(&self, id: &str) -> Self {
        let kept = self.0.iter().filter(|rule| rule.id() != id);
        Self(kept.cloned().collect())
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    //! What is kept of a document, and what is changed.

    use super::*;

    const FOREIGN: &str = "<CORSRule>\n <ID>theirs</ID><AllowedOrigin>https://a.example</AllowedOrigin>\
                           <AllowedMethod>GET</AllowedMethod><New kind='x'>1</New></CORSRule>";

    fn rules() -> Rules {
        let text = format!(
            "<?xml version=\"1.0\"?>\n<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{FOREIGN}\
             <CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>"
        );
        Rules::parse(text.as_bytes()).expect("rules")
    }

    fn wanted(method: &str) -> Rule {
        let list = |value: &str| vec![value.to_owned()];
        Wanted {
            id: format!("{OWN}app"),
            origins: list("https://b.example"),
            methods: list(method),
            headers: list("Content-Type"),
            exposed: list("ETag"),
            max_age: 60,
        }
        .rule()
    }

    #[test]
    fn rules_of_others_are_kept_byte_for_byte() {
        let merged = rules().with(wanted("PUT")).with(wanted("GET"));
        assert_eq!(merged.0.len(), 3);
        assert!(merged.document().contains(FOREIGN));
        let again = Rules::parse(merged.document().as_bytes()).expect("rules");
        assert_eq!(again, merged);
        assert!(again.0[2].is_own() && !again.0[0].is_own() && !again.0[1].is_own());
        assert_eq!(again.without("presigned.dev/app"), rules());
    }

    #[test]
    fn rules_are_equal_by_what_they_say() {
        let text = wanted("GET").text.replace("Content-Type", "content-type");
        let text = format!("<CORSConfiguration>{text}</CORSConfiguration>");
        let stored = Rules::parse(text.as_bytes()).expect("rules");
        assert!(stored.0[0].says_what(&wanted("GET")));
        assert!(!stored.0[0].says_what(&wanted("PUT")));
    }

    #[test]
    fn what_is_no_document_of_rules_is_refused() {
        for text in [
            "",
            "<html></html>",
            "<CORSConfiguration>",
            "<CORSConfiguration><X/></CORSConfiguration>",
            "{}",
        ] {
            assert_eq!(Rules::parse(text.as_bytes()), None, "{text}");
        }
        let none = Rules::parse(b"<CORSConfiguration/>");
        assert_eq!(none, Some(Rules::default()));
    }
}
