//! sum_of_squares: the length of a gradient in several arenas, the clip factor, and what is not finite.

use wgrad_engine::device::{Buffer, Device, Launch};
use wgrad_engine::kernels::sum_of_squares::{Clip, Params, PartialSums};
use wgrad_engine::testing::{devices, normal, wide};

/// [‖g‖, clip, finite] of a gradient in `arenas`.
fn measure(device: &Device, arenas: &[Vec<f32>], max_norm: f32) -> [f32; 3] {
    let chunks = |arena: &Vec<f32>| arena.len().div_ceil(16_384);
    let total: usize = arenas.iter().map(chunks).sum();
    let mut partials: Buffer = device.buffer(total);
    let mut state = device.buffer(3);
    let mut scale = device.upload_f32(&[1.0, 0.0]);
    let params = |words: usize, first: usize| Params {
        words: words as u32,
        first_partial: first as u32,
        partials: total as u32,
        max_norm,
        growth_steps: 0,
    };
    let mut first = 0;
    for arena in arenas {
        let (params, gradient) = (params(arena.len(), first), device.upload_f32(arena));
        let kernel = PartialSums { params, gradient: &gradient, partials: &mut partials };
        device.run(kernel, Launch::rows(chunks(arena)));
        first += chunks(arena);
    }
    let kernel =
        Clip { params: params(0, 0), partials: &partials, state: &mut state, scale: &mut scale };
    device.run(kernel, Launch::rows(1));
    device.read_f32(&state).try_into().expect("the state has three words")
}

#[test]
fn devices_measure_and_clip() {
    let arenas = [normal(64, 1), normal(16_384, 2), normal(50_048, 3)];
    let exact = arenas.iter().flat_map(|arena| wide(arena)).map(|g| g * g).sum::<f64>().sqrt();
    for device in devices() {
        // Longer, shorter, and never clipped.
        for (max_norm, clip) in [(1.0, 1.0 / (exact + 1e-6)), (1e6, 1.0), (0.0, 1.0)] {
            let [norm, factor, finite] = measure(&device, &arenas, max_norm);
            let context = format!("{device:?}, c = {max_norm}");
            assert!((f64::from(norm) / exact - 1.0).abs() < 1e-6, "{context}: {norm}, not {exact}");
            assert!((f64::from(factor) / clip - 1.0).abs() < 1e-6, "{context}: {factor}");
            assert_eq!(finite, 1.0, "{context}");
            assert_eq!(measure(&device, &arenas, max_norm), [norm, factor, finite], "{context}");
        }
    }
}

#[test]
fn a_zero_gradient_is_finite_and_not_scaled() {
    for device in devices() {
        assert_eq!(measure(&device, &[vec![0.0; 64]], 1.0), [0.0, 1.0, 1.0], "{device:?}");
    }
}

#[test]
fn one_bad_element_is_seen() {
    for device in devices() {
        // 1e30 squared is past f32, and so is the length of anything that holds it.
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
            for place in [0, 16_383, 16_384, 20_031] {
                let mut gradient = normal(20_032, 1);
                gradient[place] = bad;
                let [_, clip, finite] = measure(&device, &[gradient], 1.0);
                assert_eq!([clip, finite], [1.0, 0.0], "{device:?}: {bad} at {place}");
            }
        }
    }
}
