//! LAMB: AdamW's direction, scaled tensor by tensor to the length of the tensor.

use super::{AdamW, AdamWSettings, CHUNK};
use crate::device::{Buffer, Device, Launch};
use crate::kernels::lamb::{Apply, Moments, Params, Trust};
use crate::weights::Layout;

/// Which words of an arena belong to which tensor, as the kernels read it.
pub(super) struct Tensors {
    /// u32 `[K, 4]`: first word, one past the last, tensor, 1 if it decays.
    chunks: Buffer,
    /// u32 `[S, 2]`: first chunk and number of chunks.
    spans: Buffer,
    chunk_count: usize,
    tensor_count: usize,
}

impl Tensors {
    /// The tensors of each arena as they lie in it, in chunks of one tensor.
    pub(super) fn of(device: &Device, layout: &Layout) -> Vec<Self> {
        let arena = |arena: usize| {
            let (mut chunks, mut spans): (Vec<[u32; 4]>, Vec<[u32; 2]>) = Default::default();
            let slots = layout.parameters.iter().filter(|slot| slot.arena == arena);
            let mut slots: Vec<_> = slots.collect();
            slots.sort_by_key(|slot| slot.offset);
            for slot in slots {
                let (first, tensor) = (chunks.len(), spans.len() as u32);
                for start in (0..slot.words).step_by(CHUNK) {
                    let end = slot.offset + slot.words.min(start + CHUNK);
                    let start = (slot.offset + start) as u32;
                    chunks.push([start, end as u32, tensor, slot.decays.into()]);
                }
                spans.push([first as u32, (chunks.len() - first) as u32]);
            }
            Self {
                chunks: device.upload_u32(chunks.as_flattened()),
                spans: device.upload_u32(spans.as_flattened()),
                chunk_count: chunks.len(),
                tensor_count: spans.len(),
            }
        };
        (0..layout.arenas.len()).map(arena).collect()
    }
}

impl AdamW {
    /// Moves the moments and the parameters, once the clip factor is known and the step is counted.
    pub(super) fn step_lamb(&mut self, values: &mut [Buffer], learning_rate: f32) {
        let AdamWSettings { beta1, beta2, epsilon, weight_decay, .. } = self.settings;
        let correction = |beta: f64| 1.0 - beta.powf(self.steps as f64);
        let device = &self.device;
        let rates = device.upload_f32(&[
            learning_rate,
            (1.0 / correction(beta1)) as f32,
            correction(beta2).sqrt() as f32,
        ]);
        let (rates, state) = (&rates, &self.clip);
        for (arena, (values, tensors)) in values.iter_mut().zip(&self.tensors).enumerate() {
            let &Tensors { ref chunks, ref spans, chunk_count, tensor_count } = tensors;
            if chunk_count == 0 {
                continue;
            }
            let params = Params {
                chunks: chunk_count as u32,
                tensors: tensor_count as u32,
                beta2: beta2 as f32,
                gain1: (1.0 - beta1) as f32,
                gain2: (1.0 - beta2) as f32,
                epsilon: epsilon as f32,
                decay: weight_decay as f32,
            };
            let words = self.layout.arenas[arena];
            let [first, second] = [&mut self.first[arena], &mut self.second[arena]];
            let mut partials = device.buffer(2 * chunk_count);
            let kernel = Moments {
                params,
                rates,
                state,
                chunks,
                gradient: &self.gradients[arena],
                values,
                first_moment: first,
                second_moment: second,
                partials: &mut partials,
            };
            device.run(kernel, Launch::rows(chunk_count).flops(20 * words).words(6 * words));
            let mut ratios = device.buffer(tensor_count);
            let kernel = Trust { params, partials: &partials, spans, ratios: &mut ratios };
            device.run(kernel, Launch::rows(tensor_count).words(2 * chunk_count));
            let kernel = Apply {
                params,
                rates,
                state,
                chunks,
                values,
                first_moment: first,
                second_moment: second,
                ratios: &ratios,
            };
            device.run(kernel, Launch::rows(chunk_count).flops(10 * words).words(4 * words));
        }
    }
}
