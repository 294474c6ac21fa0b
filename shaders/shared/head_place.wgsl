// head_place — where the elements of some heads of some items lie, side by side and beside each other.
//
// The shader that uses it declares Params with tokens, heads, first_head, first_item, some_items, first_token and some_tokens.

const LANES: u32 = 256u;

// Of an element of the chunk.
struct Place {
    exists: bool,
    side_by_side: u32,  // where it lies in [C, E, U, D]
    beside: u32,        // where in [B, T, A, D]
    channel: u32,       // where in [A, D]
}

// A row has `width` elements.
fn place_of(group: vec3u, lane: u32, width: u32) -> Place {
    let matrix = params.some_tokens * width;
    let at = group.x * LANES + lane;
    let t = at / width;
    let head = params.first_head + group.y;
    let row = (params.first_item + group.z) * params.tokens + params.first_token + t;
    let channel = head * width + at - t * width;
    let beside = row * params.heads * width + channel;
    return Place(at < matrix, (group.y * params.some_items + group.z) * matrix + at, beside, channel);
}
