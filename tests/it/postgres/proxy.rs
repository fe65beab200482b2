//! A proxy between programs and their database, whose connections can be cut.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Passes bytes on in both directions.
pub struct Proxy {
    address: SocketAddr,
    /// Both ends of each connection.
    open: Arc<Mutex<Vec<[TcpStream; 2]>>>,
}

impl Proxy {
    /// Before the server of this URL.
    pub fn start(url: &str) -> Self {
        let server = place(url).to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = Arc::new(Mutex::new(Vec::new()));
        let all = open.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(upstream) = TcpStream::connect(&*server) else {
                    continue;
                };
                let ends = [&client, &upstream].map(|end| end.try_clone().unwrap());
                all.lock().unwrap().push(ends);
                for (from, to) in [(&client, &upstream), (&upstream, &client)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = from.shutdown(Shutdown::Both);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { address, open }
    }

    /// The server's URL, by way of this proxy.
    pub fn url(&self, url: &str) -> String {
        url.replacen(place(url), &self.address.to_string(), 1)
    }

    /// Cuts each connection with this probability, in per cent.
    pub fn cut(&self, random: &mut fastrand::Rng, per_cent: u8) {
        self.open.lock().unwrap().retain(|ends| {
            let cut = random.u8(0..100) < per_cent;
            if cut {
                for end in ends {
                    let _ = end.shutdown(Shutdown::Both);
                }
            }
            !cut
        });
    }

    /// The ports by which the server knows its clients.
    pub fn ports(&self) -> Vec<u16> {
        let open = self.open.lock().unwrap();
        let ports = open
            .iter()
            .filter_map(|[_, upstream]| upstream.local_addr().ok());
        ports.map(|address| address.port()).collect()
    }
}

/// Host and port of a URL.
fn place(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    let rest = rest.split(['/', '?']).next().unwrap();
    rest.rsplit_once('@').map_or(rest, |(_, place)| place)
}
