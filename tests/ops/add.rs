//! add: every device against the twin, forward and backward, and what accumulates in the graph.

use wgrad_engine::reference::add as twin;
use wgrad_engine::testing::{assert_close, devices, normal, wide};
use wgrad_engine::{Tensor, ops, params::add::Params};

/// One element, around a vec4, around a workgroup, many workgroups.
const LENGTHS: [usize; 7] = [1, 3, 4, 5, 1023, 1025, 70_001];

#[test]
fn devices_match_twin() {
    for device in devices() {
        for n in LENGTHS {
            let (a, b, dy) = (normal(n, 1), normal(n, 2), normal(n, 3));
            let mut expected = vec![0.0; n];
            let params = Params { quads: n.div_ceil(4) as u32 };
            twin::forward::<f64>(&params, (&wide(&a), &wide(&b)), &mut expected);

            let upload = |values: &[f32]| Tensor::f32(&device, [n], values);
            let (a, b) = (upload(&a).tracked(), upload(&b).tracked());
            let y = ops::add(&a, &b);
            let context = format!("{device:?} [{n}]");
            assert_close(&y.to_f32(), &expected, 1e-7, &context);
            let gradients = y.backward_with(&upload(&dy));
            for leaf in [&a, &b] {
                let gradient = gradients.get(leaf).expect("both parents are tracked").to_f32();
                assert_eq!(gradient, dy, "{context}");
            }
        }
    }
}
