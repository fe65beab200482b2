//! Questions to the person at the terminal. What is typed for a secret is not shown, and the terminal shows what is
//! typed again however the question ends.

use std::fs::File;
use std::io::Write as _;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};

use crate::domain::{Problem, ProblemKind, Secret, inert};

/// Asks for a line; `None` at the end of the input.
pub async fn line(question: &str) -> Option<String> {
    let question = question.to_owned();
    // Reading blocks, and Ctrl-C must be heard meanwhile.
    let read = tokio::task::spawn_blocking(move || {
        put(&question);
        let mut answer = String::new();
        match std::io::stdin().read_line(&mut answer) {
            Ok(1..) => Some(answer.trim().to_owned()),
            Ok(_) | Err(_) => None,
        }
    });
    read.await.ok().flatten()
}

fn put(question: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question}");
    let _ = stderr.flush();
}

/// Asks for a line that is not shown.
///
/// # Errors
/// If there is no terminal, or the program is to end.
pub async fn hidden(question: &str) -> Result<Secret, Problem> {
    // Before anything else: what is not listened to ends the program at once, and leaves the terminal as it is.
    let ends = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ]
    .map(signal);
    let _echo = Echo::off();
    put(question);
    let read = tokio::task::spawn_blocking(|| rpassword::read_password().map(Secret::new));
    let ended = async {
        let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up)] = ends else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    };
    tokio::select! {
        read = read => match read {
            Ok(Ok(secret)) => Ok(secret),
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::Interrupted => Err(Problem::new(
                ProblemKind::Local,
                format!("the terminal cannot be read: {}", inert::cut(&error.to_string(), 120)),
                "name where the secret is instead; `--help` shows how",
            )),
            Ok(Err(_)) | Err(_) => Err(interrupted()),
        },
        () = ended => Err(interrupted()),
    }
}

pub fn interrupted() -> Problem {
    Problem::new(ProblemKind::Interrupted, "interrupted", "")
}

/// The terminal as it was, given back when this is dropped: a reader that is left waiting gives nothing back.
struct Echo(Option<(File, Termios)>);

impl Echo {
    /// Shows nothing of what is typed from now on, so also of what is typed before the reader begins to read.
    fn off() -> Self {
        let terminal = File::open("/dev/tty").ok();
        Self(terminal.and_then(|terminal| {
            let as_it_was = tcgetattr(&terminal).ok()?;
            let mut unseen = as_it_was.clone();
            unseen.local_modes.remove(LocalModes::ECHO);
            tcsetattr(&terminal, OptionalActions::Now, &unseen).ok()?;
            Some((terminal, as_it_was))
        }))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Some((terminal, as_it_was)) = &self.0 {
            let _ = tcsetattr(terminal, OptionalActions::Now, as_it_was);
        }
    }
}
