//! Adds an account from the built-in profile: verified and saved by a deck of the profile that gets it, which opens then.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::perform::foreground;
use super::source::ProfileSource;
use super::tasks::to_the_end;
use crate::deck::Deck;
use crate::domain::manage::{Changed, NewAccount};
use crate::domain::{Problem, RequestId};
use crate::tui::Msg;

pub struct Added {
    pub request: RequestId,
    pub profile: String,
    pub changed: Changed,
}

pub struct Adding {
    pub source: Arc<dyn ProfileSource>,
    pub added: mpsc::Sender<Added>,
    pub messages: mpsc::Sender<Msg>,
    /// Waits for the end of what was begun.
    pub endings: TaskTracker,
}

impl Adding {
    /// Verifies and saves the account. Cancelled where this is dropped, unless it is being saved.
    pub async fn add(self, request: RequestId, new: NewAccount) {
        let cancelled = CancellationToken::new();
        let _guard = cancelled.clone().drop_guard();
        let endings = self.endings.clone();
        // On its own, so that the ledger is closed in any case.
        let adding = to_the_end(&endings, async move {
            match save(self.source.as_ref(), request, new, cancelled).await {
                Ok(Some(added)) => drop(self.added.send(added).await),
                // Cancelled: nobody waits.
                Ok(None) => {}
                Err(problem) => {
                    let result = Err(problem);
                    let _ = self
                        .messages
                        .send(Msg::AccountChanged(request, result))
                        .await;
                }
            }
        });
        adding.await;
    }
}

/// `None` if it was cancelled.
async fn save(
    source: &dyn ProfileSource,
    request: RequestId,
    new: NewAccount,
    cancelled: CancellationToken,
) -> Result<Option<Added>, Problem> {
    let (profile, options) = source.home_of(new.environment)?;
    let deck = Deck::open(&profile, options).await?;
    let proved = tokio::select! {
        proved = deck.prove_addition(new, Vec::new(), foreground(request)) => Some(proved),
        () = cancelled.cancelled() => None,
    };
    let done = match proved {
        Some(Ok(proved)) => deck.save(proved).await.map(Some),
        Some(Err(problem)) => Err(problem),
        None => Ok(None),
    };
    deck.close().await;
    let profile = profile.name;
    Ok(done?.map(|changed| Added {
        request,
        profile,
        changed,
    }))
}
