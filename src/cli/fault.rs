//! Panic and error reports of the program itself: restores the terminal, and passes the report through the
//! redactor.

use std::io::Write as _;
use std::panic::PanicHookInfo;

use parking_lot::Mutex;

use crate::net::redact;
use crate::runtime::terminal;
use crate::support_log;

/// Reports of background tasks while the console has the screen.
static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Installs the hooks. A panic of the console restores the terminal before it is printed. A panic of a background task
/// leaves the console running; [`report_saved`] prints it later.
///
/// # Errors
/// If hooks are already installed.
pub fn install_hooks() -> color_eyre::Result<()> {
    #[cfg(debug_assertions)]
    let describe = {
        let plain = color_eyre::config::Theme::new();
        let (panic, error) = color_eyre::config::HookBuilder::blank()
            .theme(plain)
            .into_hooks();
        error.install()?;
        move |info: &PanicHookInfo<'_>| panic.panic_report(info).to_string()
    };
    // A release has no symbols that a backtrace could name, and the code that reads them is large.
    #[cfg(not(debug_assertions))]
    let describe = |info: &PanicHookInfo<'_>| info.to_string();
    std::panic::set_hook(Box::new(move |info| {
        let report = redact::scrub(&describe(info)).into_owned();
        tracing::error!(report, "panic");
        support_log::flush();
        // Printing now would draw over the console.
        let behind_the_screen =
            terminal::is_taken() && std::thread::current().name() != Some("main");
        if behind_the_screen {
            REPORTS.lock().push(report);
        } else {
            terminal::give_back();
            print_report(&report);
        }
    }));
    Ok(())
}

/// Prints the reports saved while the console had the screen.
pub fn report_saved() {
    for report in REPORTS.lock().drain(..) {
        print_report(&report);
    }
}

fn print_report(report: &str) {
    // Stderr may be closed, and a panic within a panic aborts.
    let _ = writeln!(
        std::io::stderr(),
        "{report}\nThis is a bug in tilldeck. The ledger's data is safe."
    );
}
