//! Keys, pastes and the clipboard as real terminals bring them: divided, at once, without marks, through tmux.

use crate::program::Place;
use crate::terminal::{Terminal, copied};

fn console(place: &Place) -> Terminal {
    let terminal = Terminal::start(&place.command(&[]), (120, 40));
    terminal.sees("tilldeck ›");
    terminal.sees_no("starting…");
    terminal
}

#[test]
fn a_key_whose_sequence_comes_in_two_reads_is_one_key() {
    let place = Place::new();
    let mut terminal = console(&place);
    for (first, rest) in [("\u{1b}", "[B"), ("\u{1b}[", "B"), ("\u{1b}", "OB")] {
        terminal.send("3a");
        terminal.sees("▸ Payment id");
        terminal.send_at_once(first);
        terminal.send_at_once(rest);
        terminal.sees("▸ Expected");
        terminal.send("\u{1b}");
        terminal.sees_no("Watch a payment");
    }
    terminal.send("q");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
}

#[test]
fn what_is_pasted_without_marks_neither_leaves_nor_says_yes() {
    let place = Place::new();
    let mut terminal = console(&place);
    terminal.send("1");
    for pasted in ["qy", "y\r", "quit\ry\r"] {
        terminal.send_at_once(pasted);
        terminal.sees("cannot paste here");
        terminal.send("?");
        terminal.sees("─ Help ─");
        terminal.send("\u{1b}");
        terminal.sees_no("─ Help ─");
        terminal.sees_no("cannot paste here");
    }
    // Where text goes, it goes as any paste: the line end sends nothing off.
    terminal.send("3");
    terminal.send_at_once("PASTED-1\r");
    terminal.sees("Watch a payment");
    terminal.sees("PASTED-1");
    terminal.send("\u{1b}");
    terminal.sees_no("Watch a payment");
    terminal.send("q");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
}

#[test]
fn a_copy_inside_tmux_is_wrapped_and_says_what_tmux_needs() {
    let place = Place::new();
    let mut command = place.command(&[]);
    command
        .env("TERM", "tmux-256color")
        .env("TMUX", "/tmp/tmux-0/default,1,0");
    let mut terminal = Terminal::start(&command, (120, 40));
    terminal.sees("ORDER-1006");
    terminal.sees_no("starting…");
    terminal.send("3y");
    terminal.sees("tmux needs `set -g set-clipboard on`");
    let bytes = terminal.wait_for_bytes("both forms", |bytes| copied(bytes).len() == 2);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("\u{1b}Ptmux;\u{1b}\u{1b}]52;c;"));
    let copies = copied(&bytes);
    assert_eq!(copies[0], copies[1]);
    terminal.send("q");
    assert_eq!((terminal.ended(), terminal.kept()), (0, Vec::new()));
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_words_and_no_sequences() {
    for term in ["unknown", ""] {
        let place = Place::new();
        let mut command = place.command(&["open", "account", "kanga"]);
        command.env("TERM", term);
        let mut terminal = Terminal::start(&command, (200, 24));
        assert_eq!(terminal.ended(), 2, "TERM={term}");
        let seen = terminal.all_seen();
        assert!(!seen.contains("\u{1b}[?"), "{seen:?}");
        for part in ["TERM", "check", "listen", "sandbox serve", "--help"] {
            assert!(seen.contains(part), "{part}: {seen}");
        }
    }
}
