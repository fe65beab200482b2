//! Whoever sits at the terminal, or has its other end: any keys, any sizes, any signals, in any order.

use std::io::Read as _;
use std::process::Command;
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use tilldeck::clock::Clock;

use crate::program::Place;
use crate::terminal::{Terminal, peak_memory};

/// The console, up and ready.
fn console(command: &Command, size: (u16, u16)) -> Terminal {
    let terminal = Terminal::start(command, size);
    terminal.sees("tilldeck ›");
    terminal.sees_no("starting…");
    terminal
}

/// The console as a job of a shell, and its process; the shell says `stopped N` and waits for a line before `fg`.
fn job(place: &Place) -> (Terminal, Pid) {
    let inner = place.command(&[]);
    let known = place.path().join("pid");
    let mut shell = crate::program::shell();
    shell.args([
        "-c",
        "set -m; sh -c 'echo $$ >\"$1\"; exec \"$0\"' \"$0\" \"$1\"; echo \"stopped $?\"; read line; fg; echo \"left $?\"",
    ]);
    shell.arg(inner.get_program()).arg(&known);
    for (name, value) in inner.get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    let terminal = console(&shell, (120, 40));
    let pid = std::fs::read_to_string(known).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    (terminal, pid)
}

/// The screen is drawn whole, keys come one by one, and the shell has its terminal whole at the end.
/// Waits until the console goes on: what is typed before that is dropped.
fn goes_on(terminal: &Terminal) {
    terminal.wait_for_bytes("the screen taken again and drawn", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let drawn = text.split("\u{1b}[?1049h").nth(2);
        drawn.is_some_and(|drawn| drawn.contains("tilldeck"))
    });
}

fn works_and_is_given_back(mut terminal: Terminal, title: &str) {
    terminal.wait_for("the screen taken again and drawn", |screen| {
        screen.alternate_screen()
            && screen.bracketed_paste()
            && screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None
            && screen
                .rows(0, 120)
                .next()
                .is_some_and(|row| row.contains(title))
    });
    for pane in ["1 Credentials", "3 Payments", "5 Requests", "7 Callbacks"] {
        terminal.sees(&format!("─ {pane} ─"));
    }
    terminal.send("?");
    terminal.sees("─ Help ─");
    terminal.send("q");
    terminal.sees_no("─ Help ─");
    terminal.send("q");
    terminal.sees("left 0");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
}

#[test]
fn a_stop_from_outside_gives_the_terminal_to_the_shell_and_fg_brings_the_screen_back() {
    let place = Place::new();
    let (mut terminal, pid) = job(&place);
    kill_process(pid, Signal::TSTP).unwrap();
    terminal.sees("stopped 1");
    assert_eq!(terminal.kept(), Vec::<String>::new());
    terminal.send("\n");
    works_and_is_given_back(terminal, "tilldeck ›");
}

#[test]
fn a_stop_that_cannot_be_heard_is_mended_when_the_console_goes_on() {
    for signal in [Signal::STOP, Signal::TTIN, Signal::TTOU] {
        let place = Place::new();
        let (mut terminal, pid) = job(&place);
        kill_process(pid, signal).unwrap();
        // Wherever on the screen that is: it was stopped in the middle of anything.
        terminal.wait_for_bytes("the shell", |bytes| {
            String::from_utf8_lossy(bytes).contains("stopped 1")
        });
        terminal.send("\n");
        goes_on(&terminal);
        works_and_is_given_back(terminal, "tilldeck ›");
    }
}

#[test]
fn a_stop_from_outside_where_no_shell_could_end_it_changes_nothing() {
    let place = Place::new();
    let mut terminal = console(&place.command(&[]), (80, 24));
    terminal.signal(Signal::TSTP);
    terminal.signal(Signal::CONT);
    goes_on(&terminal);
    terminal.send("?");
    terminal.sees("─ Help ─");
    terminal.send("qq");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
}

#[test]
fn a_terminal_that_shrinks_and_grows_before_anybody_looks_is_drawn_whole() {
    let place = Place::new();
    let mut terminal = console(&place.command(&[]), (120, 40));
    for _ in 0..40 {
        terminal.resize((1, 1));
        terminal.resize((120, 40));
        for pane in ["1 Credentials", "3 Payments", "5 Requests", "7 Callbacks"] {
            terminal.sees(&format!("─ {pane} ─"));
        }
        terminal.sees("tilldeck ›");
    }
    terminal.send("q");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
}

#[test]
fn a_new_size_is_seen_while_half_a_key_is_read() {
    let place = Place::new();
    let mut terminal = console(&place.command(&[]), (120, 40));
    // The second one is no key at all.
    for half in ["\u{1b}[", "\u{1b}[201~", "\u{1b}[200~never ended"] {
        terminal.resize((120, 40));
        terminal.send(half);
        // Once it is read; nothing on screen tells that.
        terminal.writes_within(Duration::from_millis(300));
        terminal.resize((39, 9));
        terminal.sees("needs at least 40x10");
        terminal.resize((120, 40));
        terminal.sees("─ 1 Credentials ─");
    }
    terminal.signal(Signal::TERM);
    assert_eq!((terminal.ended(), terminal.kept()), (130, Vec::new()));
}

#[test]
#[cfg(target_os = "linux")]
fn the_memory_for_a_screen_is_bounded_however_large_the_terminal_says_it_is() {
    let place = Place::new();
    for (cols, rows) in [(2_000, 2_000), (65_535, 65_535), (65_535, 1), (1, 65_535)] {
        let size = PtySize {
            rows,
            cols,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut builder = CommandBuilder::new(env!("CARGO_BIN_EXE_tilldeck"));
        builder.env_clear();
        builder.env("HOME", place.path());
        builder.env("TILLDECK_STATE_DIR", place.state());
        let mut child = pair.slave.spawn_command(builder).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let mut writer = pair.master.take_writer().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.process_id().unwrap()).unwrap()).unwrap();
        let mut shown = Vec::new();
        let wanted = if cols > 100 && rows > 100 {
            "ORDER-1001"
        } else {
            "\u{1b}[?2004h"
        };
        let mut chunk = [0; 16 * 1024];
        while !String::from_utf8_lossy(&shown).contains(wanted) {
            let n = reader.read(&mut chunk).unwrap();
            shown.extend_from_slice(&chunk[..n]);
        }
        let rest = std::thread::spawn(move || while let Ok(1..) = reader.read(&mut chunk) {});
        std::io::Write::write_all(&mut writer, b"q").unwrap();
        // Its memory is gone with it, so this is asked while it may still draw.
        let peak = peak_memory(pid).expect("it has not ended");
        assert_eq!(child.wait().unwrap().exit_code(), 0, "{cols}x{rows}");
        assert!(peak < 200 * 1024, "{cols}x{rows}: {peak} KiB");
        drop((writer, pair.master));
        rest.join().unwrap();
    }
}

/// Keys, clicks, pastes and sizes as they come, the same for the same seed.
struct Random(fastrand::Rng);

impl Random {
    fn cell(&mut self) -> (u16, u16) {
        let corners = [
            (1, 1),
            (1, 80),
            (250, 1),
            (2, 2),
            (39, 10),
            (40, 9),
            (40, 10),
            (250, 80),
        ];
        if self.0.u8(..4) == 0 {
            return corners[self.0.usize(..corners.len())];
        }
        (self.0.u16(1..=250), self.0.u16(1..=80))
    }

    /// Whatever a keyboard, a mouse or a clipboard can send.
    fn input(&mut self) -> String {
        const NAMED: [&str; 26] = [
            "\r",
            "\t",
            "\u{1b}",
            "\u{7f}",
            " ",
            "\u{1b}[A",
            "\u{1b}[B",
            "\u{1b}[C",
            "\u{1b}[D",
            "\u{1b}[H",
            "\u{1b}[F",
            "\u{1b}[5~",
            "\u{1b}[6~",
            "\u{1b}[Z",
            "\u{1b}[3~",
            "\u{1b}OP",
            "\u{1b}[15~",
            "\u{1b}[1;5A",
            "\u{1b}\r",
            "\u{1b}[200~",
            "\u{1b}[201~",
            "\u{1b}[",
            "\u{1b}]",
            "ą",
            "漢",
            "\u{202e}",
        ];
        match self.0.u8(..100) {
            // `q` leaves, so it has a smaller share.
            0..45 => match char::from(self.0.u8(b' '..=b'~')) {
                'q' if self.0.u8(..10) > 0 => 'x'.to_string(),
                other => other.to_string(),
            },
            45..70 => NAMED[self.0.usize(..NAMED.len())].to_owned(),
            // Not Ctrl-C, by which it ends at once; that has its share below.
            70..80 => match self.0.u8(1..=26) {
                3 => "\u{1b}".to_owned(),
                control => char::from(control).to_string(),
            },
            80..97 => {
                let (x, y) = self.cell();
                let button = [0, 0, 0, 2, 32, 35, 64, 65, 255][self.0.usize(..9)];
                let end = if self.0.bool() { 'M' } else { 'm' };
                format!("\u{1b}[<{button};{x};{y}{end}")
            }
            97..99 => {
                let text: String = (0..self.0.u8(1..60))
                    .map(|_| char::from_u32(self.0.u32(1..0x3000)).unwrap_or('?'))
                    .filter(|c| *c != '\u{1b}')
                    .collect();
                format!("\u{1b}[200~{text}\u{1b}[201~")
            }
            _ => "\u{3}".repeat(usize::from(self.0.u8(..40) == 0)),
        }
    }
}

#[test]
#[ignore = "long: minutes of random keys in a terminal"]
#[cfg(target_os = "linux")]
fn no_keys_clicks_sizes_and_signals_break_the_console_or_the_terminal() {
    const INPUTS: u32 = 20_000;
    const SIGNALS: [Signal; 8] = [
        Signal::TERM,
        Signal::INT,
        Signal::QUIT,
        Signal::ABORT,
        Signal::ALARM,
        Signal::USR1,
        Signal::USR2,
        Signal::PIPE,
    ];
    let clock = Clock::system();
    let (mut sent, mut resized, mut sessions, mut ended_by_keys) = (0, 0, 0_u32, 0_u32);
    let (mut slowest, mut peak) = (Duration::ZERO, 0);
    while sent < INPUTS {
        let place = Place::new();
        let mut command = place.command(&[]);
        // No browser is to be found.
        command.env("PATH", place.path());
        let mut random = Random(fastrand::Rng::with_seed(u64::from(sessions)));
        let mut terminal = console(&command, (120, 40));
        for at in 1..=1_000 {
            if terminal.has_ended() {
                break;
            }
            if random.0.u8(..20) == 0 {
                let size = random.cell();
                terminal.resize(size);
                resized += 1;
            }
            terminal.send(&random.input());
            sent += 1;
            if at % 100 == 0 && !terminal.has_ended() {
                peak = peak.max(terminal.peak_memory().unwrap_or_default());
                // A bracketed paste that never ends is ended, and the screen must come whole.
                terminal.send("\u{1b}[201~");
                terminal.resize((1, 1));
                let asked = clock.now().mono;
                terminal.resize((120, 40));
                terminal.wait_until_ended_or("the console drawn", |screen| {
                    screen
                        .rows(0, 120)
                        .next()
                        .is_some_and(|row| row.contains("tilldeck ›"))
                });
                slowest = slowest.max(clock.now().mono.saturating_sub(asked));
            }
        }
        let signal = SIGNALS[usize::try_from(sessions).unwrap() % SIGNALS.len()];
        let by_keys = terminal.has_ended();
        if by_keys {
            ended_by_keys += 1;
        } else {
            terminal.signal(signal);
            if signal == Signal::PIPE {
                // Ignored, as in every Rust program.
                terminal.signal(Signal::TERM);
            }
        }
        let (code, kept) = (terminal.ended(), terminal.kept());
        let seen = terminal.all_seen();
        let panic = seen
            .find("The application panicked")
            .map(|at| &seen[at..seen.len().min(at + 400)]);
        assert_eq!(panic, None, "seed {sessions}");
        let expected = if by_keys { [0, 0] } else { [130, 0] };
        assert!(
            expected.contains(&code),
            "{code} after {signal:?}, seed {sessions}"
        );
        assert_eq!(
            kept,
            Vec::<String>::new(),
            "after {signal:?}, seed {sessions}; last bytes: {:?}",
            terminal.last_bytes(160)
        );
        sessions += 1;
    }
    println!(
        "figure: terminal: {sent} keys, clicks and pastes, {resized} sizes, {sessions} sessions ({ended_by_keys} left by \
         keys, else {} signals in turn); slowest full screen {} ms; peak {} MiB; 0 panics, 0 terminals kept",
        SIGNALS.len(),
        slowest.as_millis(),
        peak / 1024
    );
}
