//! The terminal: entered, left, and given back whatever happens.

use std::io::{self, BufWriter, Stdout, Write as _};
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::unistd::{getpgid, getpgrp, getppid, getsid};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::terminal::{self, disable_raw_mode, enable_raw_mode};
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use rustix::process::{Signal, kill_current_process_group};

/// What is drawn on: one write for a frame rather than one for each cell.
pub type Screen = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// Alternate screen, hidden cursor, bracketed paste.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?2004h";
/// Clicks and the wheel, in the SGR form. Not the motion in between: nothing here follows the pointer.
const MOUSE: &str = "\u{1b}[?1000h\u{1b}[?1006h";
/// All of it undone, the cursor shown, colours reset.
const LEAVE: &str = "\u{1b}[?1006l\u{1b}[?1000l\u{1b}[?2004l\u{1b}[0m\u{1b}[?1049l\u{1b}[?25h";

/// Beyond any screen. Of a larger terminal the upper left part is drawn on: each cell takes memory.
const COLUMNS_MAX: u16 = 1000;
const ROWS_MAX: u16 = 500;

/// A terminal takes what it is sent within this time; nothing tells that it has.
const TAKEN_WITHIN: Duration = Duration::from_millis(20);

static ENTERED: AtomicBool = AtomicBool::new(false);

/// Takes the terminal; it is given back when this is dropped.
pub struct Entered {
    /// To draw on. Never dropped: dropping it writes to a terminal that may have hung up, and panics then.
    pub screen: ManuallyDrop<Screen>,
    mouse: bool,
}

impl Entered {
    /// Takes the terminal.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(mouse: bool) -> io::Result<Self> {
        take(mouse)?;
        match blank() {
            Ok(screen) => Ok(Self { screen, mouse }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Gives the terminal back and stops the process, as Ctrl-Z does; [`Entered::resume`] is due once it is continued.
    /// Does nothing where no shell could continue it.
    ///
    /// # Errors
    /// If the process cannot be stopped.
    pub fn suspend(&mut self) -> io::Result<()> {
        if !has_job_control() {
            return Ok(());
        }
        give_back();
        // The whole group, as the terminal itself would: a parent that runs us must stop, too. Not TSTP, which we hear.
        kill_current_process_group(Signal::STOP)?;
        Ok(())
    }

    /// Takes the terminal again after the process was stopped, whatever has become of it since; [`Entered::repaint`] is due.
    ///
    /// # Errors
    /// If the terminal cannot be taken again.
    pub fn resume(&mut self) -> io::Result<()> {
        // Who was stopped without a chance to give it back has it in the shell's modes now.
        give_back();
        take(self.mouse)
    }

    /// The part of the terminal that is drawn on.
    pub fn area(&mut self) -> Rect {
        self.screen.get_frame().area()
    }

    /// Whether the terminal still has the size that is drawn on.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn fits(&mut self) -> io::Result<bool> {
        Ok(self.area() == drawn_on()?)
    }

    /// Draws every cell with the next frame. Due whenever the terminal was resized, even to the size that it had: what was
    /// cut off in between is lost.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn repaint(&mut self) -> io::Result<()> {
        // Not `clear`: it asks the terminal where the cursor is, and the answer goes to the input thread.
        self.screen.resize(drawn_on()?)
    }

    /// Rings the bell.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn bell(&mut self) -> io::Result<()> {
        self.write("\u{7}")
    }

    /// Sends a sequence to the terminal, past what is drawn.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        let writer = self.screen.backend_mut();
        io::Write::write_all(writer, text.as_bytes())?;
        io::Write::flush(writer)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        give_back();
    }
}

/// A screen on which nothing is drawn yet.
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

/// Whether a shell would notice that this process is stopped: the leader of the session is there, in another group.
fn has_job_control() -> bool {
    // Not rustix: in a container the kernel gives 0 for a session or a parent outside of it, which its `Pid` cannot hold.
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

/// Whether the terminal is taken at present.
#[must_use]
pub fn is_taken() -> bool {
    ENTERED.load(Ordering::SeqCst)
}

/// Gives the terminal back, if it was taken. May be called from a panic.
pub fn give_back() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        let mut stdout = io::stdout();
        let _ = stdout.write_all(LEAVE.as_bytes());
        let _ = stdout.flush();
        // Last, and not at once: from then on Ctrl-C makes the kernel throw away what the terminal has not taken yet.
        std::thread::sleep(TAKEN_WITHIN);
        let _ = disable_raw_mode();
    }
}
