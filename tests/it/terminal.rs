//! A program in a pseudo-terminal: typed at, resized, signalled, and its screen read. Nothing here sleeps:
//! whoever waits is woken by what the program writes, or by its end.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portable_pty::{CommandBuilder, MasterPty, PtySize, SlavePty, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use vt100::{MouseProtocolMode, Screen};

/// How long anything may take. Only a failing test waits so long.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A terminal and the program in it.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn std::io::Write + Send>,
    /// Held while the program runs: how it left the terminal can be asked only as long as one end is open.
    slave: Option<Box<dyn SlavePty + Send>>,
    pid: Pid,
    before: String,
    after: Option<String>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser<Window>,
    /// Every byte the program wrote.
    bytes: Vec<u8>,
    /// Every row that was ever on screen.
    rows: BTreeSet<String>,
    ended: Option<u32>,
    /// All that was written has been read.
    drained: bool,
}

/// The title that the window has before the program.
pub const TITLE: &str = "the shell's title";

/// The emulator's window: its title, and what it is notified of.
#[derive(Debug, Clone)]
pub struct Window {
    pub title: String,
    saved: Vec<String>,
    pub bells: usize,
    /// Of the desktop, as the parts of their sequences.
    pub notifications: Vec<String>,
}

impl Window {
    /// Whether it has a title of the console.
    fn is_titled(&self) -> bool {
        self.title.contains("tilldeck")
    }
}

impl vt100::Callbacks for Window {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.bells += 1;
    }

    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.title = String::from_utf8(title.to_vec()).unwrap();
    }

    fn unhandled_csi(
        &mut self,
        _: &mut Screen,
        _: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        last: char,
    ) {
        match (params, last) {
            ([[22], [0]], 't') => self.saved.push(self.title.clone()),
            // Nothing was saved if a signal discarded that with the pending output.
            ([[23], [0]], 't') => self.title = self.saved.pop().unwrap_or_default(),
            _ => {}
        }
    }

    fn unhandled_osc(&mut self, _: &mut Screen, params: &[&[u8]]) {
        let parts: Vec<_> = params
            .iter()
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        if matches!(parts[0].as_str(), "9" | "777") {
            self.notifications.push(parts.join(";"));
        }
    }
}

impl Default for State {
    fn default() -> Self {
        let window = Window {
            title: TITLE.into(),
            saved: Vec::new(),
            bells: 0,
            notifications: Vec::new(),
        };
        let parser = vt100::Parser::new_with_callbacks(cells(24), cells(80), 0, window);
        Self {
            parser,
            bytes: Vec::new(),
            rows: BTreeSet::new(),
            ended: None,
            drained: false,
        }
    }
}

impl State {
    fn look(&mut self) {
        let (_, columns) = self.parser.screen().size();
        for row in self.parser.screen().rows(0, columns.get()) {
            if !self.rows.contains(&row) {
                self.rows.insert(row);
            }
        }
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count.max(1)).unwrap()
}

fn size((cols, rows): (u16, u16)) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

impl Terminal {
    /// Reads nothing while the closure runs: what the program writes stays in the terminal until that is full.
    pub fn frozen<T>(&self, during: impl FnOnce(&dyn MasterPty, Pid) -> T) -> T {
        let unread = self.shared.lock();
        let result = during(self.master.as_ref(), self.pid);
        drop(unread);
        result
    }

    /// Starts a command, with the environment it names and no other, in a terminal of so many columns and rows.
    pub fn start(command: &Command, columns_and_rows: (u16, u16)) -> Self {
        let pair = native_pty_system().openpty(size(columns_and_rows)).unwrap();
        let mut builder = CommandBuilder::new(command.get_program());
        builder.args(command.get_args());
        builder.env_clear();
        builder.env("TERM", "xterm-256color");
        builder.env("LANG", "C.UTF-8");
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                builder.env(name, value);
            }
        }
        let shared = Arc::new(Shared::default());
        shared
            .lock()
            .parser
            .set_size(cells(columns_and_rows.1), cells(columns_and_rows.0));
        let before = modes(pair.master.as_ref());
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let mut child = pair.slave.spawn_command(builder).unwrap();
        let pid = i32::try_from(child.process_id().unwrap()).unwrap();
        let reading = shared.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 16 * 1024];
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                let mut state = reading.lock();
                state.parser.process(&chunk[..n]);
                state.bytes.extend_from_slice(&chunk[..n]);
                state.look();
                reading.changed.notify_all();
            }
            reading.lock().drained = true;
            reading.changed.notify_all();
        });
        let waiting = shared.clone();
        std::thread::spawn(move || {
            let code = child.wait().unwrap().exit_code();
            waiting.lock().ended = Some(code);
            waiting.changed.notify_all();
        });
        Self {
            master: pair.master,
            writer,
            slave: Some(pair.slave),
            pid: Pid::from_raw(pid).unwrap(),
            before,
            after: None,
            shared,
        }
    }

    /// Whether the program is at its end.
    pub fn has_ended(&self) -> bool {
        self.shared.lock().ended.is_some()
    }

    /// The most memory that the program had resident, in KiB; `None` once it has ended.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> Option<u64> {
        peak_memory(self.pid)
    }

    /// Types text, key by key: each once the program has read the one before. A sequence goes in one piece.
    pub fn send(&mut self, keys: &str) {
        if keys.len() > 1 && keys.starts_with('\u{1b}') {
            return self.send_at_once(keys);
        }
        for key in keys.chars() {
            self.send_at_once(key.encode_utf8(&mut [0; 4]));
        }
    }

    /// Sends bytes in one write, as a paste is sent by a terminal that was not asked to bracket it. Where the program reads
    /// on a thread for that, waits until it has read.
    pub fn send_at_once(&mut self, bytes: &str) {
        let thread = self.input_thread();
        let before = thread.as_ref().map(|thread| self.slept(thread, 0));
        self.writer.write_all(bytes.as_bytes()).unwrap();
        self.writer.flush().unwrap();
        if let (Some(thread), Some(before)) = (thread, before) {
            self.slept(&thread, before + 1);
        }
    }

    /// Pastes as a terminal does that was asked to bracket it.
    pub fn paste(&mut self, text: &str) {
        self.send_at_once(&format!("\u{1b}[200~{text}\u{1b}[201~"));
    }

    /// The thread that reads the keys, where the system tells of threads.
    fn input_thread(&self) -> Option<PathBuf> {
        let tasks = format!("/proc/{}/task", self.pid.as_raw_nonzero());
        let tasks = std::fs::read_dir(tasks).ok()?.flatten();
        let mut tasks = tasks.map(|task| task.path());
        tasks.find(|task| {
            let name = std::fs::read_to_string(task.join("comm"));
            name.is_ok_and(|name| name.trim() == "input")
        })
    }

    /// How often a thread has gone to sleep, once it sleeps and that was at least so often. Not waited for long: it may
    /// be stopped.
    fn slept(&self, thread: &Path, times: u64) -> u64 {
        let mut state = self.shared.lock();
        let mut slept = 0;
        for _ in 0..2000 {
            let status = std::fs::read_to_string(thread.join("status")).unwrap_or_default();
            let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
            let count = field("voluntary_ctxt_switches:").map(str::trim);
            slept = count.and_then(|count| count.parse().ok()).unwrap_or(slept);
            let asleep = field("State:").is_some_and(|state| state.contains("sleeping"));
            if (asleep && slept >= times) || state.ended.is_some() || status.is_empty() {
                break;
            }
            let wait = self
                .shared
                .changed
                .wait_timeout(state, Duration::from_millis(1));
            state = wait.unwrap().0;
        }
        slept
    }

    pub fn resize(&mut self, columns_and_rows: (u16, u16)) {
        let mut state = self.shared.lock();
        state
            .parser
            .set_size(cells(columns_and_rows.1), cells(columns_and_rows.0));
        self.master.resize(size(columns_and_rows)).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits until the screen is as wanted; says what it waits for if that does not come.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Screen) -> bool) {
        let done = |state: &State| wanted(state.parser.screen());
        // Not given up at the program's end: its last words may still be on their way.
        let state = self.wait(done);
        assert!(
            done(&state),
            "waited for {what}; ended: {:?}; on screen:\n{}",
            state.ended,
            picture(state.parser.screen())
        );
    }

    /// Waits until the screen is as wanted, or the program has ended.
    pub fn wait_until_ended_or(&self, what: &str, wanted: impl Fn(&Screen) -> bool) {
        let done = |state: &State| state.ended.is_some() || wanted(state.parser.screen());
        let state = self.wait(done);
        let screen = state.parser.screen();
        assert!(
            done(&state),
            "waited for {what}; on screen:\n{}",
            picture(screen)
        );
    }

    /// Waits until this text is on one row.
    pub fn sees(&self, text: &str) {
        self.wait_for(&format!("{text:?}"), |screen| shows(screen, text));
    }

    /// Waits until this text is on no row.
    pub fn sees_no(&self, text: &str) {
        self.wait_for(&format!("no {text:?}"), |screen| !shows(screen, text));
    }

    /// What the program has written by the time it is as wanted.
    pub fn wait_for_bytes(&self, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let state = self.wait(|state| wanted(&state.bytes));
        assert!(wanted(&state.bytes), "waited for {what}");
        state.bytes.clone()
    }

    /// Waits for the program's end and its last byte; gives its exit code.
    pub fn ended(&mut self) -> u32 {
        let state = self.wait(|state| state.ended.is_some());
        let code = state.ended.unwrap_or_else(|| {
            panic!(
                "it has not ended; on screen:\n{}",
                picture(state.parser.screen())
            )
        });
        drop(state);
        self.after = Some(modes(self.master.as_ref()));
        // With its last writer gone, the reader comes to the end.
        self.slave = None;
        assert!(self.wait(|state| state.drained).drained);
        code
    }

    /// Whether bytes were written in so long a time. The one wait that is for the clock.
    pub fn writes_within(&self, time: Duration) -> Vec<u8> {
        let state = self.shared.lock();
        let before = state.bytes.len();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, time, |state| state.bytes.len() == before)
            .unwrap();
        state.bytes[before..].to_vec()
    }

    /// How the terminal differs from how it was before the program; empty if it was given back whole.
    pub fn kept(&self) -> Vec<String> {
        let mut kept = Vec::new();
        let given_back = |state: &State| {
            let screen = state.parser.screen();
            !screen.alternate_screen()
                && !screen.hide_cursor()
                && !screen.bracketed_paste()
                && screen.mouse_protocol_mode() == MouseProtocolMode::None
                && !state.parser.callbacks().is_titled()
        };
        let state = self.wait(|state| given_back(state) || state.drained);
        let screen = state.parser.screen();
        for (what, is) in [
            ("alternate screen", screen.alternate_screen()),
            ("hidden cursor", screen.hide_cursor()),
            ("bracketed paste", screen.bracketed_paste()),
            (
                "mouse",
                screen.mouse_protocol_mode() != MouseProtocolMode::None,
            ),
            ("title", state.parser.callbacks().is_titled()),
        ] {
            if is {
                kept.push(what.to_owned());
            }
        }
        let now = match &self.after {
            Some(after) => after.clone(),
            None => modes(self.master.as_ref()),
        };
        if now != self.before {
            kept.push(format!("modes: {} became {now}", self.before));
        }
        kept
    }

    /// Waits until the window is as wanted.
    pub fn wait_for_window(&self, what: &str, wanted: impl Fn(&Window) -> bool) -> Window {
        let state = self.wait(|state| wanted(state.parser.callbacks()));
        let window = state.parser.callbacks().clone();
        assert!(wanted(&window), "waited for {what}: {window:?}");
        window
    }

    /// Looks at the screen as it is now.
    pub fn look<T>(&self, at: impl FnOnce(&Screen) -> T) -> T {
        at(self.shared.lock().parser.screen())
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        picture(self.shared.lock().parser.screen())
    }

    /// Every row that was ever on screen, and every byte that was written, as text.
    pub fn all_seen(&self) -> String {
        let state = self.shared.lock();
        let mut all = String::from_utf8_lossy(&state.bytes).into_owned();
        for row in &state.rows {
            let _ = writeln!(all, "{row}");
        }
        all
    }

    /// The last bytes that were written, as text.
    pub fn last_bytes(&self, count: usize) -> String {
        let state = self.shared.lock();
        let from = state.bytes.len().saturating_sub(count);
        String::from_utf8_lossy(&state.bytes[from..]).into_owned()
    }

    /// What was handed to the clipboard (OSC 52), in order.
    pub fn copied(&self) -> Vec<String> {
        copied(&self.shared.lock().bytes)
    }

    /// Every row that was ever on screen.
    pub fn rows_seen(&self) -> String {
        let rows: Vec<String> = self.shared.lock().rows.iter().cloned().collect();
        rows.join("\n")
    }

    fn wait(&self, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.shared.lock();
        self.shared
            .changed
            .wait_timeout_while(state, LIMIT, |state| !until(state))
            .unwrap()
            .0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self
            .shared
            .state
            .lock()
            .is_ok_and(|state| state.ended.is_none())
        {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// The most memory that a process had resident, in KiB; `None` once it has ended.
#[cfg(target_os = "linux")]
pub fn peak_memory(pid: Pid) -> Option<u64> {
    let path = format!("/proc/{}/status", pid.as_raw_nonzero());
    let status = std::fs::read_to_string(path).ok()?;
    let mut lines = status.lines();
    let peak = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(peak.trim().trim_end_matches(" kB").parse().unwrap())
}

/// What these bytes hand to the clipboard.
pub fn copied(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split("\u{1b}]52;c;")
        .skip(1)
        .filter_map(|rest| {
            let decoded = STANDARD.decode(rest.split_once('\u{7}')?.0).unwrap();
            Some(String::from_utf8(decoded).unwrap())
        })
        .collect()
}

/// Whether this text is on one row.
pub fn shows(screen: &Screen, text: &str) -> bool {
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).any(|row| row.contains(text))
}

pub fn picture(screen: &Screen) -> String {
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).collect::<Vec<_>>().join("\n")
}

/// Raw or not, echo or not, as the kernel keeps it.
fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap())
}
