//! PostgreSQL for tests: a schema of the test's own in a database that the environment names, a server of the test's
//! own, and a proxy before it that breaks connections.

mod proxy;
mod server;

use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_postgres::{Client, NoTls, Row};

pub use proxy::Proxy;
pub use server::Server;

use crate::program::Place;

/// Names a database in which tests may create schemas, as its role may, over TCP and without TLS.
const DATABASE: &str = "TILLDECK_TEST_DATABASE_URL";

/// A schema of its own, dropped at the end.
pub struct Schema {
    pub url: String,
    pub name: String,
    runtime: tokio::runtime::Runtime,
    client: Mutex<Client>,
}

impl Schema {
    /// In the database that the environment names.
    pub fn new() -> Self {
        let url = std::env::var(DATABASE);
        Self::of(&url.unwrap_or_else(|_| panic!("{DATABASE} names no database")))
    }

    /// In this database.
    pub fn of(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let client = Mutex::new(runtime.block_on(connect(url)));
        Self {
            url: url.to_owned(),
            name: format!("test_{:016x}", fastrand::u64(..)),
            runtime,
            client,
        }
    }

    /// The sections of a config that name it. [`Self::join`] sets what they refer to.
    pub fn config(&self, operator: &str) -> String {
        format!(
            "[callbacks]\nseal_key = {{ env = \"TEAM_SEAL_KEY\" }}\n\
             [ledger]\nurl = {{ env = \"TEAM_DATABASE_URL\" }}\nschema = \"{}\"\noperator = \"{operator}\"\n",
            self.name
        )
    }

    /// Gives a machine the key of all and this URL of the database.
    pub fn join(place: &mut Place, url: &str) {
        let key = STANDARD.encode([7; 32]);
        for (name, value) in [("TEAM_DATABASE_URL", url), ("TEAM_SEAL_KEY", &key)] {
            place.variables.push((name.to_owned(), value.into()));
        }
    }

    /// Creates the tables, as an operator does.
    pub fn init(place: &Place) {
        let ran = place.run(&["ledger", "init"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }

    /// The rows of a query.
    pub fn rows(&self, sql: &str) -> Vec<Row> {
        let mut client = self.client.lock().unwrap();
        if client.is_closed() {
            *client = self.runtime.block_on(connect(&self.url));
        }
        self.runtime.block_on(client.query(sql, &[])).unwrap()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.rows(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name));
        }
    }
}

/// Connects; the connection ends with its client.
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
