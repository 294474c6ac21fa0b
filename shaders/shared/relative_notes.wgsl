// relative_notes — what the kernels of relative attention read in `notes`: who sees whom, e·g, distances, what was dropped.
//
// For a shader that declares `params` and `notes` as attention_relative.wgsl does, and uses philox.wgsl. In `notes` stand
// the key of dropout as four halves · [B, T, 2] how many columns a row may see, and its distance at column 0 ·
// [B, T, ⌈S/32⌉, 4] bits as halves: the columns that it sees, and those of other segments · [B, T, A] e;
// for backward also [2, A, D] u and w · [B, A, T] L · [B, A, T] Δ. Integers are below 2²⁴, which f32 holds exactly.

const SEEN: u32 = 0u;   // kinds of bits
const OTHER: u32 = 2u;

const HIDDEN: f32 = -1e30;

// Where the bits, e and what is added for backward begin.
fn bits_start() -> u32 {
    return 4u + 2u * params.batch * params.queries;
}

fn slopes_start() -> u32 {
    return bits_start() + 4u * params.batch * params.queries * ((params.keys + 31u) / 32u);
}

fn biases_start() -> u32 {
    return slopes_start() + params.batch * params.queries * params.heads;
}

fn lse_start() -> u32 {
    return biases_start() + 2u * params.heads * params.width;
}

// Number of a query among all; the last one of the item for what lies past it.
fn query_of(item: u32, i: u32) -> u32 {
    return item * params.queries + min(i, params.queries - 1u);
}

// The row sees no column from here on.
fn columns_of(item: u32, i: u32) -> u32 {
    return u32(notes[4u + 2u * query_of(item, i)]);
}

// Q − t_i.
fn distance_of(item: u32, i: u32) -> i32 {
    return i32(notes[5u + 2u * query_of(item, i)]);
}

// e.
fn slope_of(item: u32, head: u32, i: u32) -> f32 {
    return notes[slopes_start() + query_of(item, i) * params.heads + head];
}

// Where L of a row lies; Δ lies B·A·T further.
fn note_of(item: u32, head: u32, i: u32) -> u32 {
    return lse_start() + (item * params.heads + head) * params.queries + min(i, params.queries - 1u);
}

// The bits of row i at the columns j .. j + 3, j a multiple of 4; false in rows and columns past the end.
fn bits_at(kind: u32, item: u32, i: u32, j: u32) -> vec4<bool> {
    if i >= params.queries || j >= params.keys {
        return vec4<bool>(false);
    }
    let word = query_of(item, i) * ((params.keys + 31u) / 32u) + j / 32u;
    let half = u32(notes[bits_start() + 4u * word + kind + j / 16u % 2u]);
    let digits = (vec4u(half) >> (vec4u(j % 16u) + vec4u(0u, 1u, 2u, 3u))) & vec4u(1u);
    return digits == vec4u(1u);
}

// One bit; false outside of the matrix.
fn bit_at(kind: u32, item: u32, i: u32, j: i32) -> bool {
    if i >= params.queries || j < 0 || j >= i32(params.keys) {
        return false;
    }
    let word = query_of(item, i) * ((params.keys + 31u) / 32u) + u32(j) / 32u;
    let half = u32(notes[bits_start() + 4u * word + kind + u32(j) / 16u % 2u]);
    return ((half >> (u32(j) % 16u)) & 1u) == 1u;
}

// Words of dropout for row i at the columns 4·quad .. 4·quad + 3.
fn dropout_words(item: u32, head: u32, i: u32, quad: u32) -> vec4u {
    let key = vec2u(u32(notes[0]), u32(notes[2])) | (vec2u(u32(notes[1]), u32(notes[3])) << vec2u(16u));
    return philox(vec4u(quad, item * params.queries + i + params.first_row, params.site, head), key);
}

// z of row i at the columns j .. j + 3, wherever they begin.
fn dropout_scale(item: u32, head: u32, i: u32, j: i32) -> vec4f {
    if params.threshold == 0u {
        return vec4f(1.0);
    }
    var word = dropout_words(item, head, i, u32(j >> 2u));
    let past = u32(j & 3);
    if past != 0u {
        let next = dropout_words(item, head, i, u32(j >> 2u) + 1u);
        let one = select(word, vec4u(word.yzw, next.x), past == 1u);
        let two = select(one, vec4u(word.zw, next.xy), past == 2u);
        word = select(two, vec4u(word.w, next.xyz), past == 3u);
    }
    return select(vec4f(0.0), vec4f(params.keep_scale), word >= vec4u(params.threshold));
}
