//! Tables that are put back from their images go on as if nothing had happened, and what is no image is refused.

use std::sync::Arc;

use proptest::prelude::*;
use tidewater_delta::Op;
use tidewater_engine::{Circuit, Image, NodeId};

use crate::model::{Bag, TABLES, add_tables, any_steps, bag, build, op, pack};
use crate::oracle::recompute;
use crate::plans::{Plan, add, any_keyed_plan, any_plan};

/// A circuit with a view over tables that are put back.
fn put_back(images: Vec<Image>, plan: &Plan) -> (Circuit, Vec<NodeId>, NodeId) {
    let mut circuit = Circuit::new();
    let tables = add_tables(&mut circuit);
    for (&table, image) in tables.iter().zip(images) {
        circuit.restore(table, image).expect("an image");
    }
    let view = add(&mut circuit, &tables, plan);
    build(&mut circuit);
    (circuit, tables, view)
}

fn images(circuit: &Circuit, tables: &[NodeId]) -> Vec<Image> {
    tables.iter().map(|&table| circuit.image(table).expect("it is whole")).collect()
}

fn check(circuit: &Circuit, tables: &[NodeId], view: NodeId, plan: &Plan, filled: &[Bag]) {
    for (&table, filled) in tables.iter().zip(filled) {
        assert_eq!(&bag(circuit, table), filled);
    }
    let (rows, errors) = recompute(plan, filled);
    assert_eq!(bag(circuit, view), rows);
    assert_eq!(circuit.error(view).is_some(), errors != 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn tables_go_on_from_their_images(
        plan in prop_oneof![any_plan(), any_keyed_plan()],
        lives in prop::collection::vec(any_steps(), 2..5),
    ) {
        let mut filled = vec![Bag::new(); TABLES];
        let (mut circuit, mut tables, _) = put_back(vec![Image::default(); TABLES], &plan);
        for steps in lives {
            for step in &steps {
                circuit.tick([(tables[step.table], op(step, &mut filled[step.table]))]);
            }
            let kept = images(&circuit, &tables);
            let view;
            (circuit, tables, view) = put_back(kept.clone(), &plan);
            check(&circuit, &tables, view, &plan, &filled);
            for (now, then) in images(&circuit, &tables).iter().zip(&kept) {
                prop_assert!(now.chunks == then.chunks && now.current == then.current, "what is put back is what was kept");
            }
        }
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
