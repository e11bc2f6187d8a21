//! One page of a listing, from XML.
//!
//! What holds here: a document that breaks off or does not close what it opened is no page, so no half of a
//! page is ever taken for a whole. Only what a listing uses is read: a date that nobody needs is not read.

use std::borrow::Cow;

use presigned_core::engine::PageError;
use xmlparser::{ElementEnd, Token, Tokenizer};

/// A page as the server wrote it.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Whether it names its bucket, as every listing does.
    pub(super) named: bool,
    /// What it says of the encoding of its keys.
    pub(super) encoding: String,
    /// Whether more pages follow, in the server's word.
    pub(super) truncated: String,
    /// The token of the next page; empty if there is none.
    pub(super) next: String,
    /// The objects, in the order of the server.
    pub(super) objects: Vec<RawObject>,
}

/// An object as the server wrote it.
#[derive(Debug, Default)]
pub(super) struct RawObject {
    pub(super) key: String,
    pub(super) size: String,
    pub(super) etag: String,
}

impl Page {
    /// Reads a page.
    pub(super) fn parse(body: &[u8]) -> Result<Self, PageError> {
        let body = str::from_utf8(body).map_err(|_| PageError::NotAListing)?;
        let body = body.trim_start_matches('\u{feff}').trim_start();
        read(body).ok_or(PageError::NotAListing)
    }

    /// The field that an element fills, if it is one that a listing uses.
    fn field(&mut self, path: &[&str]) -> Option<&mut String> {
        match path {
            [_, "EncodingType"] => Some(&mut self.encoding),
            [_, "IsTruncated"] => Some(&mut self.truncated),
            [_, "NextContinuationToken"] => Some(&mut self.next),
            [_, "Contents", "Key"] => self.objects.last_mut().map(|object| &mut object.key),
            [_, "Contents", "Size"] => self.objects.last_mut().map(|object| &mut object.size),
            [_, "Contents", "ETag"] => self.objects.last_mut().map(|object| &mut object.etag),
            _ => None,
        }
    }
}

fn read(body: &str) -> Option<Page> {
    let mut page = Page::default();
    let mut path: Vec<&str> = Vec::new();
    let mut roots = 0;
    for token in Tokenizer::from(body) {
        match token.ok()? {
            Token::ElementStart { local, .. } => {
                path.push(local.as_str());
                match path.as_slice() {
                    ["ListBucketResult"] => roots += 1,
                    // Another document, or a second one.
                    [_] => return None,
                    [_, "Name"] => page.named = true,
                    [_, "Contents"] => page.objects.push(RawObject::default()),
                    _ => {}
                }
            }
            Token::ElementEnd { end, .. } => match end {
                ElementEnd::Open => {}
                ElementEnd::Empty => drop(path.pop()?),
                ElementEnd::Close(_, local) => {
                    if path.pop()? != local.as_str() {
                        return None;
                    }
                }
            },
            Token::Text { text } => {
                if let Some(field) = page.field(&path) {
                    field.push_str(&unescaped(text.as_str())?);
                }
            }
            Token::Cdata { text, .. } => {
                if let Some(field) = page.field(&path) {
                    field.push_str(text.as_str());
                }
            }
            // An entity of the server's own would have to be expanded.
            Token::DtdStart { .. } | Token::EmptyDtd { .. } | Token::EntityDeclaration { .. } => {
                return None;
            }
            _ => {}
        }
    }
    (roots == 1 && path.is_empty()).then_some(page)
}

/// A text with XML's own references replaced; `None` if it holds another one.
fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('&') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = after.split_once(';')?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            name => {
                let number = name.strip_prefix('#')?;
                let number = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(number.ok()?)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}
