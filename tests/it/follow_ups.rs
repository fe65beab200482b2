//! Daily tasks in the console, from a row to the next call, with their keys counted: the real program at its simulator.

use crate::program::Place;
use crate::terminal::Terminal;

const SEND: &str = "\u{13}";
const ENTER: &str = "\r";
/// A sale in the simulator that is out of stock.
const SALE: &str = "65b000000000000000000007";

/// A task: what to press, and what is seen after each step; and the most keys that it may take.
struct Task {
    name: &'static str,
    keys_max: usize,
    steps: &'static [(&'static str, &'static str)],
}

const TASKS: &[Task] = &[
    Task {
        name: "change the price of an offer, from the console's start",
        keys_max: 12,
        steps: &[
            ("6}", "list your offers"),
            (SEND, "offers 1-25 of 254"),
            (ENTER, "change the offer's price"),
            (ENTER, "\"amount\": ,"),
            ("1299", "\"amount\": 1299,"),
            (SEND, "y sends it"),
            ("y", "12.99 EUR"),
        ],
    },
    Task {
        name: "go on to the next page, and to the sales of its second offer",
        keys_max: 12,
        steps: &[
            ("6}", "list your offers"),
            (SEND, "offers 1-25 of 254"),
            ("n", "offers 26-50 of 254"),
            ("j", "▸65a0c0de000000000000001b"),
            (ENTER, "list the offer's sales"),
            ("Gk", "list the offer's sales"),
            (ENTER, "reservations"),
        ],
    },
    Task {
        name: "answer OUT_OF_STOCK with a key, from its row",
        keys_max: 3 + 5 + 2,
        steps: &[
            ("7", " to give a key"),
            ("c", "give a key to the sale"),
            (ENTER, SALE),
            ("KEY-1", "KEY-1"),
            (SEND, "y sends it"),
            ("y", "DISPATCHED"),
        ],
    },
];

/// The console, ready, with the address of its receiver.
fn console(place: &Place) -> (Terminal, String) {
    let terminal = Terminal::start(&place.command(&[]), (120, 40));
    terminal.sees("tilldeck ›");
    terminal.sees_no("starting…");
    terminal.sees("/callbacks/ACCOUNT");
    let screen = terminal.screen();
    let from = screen.find("● http://").unwrap() + "● ".len();
    let to = screen[from..].find("/callbacks").unwrap();
    let url = screen[from..from + to].to_owned();
    (terminal, url)
}

#[test]
fn daily_tasks_take_few_keys() {
    for task in TASKS {
        let place = Place::new();
        let (mut terminal, url) = console(&place);
        let to = format!("{url}/callbacks/kinguin");
        let deliver = ["sandbox", "trigger", "deliver", "--to", &to];
        let sent = place.run(&[&deliver[..], &["kinguin", SALE, "OUT_OF_STOCK"]].concat());
        assert_eq!(sent.code, 0, "{sent:?}");
        let mut keys = 0;
        for (pressed, seen) in task.steps {
            for key in pressed.chars() {
                terminal.send(&key.to_string());
                keys += 1;
            }
            terminal.sees(seen);
        }
        assert!(keys <= task.keys_max, "{}: {keys} keys", task.name);
        terminal.send("\u{3}");
    }
}
