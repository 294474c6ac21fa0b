//! What XLNet sees of a batch: its tokens, who sees whom in either stream, and how far everything lies apart.

use wgrad_engine::ops::{Ids, Visibility};
use wgrad_engine::{Device, Tensor};

use super::Config;
use super::config::Direction;
use crate::tokens::{InputError, Tokens};

/// Which way the text of a batch runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As it was written.
    #[default]
    Forward,
    /// From its end: a column to the left is what follows, and lies at a negative distance.
    Backward,
}

/// A batch as host arrays.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// B and T.
    pub shape: [usize; 2],
    /// Which way it runs.
    pub reading: Reading,
    /// `[B, T]`: the tokens as they are; nothing is masked in them.
    pub ids: &'a [u32],
    /// `[B, T]`: only whether two are equal counts. Without it segments play no part.
    pub segments: Option<&'a [u32]>,
    /// `[B, T, ⌈T/32⌉]`: bit j of row i says that token i is predicted from token j. The content stream sees itself too.
    pub visible: &'a [u32],
    /// `[B, P]`: the predicted tokens; `None` fills a row up, and sees nothing.
    pub places: Option<&'a [Option<u32>]>,
}

/// A batch on a device.
pub struct Inputs {
    /// B.
    pub rows: usize,
    /// T.
    pub tokens: usize,
    /// `[B·T]` rows of the word table.
    pub(super) ids: Ids,
    /// `[B, M, H]` for each layer, or none.
    pub(super) memory: Vec<Tensor>,
    /// Sinusoids `[T + S, H]`: row n is of distance S − n, or n − S where text runs backwards.
    pub(super) distances: Tensor,
    pub(super) content: View,
    pub(super) queries: Option<Queries>,
}

/// The predicted tokens.
pub(super) struct Queries {
    /// B and P.
    pub(super) shape: [usize; 2],
    pub(super) view: View,
}

/// Where the queries of one stream stand, and what they see.
pub(super) struct View {
    pub(super) visibility: Visibility,
    /// u32 `[B, P]`: which token each is, where not all are.
    pub(super) places: Option<Tensor>,
    /// u32 of the queries and of the keys `[B, S]`.
    pub(super) segments: Option<(Tensor, Tensor)>,
}

impl Inputs {
    /// Uploads a batch, with the states `[B, M, H]` of the tokens before it: one tensor a layer, or none.
    ///
    /// # Errors
    /// [`InputError`] for an id that the model has no row for.
    ///
    /// # Panics
    /// If a slice has another length than its shape, a place is no token, or the memory has another shape.
    #[track_caller]
    pub fn new(
        device: &Device,
        config: &Config,
        text: &Text<'_>,
        memory: Vec<Tensor>,
    ) -> Result<Self, InputError> {
        let Text { shape: [rows, tokens], reading, ids, segments, visible, places } = *text;
        assert_eq!(ids.len(), rows * tokens, "xlnet: ids of [{rows}, {tokens}]");
        let limit = config.vocab_size;
        if let Some(at) = ids.iter().position(|&id| id as usize >= limit) {
            let (what, key, row, token) = ("token id", "vocab_size", at / tokens, at % tokens);
            return Err(InputError::IdOutOfRange { what, id: ids[at], row, token, limit, key });
        }
        let remembered = memory.first().map_or(0, |memory| memory.shape().axes()[1]);
        assert!(memory.is_empty() || memory.len() == config.n_layer, "xlnet: memory of each layer");
        for memory in &memory {
            memory.expect_shape("xlnet: memory", &[rows, remembered, config.d_model]);
        }
        let columns = Columns { rows, tokens, remembered, visible };
        let of_keys = segments.map(|segments| columns.with_memory(device, segments));
        let segments_of = |shape: [usize; 2], at: &dyn Fn(usize) -> u32| {
            let values: Vec<u32> = (0..shape[0] * shape[1]).map(at).collect();
            of_keys.clone().map(|of_keys| (Tensor::u32(device, shape, &values), of_keys))
        };
        let segment = |token: usize| segments.map_or(0, |segments| segments[token]);

        let everywhere: Vec<Option<u32>> =
            (0..rows).flat_map(|_| (0..tokens as u32).map(Some)).collect();
        let content = View {
            visibility: columns.visibility(device, config, &everywhere, true),
            places: None,
            segments: segments_of([rows, tokens], &segment),
        };
        let queries = places.map(|places| {
            let shape = [rows, places.len() / rows];
            let tokens_of: Vec<u32> = places.iter().map(|place| place.unwrap_or(0)).collect();
            let at = |query: usize| segment(query / shape[1] * tokens + tokens_of[query] as usize);
            let view = View {
                visibility: columns.visibility(device, config, places, false),
                places: Some(Tensor::u32(device, shape, &tokens_of)),
                segments: segments_of(shape, &at),
            };
            Queries { shape, view }
        });
        let distances = sinusoids(device, config, reading, [tokens, remembered + tokens]);
        let ids = Ids::new(device, ids, limit).expect("every id was checked above");
        Ok(Self { rows, tokens, ids, memory, distances, content, queries })
    }
}

impl Inputs {
    /// The content stream of a batch whose tokens all see each other; segments are the token types, where they differ.
    pub fn of_tokens(config: &Config, tokens: &Tokens) -> Self {
        let Tokens { rows, tokens: t, ids, visibility, lengths, segments, .. } = tokens;
        let segments = segments.clone().map(|segments| (segments.clone(), segments));
        let visibility = match config.attn_type {
            Direction::Bi => visibility.clone(),
            Direction::Uni => visibility.clone().and_causal(),
        };
        Self {
            rows: *rows,
            tokens: *t,
            ids: ids.clone(),
            memory: Vec::new(),
            distances: sinusoids(lengths.device(), config, Reading::Forward, [*t, *t]),
            content: View { visibility, places: None, segments },
            queries: None,
        }
    }
}

/// Memory, then the tokens of each row.
struct Columns<'a> {
    rows: usize,
    tokens: usize,
    /// M.
    remembered: usize,
    visible: &'a [u32],
}

impl Columns<'_> {
    /// `[B, S]`: segment 0 for memory, then `segments`.
    fn with_memory(&self, device: &Device, segments: &[u32]) -> Tensor {
        assert_eq!(segments.len(), self.rows * self.tokens, "xlnet: segments of [B, T]");
        let of_row = |row: &[u32]| [&vec![0; self.remembered], row].concat();
        let all: Vec<u32> = segments.chunks_exact(self.tokens).flat_map(of_row).collect();
        Tensor::u32(device, [self.rows, self.remembered + self.tokens], &all)
    }

    /// What the tokens at `places` `[B, N]` see: all of memory, and what `visible` says.
    fn visibility(
        &self,
        device: &Device,
        config: &Config,
        places: &[Option<u32>],
        sees_itself: bool,
    ) -> Visibility {
        let Self { rows, tokens, remembered, visible } = *self;
        let (words, width) = (tokens.div_ceil(32), (remembered + tokens).div_ceil(32));
        assert_eq!(visible.len(), rows * tokens * words, "xlnet: visible bits of [B, T, ⌈T/32⌉]");
        let queries = places.len() / rows;
        assert_eq!(places.len(), rows * queries, "xlnet: places of [{rows}, P]");
        let mut bits = vec![0_u32; rows * queries * width];
        for (query, (row, place)) in bits.chunks_exact_mut(width).zip(places).enumerate() {
            let Some(place) = place.map(|place| place as usize) else { continue };
            assert!(place < tokens, "xlnet: place {place} of {tokens} tokens");
            let seen = &visible[(query / queries * tokens + place) * words..][..words];
            let sees = |j: usize| seen[j / 32] >> (j % 32) & 1 == 1 || (sees_itself && j == place);
            let columns =
                (0..remembered).chain((0..tokens).filter(|&j| sees(j)).map(|j| remembered + j));
            columns.for_each(|column| row[column / 32] |= 1 << (column % 32));
        }
        let shape = [rows, queries, remembered + tokens];
        let visibility = Visibility::all().and_bits(device, shape, &bits);
        match config.attn_type {
            Direction::Bi => visibility,
            Direction::Uni => visibility.and_causal(),
        }
    }
}

/// The sinusoids of all distances `[T + S, H]`: row n is sin(δ·ω) then cos(δ·ω) of δ = S − n, or of −δ where text runs
/// backwards, ω_k = 10000^(−2k/H) (Vaswani et al. 2017, §3.5, in halves as transformers has them).
fn sinusoids(
    device: &Device,
    config: &Config,
    reading: Reading,
    [tokens, keys]: [usize; 2],
) -> Tensor {
    let (width, clamp) = (config.d_model, f64::from(config.clamp_len));
    let omega = |k: usize| 10_000_f64.powf(-2.0 * k as f64 / width as f64);
    let omegas: Vec<f64> = (0..width / 2).map(omega).collect();
    let mut table = Vec::with_capacity((tokens + keys) * width);
    for row in 0..tokens + keys {
        let distance = match reading {
            Reading::Forward => keys as f64 - row as f64,
            Reading::Backward => row as f64 - keys as f64,
        };
        let distance = if clamp > 0.0 { distance.clamp(-clamp, clamp) } else { distance };
        table.extend(omegas.iter().map(|omega| (distance * omega).sin() as f32));
        table.extend(omegas.iter().map(|omega| (distance * omega).cos() as f32));
    }
    Tensor::f32(device, [tokens + keys, width], &table)
}
