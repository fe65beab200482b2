//! Terminal input to messages, on its own thread. It reads the bytes itself: the end of a read tells an Esc key from a
//! sequence, and a paste from typing.

mod decode;
mod sequence;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::getpgrp;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{QueueSelector, tcflush, tcgetpgrp};
use tokio::sync::mpsc;

use crate::tui::Msg;
use decode::Decoder;

/// The most input that a terminal buffers for a program.
const READ_MAX: usize = 4096;
/// The most messages that wait. The thread waits for room.
const PENDING_MAX: usize = 1024;

/// How long input waits that arrives while the terminal is another program's.
const IN_BACKGROUND: Duration = Duration::from_millis(50);

/// How often the terminal was taken again. Locked while it is taken, and while bytes are read that are there: a read that
/// waited would keep the lock.
type Turn = Mutex<u64>;

/// What the operator types and points at.
pub struct Input {
    messages: mpsc::Receiver<(u64, Msg)>,
    turn: Arc<Turn>,
    /// Messages of an earlier turn are dropped.
    current: u64,
}

impl Input {
    /// Starts the thread, which reads until the terminal is closed, or this.
    pub fn start() -> io::Result<Self> {
        let (sender, messages) = mpsc::channel(PENDING_MAX);
        let turn = Arc::<Turn>::default();
        let of_thread = turn.clone();
        std::thread::Builder::new()
            .name("input".into())
            .stack_size(256 * 1024)
            .spawn(move || read_all(&sender, &of_thread))?;
        Ok(Self {
            messages,
            turn,
            current: 0,
        })
    }

    /// The next message; `None` if the terminal gives no more.
    pub async fn next(&mut self) -> Option<Msg> {
        loop {
            let (turn, message) = self.messages.recv().await?;
            if turn == self.current {
                return Some(message);
            }
        }
    }

    /// The next message, if one waits.
    pub fn try_next(&mut self) -> Option<Msg> {
        loop {
            let (turn, message) = self.messages.try_recv().ok()?;
            if turn == self.current {
                return Some(message);
            }
        }
    }

    /// Takes the terminal again after a stop. Drops all input from before, read or not, whole or in part: it could
    /// confirm a write that the operator does not see.
    pub fn take_again<T>(&mut self, take: impl FnOnce() -> T) -> T {
        let mut turn = self.turn.lock();
        let taken = take();
        let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        *turn += 1;
        self.current = *turn;
        taken
    }
}

fn read_all(messages: &mpsc::Sender<(u64, Msg)>, turn: &Turn) {
    let mut decoder = Decoder::default();
    let mut last = 0;
    loop {
        let Ok((current, bytes)) = read_next(decoder.patience(), turn) else {
            return;
        };
        if current != last {
            decoder.restart();
            last = current;
        }
        let events = match bytes {
            Some(bytes) => decoder.read(&bytes),
            None => decoder.timed_out(),
        };
        for message in events {
            if messages.blocking_send((current, message)).is_err() {
                return;
            }
        }
    }
}

/// The terminal's next bytes and the turn that they were typed in; no bytes if none arrive within the time.
fn read_next(patience: Option<Duration>, turn: &Turn) -> io::Result<(u64, Option<Vec<u8>>)> {
    let limit = patience.and_then(|time| Timespec::try_from(time).ok());
    loop {
        let is_readable_now = is_readable(limit)?;
        let turn = turn.lock();
        if !is_readable_now {
            return Ok((*turn, None));
        }
        if is_in_background() {
            drop(turn);
            std::thread::sleep(IN_BACKGROUND);
            continue;
        }
        // What was there may have been dropped.
        if !is_readable(Some(Timespec::default()))? {
            continue;
        }
        let mut bytes = vec![0; READ_MAX];
        match rustix::io::read(io::stdin(), &mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes.truncate(count);
                return Ok((*turn, Some(bytes)));
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Whether another program has the terminal, so that a read would stop this process.
fn is_in_background() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group.as_raw_pid() != getpgrp().as_raw())
}

/// Whether the terminal has input, or has closed, within the limit; without one it waits.
fn is_readable(limit: Option<Timespec>) -> io::Result<bool> {
    let stdin = io::stdin();
    loop {
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, limit.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
