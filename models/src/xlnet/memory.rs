//! What a batch leaves for the one that goes on from it (Dai et al. 2019, §3.2; Yang et al. 2019, §2.4).

use wgrad_engine::device::Format;
use wgrad_engine::{Device, Tensor, no_grad, ops};

use super::Config;

/// The memory of rows that go on from nothing: zeros `[B, M, H]` for each layer, which are seen as all memory is.
pub fn empty(device: &Device, config: &Config, rows: usize, tokens: usize) -> Vec<Tensor> {
    let shape = [rows, tokens, config.d_model];
    let zeros = vec![0.0; rows * tokens * config.d_model];
    (0..config.n_layer).map(|_| Tensor::f32(device, shape, &zeros)).collect()
}

/// The memory of rows that go on after the first `reuse` tokens: of each layer the last M of what it remembered and of the
/// states `[B, T, H]` that it met there. No gradient flows back into it.
///
/// # Shapes
/// `memory[l]: [B, M, H]`, `contents[l]: [B, T, H]` → `[B, M, H]` for each layer.
///
/// # Panics
/// If there are not as many memories as states, or less than `reuse` tokens.
#[track_caller]
pub fn after(memory: &[Tensor], contents: &[Tensor], reuse: usize) -> Vec<Tensor> {
    assert_eq!(memory.len(), contents.len(), "memory: layers of memory, and of states");
    let of_layer = |(memory, states): (&Tensor, &Tensor)| {
        let &[_, m, _] = memory.shape().axes() else { panic!("memory: expected [B, M, H]") };
        let states = ops::cast(&states.detach(), Format::Word);
        let new = reuse.min(m);
        let read = piece(&states, reuse - new..reuse);
        if new == m {
            return read;
        }
        ops::concat(&[&piece(memory, new..m), &read], 1)
    };
    no_grad(|| memory.iter().zip(contents).map(of_layer).collect())
}

/// `x[:, range]` of `x: [B, T, H]`.
fn piece(x: &Tensor, range: std::ops::Range<usize>) -> Tensor {
    let t = x.shape().axes()[1];
    assert!(range.end <= t, "memory: {} of {t} tokens", range.end);
    let sizes = [range.start, range.len(), t - range.end];
    let kept: Vec<usize> = sizes.into_iter().filter(|&size| size > 0).collect();
    let at = usize::from(range.start > 0);
    ops::split(x, 1, &kept).swap_remove(at)
}
