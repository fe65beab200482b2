//! A secret of an account: read when it is first needed, and again after the provider rejected it, or a callback did not
//! fit it.

use std::time::Duration;

use parking_lot::Mutex;

use super::{Credentials, ReadSecret};
use crate::clock::Clock;
use crate::domain::{Problem, Secret};

/// After a rejection the secret's source is read again at most this often: the secret may have been replaced.
const READ_RETRY: Duration = Duration::from_secs(1);
/// The same for sources that are slow or prompt (a password manager, a keyring).
const PROMPT_RETRY: Duration = Duration::from_secs(30);
/// A source that failed is not read again before this time.
const FAILED_FOR: Duration = Duration::from_secs(5);

/// How long after a read the source of a rejected secret is not read again.
pub fn reread_pause(is_slow: bool) -> Duration {
    if is_slow { PROMPT_RETRY } else { READ_RETRY }
}

/// One of an account's secrets.
pub struct CachedSecret {
    key: &'static str,
    read_secret: ReadSecret,
    clock: Clock,
    pause: Duration,
    known: Mutex<Known>,
    /// One read at a time, so that callers at the same time cause one prompt.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    secret: Option<Secret>,
    /// When the source was last read, by the monotonic clock.
    read_at: Option<Duration>,
    /// Why that failed.
    failed: Option<Problem>,
    /// Whether it has not ended: its caller may have given up.
    is_unfinished: bool,
}

impl CachedSecret {
    /// Reads nothing yet.
    pub fn new(credentials: Credentials, key: &'static str) -> Self {
        Self {
            key,
            pause: reread_pause(credentials.secrets.get(key) == Some(&true)),
            read_secret: credentials.read_secret,
            clock: credentials.clock,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// The current secret, read now if there is none yet. One that is there is returned at once, also while another call
    /// reads it again.
    ///
    /// # Errors
    /// If its source cannot be read, or just before could not.
    pub async fn get(&self) -> Result<Secret, Problem> {
        if let Some(secret) = &self.known.lock().secret {
            return Ok(secret.clone());
        }
        let _reading = self.reading.lock().await;
        {
            let known = self.known.lock();
            if let Some(secret) = &known.secret {
                return Ok(secret.clone());
            }
            if let Some(problem) = &known.failed
                && self.was_read_within(&known, FAILED_FOR)
            {
                return Err(problem.clone());
            }
        }
        self.read().await
    }

    /// Whether there is another secret than the rejected one; reads the source again, unless it was read just before.
    ///
    /// # Errors
    /// If the source cannot be read, or just before could not. The old secret stays in use.
    pub async fn reread(&self, rejected: &Secret) -> Result<bool, Problem> {
        // A caller that waited here for another's read uses what that one found.
        let _reading = self.reading.lock().await;
        {
            let known = self.known.lock();
            if known.secret.as_ref() != Some(rejected) {
                return Ok(known.secret.is_some());
            }
            let pause = match &known.failed {
                Some(_) => FAILED_FOR,
                None => self.pause,
            };
            if self.was_read_within(&known, pause) {
                if known.is_unfinished {
                    let message = format!("{} was not read in time", self.key);
                    let hint = "unlock the keyring or the password manager";
                    return Err(Problem::config(message, hint));
                }
                return known.failed.clone().map_or(Ok(false), Err);
            }
        }
        let read = self.read().await;
        if let Err(problem) = &read {
            let (key, why) = (self.key, &problem.message);
            tracing::warn!(key, why, "a rejected secret cannot be read again");
        }
        read.map(|secret| secret != *rejected)
    }

    fn was_read_within(&self, known: &Known, pause: Duration) -> bool {
        let now = self.clock.now().mono;
        known
            .read_at
            .is_some_and(|at| now.saturating_sub(at) < pause)
    }

    async fn read(&self) -> Result<Secret, Problem> {
        // Before, too: a read that is cancelled counts.
        let now = self.clock.now().mono;
        {
            let mut known = self.known.lock();
            (known.read_at, known.failed, known.is_unfinished) = (Some(now), None, true);
        }
        let read = (self.read_secret)(self.key).await;
        let mut known = self.known.lock();
        known.read_at = Some(self.clock.now().mono);
        known.failed = read.as_ref().err().cloned();
        known.is_unfinished = false;
        if let Ok(secret) = &read {
            known.secret = Some(secret.clone());
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Poll;

    use parking_lot::Mutex;
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
            known: Mutex::default(),
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
                let mut source = read.lock();
                source.1 += 1;
                let found = source.0.map(Secret::new);
                Box::pin(async move { found.ok_or_else(|| Problem::config("locked", "")) })
            });
            let (secret, manual_clock) = cached(is_slow, read_secret);
            let reads = || source.lock().1;
            let old = secret.get().await.unwrap();
            source.lock().0 = Some("new");
            manual_clock.advance(second * (pause - 1));
            assert!(
                !secret.reread(&old).await.unwrap(),
                "{pause}: it was read just before"
            );
            manual_clock.advance(second);
            let both = tokio::join!(secret.reread(&old), secret.reread(&old));
            assert_eq!((both, reads()), ((Ok(true), Ok(true)), 2), "{pause}");
            let new = secret.get().await.unwrap();
            assert_eq!(new.expose(), "new");
            source.lock().0 = None;
            for (waits, read) in [(pause, 3), (4, 3), (1, 4)] {
                manual_clock.advance(second * waits);
                assert!(secret.reread(&new).await.is_err());
                assert_eq!(reads(), read, "one that fails is spared");
            }
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
        assert_eq!((is_other, meanwhile.expose()), (Ok(true), "old"));
        let new = secret.get().await.unwrap();
        assert_eq!(new.expose(), "new");
        manual_clock.advance(reread_pause(false));
        let mut cancelled = Box::pin(secret.reread(&new));
        let polled = std::future::poll_fn(|cx| Poll::Ready(cancelled.as_mut().poll(cx).is_ready()));
        assert!(!polled.await);
        drop(cancelled);
        assert!(secret.reread(&new).await.is_err(), "not known to be wrong");
        manual_clock.advance(reread_pause(false));
        sender.send(Secret::new("newer")).unwrap();
        assert_eq!(secret.reread(&new).await, Ok(true));
    }
}
