//! Programs of the guests' workspace, which is built apart.

use std::path::{Path, PathBuf};

/// What builds them, in the project's folder.
pub(crate) const BUILD: &str = "cargo build --release --manifest-path bench/guests/Cargo.toml";

/// Where the guests' programs are.
#[derive(Debug, clap::Args)]
pub(crate) struct Guests {
    /// The folder of the guests' programs
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/target/release"))]
    guests: PathBuf,
}

impl Guests {
    /// A guest's program, if it has been built; otherwise what to do.
    pub(crate) fn program(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.guests.join(name);
        match path.is_file() {
            true => Ok(path),
            false => Err(missing(&path)),
        }
    }
}

fn missing(path: &Path) -> String {
    format!("{} has not been built: {BUILD}, or name their folder with --guests", path.display())
}
