// relative_walk — what the walks of relative attention's backward share: what they read, and weights from scores.
//
// For a shader that declares `params`, q, k, v, `table`, dy and `notes` as attention_relative_backward.wgsl does; beside
// relative_notes.wgsl and relative_tile.wgsl.

fn vec4_of(tensor: u32, at: u32) -> vec4f {
    switch tensor {
        case Q: { return vec4f(q[at]); }
        case K: { return vec4f(k[at]); }
        case V: { return vec4f(v[at]); }
        case R: { return table[at]; }
        default: { return vec4f(dy[at]); }
    }
}

fn bias_of(bias: u32, head: u32, c: u32) -> vec4f {
    if 4u * c >= params.width {
        return vec4f(0.0);
    }
    let at = biases_start() + (bias * params.heads + head) * params.width + 4u * c;
    return vec4f(notes[at], notes[at + 1u], notes[at + 2u], notes[at + 3u]);
}

// Of one query and four keys.
struct Four {
    weights: vec4f,  // z·p
    ds: vec4f,       // G
}

fn differentiate(place: Place, i: u32, j: i32, s: vec4f, dp: vec4f, seen: vec4<bool>, other: vec4<bool>) -> Four {
    let note = note_of(place.item, place.head, i);
    let slope = slope_of(place.item, place.head, i);
    let score = params.scale * (s + select(vec4f(0.0), vec4f(slope), other));
    let p = select(vec4f(0.0), exp(score - vec4f(notes[note])), seen);
    let z = dropout_scale(place.item, place.head, i, j);
    let delta = notes[note + params.batch * params.heads * params.queries];
    return Four(z * p, params.scale * p * (z * dp - vec4f(delta)));
}
