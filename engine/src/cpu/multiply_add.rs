//! Fast f32 path of `shaders/multiply_add.wgsl`: an element to a vector lane, its chains in registers.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::params::multiply_add::Params;
use crate::reference::multiply_add::{CHAINS, STEPS};

/// Elements of a task: several vectors of any instruction set.
const ELEMENTS: usize = 256;

/// `y_i = Σ_c x_{i,c,N}`.
pub fn forward(params: &Params, x: &[f32], y: &mut [f32]) {
    let arch = Arch::new();
    let tasks = y.par_chunks_mut(ELEMENTS).zip(x.par_chunks(ELEMENTS));
    tasks.for_each(|(y, x)| arch.dispatch(Elements { params, x, y }));
}

/// Some elements.
struct Elements<'a> {
    params: &'a Params,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Elements<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let factor = simd.splat_f32s(self.params.factor);
        let shift = simd.splat_f32s(self.params.shift);
        let vectors = self.y.chunks_mut(S::F32_LANES).zip(self.x.chunks(S::F32_LANES));
        for (y, x) in vectors {
            let x = simd.partial_load_f32s(x);
            let mut chains: [_; CHAINS] =
                std::array::from_fn(|chain| simd.add_f32s(x, simd.splat_f32s(chain as f32)));
            for _ in 0..self.params.rounds as usize * STEPS {
                chains = chains.map(|value| simd.mul_add_e_f32s(value, factor, shift));
            }
            let sum = chains.into_iter().reduce(|sum, value| simd.add_f32s(sum, value));
            simd.partial_store_f32s(y, sum.expect("twelve chains"));
        }
    }
}
