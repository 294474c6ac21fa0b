//! replace_rows: every device against the definition, both gradients against differences.

use super::gather_rows::cases;
use wgrad_engine::ops::{self, Rows};
use wgrad_engine::params::replace_rows::Params;
use wgrad_engine::reference::replace_rows as twin;
use wgrad_engine::testing::{assert_close, central_difference, devices, dot, normal, normal64};
use wgrad_engine::{Device, Tensor};

#[test]
fn devices_match_the_definition() {
    for device in devices() {
        for (count, channels, rows) in cases() {
            let context = format!("{device:?} {} of [{count}, {channels}]", rows.len());
            let (x, values) = (normal(count * channels, 1), normal(rows.len() * channels, 2));
            let dy = normal(count * channels, 3);
            let leaf = Tensor::f32(&device, [1, count, channels], &x).tracked();
            let other = Tensor::f32(&device, [rows.len(), channels], &values).tracked();
            let index = Rows::new(&device, &rows, count).expect("rows are in order");
            let y = ops::replace_rows(&leaf, &index, &other);
            let (mut expected, mut expected_dx, mut expected_dvalues) = (x, dy.clone(), vec![]);
            for (slot, &row) in rows.iter().enumerate() {
                let range = row as usize * channels..(row as usize + 1) * channels;
                expected[range.clone()].copy_from_slice(&values[slot * channels..][..channels]);
                expected_dx[range.clone()].fill(0.0);
                expected_dvalues.extend_from_slice(&dy[range]);
            }
            assert_eq!(y.to_f32(), expected, "{context}");
            let gradients = y.backward_with(&Tensor::f32(&device, [1, count, channels], &dy));
            let gradient = |leaf| gradients.get(leaf).expect("both parents are tracked").to_f32();
            assert_eq!(gradient(&leaf), expected_dx, "{context}");
            assert_eq!(gradient(&other), expected_dvalues, "{context}");
        }
    }
}

#[test]
fn backward_matches_differences() {
    let (x, values, dy) = (normal64(8, 1), normal64(4, 2), normal64(8, 3));
    let (rows, slots) = ([1, 2], [u32::MAX, 0, 1, u32::MAX]);
    let params = Params { rows_in: 4, rows_replaced: 2, channels: 2 };
    let loss = |x: &[f64], values: &[f64]| {
        let mut y = vec![0.0; 8];
        twin::forward(&params, (x, values, &slots), &mut y);
        dot(&y, &dy)
    };
    let (mut dx, mut dvalues) = (vec![1.0; 8], vec![1.0; 4]);
    twin::backward_x(&params, (&slots, &dy), &mut dx);
    twin::backward_values(&params, (&dy, &rows), &mut dvalues);
    let numeric = central_difference(|x| loss(x, &values), &x);
    assert_close(&dx, &numeric, 1e-7, "dx");
    let numeric = central_difference(|values| loss(&x, values), &values);
    assert_close(&dvalues, &numeric, 1e-7, "dvalues");
}

#[test]
#[should_panic(expected = "replace_rows: values is [1, 3], expected [2, 3]")]
fn other_values_are_refused() {
    let device = Device::cpu();
    let rows = Rows::new(&device, &[0, 1], 4).expect("rows are in order");
    let zeros = |axes: [usize; 2]| Tensor::f32(&device, axes, &vec![0.0; axes[0] * axes[1]]);
    ops::replace_rows(&zeros([4, 3]), &rows, &zeros([1, 3]));
}
