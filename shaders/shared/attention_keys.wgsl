// attention_keys — what a tile of keys takes from its queries.
//
// For a shader of attention's backward by lanes: beside attention_tile.wgsl, attention_walk.wgsl and attention_notes.wgsl.

// Of keys j0 .. j0 + 63 and queries i0 .. i0 + 31, the lane's eight and four: p, negative where dropped. The sign says
// later what Philox said here.
fn signed_weights(place: Place, j0: u32, i0: u32) -> array<vec4f, 8> {
    var p = products(K, Q, place, j0, i0);
    let i = i0 + 4u * (place.lane % 8u);
    let lse = notes_of_four(note_of(place.item, place.head, 0u), i);
    for (var h = 0u; h < 2u; h++) {
        let j = j0 + 8u * (place.lane / 8u) + 4u * h;
        var signs: mat4x4f;  // [query][key]  0 where hidden
        for (var c = 0u; c < 4u; c++) {
            let kept = dropout_scale(place.item, place.head, i + c, j) > vec4f(0.0);
            let sign = select(vec4f(-1.0), vec4f(1.0), kept);
            signs[c] = select(vec4f(0.0), sign, visible(place.item, i + c, j));
        }
        signs = transpose(signs);
        for (var n = 0u; n < 4u; n++) {
            let weight = signs[n] * exp(p[4u * h + n] * params.scale - lse);
            p[4u * h + n] = select(vec4f(0.0), weight, signs[n] != vec4f(0.0));
        }
    }
    return p;
}

// What the queries add to the lane's rows of dv, with p as above.
fn add_to_dv(sums: ptr<function, array<vec4f, 16>>, p: array<vec4f, 8>, place: Place, i0: u32) {
    var weights = p;
    for (var r = 0u; r < 8u; r++) {
        weights[r] *= dropout_of(p[r]);
    }
    add_weighted(sums, weights, DY, place, i0);
}

// And to those of dk: ds = p ⊙ (z ⊙ ⟨dy, v⟩ − Δ), which stays in `own`.
fn add_to_dk(sums: ptr<function, array<vec4f, 16>>, p: array<vec4f, 8>, place: Place, j0: u32, i0: u32) {
    var ds = products(V, DY, place, j0, i0);
    let delta_start = note_of(place.item, place.head, 0u) + params.batch * params.heads * params.queries;
    let delta = notes_of_four(delta_start, i0 + 4u * (place.lane % 8u));
    for (var r = 0u; r < 8u; r++) {
        ds[r] = abs(p[r]) * (dropout_of(p[r]) * ds[r] - delta);
    }
    add_weighted(sums, ds, Q, place, i0);
}
