//! Who has a port of this machine.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use crate::callbacks::probe::{CHALLENGE, Challenge, ReceiverState};
use crate::callbacks::seal::Sealer;
use crate::callbacks::{HEARTBEAT, reachable};
use crate::http_server::{self, Outgoing};

/// How long a receiver on this machine may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks a path at an address of this machine whether a receiver answers: `None` if nothing does, and `Some(None)` if it is
/// a program without the key of `sealer`.
pub(in crate::deck) async fn who_answers(
    address: SocketAddr,
    path: &str,
    sealer: impl Future<Output = Option<Arc<Sealer>>>,
) -> Option<Option<ReceiverState>> {
    let challenge = Challenge::new().ok()?;
    let request = Outgoing {
        url: format!("http://{address}{path}"),
        headers: vec![(CHALLENGE.to_owned(), challenge.value().to_owned())],
        body: None,
    };
    let answer = http_server::send_to(address, &request, PATIENCE)
        .await
        .ok()?;
    let body = answer.body.unwrap_or_default();
    let sealer = sealer.await;
    Some(sealer.and_then(|sealer| challenge.verify(&body, &sealer)))
}

impl Shared {
    /// The state of another tilldeck that has the port that could not be bound, and receives the callbacks of this profile.
    pub(super) async fn elsewhere(
        &self,
        address: SocketAddr,
        error: &io::Error,
    ) -> Option<ReceiverState> {
        if error.kind() != io::ErrorKind::AddrInUse {
            return None;
        }
        let accounts = self.queries.registry.all();
        // Another profile's receiver does not know the account.
        let path = accounts.first().map_or_else(
            || HEARTBEAT.to_owned(),
            |runtime| format!("/callbacks/{}", runtime.account.id),
        );
        let sealer = async { Some(self.sealing.key().await.sealer) };
        let state = who_answers(reachable(address), &path, sealer)
            .await
            .flatten();
        state.filter(|state| *state != ReceiverState::NoAccount)
    }
}
