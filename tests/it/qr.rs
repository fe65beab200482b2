//! The QR code on a terminal, read from its pixels by a decoder of another hand.

use rqrr::PreparedImage;
use vt100::{Color, Screen};

use crate::program::Place;
use crate::terminal::Terminal;

const LINK: [&str; 8] = [
    "link",
    "--id",
    "ORDER-1",
    "--amount",
    "1",
    "--currency",
    "BTC",
    "--qr",
];
/// Pixels a module.
const SCALE: usize = 4;

/// A terminal's own colours, in grey.
#[derive(Debug, Clone, Copy)]
struct Ground {
    ink: u8,
    paper: u8,
}

const DARK: Ground = Ground {
    ink: 220,
    paper: 20,
};
const LIGHT: Ground = Ground {
    ink: 20,
    paper: 240,
};

fn grey(color: Color, default: u8) -> u8 {
    match color {
        Color::Default => default,
        // The corners of the colour cube; whoever uses others adds them.
        Color::Idx(16) => 0,
        Color::Idx(231) => 255,
        other => panic!("{other:?} is the terminal's to choose"),
    }
}

/// What a camera in front of this terminal would read.
fn scanned(screen: &Screen, ground: Ground) -> Vec<String> {
    let (rows, columns) = screen.size();
    let half = |x: usize, y: usize| {
        let (row, column) = (u16::try_from(y / 2).unwrap(), u16::try_from(x).unwrap());
        let Some(cell) = screen.cell(row, column) else {
            return ground.paper;
        };
        let ink = grey(cell.fgcolor(), ground.ink);
        let paper = grey(cell.bgcolor(), ground.paper);
        match (cell.contents(), y % 2) {
            ("█", _) | ("▀", 0) | ("▄", 1) => ink,
            _ => paper,
        }
    };
    let (wide, high) = (usize::from(columns.get()), 2 * usize::from(rows.get()));
    let mut image = PreparedImage::prepare_from_greyscale(wide * SCALE, high * SCALE, |x, y| {
        half(x / SCALE, y / SCALE)
    });
    let grids = image.detect_grids();
    grids
        .iter()
        .filter_map(|grid| Some(grid.decode().ok()?.1))
        .collect()
}

#[test]
fn a_code_is_scanned_from_a_dark_and_from_a_light_terminal() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let mut terminal = Terminal::start(&place.command(&LINK), (100, 60));
    assert_eq!(terminal.ended(), 0);
    let screen = terminal.screen();
    let url: String = screen
        .lines()
        .take_while(|line| !line.trim().is_empty() && !line.contains(['█', '▀', '▄']))
        .collect();
    for ground in [DARK, LIGHT] {
        let read = terminal.look(|screen| scanned(screen, ground));
        assert_eq!(read, [url.trim()], "{ground:?}\n{screen}");
    }
}

#[test]
fn a_code_has_no_colours_where_none_are_wanted() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let to_a_pipe = place.run(&LINK).out;
    assert!(
        to_a_pipe.contains('█') && !to_a_pipe.contains('\u{1b}'),
        "{to_a_pipe:?}"
    );
    let mut never = place.command(&LINK);
    never.args(["--color", "never"]);
    let mut terminal = Terminal::start(&never, (100, 60));
    assert_eq!(terminal.ended(), 0);
    assert!(!terminal.all_seen().contains('\u{1b}'));
    let read = terminal.look(|screen| scanned(screen, LIGHT));
    assert_eq!(
        read.len(),
        1,
        "on a light terminal it is scanned all the same"
    );
}

#[test]
fn a_code_is_scanned_where_nothing_is_decorated() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let mut plain = place.command(&LINK);
    plain.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(&plain, (100, 60));
    assert_eq!(terminal.ended(), 0);
    for ground in [DARK, LIGHT] {
        let read = terminal.look(|screen| scanned(screen, ground));
        assert_eq!(read.len(), 1, "{ground:?}");
    }
}

#[test]
fn a_code_that_a_terminal_would_tear_is_replaced_by_how_wide_one_must_be() {
    let place = Place::with_shop("http://127.0.0.1:9");
    let mut terminal = Terminal::start(&place.command(&LINK), (40, 60));
    assert_eq!(terminal.ended(), 0);
    let screen = terminal.screen();
    // However its words are broken into lines.
    let words: String = screen.split_whitespace().collect();
    assert!(!words.contains(['█', '▀', '▄']), "{screen}");
    assert!(words.contains("http"), "{screen}");
    let (_, needed) = words.split_once("itneedsaterminal").expect(&screen);
    let needed: u16 = needed.split_once("columns").unwrap().0.parse().unwrap();
    let mut terminal = Terminal::start(&place.command(&LINK), (needed - 1, 60));
    assert_eq!(terminal.ended(), 0);
    let screen = terminal.screen();
    assert!(!screen.contains(['█', '▀', '▄']), "{screen}");
    let mut terminal = Terminal::start(&place.command(&LINK), (needed, 60));
    assert_eq!(terminal.ended(), 0);
    let read = terminal.look(|screen| scanned(screen, DARK));
    assert_eq!(read.len(), 1, "{needed} columns");
}
