//! Bodies as they are read: no larger than may be, and all of them together within bounds.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Limits, SMALL_BODY};

/// Of a body that is refused, so much is read and thrown away: a client that is still sending would otherwise see a
/// reset instead of the answer.
const THROWN_AWAY: usize = 16 << 20;

/// In what room is given out.
const UNIT: usize = 1024;

/// The room that all bodies share.
#[derive(Clone)]
pub(super) struct Bodies {
    shared: Arc<Semaphore>,
    patience: Duration,
}

/// What one body has of it, until dropped.
pub(super) struct Room {
    all: Bodies,
    taken: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            shared: Arc::new(Semaphore::new(limits.bodies / UNIT)),
            patience: limits.room_time,
        }
    }

    pub(super) fn room(&self) -> Room {
        Room {
            all: self.clone(),
            taken: None,
        }
    }
}

impl Room {
    /// Takes room for a body of so many bytes in all; whether there is some in time.
    async fn fit(&mut self, bytes: usize) -> bool {
        let taken = self.taken.as_ref();
        let taken = taken.map_or(0, OwnedSemaphorePermit::num_permits);
        let needed = bytes.saturating_sub(SMALL_BODY).div_ceil(UNIT);
        let more = u32::try_from(needed.saturating_sub(taken)).unwrap_or(u32::MAX);
        if more == 0 {
            return true;
        }
        let Bodies { shared, patience } = self.all.clone();
        let more = tokio::time::timeout(patience, shared.acquire_many_owned(more));
        let Ok(Ok(more)) = more.await else {
            return false;
        };
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        true
    }
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, StatusCode> {
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| StatusCode::BAD_REQUEST)?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// A body of at most `limit` bytes. Of a client that `waits` to be told to send it, one that is too long is not asked
/// for.
pub(super) async fn whole(
    mut body: Incoming,
    limit: usize,
    waits: bool,
    room: &mut Room,
) -> Result<Bytes, StatusCode> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        throw_away(body, waits).await?;
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut bytes = BytesMut::new();
    while let Some(data) = next(&mut body).await? {
        let length = bytes.len() + data.len();
        let refusal = if length > limit {
            StatusCode::PAYLOAD_TOO_LARGE
        } else if room.fit(length).await {
            bytes.extend_from_slice(&data);
            continue;
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        drop((bytes, data));
        throw_away(body, false).await?;
        return Err(refusal);
    }
    Ok(bytes.freeze())
}

/// Reads what comes and keeps none of it. A client that `waits` to be told to send sends nothing.
pub(super) async fn throw_away(mut body: Incoming, waits: bool) -> Result<(), StatusCode> {
    let mut seen = 0;
    while !waits
        && seen <= THROWN_AWAY
        && let Some(data) = next(&mut body).await?
    {
        seen += data.len();
    }
    Ok(())
}
