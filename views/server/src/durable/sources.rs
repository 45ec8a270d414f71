//! What sources held, as parts of a version of blocks: each source's rows as they lie in memory, and each timeline's state.
//!
//! Definitions and the rows of tables are elsewhere, in the log. What is here is taken up again only by a source that is still defined
//! as it was: its columns, its topic and what becomes of its records.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};
use tidewater_delta::{Reached, TableId};
use tidewater_ingest::{Envelope, Format, SourceConfig};
use tidewater_sql::{Image, KeptSource, KeptTimeline, LAYOUT, Sizes};
use tidewater_storage::blocks::{Part, Writer, fingerprint};
use tidewater_types::TableSchema;

use super::table::KeptTable;

const SOURCE: &str = "source ";
const TIMELINE: &str = "timeline ";
const NODE: &str = "node ";
const DEAD_LETTERS: &str = "dead letters";
const SIZES: &str = "sizes";
/// A timeline's state is cut into blocks of so many bytes: most of a long one stays as it is from one version to the next.
const BLOCK: usize = 64 << 10;

/// All of one moment of each timeline.
#[derive(Debug, Default)]
pub(crate) struct SourcesMoment {
    pub(crate) timelines: Vec<TimelineMoment>,
    /// By their numbers in the catalogs.
    pub(crate) sources: BTreeMap<u32, SourceMoment>,
    /// Rows of views by what they compute, as this program tells it.
    pub(crate) nodes: HashMap<u128, Image>,
    /// With what views were planned, by their names: to plan them otherwise is to make other nodes.
    pub(crate) sizes: BTreeMap<String, Sizes>,
    /// Records that could not be decoded; of no earlier moment than any timeline.
    pub(crate) dead_letters: Option<Image>,
}

/// A timeline and the sources that are read by it.
#[derive(Debug)]
pub(crate) struct TimelineMoment {
    pub(crate) name: String,
    /// The names of tables in the state, and the sources' numbers.
    pub(crate) tables: Vec<(TableId, u32)>,
    /// What `tidewater_ingest` goes on from.
    pub(crate) state: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct SourceMoment {
    /// What it must be to be given this back.
    pub(crate) made_as: String,
    pub(crate) kept: KeptSource,
}

/// What makes chunks an image again.
#[derive(Serialize, Deserialize)]
struct ImageNote {
    layout: u32,
    current: Option<(u32, u32)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heavy: Vec<(u32, i64)>,
}

#[derive(Serialize, Deserialize)]
struct SourceNote {
    #[serde(flatten)]
    image: ImageNote,
    made_as: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lost_columns: BTreeMap<String, String>,
    reached: Reached,
    commits: u64,
    committed_ms: i64,
}

/// A node's identity is the part's name.
#[derive(Serialize, Deserialize)]
struct NodeNote {
    #[serde(flatten)]
    image: ImageNote,
    /// What another program calls so may compute something else.
    program: String,
}

#[derive(Serialize, Deserialize)]
struct SizesNote {
    program: String,
    views: BTreeMap<String, Sizes>,
}

#[derive(Serialize, Deserialize)]
struct TimelineNote {
    name: String,
    tables: Vec<(u32, u32)>,
}

/// What rows of a source depend on, as text. Addresses and secrets may change.
pub(crate) fn made_as(config: &SourceConfig, schema: &TableSchema) -> String {
    let format = match &config.format {
        Format::Avro(_) => "avro",
        Format::Json => "json",
        Format::Text => "text",
        Format::Bytes => "bytes",
    };
    let envelope = match &config.envelope {
        Envelope::Debezium { transaction_topic, collection } => {
            serde_json::json!({ "transactions": transaction_topic, "collection": collection })
        }
        Envelope::Upsert => "upsert".into(),
        Envelope::None => "none".into(),
    };
    let include: Vec<String> = config.include.iter().map(|(column, name)| format!("{column:?} {name}")).collect();
    let table = KeptTable::from(schema);
    let on_error = format!("{:?}", config.on_error);
    serde_json::json!({
        "topic": config.topic, "format": format, "envelope": envelope, "include": include, "on error": on_error, "table": table,
    })
    .to_string()
}

/// Tells this program from every other build of it; where it cannot be read, this process from every other.
fn program() -> &'static str {
    static PROGRAM: LazyLock<String> = LazyLock::new(|| {
        let bytes = std::env::current_exe().and_then(std::fs::read);
        bytes
            .map_or_else(|_| format!("process {}", std::process::id()), |bytes| format!("{:032x}", fingerprint(&bytes)))
    });
    &PROGRAM
}

impl ImageNote {
    fn of(image: &Image) -> Self {
        ImageNote { layout: LAYOUT, current: image.current, heavy: image.heavy.clone() }
    }

    fn image(self, chunks: Vec<Arc<[u8]>>) -> Result<Image, String> {
        let ImageNote { layout, current, heavy } = self;
        match layout {
            LAYOUT => Ok(Image { chunks, current, heavy }),
            other => Err(format!("its rows are laid out in version {other}, and this Tidewater reads {LAYOUT}")),
        }
    }
}

impl SourcesMoment {
    /// Adds all of it to a version.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> tidewater_storage::Result<()> {
        for (number, timeline) in self.timelines.iter().enumerate() {
            let tables = timeline.tables.iter().map(|(table, oid)| (table.0, *oid)).collect();
            let note = TimelineNote { name: timeline.name.clone(), tables };
            let note = serde_json::to_vec(&note).expect("a text and numbers are JSON");
            writer.part(&format!("{TIMELINE}{number}"), &note, timeline.state.chunks(BLOCK))?;
        }
        for (oid, source) in &self.sources {
            let KeptSource { image, lost_columns, timeline } = &source.kept;
            let note = SourceNote {
                image: ImageNote::of(image),
                made_as: source.made_as.clone(),
                lost_columns: lost_columns.clone(),
                reached: timeline.reached.clone(),
                commits: timeline.commits,
                committed_ms: timeline.committed_ms,
            };
            let note = serde_json::to_vec(&note).expect("texts and numbers are JSON");
            writer.part(&format!("{SOURCE}{oid}"), &note, &image.chunks)?;
        }
        let program = program().to_owned();
        for (identity, image) in &self.nodes {
            let note = NodeNote { image: ImageNote::of(image), program: program.clone() };
            let note = serde_json::to_vec(&note).expect("numbers are JSON");
            writer.part(&format!("{NODE}{identity:032x}"), &note, &image.chunks)?;
        }
        let note =
            serde_json::to_vec(&SizesNote { program, views: self.sizes.clone() }).expect("numbers by name are JSON");
        writer.part(SIZES, &note, [[0; 0]; 0])?;
        if let Some(image) = &self.dead_letters {
            let note = serde_json::to_vec(&ImageNote::of(image)).expect("numbers are JSON");
            writer.part(DEAD_LETTERS, &note, &image.chunks)?;
        }
        Ok(())
    }

    /// What a version holds, and in sentences what of it cannot be used.
    pub(super) fn read(parts: Vec<Part>) -> (Self, Vec<String>) {
        let (mut moment, mut told) = (SourcesMoment::default(), Vec::new());
        for part in parts {
            let name = part.name.clone();
            if let Err(why) = moment.add(part) {
                told.push(format!("the checkpoint's part \"{name}\" cannot be used: {why}"));
            }
        }
        (moment, told)
    }

    fn add(&mut self, part: Part) -> Result<(), String> {
        if let Some(oid) = part.name.strip_prefix(SOURCE) {
            let oid = oid.parse().map_err(|_| "it has no number".to_owned())?;
            let note: SourceNote = serde_json::from_slice(&part.note).map_err(|error| error.to_string())?;
            let image = note.image.image(part.blocks)?;
            let timeline =
                KeptTimeline { reached: note.reached, commits: note.commits, committed_ms: note.committed_ms };
            let kept = KeptSource { image, lost_columns: note.lost_columns, timeline };
            self.sources.insert(oid, SourceMoment { made_as: note.made_as, kept });
        } else if let Some(identity) = part.name.strip_prefix(NODE) {
            let identity = u128::from_str_radix(identity, 16).map_err(|_| "it has no identity".to_owned())?;
            let note: NodeNote = serde_json::from_slice(&part.note).map_err(|error| error.to_string())?;
            // After an upgrade views are computed again.
            if note.program == program() {
                self.nodes.insert(identity, note.image.image(part.blocks)?);
            }
        } else if part.name == SIZES {
            let note: SizesNote = serde_json::from_slice(&part.note).map_err(|error| error.to_string())?;
            if note.program == program() {
                self.sizes = note.views;
            }
        } else if part.name == DEAD_LETTERS {
            let note: ImageNote = serde_json::from_slice(&part.note).map_err(|error| error.to_string())?;
            self.dead_letters = Some(note.image(part.blocks)?);
        } else if part.name.starts_with(TIMELINE) {
            let note: TimelineNote = serde_json::from_slice(&part.note).map_err(|error| error.to_string())?;
            let tables = note.tables.into_iter().map(|(table, oid)| (TableId(table), oid)).collect();
            self.timelines.push(TimelineMoment { name: note.name, tables, state: part.blocks.concat() });
        } else {
            return Err("nothing of this version is called so".to_owned());
        }
        Ok(())
    }

    /// The numbers of sources whose rows and whose timeline are both there.
    pub(crate) fn complete(&self) -> HashMap<u32, usize> {
        let of = |(number, timeline): (usize, &TimelineMoment)| {
            timeline.tables.iter().map(move |(_, oid)| (*oid, number)).collect::<Vec<_>>()
        };
        let listed = self.timelines.iter().enumerate().flat_map(of);
        listed.filter(|(oid, _)| self.sources.contains_key(oid)).collect()
    }
}
