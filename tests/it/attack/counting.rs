//! A provider that counts for itself: how many requests any period holds, by the instants at which they came, were
//! being served and were answered; and whether each nonce is higher than the one before.

use std::collections::HashSet;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tilldeck::clock::Clock;

use crate::peer::read_request;

/// How it treats requests.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Each answer takes up to so many milliseconds.
    pub latency: u64,
    /// One of so many is served and never answered; 0 for none.
    pub lost: u64,
}

impl Manner {
    pub fn taking(latency: u64) -> Self {
        Self { latency, lost: 0 }
    }

    pub fn losing_one_of(self, lost: u64) -> Self {
        Self { lost, ..self }
    }
}

/// One request as it was counted.
#[derive(Debug, Clone, Copy)]
struct Counted {
    came: Duration,
    served: Duration,
    answered: Duration,
    nonce: Option<i64>,
}

pub struct CountingPeer {
    pub url: String,
    counted: Arc<Mutex<Vec<Counted>>>,
}

/// What it has counted.
#[derive(Debug)]
pub struct Count {
    pub requests: usize,
    /// The most that any period held, by each of the three instants.
    pub most: usize,
    /// By how much the period was cut short, where there were too many.
    pub short_by: Duration,
    /// Nonces that came twice.
    pub reused: usize,
    /// Nonces lower than one that had been seen before they came.
    pub backwards: usize,
}

impl CountingPeer {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let counted = Arc::new(Mutex::new(Vec::new()));
        let all = counted.clone();
        let clock = Clock::system();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (all, clock) = (all.clone(), clock.clone());
                std::thread::spawn(move || {
                    if let Ok(stream) = stream {
                        let _ = serve(stream, manner, &clock, &all);
                    }
                });
            }
        });
        Self { url, counted }
    }

    /// How much of the limit was used, in tenths of a per cent: the period by the mean time from one request to the one
    /// that its slot was free for again.
    pub fn used(&self, limit: usize, period: Duration) -> u128 {
        let all = self.counted.lock().unwrap();
        let again = all.iter().zip(all.iter().skip(limit));
        let took: Duration = again
            .map(|(one, next)| next.came.saturating_sub(one.came))
            .sum();
        let slots = all.len().saturating_sub(limit) as u128;
        (period.as_millis() * slots * 1000) / took.as_millis().max(1)
    }

    pub fn count(&self, limit: usize, period: Duration) -> Count {
        let all = self.counted.lock().unwrap().clone();
        let instants: [fn(&Counted) -> Duration; 3] =
            [|one| one.came, |one| one.served, |one| one.answered];
        let instants = instants.map(|at| {
            let mut times: Vec<Duration> = all.iter().map(at).collect();
            times.sort_unstable();
            times
        });
        let most = instants.iter().flat_map(|times| {
            let in_window = |(first, begin): (usize, &Duration)| {
                times.partition_point(|at| *at < *begin + period) - first
            };
            times.iter().enumerate().map(in_window)
        });
        let short_by = instants.iter().flat_map(|times| {
            let lasted = times.iter().zip(times.iter().skip(limit));
            lasted.map(|(first, one_more)| period.saturating_sub(one_more.saturating_sub(*first)))
        });
        let (most, short_by) = (most.max(), short_by.max());
        let nonces: Vec<i64> = all.iter().filter_map(|one| one.nonce).collect();
        let mut highest = i64::MIN;
        let backwards = nonces.iter().filter(|nonce| {
            let before = highest;
            highest = highest.max(**nonce);
            **nonce < before
        });
        let backwards = backwards.count();
        Count {
            requests: all.len(),
            most: most.unwrap_or(0),
            short_by: short_by.unwrap_or_default(),
            reused: nonces.len() - nonces.iter().collect::<HashSet<_>>().len(),
            backwards,
        }
    }
}

fn serve(
    mut stream: TcpStream,
    manner: Manner,
    clock: &Clock,
    all: &Mutex<Vec<Counted>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let request = read_request(&mut stream)?;
    let came = clock.now().mono;
    let body: Option<serde_json::Value> = serde_json::from_str(&request.body).ok();
    let nonce = body.as_ref().and_then(|body| body["nonce"].as_i64());
    let number = {
        let mut all = all.lock().unwrap();
        all.push(Counted {
            came,
            served: came,
            answered: came,
            nonce,
        });
        all.len() - 1
    };
    let mut random = fastrand::Rng::with_seed(number as u64);
    let half = Duration::from_millis(random.u64(0..=manner.latency) / 2);
    std::thread::sleep(half);
    all.lock().unwrap()[number].served = clock.now().mono;
    std::thread::sleep(half);
    all.lock().unwrap()[number].answered = clock.now().mono;
    if manner.lost > 0 && random.u64(0..manner.lost) == 0 {
        return Ok(());
    }
    let text = if body.is_some() {
        r#"{"result":"ok","paymentId":"A","state":"FINALIZED","amount":"249.00","currency":"oPLN"}"#
    } else {
        "{}"
    };
    let since_1970 = u64::try_from(clock.now().wall.0).unwrap();
    let now = std::time::UNIX_EPOCH + Duration::from_millis(since_1970);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nDate: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        httpdate::fmt_http_date(now),
        text.len()
    )
}
