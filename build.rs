//! Joins the definitions of our own guide (`fhir-profiles/renraku/definitions/*.json`) into one file
//! that the program contains, so that each stays a file of its own to read and to review.
use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = "fhir-profiles/renraku/definitions";
    println!("cargo::rerun-if-changed={folder}");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let texts = files.iter().map(fs::read_to_string).collect::<io::Result<Vec<_>>>()?;
    let target = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default().join("guide.json");
    fs::write(target, format!("[{}]", texts.join(",")))
}
