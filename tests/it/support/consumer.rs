//! A consumer of a Secret, which fetches as a pod does that mounts it.
//!
//! What holds here: it fetches with what it read last. While the API server does not answer, that is what was
//! there before, as in a mounted file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::world::World;
use super::{http, text};

/// How long a read of the Secret may take.
const READ: Duration = Duration::from_secs(1);
/// Between two fetches.
const PAUSE: Duration = Duration::from_millis(500);

/// A consumer that fetches twice a second.
pub(crate) struct Consumer {
    name: String,
    ended: Arc<AtomicBool>,
    task: JoinHandle<Vec<u16>>,
}

impl World {
    /// A consumer of a Secret that is there, from now on.
    pub(crate) async fn consumer(&self, name: &str) -> Consumer {
        let mut url = self.value(name, "url").await;
        let ended = Arc::new(AtomicBool::new(false));
        let (secrets, secret, stop) = (self.secrets(), name.to_owned(), Arc::clone(&ended));
        let task = tokio::spawn(async move {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let read = tokio::time::timeout(READ, secrets.get(&secret)).await;
                if let Ok(Ok(secret)) = read {
                    url = text(&secret, "url");
                }
                answers.push(http("GET", &url, "", &[]).await.status);
                tokio::time::sleep(PAUSE).await;
            }
            answers
        });
        Consumer {
            name: name.to_owned(),
            ended,
            task,
        }
    }
}

impl Consumer {
    /// Ends it: it fetched at least so often, and never held a dead URL.
    pub(crate) async fn never_held_a_dead_url(self, least: usize) {
        self.ended.store(true, Ordering::Relaxed);
        let answers = self.task.await.expect("the consumer ends");
        let dead = answers.iter().filter(|status| **status != 200).count();
        let name = self.name;
        assert_eq!(dead, 0, "{name}: {answers:?}");
        assert!(answers.len() >= least, "{name}: {} fetches", answers.len());
    }
}
