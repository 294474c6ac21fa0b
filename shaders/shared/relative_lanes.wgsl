// relative_lanes — what the eight lanes of an emulated GPU read of their queries in relative attention.
//
// The products with distances come from memory: those of the dispatch's heads, items and queries with its distances.
// Beside attention_lanes.wgsl and relative_notes.wgsl, for a shader that declares `params` and `distant`.

// Where a tile's heads and items are.
struct Place {
    item: u32,
    head: u32,
    pair: u32,  // number of the head's item in the dispatch
    i0: u32,    // the tile's query 0
}

fn place_of(group: vec3u) -> Place {
    let pair = group.y * params.some_items + group.z;
    let i0 = params.first_query + group.x * SUBGROUP * 2u * OWN;
    return Place(params.first_item + group.z, params.first_head + group.y, pair, i0);
}

// Four queries of a lane; the last one of the item again for what lies past it.
fn queries_from(i0: u32) -> vec4u {
    return min(vec4u(i0, i0 + 1u, i0 + 2u, i0 + 3u), vec4u(params.queries - 1u));
}

fn are_queries(i0: u32) -> vec4<bool> {
    return vec4u(i0, i0 + 1u, i0 + 2u, i0 + 3u) < vec4u(params.queries);
}

// Where channel 0 of four queries lies.
fn starts_of(item: u32, head: u32, i: vec4u) -> vec4u {
    return ((vec4u(item * params.queries) + i) * params.heads + vec4u(head)) * params.width;
}

// e of four queries.
fn slopes_of(item: u32, head: u32, i: vec4u) -> vec4f {
    let at = vec4u(slopes_start() + head) + (vec4u(item * params.queries) + i) * params.heads;
    return vec4f(notes[at.x], notes[at.y], notes[at.z], notes[at.w]);
}

// How many columns any of the 64 queries from i0 sees.
fn columns_of_any(item: u32, i0: u32) -> u32 {
    var columns = 0u;
    for (var i = i0; i < min(i0 + OTHERS, params.queries); i++) {
        columns = max(columns, columns_of(item, i));
    }
    return columns;
}

// Bits of one kind for the 64 columns from j0.
fn bits_of(kind: u32, item: u32, i: vec4u, valid: vec4<bool>, j0: u32) -> Bits {
    let words = (params.keys + 31u) / 32u;
    var bits = Bits();
    for (var r = 0u; r < OWN; r++) {
        let at = bits_start() + 4u * ((item * params.queries + i[r]) * words + j0 / 32u) + kind;
        if valid[r] {
            bits.low[r] = u32(notes[at]) | (u32(notes[at + 1u]) << 16u);
            if j0 / 32u + 1u < words {
                bits.high[r] = u32(notes[at + 4u]) | (u32(notes[at + 5u]) << 16u);
            }
        }
    }
    return bits;
}

// Which of the 64 columns from j0 dropout keeps.
fn kept_of(item: u32, head: u32, i: vec4u, j0: u32) -> Bits {
    if params.threshold == 0u {
        return Bits(vec4u(0xFFFFFFFFu), vec4u(0xFFFFFFFFu));
    }
    var kept = Bits();
    for (var r = 0u; r < OWN; r++) {
        for (var quad = 0u; quad < OTHERS / 4u; quad++) {
            let word = dropout_words(item, head, i[r], j0 / 4u + quad);
            let keep = select(vec4u(0u), vec4u(1u, 2u, 4u, 8u), word >= vec4u(params.threshold));
            let nibble = (keep.x | keep.y | keep.z | keep.w) << (quad % 8u * 4u);
            kept.low[r] |= select(0u, nibble, quad < 8u);
            kept.high[r] |= select(nibble, 0u, quad < 8u);
        }
    }
    return kept;
}

// Where channel 0 of this lane's share of the 64 keys from j0 lies; past the end, that of the last.
fn starts_of_keys(item: u32, head: u32, j0: u32, lane: u32) -> array<u32, 8> {
    var start: array<u32, 8>;
    for (var g = 0u; g < 8u; g++) {
        let j = min(j0 + 8u * g + lane, params.keys - 1u);
        start[g] = ((item * params.keys + j) * params.heads + head) * params.width;
    }
    return start;
}

// Where the products with the distances of column 0 begin in `distant`, and how many there are from there on.
struct Distant {
    start: vec4u,
    count: vec4u,
}

fn distant_of(place: Place, i: vec4u) -> Distant {
    let query = vec4u(5u + 2u * place.item * params.queries) + 2u * i;
    let distance = vec4u(vec4f(notes[query.x], notes[query.y], notes[query.z], notes[query.w]));
    let first = distance - vec4u(params.first_distance);
    let row = vec4u(place.pair * params.some_queries) + i - vec4u(params.first_query);
    return Distant(row * params.some_distances + first, vec4u(params.some_distances) - first);
}

// Adds products with distances and e·g to eight scores from column j0 + first.
fn add_eight_distant(s: ptr<function, array<vec4f, 64>>, first: u32, j0: u32, by_distance: Distant, slope: vec4f, other: Bits) {
    for (var j = first; j < first + 8u; j++) {
        let at = by_distance.start + min(vec4u(j0 + j), by_distance.count - vec4u(1u));
        let distance = vec4f(distant[at.x], distant[at.y], distant[at.z], distant[at.w]);
        s[j] += distance + select(vec4f(0.0), slope, bit(other, j));
    }
}

fn add_distant(s: ptr<function, array<vec4f, 64>>, j0: u32, by_distance: Distant, slope: vec4f, other: Bits) {
    add_eight_distant(s, 0u, j0, by_distance, slope, other);
    add_eight_distant(s, 8u, j0, by_distance, slope, other);
    add_eight_distant(s, 16u, j0, by_distance, slope, other);
    add_eight_distant(s, 24u, j0, by_distance, slope, other);
    add_eight_distant(s, 32u, j0, by_distance, slope, other);
    add_eight_distant(s, 40u, j0, by_distance, slope, other);
    add_eight_distant(s, 48u, j0, by_distance, slope, other);
    add_eight_distant(s, 56u, j0, by_distance, slope, other);
}
