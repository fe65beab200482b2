//! Notices what other programs have written (LISTEN/NOTIFY).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::connection::ANSWER_MAX;
use super::error::PostgresError;
use super::target::Target;

const PAUSE: Duration = Duration::from_secs(1);

/// A connection that is silent for this long is tried with a statement.
const SILENCE: Duration = Duration::from_secs(15);

/// Counts the changes of other programs in `changes` until it is stopped, and calls `connected` whenever the database can
/// be used again. Runs on a thread of its own.
pub(super) fn start(
    target: Arc<Target>,
    changes: Arc<AtomicI64>,
    stop: CancellationToken,
    connected: impl Fn() + Send + 'static,
) {
    let listen = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = listen_once(&target, &changes, &connected) => {}
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        });
    };
    // Without it, changes of other programs are seen later.
    let _ = std::thread::Builder::new()
        .name("ledger changes".to_owned())
        .spawn(listen);
}

/// Listens until the connection is lost.
async fn listen_once(
    target: &Arc<Target>,
    changes: &Arc<AtomicI64>,
    connected: &impl Fn(),
) -> Result<(), PostgresError> {
    let (process, count) = (target.process.clone(), changes.clone());
    let notified = move |payload: &str| {
        if payload != process {
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (client, driver) = target.connect_and_listen(Arc::new(notified)).await?;
    let speak = async {
        client
            .batch_execute(&format!("LISTEN \"tilldeck {}\"", target.schema))
            .await?;
        // Whatever was missed until now.
        changes.fetch_add(1, Ordering::Relaxed);
        connected();
        loop {
            tokio::time::sleep(SILENCE).await;
            let answer = tokio::time::timeout(ANSWER_MAX, client.batch_execute("")).await;
            answer.map_err(|_| PostgresError::Away("no answer".to_owned()))??;
        }
    };
    tokio::select! {
        ended = driver => Ok(ended?),
        failed = speak => failed,
    }
}
