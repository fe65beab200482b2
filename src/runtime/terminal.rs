//! The terminal's modes: entered, left, and restored in every case.

use std::ffi::OsStr;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::unistd::{getpgid, getpgrp, getppid, getsid};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::terminal::{self, disable_raw_mode, enable_raw_mode};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::config::Environ;
use rustix::process::{Signal, kill_current_process_group};

/// The drawing backend: one write for each frame rather than one for each cell.
pub type Screen = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// Alternate screen, hidden cursor, bracketed paste.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?2004h";
/// Whether the terminal has bracketed paste; the answer is input. A terminal that takes the question for text shows it in
/// its first row, which is then cleared.
const ASK_MARKS: &str = "\u{1b}[?2004$p\r\u{1b}[2K";
/// Clicks, the wheel and motion while a button is held, in the SGR form. Other motion is not reported: the console does
/// not follow the pointer.
const MOUSE: &str = "\u{1b}[?1002h\u{1b}[?1006h";
const NO_MOUSE: &str = "\u{1b}[?1006l\u{1b}[?1002l";
/// Undoes all modes, shows the cursor, resets colours.
const LEAVE: &str = "\u{1b}[?1006l\u{1b}[?1002l\u{1b}[?2004l\u{1b}[0m\u{1b}[?1049l\u{1b}[?25h";

/// Saves the title of the window, and restores it: terminals that cannot save one get an empty title instead.
const SAVE_TITLE: &str = "\u{1b}[22;0t";
const RESTORE_TITLE: &str = "\u{1b}]2;\u{7}\u{1b}[23;0t";

/// Larger than usual screens. Of a larger terminal only the upper left part is used: each cell takes memory.
const COLUMNS_MAX: u16 = 1000;
const ROWS_MAX: u16 = 500;

/// How long a terminal may take for its output; it does not confirm it.
const TAKEN_WITHIN: Duration = Duration::from_millis(20);

static ENTERED: AtomicBool = AtomicBool::new(false);
/// Whether the title is the console's.
static TITLED: AtomicBool = AtomicBool::new(false);

/// The terminal in console mode; restored when this is dropped. What writes to it fails if it has disconnected.
pub struct TerminalGuard {
    /// The drawing target. Never dropped: its drop writes to a terminal that may have disconnected, and panics then.
    pub screen: ManuallyDrop<Screen>,
    mouse: bool,
    title: Option<String>,
}

impl TerminalGuard {
    /// Enters console mode.
    ///
    /// # Errors
    /// If there is no terminal.
    pub fn new(mouse: bool) -> io::Result<Self> {
        take(mouse)?;
        let mut stdout = io::stdout();
        let asked = stdout.write_all(ASK_MARKS.as_bytes());
        match asked.and_then(|()| stdout.flush()).and_then(|()| blank()) {
            Ok(screen) => Ok(Self {
                screen,
                mouse,
                title: None,
            }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Restores the terminal and stops the process, as Ctrl-Z does; call [`TerminalGuard::resume`] once it continues.
    pub(super) fn suspend() -> io::Result<()> {
        give_back();
        stop()
    }

    /// Enters console mode again after a stop, whatever happened to the terminal; call [`TerminalGuard::repaint`] afterwards.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        // After SIGSTOP, the terminal was not restored and now has the shell's modes.
        give_back();
        take(self.mouse)?;
        match self.title.take() {
            Some(title) => self.set_title(title),
            None => Ok(()),
        }
    }

    /// Turns the mouse's reports on or off.
    pub(super) fn set_mouse(&mut self, mouse: bool) -> io::Result<()> {
        if std::mem::replace(&mut self.mouse, mouse) == mouse {
            return Ok(());
        }
        self.write(if mouse { MOUSE } else { NO_MOUSE })
    }

    /// The part of the terminal that is drawn on.
    pub(super) fn area(&mut self) -> Rect {
        self.screen.get_frame().area()
    }

    /// Whether the terminal's size is still the drawn size.
    pub(super) fn fits(&mut self) -> io::Result<bool> {
        Ok(self.area() == drawn_on()?)
    }

    /// Makes the next frame draw every cell. Call it after every resize, even to the same size: the terminal may have
    /// cut the content in between.
    pub(super) fn repaint(&mut self) -> io::Result<()> {
        // Not `clear`: it queries the cursor position, and the input thread would read the answer.
        self.screen.resize(drawn_on()?)
    }

    /// Sets the title of the window, until the terminal is restored. It must be inert.
    pub(super) fn set_title(&mut self, title: String) -> io::Result<()> {
        // First the mark: a panic after the write must restore it.
        let save = if TITLED.swap(true, Ordering::SeqCst) {
            ""
        } else {
            SAVE_TITLE
        };
        self.write(&format!("{save}\u{1b}]2;{title}\u{7}"))?;
        self.title = Some(title);
        Ok(())
    }

    /// Gives the window the title from before.
    pub(super) fn restore_title(&mut self) -> io::Result<()> {
        self.title = None;
        if TITLED.swap(false, Ordering::SeqCst) {
            self.write(RESTORE_TITLE)?;
        }
        Ok(())
    }

    /// Asks for the colour of the background; the answer is input.
    pub(super) fn ask_background(&mut self) -> io::Result<()> {
        self.write("\u{1b}]11;?\u{7}")
    }

    /// Writes a sequence to the terminal, outside the drawn frame.
    pub(super) fn write(&mut self, text: &str) -> io::Result<()> {
        let writer = self.screen.backend_mut();
        io::Write::write_all(writer, text.as_bytes())?;
        io::Write::flush(writer)
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        give_back();
    }
}

fn blank() -> io::Result<ManuallyDrop<Screen>> {
    let writer = BufWriter::with_capacity(64 * 1024, io::stdout());
    let options = TerminalOptions {
        viewport: Viewport::Fixed(drawn_on()?),
    };
    Terminal::with_options(CrosstermBackend::new(writer), options).map(ManuallyDrop::new)
}

/// The part of the terminal that is drawn on.
fn drawn_on() -> io::Result<Rect> {
    let (width, height) = terminal::size()?;
    Ok(Rect::new(
        0,
        0,
        width.min(COLUMNS_MAX),
        height.min(ROWS_MAX),
    ))
}

/// Stops this process until its shell continues it, as Ctrl-Z does; nothing happens without a shell that could.
///
/// # Errors
/// If the system refuses the signal.
pub fn stop() -> io::Result<()> {
    if has_job_control() {
        // The whole process group, as the terminal would do: a parent that runs us must stop too. Not TSTP, which we
        // handle.
        kill_current_process_group(Signal::STOP)?;
    }
    Ok(())
}

/// Whether a shell would notice that this process is stopped: the session's leader exists and is in another process
/// group.
pub(super) fn has_job_control() -> bool {
    // Not rustix: in a container the kernel returns 0 for a session or parent outside of it, which its `Pid` cannot
    // hold.
    let (Ok(session), parent) = (getsid(None), getppid()) else {
        return false;
    };
    session.as_raw() > 0
        && parent.as_raw() > 0
        && getsid(Some(parent)) == Ok(session)
        && getpgid(Some(session)).is_ok_and(|group| group != getpgrp())
}

fn take(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    let mut stdout = io::stdout();
    stdout.write_all(ENTER.as_bytes())?;
    if mouse {
        stdout.write_all(MOUSE.as_bytes())?;
    }
    stdout.flush()
}

/// Whether the terminal has disconnected: it answers no more, as from the moment at which the kernel sends SIGHUP.
pub fn has_hung_up() -> bool {
    !io::stdin().is_terminal() || !io::stdout().is_terminal()
}

/// Whether the terminal is in console mode.
pub fn is_taken() -> bool {
    ENTERED.load(Ordering::SeqCst)
}

/// Restores the terminal, if it was entered. May be called from a panic.
pub fn give_back() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        let mut stdout = io::stdout();
        let _ = stdout.write_all(LEAVE.as_bytes());
        if TITLED.swap(false, Ordering::SeqCst) {
            let _ = stdout.write_all(RESTORE_TITLE.as_bytes());
        }
        let _ = stdout.flush();
        // Last and separate: from then on Ctrl-C makes the kernel discard the terminal's pending output.
        std::thread::sleep(TAKEN_WITHIN);
        let _ = disable_raw_mode();
    }
}

/// Why a terminal with this variable `TERM` cannot move its cursor, nor show colors; `None` if it can, as most do that
/// name no kind.
pub fn incapable(term: Option<&OsStr>) -> Option<String> {
    let term = term?;
    if term.is_empty() {
        Some("TERM is empty".to_owned())
    } else if term == "dumb" || term == "unknown" {
        Some(format!("TERM={} cannot move its cursor", term.display()))
    } else {
        None
    }
}

/// Whether the locale's encoding is UTF-8. Without a locale it is assumed: most terminals use it.
pub fn speaks_unicode(environ: &Environ) -> bool {
    let set = |name: &str| environ.get(name).and_then(|value| value.into_string().ok());
    set("LC_ALL")
        .or_else(|| set("LC_CTYPE"))
        .or_else(|| set("LANG"))
        .is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8")
                || locale.contains("utf8")
                || matches!(locale.as_str(), "c" | "posix")
        })
}
