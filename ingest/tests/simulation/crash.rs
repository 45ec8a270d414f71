//! A reader that dies and goes on from a state that it was in before, while Kafka deletes what that state includes.
//!
//! The rows that are shown go back to the moment of the state. Nobody may look before the reader says that it has caught up, and
//! then time has not gone back.

use std::collections::{BTreeMap, HashMap};

use tidewater_delta::TableId;
use tidewater_ingest::timeline::{Output, Waiting};

use crate::driver::{Cursor, Driver};
use crate::judge::Moment;

/// A state of the reader, and of what it shows.
#[derive(Clone)]
pub(crate) struct Checkpoint {
    pub(crate) state: Vec<u8>,
    pub(crate) first: u32,
    pub(crate) cursors: Vec<Cursor>,
    pub(crate) deleted: HashMap<(usize, usize), i64>,
    pub(crate) moment: Moment,
}

/// A reader that goes on from a checkpoint: up to where it has to read before anybody may look.
pub(crate) struct CatchingUp {
    pub(crate) ends: Vec<(usize, usize, i64)>,
    pub(crate) waiting: Option<Waiting>,
}

impl Driver<'_> {
    /// Takes a checkpoint now and then.
    pub(crate) fn keep_sometimes(&mut self) {
        if self.story.reader.crashes == 0 || !self.fate.chance(20) {
            return;
        }
        let state = self.subject.state().expect("all was handed on");
        self.say(|| "    checkpoint".into());
        let (first, cursors, deleted) = (self.first, self.cursors.clone(), self.deleted.clone());
        let held = self.joining.iter().filter(|(_, waits)| waits.is_some()).map(|(topic, _)| *topic);
        let moment = self.judge.moment(held);
        self.checkpoints.push(Checkpoint { state, first, cursors, deleted, moment });
    }

    pub(crate) fn crash_sometimes(&mut self, percent: usize) {
        if self.crashes > 0 && !self.checkpoints.is_empty() && self.fate.chance(percent) {
            self.crashes -= 1;
            self.crash();
        }
    }

    /// The reader dies and goes on from an earlier state.
    pub(crate) fn crash(&mut self) {
        if self.checkpoints.is_empty() {
            return;
        }
        // Those after it are of a time that never was.
        let at = self.fate.below(self.checkpoints.len());
        self.checkpoints.truncate(at + 1);
        let checkpoint = self.checkpoints[at].clone();
        let topics = self.transactions();
        let is_same = |topic: &usize| {
            let (now, then) = (&self.cursors[*topic], &checkpoint.cursors[*topic]);
            now.added && then.added && now.number == then.number
        };
        let known: Vec<usize> = (0..topics).filter(is_same).collect();
        let others: Vec<usize> =
            (0..topics).filter(|topic| self.cursors[*topic].added && !known.contains(topic)).collect();
        self.say(|| format!("the reader dies and goes on from checkpoint {at} with {known:?}"));
        // Old numbers and new ones are partly the same.
        self.first = 1 - checkpoint.first;
        let numbers: BTreeMap<_, _> =
            known.iter().map(|&topic| (TableId(checkpoint.first + topic as u32), self.id(topic))).collect();
        self.subject = (self.make)(self.story.transactions);
        self.subject.restore(&checkpoint.state, &numbers);
        self.cursors.fill(Cursor::default());
        for &topic in known.iter().chain([&topics]) {
            self.cursors[topic] = checkpoint.cursors[topic].clone();
        }
        self.deleted = checkpoint.deleted.clone();
        self.judge.go_back(checkpoint.moment.clone());
        (0..topics).filter(|topic| !known.contains(topic)).for_each(|topic| self.judge.remove(topic));
        self.delete(&checkpoint, &known);
        self.discover();
        let partitions = |topic: usize| (0..self.cursors[topic].next.len()).map(move |partition| (topic, partition));
        let ends = known.iter().chain([&topics]).flat_map(|&topic| partitions(topic));
        let ends = ends.map(|(topic, partition)| (topic, partition, self.partitions(topic)[partition].end(self.now)));
        self.catching_up = Some(CatchingUp { ends: ends.collect(), waiting: None });
        self.joining.clear();
        others.into_iter().for_each(|topic| self.add(topic));
    }

    /// Kafka may have deleted what the checkpoint includes.
    fn delete(&mut self, checkpoint: &Checkpoint, known: &[usize]) {
        // A source that is made again would find the rest of its topic.
        if self.story.reader.removes > 0 || !self.fate.chance(50) {
            return;
        }
        self.checkpoints = vec![checkpoint.clone()];
        for &topic in known.iter().chain([&self.transactions()]) {
            for (partition, &next) in checkpoint.cursors[topic].next.iter().enumerate() {
                self.cut.insert((topic, partition), next);
            }
        }
    }

    /// Whether a table that is shown from now on may not be looked at yet.
    pub(crate) fn is_held(&mut self, output: &Output) -> bool {
        let Output::Hydrated(TableId(topic)) = output else { return false };
        if let Some(catching_up) = &mut self.catching_up {
            catching_up.waiting = None;
            self.judge.hold(*topic as usize);
            return true;
        }
        let waits = self.joining.get_mut(&(*topic as usize));
        waits.map(|waits| *waits = Some(self.subject.waiting())).is_some()
    }

    /// Tables that come in after the others have caught up.
    fn join(&mut self) -> Result<(), String> {
        let settled = |waits: &Option<Waiting>| waits.as_ref().is_some_and(|waits| self.subject.has_settled(waits));
        let settled: Vec<usize> =
            self.joining.iter().filter(|(_, waits)| settled(waits)).map(|(topic, _)| *topic).collect();
        for topic in settled {
            self.joining.remove(&topic);
            self.judge.take(&Output::Hydrated(TableId(topic as u32)))?;
        }
        Ok(())
    }

    /// After a crash: whether what is shown is no older than what was.
    pub(crate) fn catch_up(&mut self) -> Result<(), String> {
        self.join()?;
        let Some(catching_up) = &mut self.catching_up else { return Ok(()) };
        let cursors = &self.cursors;
        let unread = |&(topic, partition, end): &(usize, usize, i64)| {
            cursors[topic].next.get(partition).is_some_and(|next| *next < end)
        };
        if catching_up.ends.iter().any(unread) {
            return Ok(());
        }
        let waiting = catching_up.waiting.get_or_insert_with(|| self.subject.waiting());
        if !self.subject.has_settled(waiting) {
            return Ok(());
        }
        self.catching_up = None;
        self.say(|| "    caught up".into());
        self.judge.catch_up()?;
        let added = (0..self.transactions()).filter(|&topic| self.cursors[topic].added);
        self.joining = added.filter(|&topic| !self.judge.is_hydrated(topic)).map(|topic| (topic, None)).collect();
        Ok(())
    }
}
