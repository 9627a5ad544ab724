//! Joins the definitions and the examples of our own guide (`fhir-profiles/renraku/`) into two files that
//! the program contains, so that each stays a file of its own to read and to review.
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    for part in ["definitions", "examples"] {
        let folder = format!("fhir-profiles/renraku/{part}");
        println!("cargo::rerun-if-changed={folder}");
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let texts = files.iter().map(fs::read_to_string).collect::<io::Result<Vec<_>>>()?;
        let target = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default().join(format!("guide-{part}.json"));
        fs::write(target, format!("[{}]", texts.join(",")))?;
    }
    // A migration that was added or renamed is to be seen.
    println!("cargo::rerun-if-changed=migrations");
    Ok(())
}
