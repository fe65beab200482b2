//! When something goes wrong in the program itself: the terminal is given back, and what is told passes the
//! redactor like all that leaves.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use crate::net::redact;
use crate::runtime::terminal;
use crate::support_log;

/// What went wrong behind the console while it had the screen.
static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on a panic of the console itself gives the terminal back before it is told. One in a task behind
/// it leaves the console standing: its report is kept until [`report_saved`].
///
/// # Errors
/// If hooks are installed already.
pub fn install_hooks() -> color_eyre::Result<()> {
    let plain = color_eyre::config::Theme::new();
    let (panic, error) = color_eyre::config::HookBuilder::blank()
        .theme(plain)
        .into_hooks();
    error.install()?;
    std::panic::set_hook(Box::new(move |info| {
        let report = redact::scrub(&panic.panic_report(info).to_string()).into_owned();
        tracing::error!(report, "panic");
        support_log::flush();
        let behind_the_screen =
            terminal::is_taken() && std::thread::current().name() != Some("main");
        if behind_the_screen {
            REPORTS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(report);
        } else {
            terminal::give_back();
            print_report(&report);
        }
    }));
    Ok(())
}

/// Tells what was kept while the console had the screen.
pub fn report_saved() {
    for report in REPORTS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .drain(..)
    {
        print_report(&report);
    }
}

fn print_report(report: &str) {
    // Nobody may be there to read it, and a panic within a panic aborts.
    let _ = writeln!(
        std::io::stderr(),
        "{report}\nThis is a fault in tilldeck. What the ledger holds is safe."
    );
}
