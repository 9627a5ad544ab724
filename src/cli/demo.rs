//! `renraku serve --demo`: the made-up town, and who signs in there.

use renraku::access::password::{hash, new_totp_secret};
use renraku::engine::Engine;
use renraku::http::Authentication;
use renraku::operations::demo;
use renraku::store::{AccessDirectory, AccessUser};

use super::access::{failed, now};
use super::config::Config;
use super::serve::reason;
use super::{Failure, tell};

/// Loads the demonstration; answers the id of a citizen to look at.
pub(super) fn load(engine: &Engine, config: &Config) -> Result<String, Failure> {
    let loaded = demo::load(engine).map_err(|rejection| {
        Failure::new(1, format!("the demonstration data could not be loaded: {}", reason(&rejection)))
    })?;
    match loaded.resources {
        0 => tell(format_args!("demonstration data: the made-up town is there already and stays as it is")),
        written => tell(format_args!("demonstration data: {written} resources of a made-up town are loaded")),
    }
    // Where nobody signs in, nobody needs an account.
    if loaded.resources > 0 && config.http.authentication == Authentication::Required {
        accounts(config, &loaded.people)?;
    }
    Ok(loaded.citizen)
}

/// Accounts with passwords that are drawn now and shown this once: a password that others know is none.
fn accounts(config: &Config, people: &[(&'static str, String)]) -> Result<(), Failure> {
    let directory = AccessDirectory::open(&config.store.database).map_err(failed)?;
    for (login, fhir_user) in people {
        let password = new_totp_secret().map_err(failed)?;
        let user = AccessUser {
            login: (*login).to_owned(),
            fhir_user: fhir_user.clone(),
            roles: String::new(),
            password: hash(&password).map_err(failed)?,
            totp: String::new(),
            totp_step: 0,
            failures: 0,
            locked_until: 0,
            created: now(),
            revoked: 0,
        };
        directory.put_user(&user).map_err(failed)?;
        tell(format_args!("an account to sign in with, shown this once: {login} {password} ({fhir_user})"));
    }
    Ok(())
}
