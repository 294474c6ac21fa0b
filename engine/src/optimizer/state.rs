//! What a checkpoint keeps of an optimizer.

use super::AdamW;

/// The moments of every arena and the step count: with the parameters, all that the next step depends on.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamWState {
    /// m, one vector an arena.
    pub first: Vec<Vec<f32>>,
    /// v, one vector an arena.
    pub second: Vec<Vec<f32>>,
    /// Steps taken.
    pub steps: u64,
    /// S, and the steps since it changed.
    pub scale: [f32; 2],
}

impl AdamW {
    /// Copies the state to the host, waiting for all that came before.
    pub fn state(&self) -> AdamWState {
        let read = |arenas: &[crate::device::Buffer]| {
            arenas.iter().map(|arena| self.device.read_f32(arena)).collect()
        };
        let scale = self.device.read_f32(&self.scale);
        AdamWState {
            first: read(&self.first),
            second: read(&self.second),
            steps: self.steps,
            scale: scale.try_into().expect("the scale has two words"),
        }
    }

    /// Continues from `state`: the next step is the one that would have followed.
    ///
    /// # Panics
    /// If it has other arenas; a reader of files checks that first.
    #[track_caller]
    pub fn restore(&mut self, state: &AdamWState) {
        for (arenas, saved) in [(&mut self.first, &state.first), (&mut self.second, &state.second)]
        {
            assert_eq!(arenas.len(), saved.len(), "AdamW: a state with other arenas");
            for (arena, saved) in arenas.iter_mut().zip(saved) {
                self.device.write_f32(arena, saved);
            }
        }
        self.device.write_f32(&mut self.scale, &state.scale);
        self.steps = state.steps;
    }
}
