//! Terminal input to messages, on its own thread. It reads the bytes itself: the end of a read tells an Esc key from a
//! sequence, and a paste from typing.

mod decode;
mod sequence;

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::sync::mpsc;

use crate::tui::Msg;
use decode::Decoder;

/// The most input that a terminal buffers for a program.
const READ_MAX: usize = 4096;

/// Reads until the terminal or the receiver is closed.
pub fn start(messages: mpsc::Sender<Msg>) -> io::Result<()> {
    std::thread::Builder::new()
        .name("input".into())
        .stack_size(256 * 1024)
        .spawn(move || {
            let mut decoder = Decoder::default();
            loop {
                let events = match next(decoder.patience()) {
                    Ok(Some(bytes)) => decoder.read(&bytes),
                    Ok(None) => decoder.timed_out(),
                    Err(_) => return,
                };
                for message in events {
                    if messages.blocking_send(message).is_err() {
                        return;
                    }
                }
            }
        })
        .map(drop)
}

/// The terminal's next bytes; `None` if none arrive within the time.
fn next(patience: Option<Duration>) -> io::Result<Option<Vec<u8>>> {
    let stdin = io::stdin();
    let limit = patience.and_then(|time| Timespec::try_from(time).ok());
    loop {
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, limit.as_ref()) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let mut bytes = vec![0; READ_MAX];
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes.truncate(count);
                return Ok(Some(bytes));
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
