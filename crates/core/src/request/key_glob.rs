//! Globs of keys: which of the listed objects a listing keeps.
//!
//! What holds here: a match costs time in proportion to the key, whatever the glob is. All the ways in which
//! a glob can match are followed at once, one bit each, so there is no backtracking.

use std::fmt;

use crate::text::quoted;

/// The longest glob, in characters; it is the schema's bound as well.
const MAX_CHARS: usize = 256;
/// How many words hold a bit for each place in a glob, its end included.
const WORDS: usize = MAX_CHARS / 64 + 1;

/// A pattern of what follows a prefix: `*` stands for any run of characters but `/`, `**` for any run, `?`
/// for one character but `/`. Every other character stands for itself.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyGlob {
    text: String,
    end: usize,
    /// Places that take one certain character, by character.
    letters: Vec<(char, Places)>,
    /// Places of `?`.
    one: Places,
    /// Places of `*`.
    run: Places,
    /// Places of `**`.
    any: Places,
}

/// A set of places in a glob.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Places([u64; WORDS]);

impl KeyGlob {
    /// Parses a glob; an error says what is wrong with it and what to give.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fault = if text.is_empty() {
            "matches nothing; give a glob, for example *.csv"
        } else if text.chars().count() > MAX_CHARS {
            "is too long; give at most 256 characters"
        } else if text.chars().any(char::is_control) {
            "holds a control character, and no key does; leave it out"
        } else {
            return Ok(Self::new(text));
        };
        Err(format!("{} {fault}", quoted(text)))
    }

    /// The glob as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let stars = self.run.or(self.any);
        let close = |places: Places| places.or(places.and(stars).next());
        let mut reached = close(Places::only(0));
        for c in text.chars() {
            let letter = self.letters.binary_search_by_key(&c, |&(letter, _)| letter);
            let mut taken = letter.map_or(Places::NONE, |at| self.letters[at].1);
            let mut kept = self.any;
            if c != '/' {
                taken = taken.or(self.one);
                kept = kept.or(self.run);
            }
            reached = close(reached.and(kept).or(reached.and(taken).next()));
            if reached == Places::NONE {
                return false;
            }
        }
        reached.and(Places::only(self.end)) != Places::NONE
    }

    fn new(text: &str) -> Self {
        let mut glob = Self {
            text: text.to_owned(),
            end: 0,
            letters: Vec::new(),
            one: Places::NONE,
            run: Places::NONE,
            any: Places::NONE,
        };
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let here = Places::only(glob.end);
            let after = rest.trim_start_matches('*');
            match (rest.len() - after.len(), c) {
                // A run of stars is one place, so that no two of them touch and one step closes over them.
                (2.., _) => glob.any = glob.any.or(here),
                (1, _) => glob.run = glob.run.or(here),
                (_, '?') => glob.one = glob.one.or(here),
                (_, c) => match glob.letters.binary_search_by_key(&c, |&(letter, _)| letter) {
                    Ok(at) => glob.letters[at].1 = glob.letters[at].1.or(here),
                    Err(at) => glob.letters.insert(at, (c, here)),
                },
            }
            rest = if c == '*' {
                after
            } else {
                &rest[c.len_utf8()..]
            };
            glob.end += 1;
        }
        glob
    }
}

impl fmt::Debug for KeyGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyGlob({:?})", self.text)
    }
}

impl Places {
    const NONE: Self = Self([0; WORDS]);

    fn only(place: usize) -> Self {
        let mut places = Self::NONE;
        places.0[place / 64] = 1 << (place % 64);
        places
    }

    fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }

    fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at] & other.0[at]))
    }

    /// The place after each.
    fn next(self) -> Self {
        Self(std::array::from_fn(|at| {
            let carried = at.checked_sub(1).map_or(0, |before| self.0[before] >> 63);
            self.0[at] << 1 | carried
        }))
    }
}
