//! The secrets that an account's callbacks are verified with.

use std::collections::BTreeMap;

use crate::callbacks::CallbackSecrets;
use crate::config::ProviderSpec;
use crate::domain::Problem;
use crate::providers::{CachedSecret, Credentials};

/// The texts and secrets that callbacks of an account are verified with; read at the first callback.
pub(in crate::deck) struct Keys {
    texts: BTreeMap<&'static str, String>,
    /// Those that are set.
    secrets: BTreeMap<&'static str, CachedSecret>,
}

impl Keys {
    /// Reads nothing yet.
    pub(in crate::deck) fn new(spec: &ProviderSpec, credentials: &Credentials) -> Self {
        // The simulator's account has its secrets among its texts.
        let is_secret = |name: &str| {
            let mut keys = spec.keys.iter();
            keys.any(|key| key.name == name && key.is_secret())
        };
        let mut texts = credentials.texts.clone();
        texts.retain(|name, _| !is_secret(name));
        let set = credentials.secrets.keys();
        let secrets = set.map(|key| (*key, CachedSecret::new(credentials.clone(), key)));
        Self {
            texts,
            secrets: secrets.collect(),
        }
    }

    /// The current secrets, read now if there are none yet.
    pub(super) async fn held(&self, keys: &[&'static str]) -> Result<CallbackSecrets, Problem> {
        let mut held = CallbackSecrets {
            texts: self.texts.clone(),
            ..CallbackSecrets::default()
        };
        for key in keys {
            if let Some(secret) = self.secrets.get(key) {
                held.secrets.insert(key, secret.get().await?);
            }
        }
        Ok(held)
    }

    /// Newer secrets than `judged_by`, after a callback was rejected with those; `None` if there are none. Reads their
    /// sources again, unless that was done just before: anyone can send a callback that is rejected.
    pub(super) async fn reread(
        &self,
        judged_by: &CallbackSecrets,
        keys: &[&'static str],
    ) -> Result<Option<CallbackSecrets>, Problem> {
        for (key, rejected) in &judged_by.secrets {
            if let Some(secret) = self.secrets.get(key) {
                secret.reread(rejected).await?;
            }
        }
        let held = self.held(keys).await?;
        Ok((held.secrets != judged_by.secrets).then_some(held))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::domain::{Secret, WallTime};
    use crate::ledger::{Ledger, NonceRules};
    use crate::providers::ReadSecret;

    const KEY: &str = "webhook_secret";

    /// Keys whose source says what is in the lock, or fails, and counts how often it was read.
    fn keys(source: &Arc<Mutex<Option<&'static str>>>) -> (Keys, Arc<AtomicU32>, ManualClock) {
        let reads = Arc::new(AtomicU32::new(0));
        let (source, counted) = (source.clone(), reads.clone());
        let read_secret: ReadSecret = Arc::new(move |_| {
            let (source, counted) = (source.clone(), counted.clone());
            Box::pin(async move {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                let now = *source.lock().unwrap();
                now.map(Secret::new)
                    .ok_or_else(|| Problem::config("locked", ""))
            })
        });
        let (clock, manual_clock) = Clock::by_hand(WallTime(0));
        let credentials = Credentials {
            texts: BTreeMap::from([
                (KEY, "the simulator's".to_owned()),
                ("client_id", "1".into()),
            ]),
            read_secret,
            secrets: BTreeMap::from([(KEY, false)]),
            endpoints: Vec::new(),
            ledger: Ledger::in_memory(clock.clone()),
            nonces: NonceRules::default(),
            clock,
            tokens: None,
        };
        let spec = &crate::providers::by_name("kinguin").unwrap().spec;
        (Keys::new(spec, &credentials), reads, manual_clock)
    }

    fn secret(held: &CallbackSecrets) -> &str {
        held.secrets[KEY].expose()
    }

    #[tokio::test]
    async fn all_of_a_burst_are_judged_by_the_new_secret_and_one_of_them_reads_it() {
        let source = Arc::new(Mutex::new(Some("old")));
        let (keys, reads, manual_clock) = keys(&source);
        let second = Duration::from_secs(1);
        let old = keys.held(&[KEY]).await.unwrap();
        assert_eq!(secret(&old), "old");
        assert_eq!(old.texts.keys().collect::<Vec<_>>(), [&"client_id"]);
        *source.lock().unwrap() = Some("new");
        let too_soon = keys.reread(&old, &[KEY]).await.unwrap();
        assert!(too_soon.is_none());
        manual_clock.advance(second);
        let one = || keys.reread(&old, &[KEY]);
        for found in <[_; 3]>::from(tokio::join!(one(), one(), one())) {
            assert_eq!(secret(&found.unwrap().unwrap()), "new");
        }
        assert_eq!(reads.load(Ordering::SeqCst), 2);
        manual_clock.advance(second);
        // A forged one finds nothing new.
        let new = keys.held(&[KEY]).await.unwrap();
        assert!(keys.reread(&new, &[KEY]).await.unwrap().is_none());
        *source.lock().unwrap() = None;
        for _ in 0..2 {
            manual_clock.advance(second);
            assert!(keys.reread(&new, &[KEY]).await.is_err());
        }
        assert_eq!(reads.load(Ordering::SeqCst), 4, "one that fails is spared");
        assert_eq!(secret(&keys.held(&[KEY]).await.unwrap()), "new");
    }
}
