//! The secrets that an account's callbacks are verified with: when their sources are read, and read again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::callbacks::CallbackSecrets;
use crate::config::KeyKind;
use crate::domain::Problem;
use crate::providers::{ReadSecret, reread_pause};

/// A source that failed is not read again before this time.
const FAILED_FOR: Duration = Duration::from_secs(5);

/// The texts and secrets that callbacks of an account are verified with; read at the first callback.
pub(in crate::deck) struct Keys {
    texts: BTreeMap<&'static str, String>,
    read_secret: ReadSecret,
    /// The keys that are set, and whether reading one is slow.
    set: BTreeMap<&'static str, bool>,
    known: Mutex<SecretCache>,
    /// One read at a time: a source may be a password manager that takes seconds.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct SecretCache {
    held: Option<Arc<CallbackSecrets>>,
    /// When the sources were last read, by the monotonic clock.
    asked: Option<Duration>,
    failed: Option<Problem>,
}

impl Keys {
    /// `set` names the keys that are set, and whether reading one is slow: a command or a keyring.
    pub(in crate::deck) fn new(
        spec: &crate::config::ProviderSpec,
        mut texts: BTreeMap<&'static str, String>,
        read_secret: ReadSecret,
        set: BTreeMap<&'static str, bool>,
    ) -> Self {
        // The simulator's account has its secrets among its texts.
        let secret = |name: &str| {
            let mut keys = spec.keys.iter();
            keys.any(|key| key.name == name && key.kind == KeyKind::Secret)
        };
        texts.retain(|name, _| !secret(name));
        Self {
            texts,
            read_secret,
            set,
            known: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, SecretCache> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current secrets, read now if there are none yet.
    pub(super) async fn held(
        &self,
        secrets: &[&'static str],
        now: Duration,
    ) -> Result<Arc<CallbackSecrets>, Problem> {
        if let Some(held) = &self.known().held {
            return Ok(held.clone());
        }
        // Callers that come together wait for one read: each may open a password manager's prompt.
        let _reading = self.reading.lock().await;
        {
            let known = self.known();
            if let Some(held) = &known.held {
                return Ok(held.clone());
            }
            let lately = known
                .asked
                .is_some_and(|at| now.saturating_sub(at) < FAILED_FOR);
            if let (Some(problem), true) = (&known.failed, lately) {
                return Err(problem.clone());
            }
        }
        self.read(secrets, now).await
    }

    /// Newer secrets than `judged_by`, after a callback was rejected with those. One caller at a time reads the sources
    /// again, at the intervals above. `None` if there are no newer ones.
    pub(super) async fn reread(
        &self,
        judged_by: &CallbackSecrets,
        secrets: &[&'static str],
        now: Duration,
    ) -> Result<Option<Arc<CallbackSecrets>>, Problem> {
        // A caller that waited here for another's read uses what that one found.
        let _reading = self.reading.lock().await;
        let other =
            |held: Arc<CallbackSecrets>| (held.secrets != judged_by.secrets).then_some(held);
        {
            let known = self.known();
            if let Some(held) = known.held.clone().and_then(other) {
                return Ok(Some(held));
            }
            let is_slow = secrets.iter().any(|key| self.set.get(key) == Some(&true));
            // Anyone can send a callback that is rejected.
            let pause = match &known.failed {
                Some(_) => FAILED_FOR,
                None => reread_pause(is_slow),
            };
            if known.asked.is_some_and(|at| now.saturating_sub(at) < pause) {
                return known.failed.clone().map_or(Ok(None), Err);
            }
        }
        self.read(secrets, now).await.map(other)
    }

    async fn read(
        &self,
        keys: &[&'static str],
        now: Duration,
    ) -> Result<Arc<CallbackSecrets>, Problem> {
        let mut held = CallbackSecrets {
            texts: self.texts.clone(),
            ..CallbackSecrets::default()
        };
        let mut failed = None;
        for key in keys.iter().filter(|key| self.set.contains_key(*key)) {
            match (self.read_secret)(key).await {
                Ok(secret) => drop(held.secrets.insert(key, secret)),
                Err(problem) => failed = Some(problem),
            }
        }
        let mut known = self.known();
        known.asked = Some(now);
        known.failed.clone_from(&failed);
        // A secret that failed leaves the old ones in use.
        match failed {
            Some(problem) => Err(problem),
            None => Ok(known.held.insert(Arc::new(held)).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::domain::Secret;

    const KEY: &str = "webhook_secret";

    /// Keys whose source says what is in the lock, or fails, and counts how often it was asked.
    fn keys(source: &Arc<Mutex<Option<&'static str>>>, is_slow: bool) -> (Keys, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let (source, counted) = (source.clone(), asked.clone());
        let read: ReadSecret = Arc::new(move |_| {
            let (source, counted) = (source.clone(), counted.clone());
            Box::pin(async move {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                let now = *source.lock().unwrap();
                now.map(Secret::new)
                    .ok_or_else(|| Problem::config("locked", ""))
            })
        });
        let spec = &crate::providers::by_name("kinguin").unwrap().spec;
        let set = BTreeMap::from([(KEY, is_slow)]);
        (Keys::new(spec, BTreeMap::new(), read, set), asked)
    }

    fn secret(held: &CallbackSecrets) -> &str {
        held.secrets[KEY].expose()
    }

    #[tokio::test]
    async fn all_of_a_burst_are_judged_by_the_new_secret_and_one_of_them_asks_for_it() {
        let source = Arc::new(Mutex::new(Some("old")));
        let (keys, asked) = keys(&source, false);
        let at = Duration::from_secs;
        let old = keys.held(&[KEY], at(0)).await.unwrap();
        assert_eq!(secret(&old), "old");
        *source.lock().unwrap() = Some("new");
        let too_soon = keys.reread(&old, &[KEY], at(0)).await.unwrap();
        assert!(too_soon.is_none());
        let one = || keys.reread(&old, &[KEY], at(1));
        for found in <[_; 3]>::from(tokio::join!(one(), one(), one())) {
            assert_eq!(secret(&found.unwrap().unwrap()), "new");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        // A forged one finds nothing new.
        let new = keys.held(&[KEY], at(2)).await.unwrap();
        assert!(keys.reread(&new, &[KEY], at(2)).await.unwrap().is_none());
        *source.lock().unwrap() = None;
        for second in [3, 4] {
            assert!(keys.reread(&new, &[KEY], at(second)).await.is_err());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 4, "one that fails is spared");
        assert_eq!(secret(&keys.held(&[KEY], at(4)).await.unwrap()), "new");
    }

    #[tokio::test]
    async fn a_program_or_a_keyring_is_not_asked_at_each_forged_callback() {
        let source = Arc::new(Mutex::new(Some("same")));
        let (keys, asked) = keys(&source, true);
        let at = Duration::from_secs;
        let held = keys.held(&[KEY], at(0)).await.unwrap();
        for second in 1..=31 {
            assert!(
                keys.reread(&held, &[KEY], at(second))
                    .await
                    .unwrap()
                    .is_none()
            );
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
