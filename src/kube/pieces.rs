//! An answer of the API server in pieces: the items of a list, the lines of a watch.
//!
//! What holds here: one piece of an answer is in memory, and never the whole answer, however many objects it
//! has and however large they are. Of all the watches only a few hold a large piece at a time; the others
//! wait for these.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use futures::{AsyncBufRead, AsyncBufReadExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A larger piece waits for a permit, and its buffer is not kept.
const LARGE: usize = 64 * 1024;
/// How many large pieces are in memory at a time. An object has about 1.5 MB at most: etcd takes no more.
const LARGE_AT_ONCE: usize = 2;

/// The permits for large pieces, which all watches share.
#[derive(Clone, Debug)]
pub(super) struct LargePieces(Arc<Semaphore>);

impl Default for LargePieces {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_AT_ONCE)))
    }
}

/// Finds the end of a piece.
pub(super) trait Cut {
    /// Takes bytes up to the end of the piece and adds those of the piece to it. Returns how many it took,
    /// and whether the piece is complete.
    fn take(&mut self, bytes: &[u8], piece: &mut Vec<u8>) -> (usize, bool);
}

/// The body of an answer, read piece by piece.
pub(super) struct Pieces {
    body: Pin<Box<dyn AsyncBufRead + Send>>,
    large: LargePieces,
    piece: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Pieces {
    pub(super) fn new(body: impl AsyncBufRead + Send + 'static, large: LargePieces) -> Self {
        Self {
            body: Box::pin(body),
            large,
            piece: Vec::new(),
            permit: None,
        }
    }

    /// Reads the next piece and has it parsed; `None` at the end of the answer. An incomplete last piece is
    /// left out.
    pub(super) async fn next<T>(
        &mut self,
        cut: &mut impl Cut,
        parse: impl FnOnce(&[u8]) -> T,
    ) -> io::Result<Option<T>> {
        let complete = self.read(cut).await;
        let parsed = matches!(complete, Ok(true)).then(|| parse(&self.piece));
        self.piece.clear();
        if self.permit.take().is_some() {
            self.piece = Vec::new();
        }
        complete.map(|_| parsed)
    }

    async fn read(&mut self, cut: &mut impl Cut) -> io::Result<bool> {
        loop {
            let bytes = self.body.fill_buf().await?;
            if bytes.is_empty() {
                return Ok(false);
            }
            let (taken, complete) = cut.take(bytes, &mut self.piece);
            self.body.consume_unpin(taken);
            if complete {
                return Ok(true);
            }
            if self.piece.len() > LARGE && self.permit.is_none() {
                let permit = self.large.0.clone().acquire_owned().await;
                self.permit = Some(permit.map_err(io::Error::other)?);
            }
        }
    }
}

/// The lines of a watch.
pub(super) struct Lines;

impl Cut for Lines {
    fn take(&mut self, bytes: &[u8], piece: &mut Vec<u8>) -> (usize, bool) {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let line = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        piece.extend_from_slice(line);
        (line.len() + usize::from(end.is_some()), end.is_some())
    }
}

/// The items of a list, and beside them the list without its items.
#[derive(Default)]
pub(super) struct Items {
    list: Vec<u8>,
    depth: usize,
    /// Within the array of items, which lies at this depth and one more.
    within: bool,
    in_string: bool,
    escaped: bool,
}

impl Items {
    /// How deep an item lies: within the list, and within its array.
    const ITEM: usize = 3;

    /// The list without its items, once it is complete.
    pub(super) fn list(&self) -> Option<&[u8]> {
        (self.depth == 0 && !self.list.is_empty()).then_some(&self.list)
    }

    /// The length of what belongs to the string that has begun.
    fn string(&mut self, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_string = false;
                    return at + 1;
                }
                _ => {}
            }
        }
        bytes.len()
    }

    /// Whether the member of the list that comes next is its items. No value of a member ends like this.
    fn at_items(&self) -> bool {
        [&b"{\"items\":"[..], b",\"items\":"]
            .iter()
            .any(|name| self.list.ends_with(name))
    }
}

impl Cut for Items {
    fn take(&mut self, bytes: &[u8], piece: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let before = self.depth;
            let length = if self.in_string {
                self.string(rest)
            } else {
                match rest.first() {
                    Some(b' ' | b'\n' | b'\t' | b'\r') => {
                        at += 1;
                        continue;
                    }
                    // What separates the items is of no piece.
                    Some(b',') if self.within && self.depth + 1 == Self::ITEM => {
                        at += 1;
                        continue;
                    }
                    Some(b'"') => self.in_string = true,
                    Some(b'[') if self.depth == 1 && self.at_items() => {
                        self.depth += 1;
                        self.within = true;
                    }
                    Some(b'{' | b'[') => self.depth += 1,
                    Some(b'}' | b']') => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                1
            };
            let of_item = self.within && before.max(self.depth) >= Self::ITEM;
            let text = rest.get(..length).unwrap_or_default();
            at += length;
            if of_item {
                piece.extend_from_slice(text);
                if self.depth + 1 == Self::ITEM && !self.in_string {
                    return (at, true);
                }
            } else {
                self.list.extend_from_slice(text);
                self.within &= self.depth > 1;
            }
        }
        (at, false)
    }
}

#[cfg(test)]
mod tests {
    //! Answers that come in chunks of any size.

    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use futures::StreamExt as _;
    use futures::TryStreamExt as _;
    use serde_json::{Value, json};

    use super::*;

    /// An answer that arrives in chunks of this many bytes.
    fn answer(text: &str, chunk: usize) -> impl AsyncBufRead + Send + use<> {
        let chunks: Vec<_> = text.as_bytes().chunks(chunk).map(<[u8]>::to_vec).collect();
        let stream = futures::stream::iter(chunks).map(Ok::<_, io::Error>);
        stream.into_async_read()
    }

    fn parsed(piece: &[u8]) -> Value {
        serde_json::from_slice(piece).unwrap()
    }

    async fn items(text: &str, chunk: usize) -> (Vec<Value>, Option<Value>) {
        let mut pieces = Pieces::new(answer(text, chunk), LargePieces::default());
        let mut cut = Items::default();
        let mut found = Vec::new();
        while let Some(item) = pieces.next(&mut cut, parsed).await.unwrap() {
            found.push(item);
        }
        (found, cut.list().map(parsed))
    }

    #[tokio::test]
    async fn a_list_is_its_items_and_the_rest_wherever_chunks_end() {
        let objects = [
            json!({ "metadata": { "name": "a" }, "spec": { "keys": ["x]", "}", "\"items\":["] } }),
            json!({ "items": [[1, 2], { "items": [3] }], "text": "\\\"" }),
            json!({}),
        ];
        let list = json!({ "apiVersion": "v1", "items": objects, "kind": "\"items\":", "metadata":
            { "continue": "next", "items": [1, { "a": 2 }], "resourceVersion": "7" } });
        let rest = json!({ "apiVersion": "v1", "items": [], "kind": "\"items\":", "metadata": list["metadata"] });
        for text in [
            list.to_string(),
            serde_json::to_string_pretty(&list).unwrap(),
        ] {
            for chunk in [1, 2, 3, 7, 1 << 20] {
                let (found, left) = items(&text, chunk).await;
                assert_eq!(found, objects, "chunks of {chunk}");
                assert_eq!(left.as_ref(), Some(&rest), "chunks of {chunk}");
            }
        }
    }

    #[tokio::test]
    async fn a_list_without_items_is_the_rest_alone() {
        for text in [
            r#"{"items":null,"metadata":{}}"#,
            r#"{"metadata":{},"items":[]}"#,
        ] {
            let (found, left) = items(text, 5).await;
            assert_eq!((found.len(), left), (0, Some(parsed(text.as_bytes()))));
        }
    }

    #[tokio::test]
    async fn a_list_that_breaks_off_is_none() {
        let whole =
            json!({ "items": [{ "a": "}" }], "metadata": { "resourceVersion": "1" } }).to_string();
        for end in 1..whole.len() {
            assert_eq!(items(&whole[..end], 4).await.1, None, "{}", &whole[..end]);
        }
    }

    #[tokio::test]
    async fn a_watch_is_its_complete_lines() {
        let mut pieces = Pieces::new(
            answer("{\"a\":1}\n{\"b\":2}\n{\"c\"", 3),
            LargePieces::default(),
        );
        let mut found = Vec::new();
        while let Some(line) = pieces.next(&mut Lines, parsed).await.unwrap() {
            found.push(line);
        }
        assert_eq!(found, [json!({ "a": 1 }), json!({ "b": 2 })]);
    }

    #[tokio::test]
    async fn only_a_few_watches_hold_a_large_piece_and_nobody_waits_with_a_small_one() {
        let large = LargePieces::default();
        let long = format!("\"{}\"\n", "x".repeat(2 * LARGE));
        // Each of these is in the midst of a large line, and no more of it comes.
        let mut stuck = Vec::new();
        for _ in 0..LARGE_AT_ONCE {
            let begun = answer(&long[..long.len() - 2], 1024);
            let silence = futures::stream::pending::<io::Result<Vec<u8>>>().into_async_read();
            let body = futures::AsyncReadExt::chain(begun, silence);
            let mut pieces = Pieces::new(body, large.clone());
            let mut lines = Lines;
            let reading = pieces.next(&mut lines, <[u8]>::len);
            let waited = tokio::time::timeout(Duration::from_millis(20), reading).await;
            waited.expect_err("the line has no end");
            stuck.push(pieces);
        }
        let mut small = Pieces::new(answer("1\n", 9), large.clone());
        assert_eq!(small.next(&mut Lines, <[u8]>::len).await.unwrap(), Some(1));
        let mut waiting = Pieces::new(answer(&long, 1024), large.clone());
        {
            let mut lines = Lines;
            let reading = waiting.next(&mut lines, <[u8]>::len);
            let waited = tokio::time::timeout(Duration::from_millis(20), reading).await;
            waited.expect_err("others hold all permits");
        }
        drop(stuck);
        let length = waiting.next(&mut Lines, <[u8]>::len).await.unwrap();
        assert_eq!(length, Some(long.len() - 1));
        assert!(waiting.permit.is_none() && waiting.piece.capacity() == 0);
    }
}
