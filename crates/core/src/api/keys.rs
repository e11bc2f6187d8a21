//! The keys of one resource, kept in one piece of memory.
//!
//! What holds here: a resource may have thousands of keys, and is kept for as long as it lives. A `String`
//! each would take more than a short key itself has.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Texts in their order, as a list in YAML and JSON. A word in size: most resources have none.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys(Box<Text>);

#[derive(Clone, Default, PartialEq, Eq)]
struct Text {
    /// All of them, one after the other.
    text: Box<str>,
    /// Where each of them ends.
    ends: Box<[u32]>,
}

impl Keys {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// How many bytes they have in all.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.text.len()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.0.ends.iter().map(move |end| {
            let end = *end as usize;
            let key = self.0.text.get(start..end).unwrap_or_default();
            start = end;
            key
        })
    }
}

/// Keys to which more are added.
#[derive(Default)]
struct Growing {
    text: String,
    ends: Vec<u32>,
}

impl Growing {
    fn push(&mut self, key: &str) {
        self.text.push_str(key);
        // No object of the API has as many bytes as a u32 counts.
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    fn keys(self) -> Keys {
        Keys(Box::new(Text {
            text: self.text.into(),
            ends: self.ends.into(),
        }))
    }
}

impl<T: AsRef<str>> FromIterator<T> for Keys {
    fn from_iter<I: IntoIterator<Item = T>>(keys: I) -> Self {
        let mut growing = Growing::default();
        for key in keys {
            growing.push(key.as_ref());
        }
        growing.keys()
    }
}

impl<T: AsRef<str>> From<Vec<T>> for Keys {
    fn from(keys: Vec<T>) -> Self {
        keys.into_iter().collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Keys, A::Error> {
                let mut keys = Growing::default();
                while let Some(key) = list.next_element::<String>()? {
                    keys.push(&key);
                }
                Ok(keys.keys())
            }
        }

        from.deserialize_seq(List)
    }
}

#[cfg(test)]
mod tests {
    //! The same keys in and out.

    use super::*;

    #[test]
    fn keys_are_the_list_that_was_given() {
        for list in [vec![], vec![""], vec!["b", "", "é/a", "b"]] {
            let keys: Keys = list.iter().collect();
            assert_eq!(keys.iter().collect::<Vec<_>>(), list);
            assert_eq!((keys.len(), keys.is_empty()), (list.len(), list.is_empty()));
            assert_eq!(keys.bytes(), list.concat().len());
            let json = serde_json::to_value(&keys).expect("it serializes");
            assert_eq!(json, serde_json::json!(list));
            assert_eq!(
                serde_json::from_value::<Keys>(json).expect("it parses"),
                keys
            );
        }
        assert!(serde_json::from_str::<Keys>("[1]").is_err());
        assert!(serde_json::from_str::<Keys>("\"a\"").is_err());
    }
}
