// attention_rows — what the kernels that go over whole rows of scores share: visibility, dropout, softmax and its gradient.
//
// Needs shared/row_share.wgsl, shared/short_rows.wgsl and shared/philox.wgsl, and of the shader that uses it `params`, `lengths`, `bits`, `key`,
// `weights`, `lse`, `ds` and `first_distance`. All loops of a row that write give a lane the same columns, four by four.

const HIDDEN: f32 = -1e30;

fn is_visible(own: Row, j: u32) -> bool {
    if params.has_lengths != 0u && j >= lengths[own.item] {
        return false;
    }
    if params.causal != 0u && j + first_distance(own) > params.keys {
        return false;
    }
    if params.has_bits != 0u {
        let start = (own.item * params.queries + own.i) * ((params.keys + 31u) / 32u);
        return ((bits[start + j / 32u] >> (j % 32u)) & 1u) == 1u;
    }
    return true;
}

// z of the row at the columns j .. j + 3 is not 0.
fn is_kept(own: Row, j: u32) -> vec4<bool> {
    if params.threshold == 0u {
        return vec4<bool>(true);
    }
    let row = own.item * params.queries + own.i + params.first_row;
    let words = philox(vec4u(j / 4u, row, params.site, own.head), vec2u(key[0], key[1]));
    return words >= vec4u(params.threshold);
}

// s becomes z·p in the row that begins at `start`, and L is kept; `most` is the greatest s of the lane's columns.
fn softmax_row(own: Row, start: u32, lane: u32, most: f32) {
    let peak = max_row(lane, most);
    var sum = 0.0;
    for (var j = 4u * (lane % ROW_LANES); j < own.keys; j += 4u * ROW_LANES) {
        for (var c = j; c < min(j + 4u, own.keys); c++) {
            let s = weights[start + c];
            sum += select(0.0, exp(s - peak), s > 0.5 * HIDDEN);
        }
    }
    let total = sum_row(lane, sum);
    for (var j = 4u * (lane % ROW_LANES); j < own.keys; j += 4u * ROW_LANES) {
        let kept = is_kept(own, j);
        for (var c = 0u; c < min(4u, own.keys - j); c++) {
            let s = weights[start + j + c];
            let p = exp(s - peak) / max(total, 1e-30);
            weights[start + j + c] = select(0.0, params.keep_scale * p, s > 0.5 * HIDDEN && kept[c]);
        }
    }
    if lane % ROW_LANES == 0u && own.keys > 0u {
        lse[note_of(own)] = select(1e30, peak + log(max(total, 1e-30)), total > 0.0);
    }
}

// The share of one column in Δ = Σ z·p·⟨dy, v⟩, which it leaves in ds; in weights it leaves p, negative where dropped, so
// that the loop after it need not draw again.
fn share_of_delta(at: u32, s: f32, log_sum: f32, kept: bool) -> f32 {
    let p = select(0.0, exp(s - log_sum), s > 0.5 * HIDDEN);
    weights[at] = select(-p, p, kept);
    let share = select(0.0, params.keep_scale * p * ds[at], kept);
    ds[at] = share;
    return share;
}
