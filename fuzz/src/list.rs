//! Lists of payments: CSV files as `check --from` reads them.

use std::io::Write as _;
use std::sync::LazyLock;

use tilldeck::cli::{List, Order, Overview, Source};
use tilldeck::domain::{Problem, ProblemKind};
use tokio::runtime::{Builder, Runtime};

use super::assert_inert;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

/// A file's bytes.
pub fn run(data: &[u8]) {
    let (list, overview) = match read(data) {
        Ok(read) => read,
        Err(problem) => {
            assert_inert(&problem.message);
            assert_inert(&problem.hint);
            assert_ne!(
                problem.kind,
                ProblemKind::Interrupted,
                "the reader panicked"
            );
            return;
        }
    };
    let mut orders: Vec<Order> = Vec::new();
    let (mut rows, mut line) = (0, 0);
    let columns = list.extra_columns().len();
    for row in list.rows() {
        let row = row.expect("what was read once is read again");
        rows += 1;
        assert!(row.line > line, "line {} after line {line}", row.line);
        line = row.line;
        assert_eq!(row.extra_columns.len(), columns);
        match row.order {
            Ok(order) => {
                assert_eq!(order.id.as_str(), row.id);
                assert!(order.sum.is_none() || !list.lacks_amounts());
                orders.push(order);
            }
            Err(why) => assert_inert(&why),
        }
    }
    assert_eq!(rows, overview.rows);
    for duplicate in overview.duplicates.values() {
        assert!(duplicate.first < duplicate.next && duplicate.next <= line);
    }
    if orders.is_empty() {
        return;
    }
    let Ok((again, _)) = read(&written(&orders)) else {
        panic!("what was read cannot be written as a list: {orders:?}");
    };
    let again = again
        .rows()
        .map(|row| row.ok().and_then(|row| row.order.ok()));
    let again: Option<Vec<Order>> = again.collect();
    assert_eq!(again, Some(orders));
}

fn read(bytes: &[u8]) -> Result<(List, Overview), Problem> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("a file can be written");
    RUNTIME.block_on(List::read(Source::File(file.path().to_owned())))
}

/// The same orders as another program would write them.
fn written(orders: &[Order]) -> Vec<u8> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = String::from("id,amount,currency\n");
    for order in orders {
        let sum = order.sum.as_ref();
        let amount = sum.map_or("", |sum| sum.amount.as_str());
        let currency = sum.map_or("", |sum| sum.currency.as_str());
        text += &[order.id.as_str(), amount, currency].map(quoted).join(",");
        text.push('\n');
    }
    text.into_bytes()
}
