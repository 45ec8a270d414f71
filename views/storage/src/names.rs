//! Names of files: checkpoints and logs are numbered.

pub(crate) const MANIFEST: &str = "manifest";
/// What the manifest is written to before it takes its name.
pub(crate) const MANIFEST_BESIDE: &str = "manifest.new";

pub(crate) const BLOCKS: &str = "blocks";
pub(crate) const SEGMENT: &str = "segment";
/// What a file's name ends in before it takes its own.
pub(crate) const BESIDE: &str = ".new";

pub(crate) fn blocks(number: u64) -> String {
    format!("{BLOCKS}-{number}")
}

pub(crate) fn segment(number: u64) -> String {
    format!("{SEGMENT}-{number}")
}

pub(crate) fn checkpoint(number: u64) -> String {
    format!("checkpoint-{number}")
}

pub(crate) fn log(number: u64) -> String {
    format!("log-{number}")
}

/// The number of a file whose name begins so.
pub(crate) fn number(name: &str, kind: &str) -> Option<u64> {
    name.strip_prefix(kind)?.strip_prefix('-')?.parse().ok()
}
