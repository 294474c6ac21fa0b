//! The pool: reuse, views, and uploads that must not overtake what is recorded.

use wgrad_engine::testing::devices;
use wgrad_engine::{Tensor, ops::add};

#[test]
fn a_stable_loop_allocates_nothing_after_its_second_step() {
    for device in devices() {
        let x = Tensor::f32(&device, [1000], &[1.0; 1000]);
        let mut created = Vec::new();
        for _ in 0..5 {
            let y = add(&add(&x, &x), &x);
            assert_eq!(y.to_f32(), [3.0; 1000]);
            created.push(device.memory().created);
        }
        assert_eq!(created[1], created[4], "{device:?}: {created:?}");
    }
}

#[test]
fn an_upload_does_not_overtake_recorded_work() {
    for device in devices() {
        let mut x = Tensor::f32(&device, [64], &[1.0; 64]);
        let before = add(&x, &x);
        device.write_f32(x.buffer_mut(), &[10.0; 64]);
        let after = add(&x, &x);
        assert_eq!(before.to_f32(), [2.0; 64], "{device:?}");
        assert_eq!(after.to_f32(), [20.0; 64], "{device:?}");
    }
}

#[test]
fn a_view_is_a_range_of_its_buffer() {
    for device in devices() {
        let values: Vec<f32> = (0..200).map(|i| i as f32).collect();
        let arena = device.upload_f32(&values);
        let view = Tensor::new(&device, [50], arena.view(128, 50));
        let doubled: Vec<f32> = values[128..178].iter().map(|v| 2.0 * v).collect();
        assert_eq!(add(&view, &view).to_f32(), doubled, "{device:?}");
        assert_eq!(view.to_f32(), values[128..178], "{device:?}");
    }
}

#[test]
fn live_bytes_follow_the_handles() {
    for device in devices() {
        let before = device.memory().live;
        let x = device.buffer(1 << 16);
        assert_eq!(device.memory().live - before, 1 << 18);
        drop(x);
        assert_eq!(device.memory().live, before);
    }
}
