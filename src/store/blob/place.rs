//! Where a content store lies: a folder, or a bucket of an S3-compatible service.

use std::fmt;
use std::path::PathBuf;

/// A content store by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaPlace {
    /// A folder of its own.
    Folder(PathBuf),
    /// A bucket, or a part of one.
    Bucket(Bucket),
}

/// A bucket of Amazon S3 or of a service that speaks as it does.
///
/// Who may use it is said by what Amazon's own tools read: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
/// `AWS_SESSION_TOKEN`, or the role of the machine; or by a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What all names in it begin with; empty, or without a slash at either end.
    pub prefix: String,
    /// URL of the service; Amazon's in the region where there is none.
    pub endpoint: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// A file with `aws_access_key_id = …` and `aws_secret_access_key = …`.
    pub credentials: Option<PathBuf>,
    /// The bucket is part of the host name, not of the path.
    pub virtual_host: bool,
    /// The service may be reached without TLS, also elsewhere than on this machine.
    pub allow_http: bool,
    /// A folder for what is on its way.
    pub staging: PathBuf,
}

impl MediaPlace {
    /// Reads `file:///var/lib/renraku/media` or `s3://bucket/prefix`.
    ///
    /// # Errors
    /// A sentence that says which forms are right.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong =
            || format!("{url:?} is not a content store; use file:///var/lib/renraku/media or s3://bucket/prefix");
        if let Some(path) = url.strip_prefix("file://").filter(|path| !path.is_empty()) {
            return Ok(Self::Folder(path.into()));
        }
        let rest = url.strip_prefix("s3://").ok_or_else(wrong)?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        // Amazon S3, general purpose bucket naming rules; what older services allow besides is taken too.
        let is_name = (3..=63).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        let is_part = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if !is_name || !(prefix.is_empty() || prefix.split('/').all(is_part)) {
            return Err(wrong());
        }
        Ok(Self::Bucket(Bucket { name: name.to_owned(), prefix: prefix.to_owned(), ..Bucket::default() }))
    }
}

impl fmt::Display for MediaPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(formatter, "file://{}", path.display()),
            Self::Bucket(bucket) if bucket.prefix.is_empty() => write!(formatter, "s3://{}", bucket.name),
            Self::Bucket(bucket) => write!(formatter, "s3://{}/{}", bucket.name, bucket.prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for url in ["file:///var/lib/renraku/media", "s3://renraku-media", "s3://renraku.media/a/b_2"] {
            assert_eq!(MediaPlace::parse(url).map(|place| place.to_string()).as_deref(), Ok(url));
        }
        assert_eq!(MediaPlace::parse("s3://bucket/a/").map(|place| place.to_string()).as_deref(), Ok("s3://bucket/a"));
        for url in
            ["", "file://", "s3://", "s3://ab", "s3://bucket//a", "s3://bucket/../a", "s3://b ucket", "gs://bucket"]
        {
            assert!(MediaPlace::parse(url).is_err(), "{url}");
        }
    }
}
