//! A secret that requests are signed with: read for the first of them, and again after the provider has rejected it.

use std::time::Duration;

use tokio::sync::Mutex;

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
    /// Locked during a read, so that requests at the same time cause one prompt.
    cached: Mutex<Option<Cached>>,
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
            cached: Mutex::new(None),
        }
    }

    /// The current secret, read now if there is none yet.
    ///
    /// # Errors
    /// If its source cannot be read.
    pub async fn get(&self) -> Result<Secret, Problem> {
        let mut cached = self.cached.lock().await;
        if let Some(cached) = &*cached {
            return Ok(cached.secret.clone());
        }
        let secret = (self.read_secret)(self.key).await?;
        *cached = Some(Cached {
            secret: secret.clone(),
            read_at: self.clock.now().mono,
        });
        Ok(secret)
    }

    /// Whether there is another secret than the one that the provider has rejected; reads the source again, unless it
    /// was read just before.
    pub async fn reread(&self, rejected: &Secret) -> bool {
        let mut cached = self.cached.lock().await;
        let Some(cached) = &mut *cached else {
            return false;
        };
        let now = self.clock.now().mono;
        if cached.secret == *rejected && now.saturating_sub(cached.read_at) >= self.pause {
            cached.read_at = now;
            // A source that cannot be read leaves the old one in use: a rejection can have another cause.
            if let Ok(secret) = (self.read_secret)(self.key).await {
                cached.secret = secret;
            }
        }
        cached.secret != *rejected
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;
    use crate::domain::WallTime;

    #[tokio::test]
    async fn the_source_is_read_again_after_a_rejection_but_not_at_each() {
        let second = Duration::from_secs(1);
        for (is_slow, pause) in [(false, 1), (true, 30)] {
            let source = Arc::new(Mutex::new((Some("old"), 0)));
            let read = source.clone();
            let (clock, manual_clock) = Clock::by_hand(WallTime(0));
            let secret = CachedSecret {
                key: "api_secret",
                read_secret: Arc::new(move |_| {
                    let mut source = read.lock().unwrap_or_else(PoisonError::into_inner);
                    source.1 += 1;
                    let found = source.0.map(Secret::new);
                    Box::pin(async move { found.ok_or_else(|| Problem::config("locked", "")) })
                }),
                clock,
                pause: reread_pause(is_slow),
                cached: tokio::sync::Mutex::new(None),
            };
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
}
