//! Twin of `shaders/attention_backward_fused.wgsl`: by definition the two walks of [`super::attention_backward`].

use super::{Real, attention_backward};
use crate::params::attention_backward_fused::{Constants, Params};

/// `dq`, `dk` and `dv` of every item and head.
pub fn backward<T: Real>(
    params: &Params,
    constants: &Constants,
    reads: (&[T], &[T], &[T], &[T], &[T]),
    (dq, dk, dv): (&mut [T], &mut [T], &mut [T]),
) {
    let constants = crate::params::attention_backward::Constants { chunks: constants.chunks };
    let params = bytemuck::cast(*params);
    attention_backward::backward_queries(&params, &constants, reads, dq);
    attention_backward::backward_keys(&params, &constants, reads, (dk, dv));
}
