//! Whether a device's fragments make the attention that its lanes make.

use super::backward::Saved;
use super::inputs::Inputs;
use super::variant::Variant;
use crate::device::{Buffer, Device, Format, Fragments, Trial};
use crate::ops::cast;
use crate::ops::visibility::Visibility;
use crate::tensor::Tensor;

/// What is tried: items, tokens, heads and channels; ragged in each of them.
const SHAPE: [usize; 4] = [2, 70, 2, 44];
/// How far results may be apart, of the largest: twenty roundings to f16.
const APART: f32 = 0.01;

/// The fragments of `format` with which `device` makes y, dq, dk and dv as it makes them without.
pub(super) fn proven_fragments(device: &Device, format: Format) -> Option<Fragments> {
    let launch = |fragments: Fragments| {
        let side = fragments.side as usize;
        let fits = fragments.fit_attention(format);
        fits.then(|| {
            [Variant::Tiled, Variant::Cooperative(side)].map(|it| results(device, format, it))
        })
    };
    let judge = |results: Option<[[Buffer; 4]; 2]>| {
        results.is_some_and(|[expected, found]| {
            expected.iter().zip(&found).all(|(expected, found)| {
                are_close(&device.read_f32(expected), &device.read_f32(found))
            })
        })
    };
    device.fragments(Trial::Attention, format, launch, judge)
}

/// y, dq, dk and dv of some causal attention.
fn results(device: &Device, format: Format, variant: Variant) -> [Buffer; 4] {
    let tensor = |seed: usize| {
        let value = |at: usize| ((at * 37 + at / 11 * seed) % 13) as f32 / 4.0 - 1.5;
        let values: Vec<f32> = (0..SHAPE.iter().product()).map(value).collect();
        cast(&Tensor::f32(device, SHAPE, &values), format)
    };
    let [q, k, v, dy] = [3, 5, 7, 9].map(tensor);
    let inputs = Inputs::new([&q, &k, &v], &Visibility::all().and_causal(), None, variant);
    let (y, lse) = inputs.forward(device);
    let saved = Saved { inputs, y: y.clone(), lse };
    let notes = saved.notes(device, dy.buffer());
    let dq = saved.over_keys(device, dy.buffer(), &notes);
    let (dk, dv) = saved.over_queries(device, dy.buffer(), &notes);
    [y, dq, dk, dv]
}

fn are_close(expected: &[f32], found: &[f32]) -> bool {
    let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    // NaN is close to nothing.
    expected.iter().zip(found).all(|(x, y)| (x - y).abs() <= APART * largest)
}

#[cfg(test)]
mod tests {
    use super::{are_close, proven_fragments};
    use crate::device::Format;
    use crate::testing::devices;

    #[test]
    fn listed_fragments_make_attention() {
        for device in devices() {
            for format in [Format::Word, Format::Half] {
                let listed = device.listed_fragments(format);
                if let Some(listed) = listed.filter(|listed| listed.fit_attention(format)) {
                    let proven = proven_fragments(&device, format);
                    assert_eq!(proven, Some(listed), "{device:?} {format:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_not_close() {
        assert!(are_close(&[1.0, -2.0], &[1.001, -2.0]));
        assert!(!are_close(&[1.0, -2.0], &[1.1, -2.0]));
        assert!(!are_close(&[1.0, -2.0], &[f32::NAN, -2.0]));
    }
}
