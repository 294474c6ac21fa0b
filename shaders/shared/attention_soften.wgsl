// attention_soften — softmax of a tile of scores in the registers of eight lanes, continued from tile to tile.
//
// Beside attention_lanes.wgsl, for a shader that declares `params`, HIDDEN and Rows with `maximum` and `total`.

// Scales and hides eight scores; the larger of `peak` and what is left.
fn hide_eight(tile: ptr<function, array<vec4f, 64>>, first: u32, seen: Bits, peak: vec4f) -> vec4f {
    var larger = peak;
    for (var j = first; j < first + 8u; j++) {
        tile[j] = select(vec4f(HIDDEN), tile[j] * params.scale, bit(seen, j));
        larger = max(larger, tile[j]);
    }
    return larger;
}

// Makes z·p of eight scores; `sum` + Σ p.
fn weigh_eight(
    tile: ptr<function, array<vec4f, 64>>,
    first: u32,
    seen: Bits,
    kept: Bits,
    peak: vec4f,
    sum: vec4f,
) -> vec4f {
    var total = sum;
    for (var j = first; j < first + 8u; j++) {
        let p = select(vec4f(0.0), exp(tile[j] - peak), bit(seen, j));
        total += p;
        // A product: a select of the product would be made again for every channel of v.
        tile[j] = p * select(vec4f(0.0), vec4f(params.keep_scale), bit(kept, j));
    }
    return total;
}

// Scores become z·exp(s − maximum); what y must be multiplied by for the new maximum.
fn soften(
    tile: ptr<function, array<vec4f, 64>>,
    rows: ptr<function, Rows>,
    seen: Bits,
    kept: Bits,
) -> vec4f {
    var peak = hide_eight(tile, 0u, seen, (*rows).maximum);
    peak = hide_eight(tile, 8u, seen, peak);
    peak = hide_eight(tile, 16u, seen, peak);
    peak = hide_eight(tile, 24u, seen, peak);
    peak = hide_eight(tile, 32u, seen, peak);
    peak = hide_eight(tile, 40u, seen, peak);
    peak = hide_eight(tile, 48u, seen, peak);
    peak = hide_eight(tile, 56u, seen, peak);
    let rescale = exp((*rows).maximum - peak);
    var sum = weigh_eight(tile, 0u, seen, kept, peak, (*rows).total * rescale);
    sum = weigh_eight(tile, 8u, seen, kept, peak, sum);
    sum = weigh_eight(tile, 16u, seen, kept, peak, sum);
    sum = weigh_eight(tile, 24u, seen, kept, peak, sum);
    sum = weigh_eight(tile, 32u, seen, kept, peak, sum);
    sum = weigh_eight(tile, 40u, seen, kept, peak, sum);
    sum = weigh_eight(tile, 48u, seen, kept, peak, sum);
    (*rows).total = weigh_eight(tile, 56u, seen, kept, peak, sum);
    (*rows).maximum = peak;
    return rescale;
}
