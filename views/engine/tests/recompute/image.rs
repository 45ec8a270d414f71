//! Nodes that are put back from their images go on as if nothing had happened, and what is no image is refused.

use std::sync::Arc;

use proptest::prelude::*;
use tidewater_delta::Op;
use tidewater_engine::{Circuit, ColumnAt, Image, NodeId};

use crate::groups::{add_reduces, regroup};
use crate::model::{Bag, TABLES, add_tables, any_steps, bag, build, op, pack};
use crate::oracle::recompute;
use crate::plans::{Plan, add, any_keyed_plan, any_plan};

const REDUCES: usize = 5;

/// Tables, a view over them, and groupings of the view.
struct World {
    circuit: Circuit,
    tables: Vec<NodeId>,
    view: NodeId,
    reduces: [NodeId; REDUCES],
}

impl World {
    /// Nodes are put back where there is an image, and made of the others where there is none.
    fn put_back(images: &[Option<Image>], plan: &Plan) -> World {
        let mut circuit = Circuit::new();
        let mut images = images.iter();
        let mut restore = |circuit: &mut Circuit, node: NodeId| {
            if let Some(image) = images.next().cloned().flatten() {
                circuit.restore(node, image).expect("an image");
            }
        };
        let tables = add_tables(&mut circuit);
        tables.iter().for_each(|&table| restore(&mut circuit, table));
        let view = add(&mut circuit, &tables, plan);
        restore(&mut circuit, view);
        let reduces = add_reduces(&mut circuit, view);
        reduces.iter().for_each(|&reduce| restore(&mut circuit, reduce));
        circuit.fill_indexes();
        build(&mut circuit);
        World { circuit, tables, view, reduces }
    }

    fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.tables.iter().copied().chain([self.view]).chain(self.reduces.iter().copied())
    }

    fn images(&self) -> Vec<Option<Image>> {
        self.nodes().map(|node| self.circuit.image(node)).collect()
    }

    fn check(&self, plan: &Plan, filled: &[Bag]) {
        let (rows, errors) = recompute(plan, filled);
        assert_eq!(self.circuit.error(self.view).is_some(), errors != 0);
        let reduces = regroup(&rows);
        for (node, expected) in self.nodes().zip(filled.iter().cloned().chain([rows]).chain(reduces)) {
            assert_eq!(bag(&self.circuit, node), expected);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nodes_go_on_from_their_images(
        plan in prop_oneof![any_plan(), any_keyed_plan()],
        lives in prop::collection::vec((any_steps(), prop::collection::vec(any::<bool>(), REDUCES + 1)), 2..5),
    ) {
        let mut plan = plan;
        let at = |column| ColumnAt { input: 0, column };
        plan.output = vec![at(0), at(1), at(2)];
        let mut filled = vec![Bag::new(); TABLES];
        let mut world = World::put_back(&[], &plan);
        for (steps, lost) in lives {
            for step in &steps {
                world.circuit.tick([(world.tables[step.table], op(step, &mut filled[step.table]))]);
            }
            world.check(&plan, &filled);
            let mut kept = world.images();
            for (number, lost) in lost.into_iter().enumerate() {
                // What is made of the view needs it.
                if lost || kept[TABLES].is_none() {
                    kept[TABLES + number] = None;
                }
            }
            world = World::put_back(&kept, &plan);
            world.check(&plan, &filled);
            for (now, then) in world.images().iter().zip(&kept) {
                if let (Some(now), Some(then)) = (now, then) {
                    prop_assert!(now.chunks == then.chunks && now.current == then.current, "what is put back is what was kept");
                }
            }
        }
        let World { mut circuit, tables, .. } = world;
        circuit.tick(tables.iter().map(|&table| (table, Op::Truncate)));
        prop_assert!(circuit.is_empty());
    }

    #[test]
    fn damaged_images_are_refused_or_have_rows(at in 0..400_usize, with in any::<u8>()) {
        let mut circuit = Circuit::new();
        let tables = add_tables(&mut circuit);
        circuit.tick((0..10).map(|id| (tables[2], Op::Insert(pack(&[Some(id), None, Some(1)])))));
        let mut image = circuit.image(tables[2]).expect("it is whole");
        let mut bytes = image.chunks[0].to_vec();
        bytes[at] = with;
        image.chunks[0] = Arc::from(bytes);
        let mut circuit = Circuit::new();
        let table = circuit.add_input(crate::model::types(3), None);
        // Bytes of a row may be any; where it ends must be told.
        if circuit.restore(table, image).is_ok() {
            prop_assert!(circuit.snapshot(table).rows().count() <= 10);
        }
    }
}

#[test]
fn an_image_without_rows_is_filled_by_slices_too() {
    let mut circuit = Circuit::new();
    let table = add_tables(&mut circuit)[0];
    circuit.restore(table, Image::default()).expect("an image");
    build(&mut circuit);
    circuit.tick([(table, Op::Upsert(pack(&[Some(1), None, None])))]);
    assert_eq!(circuit.snapshot(table).rows().count(), 1);
}

#[test]
fn a_chunk_of_no_known_size_is_no_image() {
    for (chunks, current) in [(vec![7], None), (vec![], Some((0, 8))), (vec![7 << 13], None)] {
        let chunks = chunks.into_iter().map(|length| Arc::from(vec![0; length])).collect();
        let mut circuit = Circuit::new();
        let table = circuit.add_input(crate::model::types(3), None);
        let image = Image { chunks, current, heavy: Vec::new() };
        let refused = circuit.restore(table, image);
        assert!(refused.is_err() || circuit.is_empty());
    }
}
