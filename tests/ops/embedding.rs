//! embedding: every device against the definition, gradients against differences, long lists, padding, bad ids.

use wgrad_engine::ops::{self, Ids, IndexError};
use wgrad_engine::params::embedding::Params;
use wgrad_engine::reference::embedding as twin;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, normal, wide};
use wgrad_engine::{Device, Tensor};

/// Ids over `table_rows`, few of them often: a skewed distribution as that of words.
fn skewed(count: usize, table_rows: usize) -> Vec<u32> {
    let word = |at: usize| (at.wrapping_mul(2_654_435_761) >> 7) % (1 + (at * 31) % table_rows);
    (0..count).map(|at| word(at) as u32).collect()
}

/// (V, H, ids): one row, no repetition, repetitions, one id for all, lists around and far above a piece of 64.
fn cases() -> Vec<(usize, usize, Vec<u32>)> {
    vec![
        (1, 1, vec![0]),
        (7, 5, vec![6, 0, 3]),
        (7, 65, vec![2, 5, 2, 2, 0, 5]),
        (3, 4, vec![1; 64]),
        (3, 4, vec![1; 65]),
        (40, 70, skewed(700, 40)),
        (2000, 8, skewed(1500, 2000)),
    ]
}

fn forward(table: &[f64], ids: &[u32], channels: usize) -> Vec<f64> {
    let params = Params {
        rows: ids.len() as u32,
        channels: channels as u32,
        table_rows: 0,
        pieces: 0,
        piece: 0,
    };
    let mut y = vec![0.0; ids.len() * channels];
    twin::forward(&params, (table, ids), &mut y);
    y
}

#[test]
fn devices_match_the_definition() {
    for device in devices() {
        for (table_rows, channels, ids) in cases() {
            let context = format!("{device:?} [{table_rows}, {channels}] by {}", ids.len());
            let (table, dy) = (normal(table_rows * channels, 1), normal(ids.len() * channels, 2));
            let leaf = Tensor::f32(&device, [table_rows, channels], &table).tracked();
            let index = Ids::new(&device, &ids, table_rows).expect("ids are in range");
            let y = ops::embedding(&leaf, &index);
            let expected: Vec<f32> = ids
                .iter()
                .flat_map(|&id| &table[id as usize * channels..][..channels])
                .copied()
                .collect();
            assert_eq!(y.to_f32(), expected, "{context}");

            let mut expected = vec![0.0; table.len()];
            for (id, dy) in ids.iter().zip(wide(&dy).chunks(channels)) {
                for (sum, dy) in expected[*id as usize * channels..].iter_mut().zip(dy) {
                    *sum += dy;
                }
            }
            let dy = Tensor::f32(&device, [ids.len(), channels], &dy);
            let gradients = y.backward_with(&dy);
            let dtable = gradients.get(&leaf).expect("the table is tracked").to_f32();
            assert_close(&dtable, &expected, 1e-6, &context);
            let again = ops::embedding(&leaf, &index).backward_with(&dy);
            assert_eq!(again.get(&leaf).map(Tensor::to_f32), Some(dtable), "{context}: other bits");
        }
    }
}

#[test]
fn gradient_matches_differences() {
    let device = Device::cpu();
    for (table_rows, channels, ids) in [(7, 5, vec![2, 5, 2, 2, 0, 5]), (2, 3, vec![1; 70])] {
        let (table, dy) = (normal(table_rows * channels, 1), normal(ids.len() * channels, 2));
        let loss = |table: &[f64]| dot(&forward(table, &ids, channels), &wide(&dy));
        let numeric = central_difference(loss, &wide(&table));
        let leaf = Tensor::f32(&device, [table_rows, channels], &table).tracked();
        let index = Ids::new(&device, &ids, table_rows).expect("ids are in range");
        let dy = Tensor::f32(&device, [ids.len(), channels], &dy);
        let gradients = ops::embedding(&leaf, &index).backward_with(&dy);
        let dtable = gradients.get(&leaf).expect("the table is tracked");
        assert_close(&dtable.to_f32(), &numeric, 1e-6, &format!("[{table_rows}, {channels}]"));
    }
}

#[test]
fn padding_gets_no_gradient() {
    for device in devices() {
        let leaf = Tensor::f32(&device, [3, 2], &[1.0; 6]).tracked();
        let ids = Ids::new(&device, &[1, 0, 0, 2], 3).expect("ids are in range").with_padding(0);
        let y = ops::embedding(&leaf, &ids);
        let gradients = y.backward_with(&Tensor::f32(&device, [4, 2], &[1.0; 8]));
        let dtable = gradients.get(&leaf).expect("the table is tracked").to_f32();
        assert_eq!(dtable, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0], "{device:?}");
    }
}

#[test]
fn an_id_out_of_range_is_named() {
    let error = Ids::new(&Device::cpu(), &[0, 4, 5], 5).expect_err("5 is no row of 5");
    assert_eq!(error, IndexError::OutOfRange { what: "id", position: 2, index: 5, limit: 5 });
    assert_eq!(error.to_string(), "id 5 at position 2 is out of range: expected less than 5");
}
