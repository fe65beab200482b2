//! One connection: its current phase, the time limit of that phase, and its bytes.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Limits, UnsupportedProtocol};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Waiting for the first byte of a request.
    Waiting = 0,
    Head = 1,
    /// The head is complete, the body is not.
    Body = 2,
    /// The request is complete, the answer is not ready.
    Answering = 3,
}

/// State shared by the parts of one connection. They all run in one task.
#[derive(Debug, Default)]
pub(super) struct Connection {
    phase: AtomicU8,
    /// Increases whenever the phase's time limit starts again.
    turn: AtomicU64,
    cut: AtomicBool,
    foreign: OnceLock<UnsupportedProtocol>,
}

impl Connection {
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Waiting,
            1 => Phase::Head,
            2 => Phase::Body,
            _ => Phase::Answering,
        }
    }

    /// Whether nothing was received yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.turn.load(Ordering::Relaxed) == 0
    }

    /// What the client speaks in place of HTTP/1.1, as far as that is known.
    pub(super) fn foreign(&self) -> Option<UnsupportedProtocol> {
        self.foreign.get().copied()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    /// Blocks further writes, so that the client sees a reset and not a regular end.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Completes when the phase has exceeded its time limit. Poll it after everything that may change the phase.
    pub(super) fn late(
        self: &Arc<Self>,
        limits: Limits,
    ) -> impl Future<Output = ()> + Send + use<> {
        let connection = self.clone();
        let mut alarm = Box::pin(tokio::time::sleep(limits.silence));
        let mut turn = connection.turn.load(Ordering::Relaxed);
        poll_fn(move |cx| {
            let limit = match connection.phase() {
                Phase::Waiting => limits.silence,
                Phase::Head => limits.head_time,
                // A late body is answered, and the handler's time is its own affair.
                Phase::Body | Phase::Answering => return Poll::Pending,
            };
            let now = connection.turn.load(Ordering::Relaxed);
            if std::mem::replace(&mut turn, now) != now {
                alarm.set(tokio::time::sleep(limit));
            }
            alarm.as_mut().poll(cx)
        })
    }
}

pub(super) struct TimedStream {
    tcp: TcpStream,
    connection: Arc<Connection>,
}

impl TimedStream {
    pub(super) fn new(tcp: TcpStream, connection: Arc<Connection>) -> Self {
        Self { tcp, connection }
    }

    fn refuse_if_cut(&self) -> io::Result<()> {
        if self.connection.is_cut() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }

    /// A client that reads slowly is not silent.
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() && self.connection.phase() == Phase::Waiting {
            self.connection.enter(Phase::Waiting);
        }
        written
    }
}

impl Drop for TimedStream {
    fn drop(&mut self) {
        if self.connection.is_cut() {
            // Where it cannot be set, the connection ends regularly.
            // Linger 0 makes the close a reset (SO_LINGER, socket(7)).
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.refuse_if_cut()?;
        let had = buf.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        if buf.filled().len() > had && self.connection.phase() == Phase::Waiting {
            if self.connection.is_fresh()
                && let Some(foreign) = UnsupportedProtocol::of(&buf.filled()[had..])
            {
                let _ = self.connection.foreign.set(foreign);
            }
            self.connection.enter(Phase::Head);
        }
        read
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.refuse_if_cut()?;
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.refuse_if_cut()?;
        let written = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
