//! gather_rows: every device against the definition, the gradient against differences, bad rows.

use wgrad_engine::ops::{self, IndexError, Rows};
use wgrad_engine::params::gather_rows::Params;
use wgrad_engine::reference::gather_rows as twin;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, normal, normal64};
use wgrad_engine::{Device, Tensor};

/// (N, H, rows): one, none, all, the ends, some of many.
pub fn cases() -> Vec<(usize, usize, Vec<u32>)> {
    vec![
        (1, 1, vec![0]),
        (3, 5, vec![]),
        (3, 5, vec![0, 1, 2]),
        (4, 65, vec![0, 3]),
        (300, 70, (0..300).filter(|row| row % 7 == 2).collect()),
    ]
}

#[test]
fn devices_match_the_definition() {
    for device in devices() {
        for (count, channels, rows) in cases() {
            let context = format!("{device:?} {} of [{count}, {channels}]", rows.len());
            let (x, dy) = (normal(count * channels, 1), normal(rows.len() * channels, 2));
            let leaf = Tensor::f32(&device, [count, channels], &x).tracked();
            let index = Rows::new(&device, &rows, count).expect("rows are in order");
            let y = ops::gather_rows(&leaf, &index);
            let (mut expected, mut expected_dx) = (vec![], vec![0.0; x.len()]);
            for (slot, &row) in rows.iter().enumerate() {
                let range = row as usize * channels..(row as usize + 1) * channels;
                expected.extend_from_slice(&x[range.clone()]);
                expected_dx[range].copy_from_slice(&dy[slot * channels..][..channels]);
            }
            assert_eq!(y.to_f32(), expected, "{context}");
            let gradients = y.backward_with(&Tensor::f32(&device, [rows.len(), channels], &dy));
            let dx = gradients.get(&leaf).expect("x is tracked");
            assert_eq!(dx.to_f32(), expected_dx, "{context}");
        }
    }
}

#[test]
fn backward_matches_differences() {
    let (x, dy, rows, slots) = (normal64(8, 1), normal64(4, 2), [1, 2], [u32::MAX, 0, 1, u32::MAX]);
    let params = Params { rows_in: 4, rows_out: 2, channels: 2 };
    let loss = |x: &[f64]| {
        let mut y = vec![0.0; 4];
        twin::forward(&params, (x, &rows), &mut y);
        dot(&y, &dy)
    };
    let mut dx = vec![1.0; 8];
    twin::backward(&params, (&dy, &slots), &mut dx);
    assert_close(&dx, &central_difference(loss, &x), 1e-7, "rows 1 and 2 of 4");
}

#[test]
fn bad_rows_are_named() {
    let rows = |rows: &[u32]| Rows::new(&Device::cpu(), rows, 4).expect_err("bad rows").to_string();
    assert_eq!(rows(&[0, 4]), "row 4 at position 1 is out of range: expected less than 4");
    assert_eq!(rows(&[0, 2, 2]), "row 2 at position 2 follows row 2: expected increasing rows");
    let error = Rows::new(&Device::cpu(), &[3, 1], 4).expect_err("not in order");
    assert_eq!(error, IndexError::NotIncreasing { position: 1, index: 1, previous: 3 });
}
