//! Addresses that this server asks by itself: keys of issuers and clients, a terminology server.

/// Refuses an address that is not reached over TLS, unless it is this machine's, and one with a name or password in it:
/// errors, logs and answers tell where something was asked.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn check(url: &str) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("an address with a user or password in it would be told in logs and answers".to_owned());
    }
    let is_here = matches!(authority.split(':').next(), Some("127.0.0.1" | "localhost"));
    match scheme {
        "https" if !authority.is_empty() => Ok(()),
        "http" if is_here => Ok(()),
        _ => {
            Err(format!("{url:?} does not begin with https:// (http:// is for this machine: http://127.0.0.1:PORT/…)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn it_is_asked_over_tls_or_here_and_never_with_a_password() {
        for url in ["https://tx.example.org/r4", "https://a:8443", "http://127.0.0.1:8080/fhir", "http://localhost/x"] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for url in
            ["http://tx.example.org", "tx.example.org", "http://127.0.0.1.example.org/", "https://", "", "ftp://a"]
        {
            assert!(check(url).is_err(), "{url}");
        }
        for url in
            ["https://u:s3cret@tx.example.org/", "http://127.0.0.1:80@evil.example/", "https://u@a", "u:s3cret@a"]
        {
            assert!(check(url).is_err_and(|why| !why.contains("s3cret") && !why.contains("evil")), "{url}");
        }
    }
}
