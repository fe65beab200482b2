//! A secret that requests are signed with: read for the first of them, and again after the provider has rejected it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Credentials, ReadSecret};
use crate::clock::Clock;
use crate::domain::{Problem, Secret};

/// After a rejection the secret's source is read again at most this often: the secret may have been replaced.
const READ_RETRY: Duration = Duration::from_secs(1);
/// The same for sources that are slow or prompt (a password manager, a keyring).
const PROMPT_RETRY: Duration = Duration::from_secs(30);

/// How long after a read the source of a rejected secret is not read again.
#[must_use]
pub fn reread_pause(is_slow: bool) -> Duration {
    if is_slow { PROMPT_RETRY } else { READ_RETRY }
}

/// One of an account's secrets.
pub struct CachedSecret {
    key: &'static str,
    read_secret: ReadSecret,
    clock: Clock,
    pause: Duration,
    cached: Mutex<Option<Cached>>,
    /// One read at a time, so that requests at the same time cause one prompt.
    reading: tokio::sync::Mutex<()>,
}

struct Cached {
    secret: Secret,
    /// By the monotonic clock; also of a read that failed.
    read_at: Duration,
}

impl CachedSecret {
    /// Reads nothing yet.
    pub fn new(credentials: Credentials, key: &'static str) -> Self {
        Self {
            key,
            pause: reread_pause(credentials.secrets.get(key) == Some(&true)),
            read_secret: credentials.read_secret,
            clock: credentials.clock,
            cached: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    fn cached(&self) -> MutexGuard<'_, Option<Cached>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Secret> {
        self.cached().as_ref().map(|cached| cached.secret.clone())
    }

    /// The current secret, read now if there is none yet. One that is there is returned at once, also while another call
    /// reads it again.
    ///
    /// # Errors
    /// If its source cannot be read.
    pub async fn get(&self) -> Result<Secret, Problem> {
        if let Some(secret) = self.current() {
            return Ok(secret);
        }
        let _reading = self.reading.lock().await;
        if let Some(secret) = self.current() {
            return Ok(secret);
        }
        let secret = (self.read_secret)(self.key).await?;
        *self.cached() = Some(Cached {
            secret: secret.clone(),
            read_at: self.clock.now().mono,
        });
        Ok(secret)
    }

    /// Whether there is another secret than the one that the provider has rejected; reads the source again, unless it
    /// was read just before.
    pub async fn reread(&self, rejected: &Secret) -> bool {
        let _reading = self.reading.lock().await;
        let now = self.clock.now().mono;
        {
            let mut cached = self.cached();
            let Some(cached) = &mut *cached else {
                return false;
            };
            if cached.secret != *rejected {
                return true;
            }
            if now.saturating_sub(cached.read_at) < self.pause {
                return false;
            }
            cached.read_at = now;
        }
        match (self.read_secret)(self.key).await {
            Ok(secret) => {
                let is_other = secret != *rejected;
                *self.cached() = Some(Cached {
                    secret,
                    read_at: now,
                });
                is_other
            }
            // The old one stays in use: a rejection can have another cause.
            Err(problem) => {
                let (key, why) = (self.key, problem.message);
                tracing::warn!(key, why, "a rejected secret cannot be read again");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use tokio::sync::mpsc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::WallTime;

    fn cached(is_slow: bool, read_secret: ReadSecret) -> (CachedSecret, ManualClock) {
        let (clock, manual_clock) = Clock::by_hand(WallTime(0));
        let secret = CachedSecret {
            key: "api_secret",
            read_secret,
            clock,
            pause: reread_pause(is_slow),
            cached: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        };
        (secret, manual_clock)
    }

    #[tokio::test]
    async fn the_source_is_read_again_after_a_rejection_but_not_at_each() {
        let second = Duration::from_secs(1);
        for (is_slow, pause) in [(false, 1), (true, 30)] {
            let source = Arc::new(Mutex::new((Some("old"), 0)));
            let read = source.clone();
            let read_secret: ReadSecret = Arc::new(move |_| {
                let mut source = read.lock().unwrap_or_else(PoisonError::into_inner);
                source.1 += 1;
                let found = source.0.map(Secret::new);
                Box::pin(async move { found.ok_or_else(|| Problem::config("locked", "")) })
            });
            let (secret, manual_clock) = cached(is_slow, read_secret);
            let reads = || source.lock().unwrap().1;
            let old = secret.get().await.unwrap();
            source.lock().unwrap().0 = Some("new");
            manual_clock.advance(second * (pause - 1));
            assert!(
                !secret.reread(&old).await,
                "{pause}: it was read just before"
            );
            manual_clock.advance(second);
            let both = tokio::join!(secret.reread(&old), secret.reread(&old));
            assert_eq!((both, reads()), ((true, true), 2), "{pause}");
            let new = secret.get().await.unwrap();
            assert_eq!(new.expose(), "new");
            source.lock().unwrap().0 = None;
            for _ in 0..2 {
                manual_clock.advance(second * pause);
                assert!(!secret.reread(&new).await);
            }
            assert_eq!(reads(), 4);
            assert_eq!(secret.get().await.unwrap().expose(), "new");
        }
    }

    #[tokio::test]
    async fn calls_get_the_old_secret_while_the_source_is_read_again() {
        let (sender, source) = mpsc::unbounded_channel();
        let source = Arc::new(tokio::sync::Mutex::new(source));
        let read_secret: ReadSecret = Arc::new(move |_| {
            let source = source.clone();
            Box::pin(async move { Ok(source.lock().await.recv().await.unwrap()) })
        });
        let (secret, manual_clock) = cached(false, read_secret);
        sender.send(Secret::new("old")).unwrap();
        let old = secret.get().await.unwrap();
        manual_clock.advance(reread_pause(false));
        let both = async {
            tokio::join!(secret.reread(&old), async {
                let meanwhile = secret.get().await.unwrap();
                sender.send(Secret::new("new")).unwrap();
                meanwhile
            })
        };
        let both = tokio::time::timeout(Duration::from_secs(5), both);
        let (is_other, meanwhile) = both.await.unwrap();
        assert_eq!((is_other, meanwhile.expose()), (true, "old"));
        assert_eq!(secret.get().await.unwrap().expose(), "new");
    }
}
