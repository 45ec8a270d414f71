//! Which checkpoint is the newest, in a file that takes the place of the one before at once.

use crate::error::{Error, Result};
use crate::files::Files;
use crate::names::{MANIFEST, MANIFEST_BESIDE};
use crate::record::VERSION;

/// Far more than it has.
const LENGTH_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) checkpoint: u64,
    /// The one before it, kept in case that the newest is damaged.
    pub(crate) previous: Option<u64>,
}

impl Manifest {
    fn text(self) -> String {
        let previous = self.previous.map_or("none".to_owned(), |number| number.to_string());
        format!("tidewater {VERSION}\ncheckpoint {}\nprevious {previous}\n", self.checkpoint)
    }

    /// The manifest, if there is one.
    pub(crate) fn read(files: &dyn Files) -> Result<Option<Self>> {
        let Some(file) = files.reading(MANIFEST).map_err(Error::io("read", MANIFEST))? else { return Ok(None) };
        let mut bytes = vec![0; LENGTH_MAX];
        let length = file.read_at(0, &mut bytes).map_err(Error::io("read", MANIFEST))?;
        bytes.truncate(length);
        let damaged = || Error::damaged(MANIFEST, 0, "it does not say what a manifest says");
        let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
        let (said, sum) = text.rsplit_once("sum ").ok_or_else(damaged)?;
        if u32::from_str_radix(sum.trim_end(), 16).ok() != Some(crc32fast::hash(said.as_bytes())) {
            return Err(Error::damaged(MANIFEST, 0, "its checksum is wrong"));
        }
        let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let found = value("tidewater").and_then(|version| version.parse().ok()).ok_or_else(damaged)?;
        if found != VERSION {
            return Err(Error::Version { file: MANIFEST.to_owned(), found, known: VERSION });
        }
        let checkpoint = value("checkpoint").and_then(|number| number.parse().ok()).ok_or_else(damaged)?;
        Ok(Some(Manifest { checkpoint, previous: value("previous").and_then(|number| number.parse().ok()) }))
    }

    /// Makes this the manifest.
    pub(crate) fn write(self, files: &dyn Files) -> Result<()> {
        let said = self.text();
        let text = format!("{said}sum {:08x}\n", crc32fast::hash(said.as_bytes()));
        let mut file = files.create(MANIFEST_BESIDE).map_err(Error::io("create", MANIFEST_BESIDE))?;
        file.write_at(0, text.as_bytes()).map_err(Error::io("write", MANIFEST_BESIDE))?;
        file.sync().map_err(Error::io("write", MANIFEST_BESIDE))?;
        files.rename(MANIFEST_BESIDE, MANIFEST).map_err(Error::io("replace", MANIFEST))?;
        files.sync().map_err(Error::io("replace", MANIFEST))
    }
}
