//! What an operator waits for, beside a bare ratatui program in the same pseudo-terminal: the first frame, the settled
//! screen, a key's way to the screen, and what the console costs while nothing happens. Not by criterion: whole
//! processes are measured, and the floor must be measured in the same minute as the console.
//!
//! The bench runs itself as the bare program, with `TILLDECK_BENCH_FLOOR` set.

#![expect(clippy::disallowed_methods, reason = "a stopwatch is not a clock")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use ratatui::crossterm::event::{self, Event, KeyCode};
use ratatui::style::Stylize as _;
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};

const FLOOR: &str = "TILLDECK_BENCH_FLOOR";
const STARTS: usize = 11;
const KEYS: usize = 200;
/// The screen counts as settled if it stays the same for this long.
const QUIET: Duration = Duration::from_millis(300);
const IDLE: Duration = Duration::from_secs(15);
const SIZE: PtySize = PtySize {
    rows: 40,
    cols: 120,
    pixel_width: 0,
    pixel_height: 0,
};

/// The least that a program with a full screen does: a frame, rows, and a selection that moves.
fn floor() -> std::io::Result<()> {
    let mut terminal = ratatui::init();
    let mut selected = 0;
    loop {
        terminal.draw(|frame| {
            let row = |at: usize| {
                let line = Line::from(format!("{at:>3}  a row of text as wide as most rows are"));
                if at == selected {
                    line.reversed()
                } else {
                    line
                }
            };
            let rows: Vec<Line<'_>> = (0..usize::from(frame.area().height)).map(row).collect();
            let block = Block::bordered().title("bare");
            frame.render_widget(Paragraph::new(rows).block(block), frame.area());
        })?;
        if let Event::Key(key) = event::read()? {
            match key.code {
                KeyCode::Char('j') => selected += 1,
                KeyCode::Char('k') => selected -= 1,
                KeyCode::Char('q') => break,
                _ => {}
            }
        }
    }
    ratatui::restore();
    Ok(())
}

/// A program in a pseudo-terminal, and what it writes, each part with the time of its arrival.
struct Session {
    started: Instant,
    pid: u32,
    output: Receiver<(Instant, Vec<u8>)>,
    keyboard: Box<dyn std::io::Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    screen: vt100::Parser,
}

impl Session {
    fn start(command: CommandBuilder) -> Self {
        let pair = native_pty_system()
            .openpty(SIZE)
            .expect("a pseudo-terminal");
        let mut reader = pair.master.try_clone_reader().expect("its output");
        let keyboard = pair.master.take_writer().expect("its input");
        let (chunks, output) = channel();
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).expect("the program");
        std::thread::spawn(move || {
            // The master must live as long as it is read.
            let _master = pair.master;
            let mut chunk = [0; 16 * 1024];
            while let Ok(length @ 1..) = reader.read(&mut chunk) {
                let part = (Instant::now(), chunk[..length].to_vec());
                if chunks.send(part).is_err() {
                    return;
                }
            }
        });
        Self {
            started,
            pid: child.process_id().expect("it runs"),
            output,
            keyboard,
            child,
            screen: vt100::Parser::default(),
        }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("a terminal");
        self.keyboard.flush().expect("a terminal");
    }

    /// The next part that arrives within a time, as a terminal would take it.
    fn next(&mut self, within: Duration) -> Option<(Instant, usize)> {
        match self.output.recv_timeout(within) {
            Ok((at, bytes)) => {
                self.screen.process(&bytes);
                if bytes.windows(5).any(|part| part == b"]11;?") {
                    self.press("\x1b]11;rgb:0000/0000/0000\x1b\\");
                }
                Some((at, bytes.len()))
            }
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the program has ended"),
        }
    }

    /// The times after the start at which the first frame and the last change before a pause arrived.
    fn begin(&mut self) -> (Duration, Duration) {
        let (mut first, mut last) = (None, Duration::ZERO);
        while let Some((at, _)) = self.next(if first.is_none() { IDLE } else { QUIET }) {
            let after = at - self.started;
            if !self.screen.screen().contents().trim().is_empty() {
                first.get_or_insert(after);
                last = after;
            }
        }
        (first.expect("a frame"), last)
    }

    /// From a key to the first byte that answers it.
    fn key(&mut self, key: &str) -> Duration {
        while self.next(Duration::from_millis(15)).is_some() {}
        let pressed = Instant::now();
        self.press(key);
        let (at, _) = self.next(QUIET).expect("every key moves the selection");
        at - pressed
    }

    fn end(mut self) {
        self.press("q");
        let _ = self.child.wait();
    }
}

/// What the system knows of a process, over all its threads.
#[derive(Clone, Copy, Default)]
struct Used {
    /// Nanoseconds on a processor.
    cpu: u64,
    /// How often it was woken.
    wakes: u64,
    /// KiB resident.
    resident: u64,
}

impl Used {
    /// Zero where there is no `/proc`.
    fn of(pid: u32) -> Self {
        let mut used = Self::default();
        let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            used.cpu += field(&thread.path().join("schedstat"), "");
            used.wakes += field(&thread.path().join("status"), "voluntary_ctxt_switches:");
        }
        let process = format!("/proc/{pid}/status");
        used.resident = field(Path::new(&process), "VmRSS:");
        used
    }
}

/// The number after a name in a file.
fn field(file: &Path, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn percentile(times: &mut [Duration], hundredths: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * hundredths / 100]
}

/// Everything that is measured of one program.
struct Figures {
    first: Duration,
    settled: Duration,
    cpu: Duration,
    key: Duration,
    slow_key: Duration,
    wakes: u64,
    bytes: u64,
    resident: u64,
}

fn measure(command: &dyn Fn() -> CommandBuilder) -> Figures {
    let (mut first, mut settled, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut session = Session::start(command());
        let (frame, last) = session.begin();
        first.push(frame);
        settled.push(last);
        cpu.push(Duration::from_nanos(Used::of(session.pid).cpu));
        session.end();
    }
    let mut session = Session::start(command());
    session.begin();
    let key = |at: usize| ["j", "k"][at % 2];
    let mut keys: Vec<Duration> = (0..KEYS).map(|at| session.key(key(at))).collect();
    let before = Used::of(session.pid);
    let (until, mut bytes) = (Instant::now() + IDLE, 0);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        bytes += session.next(left).map_or(0, |(_, bytes)| bytes as u64);
    }
    let after = Used::of(session.pid);
    session.end();
    Figures {
        first: percentile(&mut first, 50),
        settled: percentile(&mut settled, 50),
        cpu: percentile(&mut cpu, 50),
        key: percentile(&mut keys, 50),
        slow_key: percentile(&mut keys, 99),
        wakes: after.wakes - before.wakes,
        bytes,
        resident: after.resident,
    }
}

/// One row: a figure of each program in thousandths of its unit, and their ratio.
fn row(table: &mut String, name: &str, [floor, console]: [u64; 2]) {
    let number =
        |thousandths: u64| format!("{}.{:02}", thousandths / 1000, thousandths % 1000 / 10);
    let ratio = (console * 1000).checked_div(floor).map(number);
    let ratio = ratio.unwrap_or_else(|| "—".into());
    let _ = writeln!(
        table,
        "| {name} | {} | {} | {ratio} |",
        number(floor),
        number(console)
    );
}

fn main() -> std::io::Result<()> {
    if std::env::var_os(FLOOR).is_some() {
        return floor();
    }
    let state = tempfile::tempdir()?;
    let bare = || {
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
        command.env(FLOOR, "1");
        command.env("TERM", "xterm-256color");
        command
    };
    let console = || {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_tilldeck"));
        command.env("TERM", "xterm-256color");
        command.env("HOME", state.path());
        command.arg("--state-dir");
        command.arg(state.path());
        command
    };
    let both = [measure(&bare), measure(&console)];
    let times = |of: fn(&Figures) -> Duration| {
        let [floor, console] = &both;
        [floor, console].map(|figures| u64::try_from(of(figures).as_micros()).unwrap_or(u64::MAX))
    };
    let counts = |of: fn(&Figures) -> u64| {
        let [floor, console] = &both;
        [floor, console].map(of)
    };
    let mut table = String::from("| | bare ratatui | tilldeck | ratio |\n|---|--:|--:|--:|\n");
    row(&mut table, "first frame, ms", times(|of| of.first));
    row(&mut table, "settled screen, ms", times(|of| of.settled));
    row(
        &mut table,
        "CPU until settled and 300 ms after, ms",
        times(|of| of.cpu),
    );
    row(&mut table, "key to screen, ms", times(|of| of.key));
    row(
        &mut table,
        "key to screen, slowest hundredth, ms",
        times(|of| of.slow_key),
    );
    let per_second = 1000 / IDLE.as_secs();
    row(
        &mut table,
        "wake-ups a second while idle",
        counts(|of| of.wakes).map(|n| n * per_second),
    );
    row(
        &mut table,
        "bytes a second while idle",
        counts(|of| of.bytes).map(|n| n * per_second),
    );
    row(
        &mut table,
        "resident memory, MiB",
        counts(|of| of.resident).map(|n| n * 1000 / 1024),
    );
    println!("{table}");
    Ok(())
}
