//! `check_numerics`: it names the first kernel that writes a NaN or an infinity, and accuses none that does not.

use wgrad_engine::device::{Error, Options, Selector, adapters, catch};
use wgrad_engine::ops::{self, Visibility};
use wgrad_engine::testing::normal;
use wgrad_engine::{Device, Tensor};

/// Every device, with the check; memory is filled with NaNs before a kernel writes it on the CPU alone.
fn devices() -> Vec<Device> {
    let options = Options { checked: true, check_numerics: true, ..Options::default() };
    let open = |index| Device::open(&Selector::Index(index), options).expect("adapters open");
    let adapters = (0..adapters().len()).map(open);
    std::iter::once(Device::cpu_with(options)).chain(adapters).collect()
}

fn leaf(device: &Device, shape: &[usize], seed: u64) -> Tensor {
    Tensor::f32(device, shape, &normal(shape.iter().product(), seed)).tracked()
}

/// Forward and backward, with ones as the gradient of y.
fn both_ways(y: &Tensor) {
    let ones = vec![1.0; y.shape().elements()];
    y.backward_with(&Tensor::f32(y.device(), y.shape().axes(), &ones));
}

#[test]
fn the_first_infinity_is_named() {
    for device in devices() {
        let x = Tensor::f32(&device, [3], &[1.0, 3e38, 2.0]);
        let error = catch(|| ops::scale(&x, 10.0)).expect_err("3e39 is no f32");
        let Error::NotFinite { kernel, tensor, index, value } = &error else { panic!("{error}") };
        let found = (&kernel[..], &tensor[..], *index, &value[..]);
        assert_eq!(found, ("elementwise.scale", "y", 1, "inf"), "{device:?}");
    }
}

/// What several kernels write a part each of is not accused of the parts that are still to come.
#[test]
fn chunks_are_not_accused_of_what_is_still_to_come() {
    for device in devices() {
        // 64 MiB of logits are 384 rows.
        let (hidden, weight) = (leaf(&device, &[2, 256, 2], 1), leaf(&device, &[40_000, 2], 2));
        let visible = Tensor::u32(&device, [2, 256], &[1; 512]);
        both_ways(&ops::token_max_pool(&hidden, &weight, None, &visible).values);

        // 64 MiB of scores are 16 heads.
        let [q, k, v] = [1, 2, 3].map(|seed| leaf(&device, &[1, 1024, 17, 4], seed));
        let bias = leaf(&device, &[1, 1, 1024, 1024], 4);
        let all = Visibility::all();
        both_ways(&ops::attention_biased(&q, &k, &v, &bias, 0.5, &all, None));

        // Emulated GPUs take 64 queries at a time.
        let [q, k, v] = [1, 2, 3].map(|seed| leaf(&device, &[1, 130, 1, 4], seed));
        let table = leaf(&device, &[260, 1, 4], 4);
        let [content, distance] = [5, 6].map(|seed| leaf(&device, &[1, 4], seed));
        let distances = ops::Distances {
            table: &table,
            content_bias: &content,
            distance_bias: &distance,
            places: None,
        };
        both_ways(&ops::attention_relative(&q, &k, &v, &distances, None, &all, None));
    }
}
