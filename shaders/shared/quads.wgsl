// quads — a lane per four neighbouring elements, for kernels that treat every element alike.
//
// Buffers hold whole quads: what lies past the last element is computed and never read as data.

const LANES: u32 = 256u;

// The quad of this lane; workgroups are spread over x and y.
fn quad_index(group: vec3u, groups: vec3u, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * LANES + lane;
}

fn quads_of(elements: u32) -> u32 {
    return (elements + 3u) / 4u;
}
