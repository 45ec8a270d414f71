//! The data of TPC-H, as its own generator makes them: a file a table, a line a row, `|` between values.

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tpchgen::generators as of;

/// A table's name with the columns of its key.
pub(crate) const TABLES: [(&str, &[usize]); 8] = [
    ("region", &[0]),
    ("nation", &[0]),
    ("supplier", &[0]),
    ("part", &[0]),
    ("partsupp", &[0, 1]),
    ("customer", &[0]),
    ("orders", &[0]),
    ("lineitem", &[0, 3]),
];

/// A folder that goes with this value.
pub(crate) struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies among the system's temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    /// A new one with all tables.
    pub(crate) fn filled(scale: f64) -> Result<Self, Box<dyn Error>> {
        let folder = Folder(std::env::temp_dir().join(format!("tidewater-tpch-{}", std::process::id())));
        std::fs::create_dir(&folder.0)?;
        folder.write("region", of::RegionGenerator::new(scale, 1, 1).iter())?;
        folder.write("nation", of::NationGenerator::new(scale, 1, 1).iter())?;
        folder.write("supplier", of::SupplierGenerator::new(scale, 1, 1).iter())?;
        folder.write("part", of::PartGenerator::new(scale, 1, 1).iter())?;
        folder.write("partsupp", of::PartSuppGenerator::new(scale, 1, 1).iter())?;
        folder.write("customer", of::CustomerGenerator::new(scale, 1, 1).iter())?;
        folder.write("orders", of::OrderGenerator::new(scale, 1, 1).iter())?;
        folder.write("lineitem", of::LineItemGenerator::new(scale, 1, 1).iter())?;
        Ok(folder)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A table's file.
    pub(crate) fn file(&self, table: &str) -> PathBuf {
        self.0.join(format!("{table}.csv"))
    }

    fn write<R: Display>(&self, table: &str, rows: impl Iterator<Item = R>) -> Result<(), Box<dyn Error>> {
        let mut file = BufWriter::new(File::create(self.file(table))?);
        for row in rows {
            let line = row.to_string();
            // The generator ends each value with the separator, the last one, too.
            writeln!(file, "{}", line.strip_suffix('|').unwrap_or(&line))?;
        }
        Ok(file.flush()?)
    }
}
