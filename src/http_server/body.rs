//! Reading request bodies, with a limit for each and one for all together.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use hyper::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Limits, SMALL_BODY};

/// How much of a rejected body is read and discarded: a client that is still sending would otherwise get a reset
/// instead of the answer.
const DISCARD_MAX: usize = 16 << 20;

/// The unit of the shared memory limit.
const UNIT: usize = 1024;

#[derive(Clone)]
pub(super) struct Bodies {
    shared: Arc<Semaphore>,
    patience: Duration,
}

/// One body's part of it, released when dropped.
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
    /// Reserves memory for a body of this size; returns whether it was available in time.
    async fn fit(&mut self, bytes: usize) -> bool {
        let taken = self.taken.as_ref();
        let taken = taken.map_or(0, OwnedSemaphorePermit::num_permits);
        // Small bodies never wait, so that large ones cannot block callbacks.
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
        // Trailers are no part of the body (RFC 9110, 6.5).
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads a body of at most `limit` bytes. A client that `waits` for `100 Continue` (RFC 9110 10.1.1) is not told to
/// continue if its body is too large.
pub(super) async fn whole(
    mut body: Incoming,
    limit: usize,
    waits: bool,
    room: &mut Room,
) -> Result<Bytes, StatusCode> {
    // `Content-Length`, where there is one: too large a body is rejected before its first byte.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        discard(body, waits).await?;
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
        // Its memory is free for others while the rest is discarded.
        drop((bytes, data));
        discard(body, false).await?;
        return Err(refusal);
    }
    Ok(bytes.freeze())
}

/// Reads and discards a body. A client that `waits` for `100 Continue` sends nothing.
pub(super) async fn discard(mut body: Incoming, waits: bool) -> Result<(), StatusCode> {
    let mut seen = 0;
    while !waits
        && seen <= DISCARD_MAX
        && let Some(data) = next(&mut body).await?
    {
        seen += data.len();
    }
    Ok(())
}
