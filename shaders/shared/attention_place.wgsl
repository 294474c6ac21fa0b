// attention_place — whose rows a workgroup of attention's tiles works on, plain or relative, and which channels of the results are its own.
//
// For a shader that declares CHUNKS = ⌈D/32⌉, and BLOCK, how many vec4s of a row of results are a workgroup's.

struct Place {
    item: u32,
    head: u32,
    first: u32,  // vec4 of the head's width at which the block of results begins
    lane: u32,
}

// Of a workgroup (.., head and block of channels, item).
fn place_of(group: vec3u, lane: u32) -> Place {
    let blocks = (8u * CHUNKS + BLOCK - 1u) / BLOCK;
    return Place(group.z, group.y / blocks, group.y % blocks * BLOCK, lane);
}
