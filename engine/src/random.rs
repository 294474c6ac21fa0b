//! Counter-based random numbers: a pure function of key and counter, the same on every device.
//!
//! Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", §3). The twin of
//! `shaders/shared/philox.wgsl`: dropout is recomputed from its counters in backward and never stored.

use crate::tensor::Tensor;

/// Four random words for `counter` under `key`.
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let low = u64::from(counter[0]) * 0xD251_1F53;
        let high = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (high >> 32) as u32 ^ counter[1] ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ counter[3] ^ key[1],
            low as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// The integer below which a random word means "dropped": `probability · 2³²`.
///
/// # Panics
/// If `probability` is not in [0, 1).
#[track_caller]
pub fn dropout_threshold(probability: f32) -> u32 {
    assert!(
        (0.0..1.0).contains(&probability),
        "dropout: probability is {probability}, not in [0, 1)"
    );
    (f64::from(probability) * 4_294_967_296.0) as u32
}

/// A place where dropout happens. What changes per step is data: the key lies in a buffer.
///
/// An element is dropped by Philox at the counter (column / 4, row + `first_row`, site, z), word column % 4: a function
/// of (seed, step, site, global row) alone, so that backward recomputes it and no chunking changes it.
#[derive(Clone, Debug)]
pub struct Dropout {
    /// Probability of an element to be dropped, in [0, 1).
    pub probability: f32,
    /// Two words for this seed and step, rewritten each step: u32 `[2]`.
    pub key: Tensor,
    /// Which dropout of the model this is.
    pub site: u32,
    /// The global number of the first row.
    pub first_row: u32,
}

/// A place where classes are drawn at random. What changes per step is data: the key lies in a buffer.
///
/// Class v of a row draws by Philox at the counter (v / 4, row + `first_row`, site, 2³² − 1), word v % 4: apart from
/// every [`Dropout`], whose last word is the number of a head.
#[derive(Clone, Debug)]
pub struct Sampling {
    /// τ: logits are divided by it.
    pub temperature: f32,
    /// Two words for this seed and step, rewritten each step: u32 `[2]`.
    pub key: Tensor,
    /// Which draw of the model this is.
    pub site: u32,
    /// The global number of the first row.
    pub first_row: u32,
}

/// `count` draws from the standard normal distribution for `key`, by Box and Muller's transform of Philox words.
pub fn normal(count: usize, key: [u32; 2]) -> Vec<f32> {
    let pair = |high: u32, low: u32| {
        // u in (0, 1): the half-step keeps ln finite.
        let u = (f64::from(high) + 0.5) / 4_294_967_296.0;
        let angle = std::f64::consts::TAU * (f64::from(low) + 0.5) / 4_294_967_296.0;
        let radius = (-2.0 * u.ln()).sqrt();
        [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
    };
    let block = |at: usize| {
        let words = philox([at as u32, (at >> 32) as u32, 0, 0], key);
        let (first, second) = (pair(words[0], words[1]), pair(words[2], words[3]));
        [first[0], first[1], second[0], second[1]]
    };
    (0..count.div_ceil(4)).flat_map(block).take(count).collect()
}

/// A key for the thing called `name` under `seed`: FNV-1a, so that adding a parameter moves no other.
pub fn key_of(seed: u64, name: &str) -> [u32; 2] {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325 ^ seed, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    [hash as u32, (hash >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_words() {
        let zeros = [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8];
        let ones = [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd];
        assert_eq!(philox([0; 4], [0; 2]), zeros);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), ones);
    }

    #[test]
    fn normal_has_zero_mean_and_unit_variance() {
        let draws = normal(100_000, [1, 2]);
        let mean = draws.iter().sum::<f32>() / draws.len() as f32;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / draws.len() as f32;
        // Three standard errors: 3/√n and 3·√(2/n).
        assert!(mean.abs() < 0.0095, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.0135, "variance {variance}");
    }
}
