//! `tilldeck budget`: what is used, what is free, who else spends; from the ledger alone.

use crate::program::{Place, Served};

const API: &str = "/sales-manager-api/api/v1";

fn place(url: &str) -> Place {
    let place = Place::with_config(&format!(
        "default_profile = \"live\"\n[profiles.live.accounts.keys]\nprovider = \"kinguin\"\nenvironment = \"sandbox\"\n\
         client_id = \"SANDBOX-KINGUIN-1\"\nclient_secret = {{ file = \"secret\" }}\n\
         endpoints = {{ token = \"{url}/auth/token\", gateway = \"{url}\" }}\n\
         [profiles.live.accounts.keys.budget]\nrequests = 3\nperiod = \"60s\"\nreads = 50\n"
    ));
    std::fs::write(place.path().join("secret"), "SANDBOX-KINGUIN-SECRET-1").unwrap();
    place
}

